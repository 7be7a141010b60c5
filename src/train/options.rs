use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::schedule::{Schedule, ScheduleKind};
use crate::dataset::{self, Dataset, Split};
use crate::files;
use crate::model::{ModelConfig, OptimizerConfig, OptimizerKind, TrainingConfig};

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainOptions {
    pub epochs: usize,
    /// Frames a batch.
    pub batch: usize,
    /// Random frames that each song gives to an epoch.
    pub frames_per_song: usize,
    /// Share of songs kept apart for validation.
    pub validation: f64,
    /// Instead of such a share, the fold with this number validates: of [`TrainOptions::folds`], or of `tracks.csv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
    /// Folds that the songs are dealt to; 0 for those of `tracks.csv`.
    pub folds: usize,
    /// Seed of the split, the weights, the order, the crops and the dropout.
    pub seed: u64,
    pub optimizer: OptimizerKind,
    /// The largest learning rate of the schedule.
    pub learning_rate: f32,
    pub schedule: ScheduleKind,
    pub weight_decay: f32,
    /// Momentum of SGD.
    pub momentum: f32,
    /// Gradients are scaled down to this norm; 0 for no clipping.
    pub clip: f32,
    pub label_smoothing: f32,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch: 32,
            frames_per_song: 8,
            validation: 0.2,
            fold: None,
            folds: 0,
            seed: 1,
            optimizer: OptimizerKind::Adamw,
            learning_rate: 3e-3,
            schedule: ScheduleKind::OneCycle,
            weight_decay: 0.01,
            momentum: 0.9,
            clip: 5.0,
            label_smoothing: 0.05,
        }
    }
}

impl TrainOptions {
    /// Which songs train and which validate.
    ///
    /// # Errors
    /// [`TrainError::Option`] where there is no such fold; [`TrainError::Dataset`] where songs have no fold.
    pub fn split(&self, dataset: &Dataset) -> Result<Split, TrainError> {
        let missing = |fold: u32, have: Vec<String>| TrainError::Option {
            option: "--fold",
            value: fold.to_string(),
            wanted: format!("the folds are {}", have.join(", ")),
        };
        Ok(match (self.fold, self.folds) {
            (None, _) => dataset::split(dataset, self.validation, self.seed)?,
            (Some(fold), 0) => {
                let folds = dataset::folds_given(dataset)?;
                let have = folds.iter().map(|(number, _)| number.to_string()).collect();
                let found = folds.into_iter().find(|(number, _)| *number == fold);
                found.ok_or_else(|| missing(fold, have))?.1
            }
            (Some(fold), count) => {
                let folds = dataset::folds(dataset, count, self.seed)?;
                let have = (0..count).map(|number| number.to_string()).collect();
                folds.into_iter().nth(fold as usize).ok_or_else(|| missing(fold, have))?
            }
        })
    }

    /// Checks what the graph does not check.
    ///
    /// # Errors
    /// [`TrainError::Option`] with the option, its value and what is allowed.
    pub fn check(&self) -> Result<(), TrainError> {
        let require = |ok: bool, option, value: String, wanted| {
            let wanted: &str = wanted;
            if ok { Ok(()) } else { Err(TrainError::Option { option, value, wanted: wanted.to_owned() }) }
        };
        let count = |n: usize, most: usize| (1..=most).contains(&n);
        require(
            count(self.epochs, 1_000_000),
            "--epochs",
            self.epochs.to_string(),
            "1 to 1000000 are possible",
        )?;
        require(
            (2..=65_536).contains(&self.batch),
            "--batch",
            self.batch.to_string(),
            "2 to 65536 frames are possible (batch norm needs two)",
        )?;
        require(
            count(self.frames_per_song, 100_000),
            "--frames-per-song",
            self.frames_per_song.to_string(),
            "1 to 100000 are possible",
        )?;
        require(
            0.0 < self.validation && self.validation < 1.0,
            "--validation",
            self.validation.to_string(),
            "it must lie between 0 and 1, such as 0.2",
        )?;
        require(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "--learning-rate",
            self.learning_rate.to_string(),
            "it must be positive, such as 0.003",
        )?;
        require(
            self.weight_decay.is_finite() && self.weight_decay >= 0.0,
            "--weight-decay",
            self.weight_decay.to_string(),
            "it must not be negative",
        )?;
        require(
            (0.0..1.0).contains(&self.momentum),
            "--momentum",
            self.momentum.to_string(),
            "it must be at least 0 and below 1",
        )?;
        require(
            self.clip.is_finite() && self.clip >= 0.0,
            "--clip",
            self.clip.to_string(),
            "it must not be negative",
        )?;
        require(
            (0.0..1.0).contains(&self.label_smoothing),
            "--label-smoothing",
            self.label_smoothing.to_string(),
            "it must be at least 0 and below 1",
        )
    }

    /// What the training graph is built from.
    pub fn graph(&self) -> TrainingConfig {
        TrainingConfig {
            batch: self.batch,
            smoothing: self.label_smoothing,
            masks: false,
            optimizer: OptimizerConfig {
                kind: self.optimizer,
                weight_decay: self.weight_decay,
                max_norm: if self.clip > 0.0 { self.clip } else { f32::INFINITY },
                momentum: self.momentum,
                decay_all: false,
            },
        }
    }

    /// The learning rate over `steps` steps.
    pub fn rates(&self, steps: u64) -> Schedule {
        Schedule { kind: self.schedule, peak: self.learning_rate, steps }
    }
}

/// A run's `config.toml`: all that decides what it computes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// The dataset folder.
    #[serde(serialize_with = "files::serialize_path")]
    pub dataset: PathBuf,
    pub training: TrainOptions,
    pub model: ModelConfig,
}

impl RunConfig {
    /// Reads a configuration; what it does not mention keeps its default.
    ///
    /// # Errors
    /// [`TrainError`] where the file is unreadable or has an unknown or ill-formed setting.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|source| TrainError::Io {
            path: path.into(),
            action: "reading",
            source,
        })?;
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            let reason = format!("line {line}: {}", error.message().replace('\n', " "));
            TrainError::Config { path: path.into(), reason }
        })
    }

    /// Writes the configuration atomically.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let text = toml::to_string(self)
            .map_err(|error| TrainError::Config { path: path.into(), reason: error.to_string() })?;
        files::write_atomic(path, text.as_bytes()).map_err(|source| TrainError::Io {
            path: path.into(),
            action: "writing",
            source,
        })
    }
}
