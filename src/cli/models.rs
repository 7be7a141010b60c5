//! The model that is taken where none is named.

use std::path::{Path, PathBuf};

use super::{CliError, RUNS, say};
use crate::files;
use crate::model::Model;
use crate::train::{RunFolder, latest_model};

/// Where models lie that were not trained here.
const MODELS: &str = "models";

/// The best model of the newest run, or where no run has one, the first by name in `./models`; and its file. Which one it is,
/// is said.
pub fn find() -> Result<(PathBuf, Model), CliError> {
    if let Some(run) = latest_model(Path::new(RUNS)) {
        return of_run(&run);
    }
    let path = first_in(Path::new(MODELS)).ok_or_else(|| {
        CliError::Other(
            "there is no trained model in ./runs or ./models; train one first (genre-recognizer train), or name one with \
             --model"
                .into(),
        )
    })?;
    let model = Model::load(&path)?;
    say(&format!("model: {} ({}); none was trained here", files::shown(&path), model.card.genres.join(", ")));
    Ok((path, model))
}

fn of_run(run: &RunFolder) -> Result<(PathBuf, Model), CliError> {
    let model = Model::load(&run.best())?;
    let unfinished = if run.is_finished() { "" } else { ", of a run that is not finished" };
    let epochs = model.card.provenance.epochs;
    say(&format!("model: {} (epoch {epochs}{unfinished})", files::shown(&run.best())));
    Ok((run.best(), model))
}

/// The model that lies here without having been trained here.
pub fn included() -> Option<PathBuf> {
    first_in(Path::new(MODELS))
}

fn first_in(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).min()
}
