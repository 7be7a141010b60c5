//! `label`: a music library gets its genres.

mod apply;
mod audit;
mod flags;
mod labels;
mod learn;
mod merge;
mod page;
mod plan;
mod show;
mod undo;

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Subcommand;

use super::{CliError, End, counted, say};
use crate::files;
use crate::label::{LabelError, Standings};

pub use labels::LabelFlags;

/// Writes genres into the tags of a music library, after a plan that is looked through first, and takes them back.
#[derive(Subcommand)]
pub enum Label {
    Plan(plan::Plan),
    Show(show::Show),
    Apply(apply::Apply),
    Undo(undo::Undo),
    Audit(audit::Audit),
    Merge(merge::Merge),
    Learn(learn::Learn),
}

impl Label {
    pub fn run(&self) -> Result<End, CliError> {
        match self {
            Self::Plan(plan) => plan.run(),
            Self::Show(show) => show.run(),
            Self::Apply(apply) => apply.run(),
            Self::Undo(undo) => undo.run(),
            Self::Audit(audit) => audit.run(),
            Self::Merge(merge) => merge.run(),
            Self::Learn(learn) => learn.run(),
        }
    }
}

fn failed(error: LabelError) -> CliError {
    match error {
        LabelError::Recognize(error) => error.into(),
        error => CliError::Other(error.to_string()),
    }
}

/// Makes sure that nothing else is written over: what is in the way must begin like what is about to be written; and that
/// something can be written there at all. Whether something is in the way.
fn check_room(path: &Path, beginning: &str, flag: &str) -> Result<bool, CliError> {
    // Pipes and the like take whatever comes.
    if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Ok(false);
    }
    let mut found = Vec::new();
    let most = (MARK.len() + beginning.len()) as u64;
    match File::open(path).and_then(|file| file.take(most).read_to_end(&mut found)) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Ok(_) if found.strip_prefix(MARK).unwrap_or(&found).starts_with(beginning.as_bytes()) => {
            return Ok(true);
        }
        _ => {
            return Err(CliError::Other(format!(
                "{}: something else is here; name another file with {flag}",
                files::shown(path)
            )));
        }
    }
    // Nothing is there: what is written first shows whether anything can be.
    let tried = File::create_new(path).and_then(|_| fs::remove_file(path));
    tried.map_err(|error| {
        CliError::Other(format!(
            "{}: nothing can be written there ({error}); name another file with {flag}",
            files::shown(path)
        ))
    })?;
    Ok(false)
}

/// As [`check_room`], and a plan that is there, which somebody may have edited, is kept under its name with a `~`.
fn make_room(path: &Path, beginning: &str, flag: &str) -> Result<(), CliError> {
    if !check_room(path, beginning, flag)? || beginning != PLAN {
        return Ok(());
    }
    let mut kept = path.as_os_str().to_owned();
    kept.push("~");
    let kept = PathBuf::from(kept);
    fs::rename(path, &kept)
        .map_err(|error| CliError::Other(format!("{}: renaming failed: {error}", files::shown(path))))?;
    say(&format!("the plan that was here is now {}", files::shown(&kept)));
    Ok(())
}

/// What a plan has in store, as `label plan` and its page say and `label apply` counts it.
fn summary(standings: &Standings, skipped: usize) -> String {
    let &Standings { named, keeps, unsure, troubled } = standings;
    let mut text = format!("{} would get a genre", counted(named, "file"));
    for (count, what) in [
        (keeps, "keep the genre they have"),
        (unsure, "unsure"),
        (troubled, "cannot be labelled"),
        (skipped, "skipped"),
    ] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text
}

/// What plans and pages begin with.
const PLAN: &str = "{\"plan\":";
const PAGE: &str = "<!DOCTYPE html>";
/// What Windows' editors put before a text.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// A flag that Ctrl-C sets; the second time ends the program at once, which damages nothing.
fn stop_by_ctrl_c(what: &'static str) -> Result<Arc<AtomicBool>, CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        say(&format!("\nstopping {what}; run it again to go on"));
    })
    .map_err(|error| CliError::Other(format!("Ctrl-C cannot be caught: {error}")))?;
    Ok(stop)
}
