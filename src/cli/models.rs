//! The model that is taken where none is named.

use std::path::{Path, PathBuf};

use super::{CliError, RUNS, say};
use crate::files;
use crate::model::Model;
use crate::train::{RunFolder, latest_model};

/// The best model of the newest run, or where no run has one, the one that comes with the program; and its file. Which one it
/// is, is said.
pub fn find() -> Result<(PathBuf, Model), CliError> {
    if let Some(run) = latest_model(Path::new(RUNS)) {
        return of_run(&run);
    }
    let path = PathBuf::from(Model::INCLUDED);
    let model = Model::load(&path)?;
    say(&format!("model: the included one ({}); none was trained here", model.card.genres.join(", ")));
    Ok((path, model))
}

fn of_run(run: &RunFolder) -> Result<(PathBuf, Model), CliError> {
    // What nobody named is not passed over in silence for an older one: other genres would come out.
    let model = Model::load(&run.best()).map_err(|error| {
        CliError::Other(format!("{error} (the model of the newest run; --model names another, or included)"))
    })?;
    let unfinished = if run.is_finished() { "" } else { ", of a run that is not finished" };
    let epochs = model.card.provenance.epochs;
    say(&format!("model: {} (epoch {epochs}{unfinished})", files::shown(&run.best())));
    Ok((run.best(), model))
}
