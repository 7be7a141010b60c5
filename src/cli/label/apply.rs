use std::path::PathBuf;

use clap::Args;

use super::{failed, stop_by_ctrl_c};
use crate::cli::progress::Progress;
use crate::cli::{CliError, End, counted, print, quoted};
use crate::files::shown_text;
use crate::label::{self, Keeping, Mode, Outcome, Plan};

/// Writes the genres of a plan into the files' tags.
///
/// A file is never changed in place: a copy gets the genre, is read again and compared (every other field, pictures,
/// chapters and the encoded audio must be equal), and only then takes the file's place. Before that, the journal notes what
/// was there, and `label undo` puts it back. It can be stopped or killed at any time: run it again to go on.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Apply {
    /// A plan
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The journal [default: the plan's name with .journal]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// In the place of genres that files have
    #[arg(long, conflicts_with = "add")]
    replace: bool,
    /// Behind the genres that files have
    #[arg(long)]
    add: bool,
    /// Keep the files' times of change; other programs may then not notice
    #[arg(long)]
    keep_mtime: bool,
    /// Write files with several names (hard links), too: the name in the library then leads to a file of its own
    #[arg(long)]
    part_hard_links: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pretend: bool,
    /// Name only files that could not be written
    #[arg(long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer label apply genres.plan --pretend
  genre-recognizer label apply genres.plan
  genre-recognizer label apply genres.plan --replace --keep-mtime
  genre-recognizer label undo genres.plan.journal

Without --replace and --add, files that have a genre keep it. Files that were changed since the plan, are read-only, lead
out of the library or hold something that is not understood are named and left alone.

Exit codes: 0 success; 1 an error, or files that cannot be labelled or were left alone; 2 a wrong command line; 130 stopped.";

impl Apply {
    pub fn run(&self) -> Result<End, CliError> {
        let plan = Plan::open(&self.plan).map_err(failed)?;
        let journal = self.journal.clone().unwrap_or_else(|| {
            let mut name = self.plan.clone().into_os_string();
            name.push(".journal");
            name.into()
        });
        let mode = match (self.replace, self.add) {
            (true, _) => Mode::Replace,
            (_, true) => Mode::Add,
            _ => Mode::OnlyIfEmpty,
        };
        let keeping = Keeping { time: self.keep_mtime, part_hard_links: self.part_hard_links };
        let options = label::Apply { mode, keeping, pretend: self.pretend };
        let stop = stop_by_ctrl_c("after this file")?;
        let progress = Progress::new("writing");
        let (mut done, mut trouble) = (0, Ok(()));
        let tally = label::apply(&plan, &journal, &options, &stop, |line, outcome| {
            done += 1;
            match outcome {
                Outcome::Written(genres) if !self.quiet => {
                    let text = format!("{}: {}\n", shown_text(&line.path), shown_text(&genres.join("; ")));
                    let printed = progress.suspend(|| print(&text));
                    if printed.is_err() && trouble.is_ok() {
                        trouble = printed;
                    }
                }
                Outcome::Troubled(reason) => {
                    progress.line(&format!("cannot be labelled: {}: {reason}", shown_text(&line.path)));
                }
                Outcome::Refused(reason) => {
                    progress.line(&format!("left alone: {}: {reason}", shown_text(&line.path)));
                }
                _ => {}
            }
            progress.at(done, plan.len, "");
        })
        .map_err(failed)?;
        progress.finish();
        // Files that were written stay so, whether anybody reads their names or not.
        trouble?;
        let verb = if self.pretend { "would be written" } else { "written" };
        let mut text = format!("{} {verb}", counted(tally.written, "file"));
        for (count, what) in [
            (tally.done, "written before"),
            (tally.has, "keep the genre they have"),
            (tally.same, "said so before"),
            (tally.unsure, "unsure"),
            (tally.troubled, "cannot be labelled"),
            (tally.refused, "left alone"),
        ] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        if tally.written > 0 && !self.pretend {
            text += &format!("\ntake it back: genre-recognizer label undo {}", quoted(&journal));
        }
        print(&(text + "\n"))?;
        Ok(match tally {
            tally if tally.stopped => End::Interrupted,
            tally if tally.refused + tally.troubled > 0 => End::Incomplete,
            _ => End::Success,
        })
    }
}
