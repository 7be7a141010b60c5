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

use super::{CliError, End, say};
use crate::files;
use crate::label::LabelError;

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

/// Makes sure that nothing else is written over: what is in the way must begin like what is about to be written. A plan, which
/// somebody may have edited, is kept under its name with a `~`.
fn make_room(path: &Path, beginning: &str, flag: &str) -> Result<(), CliError> {
    // Pipes and the like take whatever comes.
    if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Ok(());
    }
    let mut found = vec![0; beginning.len()];
    match File::open(path).and_then(|mut file| file.read_exact(&mut found)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Ok(()) if found == beginning.as_bytes() => {}
        _ => {
            return Err(CliError::Other(format!(
                "{}: something else is here; name another file with {flag}",
                files::shown(path)
            )));
        }
    }
    if beginning != PLAN {
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

/// What plans and pages begin with.
const PLAN: &str = "{\"plan\":";
const PAGE: &str = "<!DOCTYPE html>";

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
