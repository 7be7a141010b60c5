use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::base::Base;
use super::history::Keep;
use super::schedule::{Plateau, Schedule, ScheduleKind};
use super::teacher::Teacher;
use crate::dataset::{self, Augmentation, Dataset, Sampling, Split};
use crate::device::Precision;
use crate::files;
use crate::model::{ModelConfig, OptimizerConfig, OptimizerKind, TrainingConfig};

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainOptions {
    /// How often every song is seen; 0 where only the last layer of a network that begins with another is fitted.
    pub epochs: usize,
    /// Frames a batch.
    pub batch: usize,
    /// Parts that a batch is computed in, whose sums and statistics are joined in order. Processes that train together
    /// compute one or more of them each. Another number is another order of sums: results differ by rounding.
    #[serde(skip_serializing_if = "is_one")]
    pub slices: usize,
    /// Random frames that each song gives to an epoch.
    pub frames_per_song: usize,
    /// Share of songs kept apart for validation; 0 trains on all.
    pub validation: f64,
    /// Instead of such a share, the fold with this number validates: of [`TrainOptions::folds`], or of `tracks.csv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
    /// Folds that the songs are dealt to; 0 for those of `tracks.csv`.
    pub folds: usize,
    /// Seed of the split, the weights, the order, the crops, what augmentation draws and the dropout.
    pub seed: u64,
    /// The update rule.
    pub optimizer: OptimizerKind,
    /// The largest learning rate of the schedule.
    pub learning_rate: f32,
    /// How the learning rate goes.
    pub schedule: ScheduleKind,
    /// What [`ScheduleKind::Plateau`] does.
    pub plateau: Plateau,
    /// Training ends after so many epochs without a lower validation loss; 0 for never.
    pub patience: usize,
    /// The model that a run keeps.
    pub keep: Keep,
    /// Epochs from one validation to the next; the last epoch is always validated.
    pub validate_every: usize,
    /// Weight decay, of weights and not of scales, shifts and biases.
    pub weight_decay: f32,
    /// Momentum of SGD.
    pub momentum: f32,
    /// Gradients are scaled down to this norm; 0 for no clipping.
    pub clip: f32,
    /// Share of every label that is spread over all genres.
    pub label_smoothing: f32,
    /// What is done where genres have different numbers of songs.
    pub balance: Balance,
    /// Of matrix products and convolutions.
    pub precision: Precision,
    /// How training frames are changed.
    pub augmentation: Augmentation,
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(slices: &usize) -> bool {
    *slices == 1
}

/// How a training makes up for genres with fewer songs than others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Not at all.
    #[default]
    None,
    /// The loss of a frame is weighted by songs/(genres × songs of its genre).
    Weights,
    /// Every genre gives as many frames.
    Sampling,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch: 32,
            slices: 1,
            frames_per_song: 8,
            validation: 0.2,
            fold: None,
            folds: 0,
            seed: 1,
            optimizer: OptimizerKind::Adamw,
            learning_rate: 3e-3,
            schedule: ScheduleKind::OneCycle,
            plateau: Plateau::default(),
            patience: 0,
            keep: Keep::Best,
            validate_every: 1,
            weight_decay: 0.01,
            momentum: 0.9,
            clip: 5.0,
            label_smoothing: 0.05,
            balance: Balance::None,
            precision: Precision::F32,
            augmentation: Augmentation::default(),
        }
    }
}

impl TrainOptions {
    /// Which songs train and which validate.
    ///
    /// # Errors
    /// [`TrainError::Setting`] where there is no such fold; [`TrainError::Dataset`] where songs have no fold.
    pub fn split(&self, dataset: &Dataset) -> Result<Split, TrainError> {
        let missing = |fold: u32, have: Vec<String>| TrainError::Setting {
            setting: "fold",
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
    /// [`TrainError::Setting`] with the option, its value and what is allowed.
    pub fn check(&self) -> Result<(), TrainError> {
        let require = |ok: bool, setting, value: String, wanted| {
            let wanted: &str = wanted;
            if ok { Ok(()) } else { Err(TrainError::Setting { setting, value, wanted: wanted.to_owned() }) }
        };
        let count = |n: usize, most: usize| (1..=most).contains(&n);
        require(self.epochs <= 1_000_000, "epochs", self.epochs.to_string(), "1 to 1000000 are possible")?;
        require(
            (2..=65_536).contains(&self.batch),
            "batch",
            self.batch.to_string(),
            "2 to 65536 frames are possible (batch norm needs two)",
        )?;
        require(
            (1..=self.batch / 2).contains(&self.slices),
            "slices",
            self.slices.to_string(),
            "1 to half of the batch's frames are possible (batch norm needs two in each)",
        )?;
        require(
            count(self.frames_per_song, 100_000),
            "frames_per_song",
            self.frames_per_song.to_string(),
            "1 to 100000 are possible",
        )?;
        require(
            (0.0..1.0).contains(&self.validation),
            "validation",
            self.validation.to_string(),
            "it must be at least 0 (none) and below 1, such as 0.2",
        )?;
        require(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "learning_rate",
            self.learning_rate.to_string(),
            "it must be positive, such as 0.003",
        )?;
        require(
            self.weight_decay.is_finite() && self.weight_decay >= 0.0,
            "weight_decay",
            self.weight_decay.to_string(),
            "it must not be negative",
        )?;
        require(
            (0.0..1.0).contains(&self.momentum),
            "momentum",
            self.momentum.to_string(),
            "it must be at least 0 and below 1",
        )?;
        require(
            self.clip.is_finite() && self.clip >= 0.0,
            "clip",
            self.clip.to_string(),
            "it must not be negative",
        )?;
        require(
            (0.0..1.0).contains(&self.label_smoothing),
            "label_smoothing",
            self.label_smoothing.to_string(),
            "it must be at least 0 and below 1",
        )?;
        let every = self.validate_every;
        let by_loss = self.schedule == ScheduleKind::Plateau || self.patience > 0;
        require(
            every == 1 || every > 1 && !by_loss,
            "validate_every",
            every.to_string(),
            "it must be 1 where the plateau schedule or patience go by the validation loss, else at least 1",
        )?;
        for (setting, value, wanted) in self.plateau.fault().into_iter().chain(self.augmentation.fault()) {
            require(false, setting, value, wanted)?;
        }
        Ok(())
    }

    /// What the training graph is built from.
    pub fn graph(&self) -> TrainingConfig {
        TrainingConfig {
            batch: self.batch,
            smoothing: self.label_smoothing,
            masks: self.augmentation.masks(),
            norms: true,
            optimizer: OptimizerConfig {
                kind: self.optimizer,
                weight_decay: self.weight_decay,
                max_norm: if self.clip > 0.0 { self.clip } else { f32::INFINITY },
                momentum: self.momentum,
                ..OptimizerConfig::default()
            },
        }
    }

    /// The learning rate over `steps` steps.
    pub fn rates(&self, steps: u64) -> Schedule {
        Schedule { kind: self.schedule, peak: self.learning_rate, steps, plateau: self.plateau }
    }

    /// Whether songs are to be kept apart for validation.
    pub fn validates(&self) -> bool {
        self.fold.is_some() || self.validation > 0.0
    }

    /// How often an epoch draws from each song.
    pub fn sampling(&self) -> Sampling {
        if self.balance == Balance::Sampling { Sampling::Genres } else { Sampling::Songs }
    }

    /// The weight of every genre in the loss, for the songs that are trained on; that of a genre without any is 1.
    pub fn class_weights(&self, dataset: &Dataset, songs: &[usize]) -> Vec<f32> {
        let mut counts = vec![0usize; dataset.genres.len()];
        songs.iter().for_each(|&song| counts[dataset.songs[song].genre] += 1);
        let present = counts.iter().filter(|&&count| count > 0).count();
        let weight = |&count: &usize| match (self.balance, count) {
            (Balance::Weights, 1..) => songs.len() as f32 / (present * count) as f32,
            _ => 1.0,
        };
        counts.iter().map(weight).collect()
    }
}

/// A run's `config.toml`: all that decides what it computes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// The dataset folder.
    #[serde(with = "crate::paths")]
    pub dataset: PathBuf,
    /// The training.
    pub training: TrainOptions,
    /// Preprocessing and network.
    pub model: ModelConfig,
    /// What the network begins with, where not with nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Whom it learns from, where not from songs' genres.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<Teacher>,
}

impl RunConfig {
    /// The default settings for a folder that has a subfolder of songs for each genre.
    pub fn for_dataset(folder: impl Into<PathBuf>) -> Self {
        Self { dataset: folder.into(), ..Self::default() }
    }

    /// Checks every setting that does not depend on the songs.
    ///
    /// # Errors
    /// [`TrainError::Setting`] or [`TrainError::Model`] with the setting, its value and what is allowed.
    pub fn check(&self) -> Result<(), TrainError> {
        self.model.check()?;
        self.training.check()?;
        self.base.as_ref().map_or(Ok(()), Base::check)?;
        self.check_lessons()?;
        if self.training.epochs == 0 && self.base.is_none() {
            let wanted = "1 to 1000000 are possible (0 where the network begins with another)".to_owned();
            return Err(TrainError::Setting { setting: "epochs", value: "0".into(), wanted });
        }
        Ok(())
    }

    /// What the training graph is built from.
    pub fn graph(&self) -> TrainingConfig {
        let mut graph = self.training.graph();
        if let Some(base) = &self.base {
            graph.optimizer.base_rate = base.rate;
            // A few songs tell less of the world than what the base has heard.
            graph.norms = false;
        }
        if self.training.epochs == 0 {
            // Nothing is trained step by step: the least that can be.
            graph.batch = 2;
        }
        graph
    }

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
            let before = error.span().map_or(0, |span| text[..span.start].matches('\n').count());
            let line = files::printable(text.lines().nth(before).unwrap_or_default().trim());
            let reason = format!("line {}, `{line}`: {}", before + 1, error.message().replace('\n', " "));
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
