//! Work on datasets.

mod check;
mod clean;

use clap::{Args, Subcommand};

use super::{CliError, End};

/// Looks after folders of songs.
#[derive(Args)]
pub struct Dataset {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Check),
    Clean(clean::Clean),
}

impl Dataset {
    pub fn run(&self) -> Result<End, CliError> {
        match &self.command {
            Command::Check(check) => check.run(),
            Command::Clean(clean) => clean.run(),
        }
    }
}
