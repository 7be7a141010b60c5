//! What goes into a training and what comes out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::checkpoint::Checkpoint;
use super::claim::Claim;
use super::evaluation::Evaluation;
use super::history::Epoch;
use super::options::RunConfig;
use super::profile::Profile;
use super::run::RunFolder;
use crate::dataset::{Library, Split};
use crate::device::Device;
use crate::files;
use crate::model::CrossValidation;
use crate::score::Decision;

/// What a training is made of.
pub struct Setup {
    pub config: RunConfig,
    pub library: Arc<Library>,
    pub split: Split,
    pub device: Arc<dyn Device>,
    pub run: RunFolder,
    /// The run's folder, where it was claimed before; else the training claims it.
    pub claim: Option<Claim>,
    /// Where to go on, for a resumed run.
    pub resume: Option<Checkpoint>,
    pub profile: bool,
    /// Besides after every epoch, a checkpoint is written when the last is older than this.
    pub checkpoint_every: Duration,
    /// What a model that is trained on all songs can say of itself: how networks of the same settings did in a
    /// cross-validation, and how they decide best.
    pub cited: Option<(CrossValidation, Decision)>,
}

/// What the observer of a training hears.
pub enum Event<'a> {
    /// The program is ready: steps an epoch, all steps, and the device memory in bytes.
    Ready { parameters: usize, steps_per_epoch: usize, memory: u64 },
    /// A step was begun: its number in the epoch from 1, the epoch from 0, and the mean loss and accuracy of the epoch's
    /// finished steps, once there are any.
    Step { epoch: usize, batch: usize, so_far: Option<(f64, f64)>, rate: f32, frames_per_second: f64 },
    /// In mixed precision: this step, counted from 1, changed no weights, because its gradients overflowed at this scale of
    /// the loss; the scale is halved.
    Skipped { step: u64, scale: f32 },
    /// Validation of an epoch begins.
    Validating,
    /// An epoch has ended; whether its model is the one that the run keeps, so far.
    Epoch { epoch: &'a Epoch, kept: bool },
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Finished,
    /// Asked to stop; the checkpoint is complete.
    Stopped,
}

/// What a training came to.
pub struct Outcome {
    pub ending: Ending,
    pub metrics: Option<Metrics>,
    pub profile: Option<Profile>,
    /// Of a training that was stopped: how well the kept model does, where it was validated in this session.
    pub validation: Option<Evaluation>,
    /// The file of the best model; there is none before the first epoch has ended.
    pub best: PathBuf,
}

/// A run's `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// None where no song was kept apart.
    pub validation: Option<Evaluation>,
    pub genres: Vec<String>,
    /// Epochs trained, and the epoch of the model.
    pub epochs: usize,
    pub best_epoch: usize,
    pub frames_per_second: f64,
    pub seconds: f64,
    /// Seconds that steps waited for their batches.
    pub seconds_waiting: f64,
    #[serde(serialize_with = "files::serialize_path")]
    pub model: PathBuf,
    pub device: String,
}
