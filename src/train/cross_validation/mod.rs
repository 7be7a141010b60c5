//! Cross-validation: networks that are each trained on all folds of the songs but one, and judged on that one.
//!
//! No song decides about a network that it judges: the network is that of the last epoch, and temperatures are fitted when
//! all networks are judged. A fold's run has a folder of its own, in which a run that was stopped goes on; one that was
//! judged is not trained again.

mod folds;
mod pooled;
mod settings;
mod tested;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use folds::Folds;
pub use pooled::{PartFigures, Pooled, RuleFigures, Spread, read_cross_validation};
pub use settings::Settings;
pub use tested::Tested;

use super::base::{Embeddings, HeadClassifier, listener};
use super::checkpoint::Checkpoint;
use super::claim::Claim;
use super::evaluation::evaluate_watched;
use super::history::Keep;
use super::options::RunConfig;
use super::session::{Ending, Training, TrainingEvent};
use super::{RunFolder, TrainError};
use crate::audio::Song;
use crate::dataset::{Library, Split};
use crate::device::{Device, Precision};
use crate::model::Model;
use crate::ranks::Ranks;
use crate::recognize::{Classify, FrameClassifier};

/// What a cross-validation is made of.
pub struct FoldsSetup {
    /// What every network is trained with; the seeds are those of `seeds`, and the split is the folds'.
    pub config: RunConfig,
    /// How the songs are divided.
    pub folds: Folds,
    /// Seeds of the networks; every fold is trained with each.
    pub seeds: Vec<u64>,
    /// The songs.
    pub library: Arc<Library>,
    /// Where it computes.
    pub device: Arc<dyn Device>,
    /// The folder of all folds' runs; see [`Settings::claim`].
    pub folder: PathBuf,
    /// That folder, where it was claimed before.
    pub claim: Option<Claim>,
    /// As [`Training::checkpoint_every`].
    pub checkpoint_every: Duration,
    /// As [`Training::embeddings_folder`].
    pub embeddings_folder: Option<PathBuf>,
}

/// What the observer of a cross-validation hears, each of a network: its number from 0, seed and fold.
pub enum FoldEvent<'a> {
    /// Its training begins, or goes on.
    Began,
    /// Its training goes on.
    Training(TrainingEvent<'a>),
    /// Songs of its fold are judged.
    Testing {
        /// So many.
        done: usize,
        /// Of so many.
        songs: usize,
    },
    /// It was judged.
    Tested {
        /// What it came to.
        tested: &'a Tested,
        /// Now, or before.
        now: bool,
    },
}

/// Which network an event is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which {
    /// Number, from 0, of `networks`.
    pub number: usize,
    /// All networks.
    pub networks: usize,
    /// Its seed.
    pub seed: u64,
    /// The fold that judges it.
    pub fold: u32,
}

/// Trains and judges the networks of all folds and seeds; those that were judged before are taken as they are. None where
/// it was asked to `stop`: it goes on when it is started again.
///
/// # Errors
/// [`TrainError`]; what was saved before stays.
pub fn cross_validate(
    setup: &FoldsSetup,
    observe: &mut dyn FnMut(Which, FoldEvent<'_>),
    stop: &AtomicBool,
) -> Result<Option<Pooled>, TrainError> {
    if !setup.config.teachers.is_empty() {
        let (setting, value) = ("teachers", setup.config.teachers.len().to_string());
        let wanted = "a cross-validation judges genres, which a network that is taught does not learn; teach one, and begin \
                      with it"
            .into();
        return Err(TrainError::Setting { setting, value, wanted });
    }
    let _claim = setup.claim.clone().map_or_else(|| Claim::new(&setup.folder), Ok)?;
    Settings::new(setup.folds, &setup.config, &setup.library).claim(&setup.folder)?;
    let mut networks = Vec::new();
    for &seed in &setup.seeds {
        let splits = setup.folds.splits(&setup.library.dataset, seed)?;
        networks.extend(splits.into_iter().map(|(fold, split)| (seed, fold, split)));
    }
    let count = networks.len();
    let mut heard = None;
    let mut all = Vec::with_capacity(count);
    for (number, (seed, fold, split)) in networks.into_iter().enumerate() {
        let which = Which { number, networks: count, seed, fold };
        let run = RunFolder(setup.folder.join(format!("seed-{seed}-fold-{fold}")));
        let path = run.0.join("tested.json");
        let known = Tested::read(&path, &setup.library, (seed, fold), &split.validation)?;
        let now = known.is_none();
        let tested = match known {
            Some(tested) => tested,
            None if stop.load(Ordering::Relaxed) => return Ok(None),
            None => {
                observe(which, FoldEvent::Began);
                if heard.is_none() {
                    heard = hear(setup, which, observe, stop)?;
                }
                let Some(tested) = network(setup, which, &split, (&run, heard.clone()), observe, stop)?
                else {
                    return Ok(None);
                };
                tested.write(&path, &setup.library)?;
                tested
            }
        };
        observe(which, FoldEvent::Tested { tested: &tested, now });
        all.push(tested);
    }
    let place = (setup.folder.as_path(), setup.device.describe());
    let pooled = Pooled::new(all, &setup.library, setup.folds, setup.config.clone(), place);
    pooled.write()?;
    Ok(Some(pooled))
}

/// What the base hears in all songs, where the networks begin with one: once for all folds and seeds.
fn hear(
    setup: &FoldsSetup,
    which: Which,
    observe: &mut dyn FnMut(Which, FoldEvent<'_>),
    stop: &AtomicBool,
) -> Result<Option<Arc<Embeddings>>, TrainError> {
    let Some(base) = &setup.config.base else { return Ok(None) };
    let songs: Vec<&Song> = setup.library.songs.iter().collect();
    let (count, device) = (songs.len(), setup.device.at(Precision::F32)?);
    let mut progress =
        |done| observe(which, FoldEvent::Training(TrainingEvent::Hearing { done, songs: count }));
    let folder = setup.embeddings_folder.as_deref();
    let base = listener(&base.load()?, &setup.config.model);
    Ok(Some(Arc::new(Embeddings::hear(&base, &songs, device.as_ref(), folder, &mut progress, stop)?)))
}

/// Trains and judges a network; none where it was asked to stop.
fn network(
    setup: &FoldsSetup,
    which: Which,
    split: &Split,
    (run, heard): (&RunFolder, Option<Arc<Embeddings>>),
    observe: &mut dyn FnMut(Which, FoldEvent<'_>),
    stop: &AtomicBool,
) -> Result<Option<Tested>, TrainError> {
    let mut config = setup.config.clone();
    config.training.seed = which.seed;
    (config.training.fold, config.training.folds) = (None, 0);
    // Nothing is validated, and the last epoch's model is kept: nothing chooses it.
    (config.training.validation, config.training.keep) = (0.0, Keep::Last);
    let started = Instant::now();
    let training = Training {
        resume: unfinished(run, &config)?,
        config,
        library: setup.library.clone(),
        split: Split { train: split.train.clone(), validation: Vec::new() },
        device: setup.device.clone(),
        run: run.clone(),
        claim: None,
        profile: false,
        checkpoint_every: setup.checkpoint_every,
        cited: None,
        embeddings: heard.clone(),
        embeddings_folder: setup.embeddings_folder.clone(),
        cache: None,
        ranks: Ranks::alone(),
    };
    let tuned = setup.config.training.epochs > 0;
    let outcome = training.run(&mut |event| observe(which, FoldEvent::Training(event)), stop)?;
    if outcome.ending == Ending::Stopped {
        return Ok(None);
    }
    let seconds = started.elapsed().as_secs_f64();
    let model = Model::load(&outcome.best)?;
    let device = setup.device.at(Precision::F32)?;
    let mut classifier: Box<dyn Classify> = match heard {
        Some(heard) if !tuned => {
            let (labels, kind) = (model.card.genres.len(), model.card.config.labels);
            Box::new(HeadClassifier::new(heard, labels, kind, device.as_ref())?)
        }
        _ => Box::new(FrameClassifier::of_model(&model, device.as_ref())?),
    };
    classifier.set_weights(&model.weights)?;
    let songs = split.validation.len();
    let mut progress = |done| observe(which, FoldEvent::Testing { done, songs });
    let evaluation = evaluate_watched(classifier.as_mut(), &setup.library, &split.validation, &mut progress)?;
    Ok(Some(Tested::new(which.seed, which.fold, seconds, evaluation)))
}

/// The checkpoint of a run that was begun, if there is one.
fn unfinished(run: &RunFolder, config: &RunConfig) -> Result<Option<Checkpoint>, TrainError> {
    let path = run.checkpoint();
    if !path.exists() {
        return Ok(None);
    }
    let mut checkpoint = Checkpoint::load(&path)?;
    // The songs may have moved; that they are the same, the training makes sure of.
    checkpoint.config.dataset.clone_from(&config.dataset);
    if checkpoint.config != *config {
        let other = || "settings of another training".to_string();
        let now = "those of the cross-validation".to_string();
        return Err(TrainError::OtherCheckpoint { path, what: "training", found: other(), now });
    }
    Ok(Some(checkpoint))
}
