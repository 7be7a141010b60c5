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

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Subcommand;

use super::{CliError, End, say};
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
