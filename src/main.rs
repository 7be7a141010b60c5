use std::process::ExitCode;

fn main() -> ExitCode {
    genre_recognizer::cli::main()
}
