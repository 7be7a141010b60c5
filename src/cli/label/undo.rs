use std::path::PathBuf;

use clap::Args;

use super::{failed, stop_by_ctrl_c};
use crate::cli::progress::Progress;
use crate::cli::{CliError, End, counted, print};
use crate::files::printable;
use crate::label::{self, Keeping, Undone};

/// Puts back what tags said before `label apply`, by its journal.
///
/// Only where a file still holds the genre that was written; other changes since then stay. It can be run again.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Undo {
    /// A journal of `label apply`
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// Keep the files' times of change
    #[arg(long)]
    keep_mtime: bool,
    /// Write files with several names (hard links), too
    #[arg(long)]
    part_hard_links: bool,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer label undo genres.plan.journal

Exit codes: 0 success; 1 an error, or files that were left alone; 2 a wrong command line; 130 stopped.";

impl Undo {
    pub fn run(&self) -> Result<End, CliError> {
        let stop = stop_by_ctrl_c("after this file")?;
        let keeping = Keeping { time: self.keep_mtime, part_hard_links: self.part_hard_links };
        let progress = Progress::new("undoing");
        let (mut restored, mut before, mut refused) = (0, 0, 0);
        let whole = label::undo(&self.journal, keeping, &stop, |entry, undone| {
            match undone {
                Undone::Restored => restored += 1,
                Undone::Before => before += 1,
                Undone::Refused(reason) => {
                    refused += 1;
                    progress.line(&format!("left alone: {}: {reason}", printable(&entry.path)));
                }
            }
            progress.at(restored + before + refused, restored + before + refused, "");
        })
        .map_err(failed)?;
        progress.finish();
        let restored = counted(restored, "file");
        print(&format!("{restored} as before, {before} were so already, {refused} left alone\n"))?;
        Ok(match whole {
            false => End::Interrupted,
            true if refused > 0 => End::Incomplete,
            true => End::Success,
        })
    }
}
