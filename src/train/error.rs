use std::path::PathBuf;

use super::Diagnosis;
use crate::dataset::DatasetError;
use crate::device::DeviceError;
use crate::files::{self, printable};
use crate::model::{FileError, ModelError};
use crate::recognize::RecognizeError;

/// Why training could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Recognize(#[from] RecognizeError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {action} failed: {source}", files::shown(path))]
    Io { path: PathBuf, action: &'static str, source: std::io::Error },
    #[error("{}: {reason}", files::shown(path))]
    Config { path: PathBuf, reason: String },
    #[error("{option} is {value}, but {wanted}")]
    Option { option: &'static str, value: String, wanted: String },
    #[error(
        "{}: a run's files are already here; go on with it by --resume, or name another folder with --run",
        files::shown(.0)
    )]
    Occupied(PathBuf),
    #[error(
        "{}: a training is under way here{}; wait for its end or stop it, or name another folder with --run",
        files::shown(folder),
        process.map_or_else(String::new, |id| format!(" (process {id})"))
    )]
    Busy { folder: PathBuf, process: Option<u32> },
    #[error("{}: there is no run to resume here; name its folder with --run", files::shown(.0))]
    NothingToResume(PathBuf),
    #[error(
        "{}: this run is finished, there is nothing to resume; use its model, {}, or start a new run with other settings",
        files::shown(run),
        files::shown(model)
    )]
    Complete { run: PathBuf, model: PathBuf },
    #[error(
        "{}: this checkpoint belongs to another {what}: it has {found}, now there is {now}; resume with what it was \
         made with, or start a new run with --run",
        files::shown(path)
    )]
    OtherCheckpoint { path: PathBuf, what: &'static str, found: String, now: String },
    #[error(
        "{}: a cross-validation with other settings is here: {difference}; go on with the settings that it was begun with, \
         or name another folder with --run",
        files::shown(folder)
    )]
    OtherFolds { folder: PathBuf, difference: String },
    #[error(
        "step {step}: the loss or its gradients are not finite (loss {loss}); training stops, and what was saved before \
         stays. The step was run again{}: {found}. The batch was made of: {}. Start again with a lower --learning-rate, \
         or set --clip 1{}",
        if *.moved { ", though with weights that have moved on since" } else { "" },
        printable(&songs.join(", ")),
        if *.mixed { ", or with --precision f32" } else { "" }
    )]
    NotFinite {
        step: u64,
        loss: f32,
        /// The batch's, each once.
        songs: Vec<String>,
        found: Diagnosis,
        /// Whether the weights were updated between the step and the look for what is not finite.
        moved: bool,
        /// Whether the precision was mixed.
        mixed: bool,
    },
    #[error(
        "step {step} is the last before a checkpoint, and {found}; training stops, and what was saved before stays. The \
         step's batch was made of: {}. Start again with a lower --learning-rate, or set --clip 1",
        printable(&songs.join(", "))
    )]
    Spoiled { step: u64, songs: Vec<String>, found: Diagnosis },
    #[error(
        "there is nothing to validate with: no genre has two songs (or songs of two artists), so that one could be kept \
         apart; add songs, or train on all of them with --validation 0"
    )]
    NoValidationSongs,
    #[error("there is nothing to train on: every song went to the validation split; lower --validation")]
    NoTrainingSongs,
}
