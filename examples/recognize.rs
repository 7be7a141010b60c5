//! Names the genres of songs: `cargo run --release --example recognize -- MODEL SONG...`

use genre_recognizer::{Error, Recognizer};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(model) = arguments.next() else {
        println!("usage: recognize MODEL SONG...");
        return Ok(());
    };
    let mut recognizer = Recognizer::open(model)?;
    println!("{} on {}", recognizer.genres().join(", "), recognizer.device().describe());
    for song in arguments {
        let verdict = recognizer.recognize(&song)?;
        let guesses: Vec<String> = verdict
            .guesses
            .iter()
            .map(|guess| format!("{} {:.1} %", guess.genre, 100.0 * guess.probability))
            .collect();
        let genre = verdict.genre().unwrap_or("unsure");
        println!("{}: {genre} ({})", song.display(), guesses.join(", "));
        for moment in &verdict.timeline {
            println!("{:8.1} s  {} {:.1} %", moment.start, moment.genre, 100.0 * moment.probability);
        }
    }
    Ok(())
}
