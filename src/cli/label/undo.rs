use std::path::PathBuf;

use clap::Args;

use super::{failed, stop_by_ctrl_c};
use crate::cli::progress::Progress;
use crate::cli::{CliError, End, counted, print, say};
use crate::files;
use crate::label::{self, Damage, Journal, Keeping, Undone};

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

Lines of the journal that are damaged are named; all others are undone.

Exit codes: 0 success; 1 an error, or files that were left alone; 2 a wrong command line; 130 stopped.";

impl Undo {
    pub fn run(&self) -> Result<End, CliError> {
        let stop = stop_by_ctrl_c("after this file")?;
        let keeping = Keeping { time: self.keep_mtime, part_hard_links: self.part_hard_links };
        let journal = Journal::open(&self.journal).map_err(failed)?;
        let total = journal.entries().len();
        let progress = Progress::new("undoing");
        let (mut restored, mut before, mut refused) = (0, 0, 0);
        let whole = label::undo(&journal, keeping, &stop, |entry, undone| {
            match undone {
                Undone::Restored => restored += 1,
                Undone::Before => before += 1,
                Undone::Refused(reason) => {
                    refused += 1;
                    progress.line(&format!("left alone: {}: {reason}", files::shown_text(&entry.path)));
                }
            }
            progress.at(restored + before + refused, total, "");
        })
        .map_err(failed)?;
        progress.finish();
        for Damage { line, reason } in journal.damaged() {
            say(&format!(
                "not undone: {}, line {line}: {reason}; the file that it was about stays as it is",
                files::shown(&self.journal)
            ));
        }
        let (restored, damaged) = (counted(restored, "file"), journal.damaged().len());
        let lost = match damaged {
            0 => String::new(),
            count => format!(", {} of the journal damaged", counted(count, "line")),
        };
        print(&format!("{restored} as before, {before} were so already, {refused} left alone{lost}\n"))?;
        Ok(match whole {
            false => End::Interrupted,
            true if refused + damaged > 0 => End::Incomplete,
            true => End::Success,
        })
    }
}
