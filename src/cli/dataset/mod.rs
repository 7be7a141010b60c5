//! `dataset`: what there is to do with folders of songs.

mod download;
mod observer;

use clap::Subcommand;

use super::{CliError, End};

/// Downloads datasets of songs.
#[derive(Subcommand)]
pub enum Dataset {
    Download(Box<download::Download>),
}

impl Dataset {
    pub fn run(&self) -> Result<End, CliError> {
        match self {
            Self::Download(download) => download.run(),
        }
    }
}
