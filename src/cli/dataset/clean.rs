use std::path::PathBuf;

use clap::Args;

use super::super::{CliError, End, counted, print};
use crate::dataset::Cache;
use crate::files;

/// Removes decoded songs from the cache; they are decoded again when they are needed.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Clean {
    /// Only songs in this folder, which may be gone; all, where it is not given
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// Folder of decoded songs [default: the system's folder for caches]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer dataset clean
  genre-recognizer dataset clean --dataset ~/Music";

impl Clean {
    pub fn run(&self) -> Result<End, CliError> {
        let folder = self.cache.clone().or_else(Cache::user_folder).ok_or_else(|| {
            CliError::Other("this system has no folder for caches; name it with --cache".to_string())
        })?;
        let cleaned = Cache::new(&folder).clean(self.dataset.as_deref()).map_err(|(path, error)| {
            CliError::Other(format!("{}: cannot be removed: {error}", files::shown(&path)))
        })?;
        print(&format!(
            "{} ({:.1} MB) removed from {}\n",
            counted(cleaned.entries, "decoded song"),
            cleaned.bytes as f64 / 1e6,
            files::shown(&folder)
        ))?;
        Ok(End::Success)
    }
}
