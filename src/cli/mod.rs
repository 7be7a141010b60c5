//! The command line: results on stdout, messages on stderr, exit codes for scripts.
// Here `///` is the text of `--help`.
#![allow(rustdoc::invalid_html_tags)]

mod cures;
mod dataset;
mod evaluate;
mod explain;
mod export;
mod flags;
mod import;
mod info;
mod label;
mod models;
mod predict;
mod progress;
mod ranks;
mod run_report;
mod silence;
mod songs;
mod train;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand, ValueEnum};

use crate::Error;
use crate::dataset::download::DownloadError;
use crate::device::{self, Device, DeviceChoice, Fallback};
use crate::paths::{quoted, shown};
use crate::train::TrainOptions;

/// Where training runs are kept.
const RUNS: &str = "runs";

/// Recognises the genre of songs with a network trained on folders of them.
#[derive(Parser)]
#[command(version, about, after_help = EXAMPLES, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer train                        train on ./dataset, or on synthesised music where there is none
  genre-recognizer train --dataset ~/Music      one folder of songs for each genre
  genre-recognizer predict song.mp3             with the model trained last
  genre-recognizer predict --timeline ~/Music/new
  genre-recognizer evaluate --folds 5           how well songs of artists that were not trained on are recognised
  genre-recognizer dataset check ~/Music        what is in the folders, and what cannot be used
  genre-recognizer dataset download --dry-run   songs of thirty genres, through yt-dlp
  genre-recognizer label plan ~/Music           what a library's tags would get; then label apply, label undo
  genre-recognizer export --format html         a web page that recognises songs with the model trained last
  genre-recognizer info --model model.safetensors
  genre-recognizer import musicnn-0.1.0-py3-none-any.whl
                                                a network that others have trained, to begin with

Exit codes: 0 success; 1 an error, or files that could not be recognised; 2 a wrong command line or setting;
130 stopped by Ctrl-C (training can be resumed); 141 the reader of the results has left (| head).";

// Described where they stand: a word here would hide the longer one there from `--help`.
#[derive(Subcommand)]
enum Command {
    Train(Box<train::Train>),
    Predict(predict::Predict),
    Evaluate(Box<evaluate::Evaluate>),
    #[command(subcommand)]
    Dataset(dataset::Dataset),
    #[command(subcommand)]
    Label(label::Label),
    Export(export::Export),
    Info(Box<info::Info>),
    Import(import::Import),
}

/// Where the network runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DeviceFlag {
    /// A hardware GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// A GPU, a software adapter too.
    Gpu,
    /// The CPU.
    Cpu,
}

impl From<DeviceFlag> for DeviceChoice {
    fn from(flag: DeviceFlag) -> Self {
        match flag {
            DeviceFlag::Auto => Self::Auto,
            DeviceFlag::Gpu => Self::Gpu,
            DeviceFlag::Cpu => Self::Cpu,
        }
    }
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
    Csv,
}

/// Why a command failed; [`cures::told`] has it in one line.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Library(Error),
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The command line is wrong, or a setting of it.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Other(String),
    /// Not an error of the command: the reader of its results has what it wanted.
    #[error("nobody reads the results any more")]
    ReaderLeft,
}

/// The exit code of a command whose reader has left: that of a process that SIGPIPE ended, as shells give it.
const READER_LEFT: u8 = 128 + 13;

impl CliError {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::ReaderLeft => READER_LEFT,
            _ => 1,
        }
    }
}

impl<E: Into<Error>> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::Library(error.into())
    }
}

/// How a command ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Success,
    /// Some files could not be used.
    Incomplete,
    /// Ctrl-C.
    Interrupted,
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let result = match arguments.command {
        Command::Train(train) => train.run(),
        Command::Predict(predict) => predict.run(),
        Command::Evaluate(evaluate) => evaluate.run(),
        Command::Dataset(dataset) => dataset.run(),
        Command::Label(label) => label.run(),
        Command::Export(export) => export.run(),
        Command::Info(info) => info.run(),
        Command::Import(import) => import.run(),
    };
    match result {
        Ok(End::Success) => ExitCode::SUCCESS,
        Ok(End::Incomplete) => ExitCode::from(1),
        Ok(End::Interrupted) => ExitCode::from(130),
        Err(CliError::ReaderLeft) => ExitCode::from(READER_LEFT),
        Err(error) => {
            say(&format!("error: {}", cures::told(&error)));
            ExitCode::from(error.code())
        }
    }
}

/// Prints what is wrong with the command line, or the help that it asks for. A file whose name begins with a dash is taken
/// for a flag.
fn refuse(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    for name in std::env::args_os().skip(1).map(PathBuf::from) {
        if name.as_os_str().as_encoded_bytes().starts_with(b"-") && name.exists() {
            let (file, path) = (shown(&name), Path::new(".").join(&name));
            say(&format!("{file} is a file: write {}, or -- before it", quoted(&path)));
        }
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Opens the chosen device and says which it is.
fn open(flag: DeviceFlag) -> Result<Arc<dyn Device>, CliError> {
    open_nth(flag, 0)
}

/// As [`open`]; where several adapters are as good, the one with this number, counted round and round.
fn open_nth(flag: DeviceFlag, number: usize) -> Result<Arc<dyn Device>, CliError> {
    let (device, fallback) = device::open_nth_or_fall_back(flag.into(), number)?;
    if let Some(fallback) = fallback {
        let anyway = match fallback {
            Fallback::Software(_) => "; --device gpu takes it anyway",
            _ => "",
        };
        say(&format!("using the CPU: {fallback}{anyway}"));
    }
    Ok(device)
}

/// Opens the device that a training is to run on.
fn open_for(training: &TrainOptions, flag: DeviceFlag) -> Result<Arc<dyn Device>, CliError> {
    Ok(open(flag)?.at(training.precision)?)
}

/// Says where decoded songs could not be kept.
fn warn_of_trouble(cache: &crate::dataset::Cache) {
    if let Some(trouble) = cache.trouble() {
        say(&format!(
            "decoded songs cannot be kept ({trouble}); name another folder with --cache, or leave it with --no-cache"
        ));
    }
}

/// Writes a line to stderr. Whether anybody reads it is no reason to stop: Ctrl-C also ends the `tee` that a training
/// is piped into, before the training has saved.
fn say(line: &str) {
    use std::io::Write;
    silence::keep(line);
    if silence::is_silent() {
        return;
    }
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// `count` things, in the plural where it is due.
fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Writes results to stdout.
///
/// # Errors
/// [`CliError::ReaderLeft`] where nobody reads them any more (`| head`), so that no further work is done for nobody.
fn print(text: &str) -> Result<(), CliError> {
    use std::io::Write;
    if silence::is_silent() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => CliError::ReaderLeft,
        _ => CliError::Other(format!("writing results failed: {error}")),
    })
}
