//! What goes into a training and what comes out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use super::TrainError;
use super::base::Embeddings;
use super::checkpoint::Checkpoint;
use super::claim::Claim;
use super::options::RunConfig;
use super::profile::Profile;
use super::run::RunFolder;
use super::teacher::Agreement;
use super::trainer::Trainer;
use crate::dataset::{self, Cache, Library, Split};
use crate::device::{self, Device, DeviceChoice};
use crate::files;
use crate::model::CrossValidation;
use crate::ranks::Ranks;
use crate::score::{Decision, Epoch, Evaluation};

/// A training that is ready to run: songs, settings, device, and the folder that its results go to.
pub struct Training {
    /// The settings. What they say of audio and of the split was applied when the songs were read.
    pub config: RunConfig,
    /// The songs.
    pub library: Arc<Library>,
    /// Which songs train and which validate.
    pub split: Split,
    /// Where it computes.
    pub device: Arc<dyn Device>,
    /// Where its files go.
    pub run: RunFolder,
    /// The run's folder, where it was claimed before; else the training claims it.
    pub claim: Option<Claim>,
    /// Where to go on, for a resumed run.
    pub resume: Option<Checkpoint>,
    /// Whether the time of every operation is measured; see [`TrainingOutcome::profile`].
    pub profile: bool,
    /// Besides after every epoch, a checkpoint is written when the last is older than this.
    pub checkpoint_every: Duration,
    /// What a model that is trained on all songs can say of itself: how networks of the same settings did in a
    /// cross-validation, and how they decide best.
    pub cited: Option<(CrossValidation, Decision)>,
    /// What the base hears in the songs, where it is known; else it is heard.
    pub embeddings: Option<Arc<Embeddings>>,
    /// The folder where it is kept.
    pub embeddings_folder: Option<PathBuf>,
    /// The processes that train this network together. Each has the same settings and songs; the first alone reads and
    /// writes the run's folder.
    pub ranks: Ranks,
    /// Where decoded songs are kept, for teachers that hear them at another rate.
    pub cache: Option<Cache>,
}

impl Training {
    /// The default of [`Training::checkpoint_every`].
    pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(300);

    /// Reads the songs in the folder [`RunConfig::dataset`], which has a subfolder of songs for each genre (for a network that
    /// is taught, in any layout), and divides them into training and validation. The device is that of [`DeviceChoice::Auto`]; decoded songs are kept in the
    /// user's folder for caches where the system has one. The results will go to the folder `run`.
    ///
    /// # Errors
    /// [`TrainError::Dataset`] where the songs cannot be used, [`TrainError::Setting`] and [`TrainError::Model`] where a
    /// setting is out of range, [`TrainError::Device`] where no device can be opened.
    pub fn open(config: RunConfig, run: impl Into<PathBuf>) -> Result<Self, TrainError> {
        config.check()?;
        let device = device::open(DeviceChoice::Auto)?;
        let taught = !config.teachers.is_empty();
        let data =
            if taught { dataset::scan_songs(&config.dataset) } else { dataset::scan(&config.dataset) }?;
        let cache = Cache::user_folder().map(Cache::new);
        let (spec, shortest) = (config.model.audio(), config.model.shortest_song());
        let library = match taught {
            true => Library::load_as_is(&data, &spec, shortest, cache.as_ref(), |_, _, _| {}),
            false => Library::load(&data, &spec, shortest, cache.as_ref(), |_, _, _| {})?,
        };
        let mut training = Self::new(config, Arc::new(library), device, RunFolder(run.into()))?;
        training.embeddings_folder = cache.as_ref().map(Cache::embeddings);
        training.cache = cache;
        Ok(training)
    }

    /// A training on songs that are read already.
    ///
    /// # Errors
    /// [`TrainError::Setting`] where there is no such fold; [`TrainError::Dataset`] where songs have no fold.
    pub fn new(
        config: RunConfig,
        library: Arc<Library>,
        device: Arc<dyn Device>,
        run: RunFolder,
    ) -> Result<Self, TrainError> {
        Ok(Self {
            split: config.training.split(&library.dataset)?,
            config,
            library,
            device,
            run,
            claim: None,
            resume: None,
            profile: false,
            checkpoint_every: Self::CHECKPOINT_EVERY,
            cited: None,
            embeddings: None,
            embeddings_folder: None,
            ranks: Ranks::alone(),
            cache: None,
        })
    }

    /// Trains until the last epoch, or until `stop` is set; then everything is saved, and a training whose
    /// [`Training::resume`] is the checkpoint goes on and ends with the same bytes as if it had not been stopped.
    ///
    /// # Errors
    /// [`TrainError`]; what was saved before stays.
    pub fn run(
        self,
        observe: &mut dyn FnMut(TrainingEvent<'_>),
        stop: &AtomicBool,
    ) -> Result<TrainingOutcome, TrainError> {
        Trainer::new(self)?.run(observe, stop)
    }
}

/// What the observer of a training hears.
pub enum TrainingEvent<'a> {
    /// The program is ready.
    Ready {
        /// Numbers that are trained.
        parameters: usize,
        /// Steps per epoch.
        steps_per_epoch: usize,
        /// Device memory of a training step, in bytes.
        memory: u64,
    },
    /// The base, or who teaches, hears the songs.
    Hearing {
        /// So many are done.
        done: usize,
        /// Of so many.
        songs: usize,
    },
    /// A step was begun.
    Step {
        /// The epoch, from 0.
        epoch: usize,
        /// The step in the epoch, from 1.
        batch: usize,
        /// Mean loss and accuracy of the epoch's finished steps, once there are any.
        so_far: Option<(f64, f64)>,
        /// The learning rate.
        rate: f32,
        /// Of this session.
        frames_per_second: f64,
    },
    /// In mixed precision: a step changed no weights, because its gradients overflowed; the loss's scale is halved.
    Skipped {
        /// The step, from 1.
        step: u64,
        /// The scale at which they did.
        scale: f32,
    },
    /// Validation of an epoch begins.
    Validating,
    /// An epoch has ended; or, as epoch 0, a new last layer was fitted.
    Epoch {
        /// What it came to.
        epoch: &'a Epoch,
        /// Whether its model is the one that the run keeps, so far.
        kept: bool,
    },
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The last epoch was trained.
    Finished,
    /// Asked to stop; the checkpoint is complete.
    Stopped,
}

/// What a training came to.
pub struct TrainingOutcome {
    /// How it ended.
    pub ending: Ending,
    /// The figures of the kept model; none where the training was stopped.
    pub metrics: Option<Metrics>,
    /// Where the time went, if [`Training::profile`] was set.
    pub profile: Option<Profile>,
    /// Of a training that was stopped: how well the kept model does, where it was validated in this session.
    pub validation: Option<Evaluation>,
    /// The file of the best model; there is none before the first epoch has ended.
    pub best: PathBuf,
}

/// A run's `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// None where no song was kept apart, or the network is taught.
    pub validation: Option<Evaluation>,
    /// Of a network that is taught: how far it agrees with its teachers on the songs kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// The genres, or tags, in the order of the model's outputs.
    pub genres: Vec<String>,
    /// Epochs trained.
    pub epochs: usize,
    /// The epoch of the model, from 1.
    pub best_epoch: usize,
    /// Frames trained on per second, validation not counted.
    pub frames_per_second: f64,
    /// Seconds that the session took.
    pub seconds: f64,
    /// Seconds that steps waited for their batches.
    pub seconds_waiting: f64,
    /// Of several ranks that train together: what the first exchanged with the others in its steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchanged: Option<Exchanged>,
    /// The model's file.
    #[serde(serialize_with = "files::serialize_path")]
    pub model: PathBuf,
    /// The device in words.
    pub device: String,
}

/// What a rank exchanged with the others in a session's steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Exchanged {
    /// Steps.
    pub steps: u64,
    /// Exchanges in all of them.
    pub exchanges: u64,
    /// Bytes that it gave to others, counted once for each of them.
    pub bytes: u64,
    /// Seconds that it waited for others, and for their bytes.
    pub seconds: f64,
}
