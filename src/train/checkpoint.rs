use std::path::Path;

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::history::History;
use super::loss_scale::LossScale;
use super::options::RunConfig;
use super::run::RunFolder;
use crate::device::Precision;
use crate::model::{FileError, ModelConfig, Tensor, Weights, tensors};

const FORMAT: u32 = 1;
const KEY: &str = "genre-recognizer-checkpoint";

/// Where a training stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// Steps taken.
    pub step: u64,
    /// The epoch that is under way, from 0, and the next batch of it.
    pub epoch: usize,
    pub batch: usize,
    /// Of the epoch under way: the sum of the batches' losses, and frames recognised.
    pub loss: f64,
    pub right: u64,
    /// Of a network that is taught: the sum of the batches' mean squared errors of its embedding.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub error: f64,
    pub history: History,
    /// In mixed precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
}

impl TrainingProgress {
    /// Where a training of this precision begins.
    pub fn new(precision: Precision) -> Self {
        let loss_scale = (precision == Precision::Mixed).then(LossScale::default);
        Self { loss_scale, ..Self::default() }
    }
}

/// Everything that a training needs to go on as if it had not stopped. Random numbers are functions of seed and
/// position, so that there is no other state.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The settings that the run was begun with.
    pub config: RunConfig,
    /// A digest of the dataset: names, genres and lengths of the songs.
    pub dataset: String,
    /// Where the training stands.
    pub progress: TrainingProgress,
    /// The optimizer's state, [rows, P].
    pub state: Tensor,
    /// Running statistics by name.
    pub running: Weights,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    config: RunConfig,
    dataset: String,
    progress: TrainingProgress,
}

const STATE: &str = "optimizer.state";

impl Checkpoint {
    /// The checkpoint of a run that was stopped.
    ///
    /// # Errors
    /// [`TrainError::NothingToResume`] where the folder has none, [`TrainError::Complete`] where the run is finished,
    /// [`TrainError::File`] where it is unreadable, damaged or of another format.
    pub fn of_run(run: &RunFolder) -> Result<Self, TrainError> {
        if !run.checkpoint().exists() {
            return Err(TrainError::NothingToResume(run.0.clone()));
        }
        let checkpoint = Self::load(&run.checkpoint())?;
        if run.is_finished() {
            return Err(TrainError::Complete { model: run.best(), run: run.0.clone() });
        }
        Ok(checkpoint)
    }

    /// Writes the checkpoint atomically.
    ///
    /// # Errors
    /// [`TrainError::File`].
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let (header, all) = self.contents();
        Ok(tensors::write(path, (KEY, &header), &all)?)
    }

    /// What [`Checkpoint::save`] writes.
    ///
    /// # Errors
    /// [`std::io::Error`] where a setting cannot be written.
    pub(super) fn bytes(&self) -> std::io::Result<Vec<u8>> {
        let (header, all) = self.contents();
        tensors::bytes((KEY, &header), &all)
    }

    fn contents(&self) -> (Header, Weights) {
        let header = Header {
            format: FORMAT,
            config: self.config.clone(),
            dataset: self.dataset.clone(),
            progress: self.progress.clone(),
        };
        let mut all = self.running.clone();
        all.0.insert(STATE.to_string(), self.state.clone());
        (header, all)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::File`] where it is unreadable, damaged, foreign or of another format.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        Self::of(tensors::read(path, "checkpoint", KEY)?, path)
    }

    /// Reads what [`Checkpoint::bytes`] made; `path` is what errors name.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, TrainError> {
        Self::of(tensors::parse(bytes, path, "checkpoint", KEY)?, path)
    }

    fn of((mut running, mut header): (Weights, serde_json::Value), path: &Path) -> Result<Self, TrainError> {
        let damaged = |reason: String| FileError::damaged(path, "checkpoint", &reason);
        ModelConfig::complete(header.pointer_mut("/config/model"));
        let header: Header = serde_json::from_value(header).map_err(|e| damaged(e.to_string()))?;
        if header.format != FORMAT {
            let (found, wanted) = (header.format, FORMAT);
            return Err(FileError::Format { path: path.into(), found, wanted }.into());
        }
        let state = running.0.remove(STATE).ok_or_else(|| damaged(format!("it has no `{STATE}`")))?;
        let Header { config, dataset, progress, .. } = header;
        Ok(Self { config, dataset, progress, state, running })
    }

    /// Checks that the position is one of a training of so many epochs and batches an epoch.
    ///
    /// # Errors
    /// [`FileError::Damaged`].
    pub fn check(&self, path: &Path, epochs: usize, batches: usize) -> Result<(), FileError> {
        let TrainingProgress { step, epoch, batch, history, .. } = &self.progress;
        let taken = (*epoch as u64).checked_mul(batches as u64).and_then(|n| n.checked_add(*batch as u64));
        let within = *epoch < epochs && *batch < batches || *epoch == epochs && *batch == 0;
        // A network that began with another has a row for what it was before its first epoch.
        let rows = epoch + usize::from(self.config.base.is_some());
        if within && taken == Some(*step) && (history.0.len() == rows || history.0.is_empty() && *step == 0) {
            return Ok(());
        }
        let reason = format!("step {step} is not batch {batch} of epoch {epoch}");
        Err(FileError::damaged(path, "checkpoint", &reason))
    }

    /// Checks that there is a loss scale where the precision wants one, and that at most `wait` outcomes do not yet
    /// count for it.
    ///
    /// # Errors
    /// [`FileError::Damaged`].
    pub fn check_scale(&self, path: &Path, wait: usize) -> Result<(), FileError> {
        let fits = match (&self.progress.loss_scale, self.config.training.precision) {
            (Some(scale), Precision::Mixed) => scale.fits(self.progress.step, wait),
            (scale, precision) => scale.is_none() && precision == Precision::F32,
        };
        let reason = "its loss scale is not one of a training of its precision";
        if fits { Ok(()) } else { Err(FileError::damaged(path, "checkpoint", reason)) }
    }
}
