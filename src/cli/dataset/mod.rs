//! `dataset`: what there is to do with folders of songs.

mod check;
mod clean;
mod download;
mod observer;

use clap::Subcommand;

use super::{CliError, End};

/// Downloads, checks and looks after folders of songs.
#[derive(Subcommand)]
pub enum Dataset {
    Check(check::Check),
    Clean(clean::Clean),
    Download(Box<download::Download>),
}

impl Dataset {
    pub fn run(&self) -> Result<End, CliError> {
        match self {
            Self::Check(check) => check.run(),
            Self::Clean(clean) => clean.run(),
            Self::Download(download) => download.run(),
        }
    }
}
