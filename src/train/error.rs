use std::path::PathBuf;

use super::Diagnosis;
use crate::audio::AudioSpec;
use crate::dataset::DatasetError;
use crate::device::DeviceError;
use crate::files::{self, printable};
use crate::model::{FileError, ModelError};
use crate::ranks::RanksError;
use crate::recognize::RecognizeError;

/// Why training could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The songs cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The network cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device cannot be opened, cannot hold the program, or fails.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The processes that train together cannot go on together.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// Validation songs cannot be recognised.
    #[error(transparent)]
    Recognize(#[from] RecognizeError),
    /// A model or checkpoint cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The songs were read for other settings of the network.
    #[error(
        "the songs were read as {found:?}, but the settings of the network ask for {wanted:?}; read them again"
    )]
    OtherAudio {
        /// What they were read as.
        found: AudioSpec,
        /// What the settings ask for.
        wanted: AudioSpec,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {action} failed: {source}", files::shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of settings is ill-formed.
    #[error("{}: {reason}", files::shown(path))]
    Config {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting is out of range.
    #[error("{setting} is {value}, but {wanted}")]
    Setting {
        /// The field's name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is possible.
        wanted: String,
    },
    /// A run's files are in the folder already.
    #[error(
        "{}: a run's files are already here; resume that run, or name another folder",
        files::shown(.0)
    )]
    Occupied(PathBuf),
    /// Another process, or this one, trains in the folder.
    #[error(
        "{}: a training is under way here{}; wait for its end or stop it, or name another folder",
        files::shown(folder),
        process.map_or_else(String::new, |id| format!(" (process {id})"))
    )]
    Busy {
        /// The run's folder.
        folder: PathBuf,
        /// The number of the process, where it is known.
        process: Option<u32>,
    },
    /// There is no checkpoint in the folder.
    #[error("{}: there is no run to resume here; name its folder", files::shown(.0))]
    NothingToResume(PathBuf),
    /// The run to resume is finished.
    #[error(
        "{}: this run is finished, there is nothing to resume; use its model, {}, or start a new run with other settings",
        files::shown(run),
        files::shown(model)
    )]
    Complete {
        /// The run's folder.
        run: PathBuf,
        /// The run's model.
        model: PathBuf,
    },
    /// The checkpoint is that of another training.
    #[error(
        "{}: this checkpoint belongs to another {what}: it has {found}, now there is {now}; resume with what it was \
         made with, or start a new run in another folder",
        files::shown(path)
    )]
    OtherCheckpoint {
        /// The file or folder.
        path: PathBuf,
        /// What differs: the dataset, the network or the training.
        what: &'static str,
        /// What the checkpoint has.
        found: String,
        /// What there is now.
        now: String,
    },
    /// The folder is that of a cross-validation with other settings.
    #[error(
        "{}: a cross-validation with other settings is here: {difference}; go on with the settings that it was begun with, \
         or name another folder",
        files::shown(folder)
    )]
    OtherFolds {
        /// The cross-validation's folder.
        folder: PathBuf,
        /// The first setting that differs, in words.
        difference: String,
    },
    /// The network cannot begin with the model that is its base.
    #[error(
        "{}: the training cannot begin with this model: {difference}; leave its preprocessing and architecture as they are, \
         name another (of a run that is resumed, where it is now), or train from nothing",
        files::shown(model)
    )]
    OtherBase {
        /// The base's file.
        model: PathBuf,
        /// What differs, in words.
        difference: String,
    },
    /// A model cannot teach.
    #[error("{}: this model cannot teach: {reason}", files::shown(model))]
    Teacher {
        /// The teacher's file.
        model: PathBuf,
        /// Why, and the cure.
        reason: String,
    },
    /// The loss or its gradients are not finite.
    #[error(
        "step {step}: the loss or its gradients are not finite (loss {loss}); training stops, and what was saved before \
         stays. The step was run again{}: {found}. The batch was made of: {}. Start again with a lower learning rate, \
         or with the gradients clipped at 1{}",
        if *.moved { ", though with weights that have moved on since" } else { "" },
        printable(&songs.join(", ")),
        if *.mixed { ", or in f32" } else { "" }
    )]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// Its loss.
        loss: f32,
        /// The batch's, each once.
        songs: Vec<String>,
        /// What running it again found.
        found: Diagnosis,
        /// Whether the weights were updated between the step and the look for what is not finite.
        moved: bool,
        /// Whether the precision was mixed.
        mixed: bool,
    },
    /// The weights or statistics are not finite.
    #[error(
        "step {step} is the last before a checkpoint, and {found}; training stops, and what was saved before stays. The \
         step's batch was made of: {}. Start again with a lower learning rate, or with the \
         gradients clipped at 1",
        printable(&songs.join(", "))
    )]
    Spoiled {
        /// The step, from 1.
        step: u64,
        /// The songs of its batch, each once.
        songs: Vec<String>,
        /// What is not finite.
        found: Diagnosis,
    },
    /// No song can be kept apart for validation.
    #[error(
        "there is nothing to validate with: no genre has two songs (or songs of two artists), so that one could be kept \
         apart; add songs, or train on all of them (a validation share of 0)"
    )]
    NoValidationSongs,
    /// No song is left to train on.
    #[error("there is nothing to train on: every song went to the validation split; lower its share")]
    NoTrainingSongs,
}
