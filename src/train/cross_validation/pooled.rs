use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::TrainError;
use super::super::options::RunConfig;
use super::folds::Folds;
use super::tested::Tested;
use crate::dataset::Library;
use crate::files;
use crate::model::CrossValidation;
use crate::score::{Aggregation, Confusion, Decision, Evaluation, FrameCounts, Judged};

/// The figures of one fold, or of one seed's folds together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartFigures {
    /// The seed.
    pub seed: u64,
    /// None where all folds of the seed are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
    /// Songs judged.
    pub songs: usize,
    /// The share of right songs.
    pub song_accuracy: f64,
    /// The share of right frames.
    pub frame_accuracy: f64,
    /// The mean F1 of the genres that have songs.
    pub macro_f1: f64,
}

/// A rule's figures on the same frames, each with the temperature that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RuleFigures {
    /// The rule.
    pub aggregation: Aggregation,
    /// The share of right songs.
    pub song_accuracy: f64,
    /// The mean F1 of the genres that have songs.
    pub macro_f1: f64,
    /// The temperature.
    pub temperature: f32,
    /// Mean negative log-likelihood of the songs.
    pub nll: f64,
    /// Expected calibration error of the songs.
    pub ece: f64,
}

/// Mean and spread of the seeds' song accuracies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1); none of a single seed.
    pub sd: Option<f64>,
}

/// What a cross-validation came to: its folder's `evaluation.json`, which is also what the command line prints.
///
/// Every song was judged once a seed, by a network that was not trained on it. Figures are over all judgements; intervals
/// count every song once, however many seeds there are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pooled {
    /// All judgements together, with the temperature that they ask for.
    pub out_of_fold: Evaluation,
    /// How much the seed matters.
    pub song_accuracy_over_seeds: Spread,
    /// Every rule from frames to songs, on the same frames.
    pub aggregations: Vec<RuleFigures>,
    /// Every seed, all its folds together.
    pub seeds: Vec<PartFigures>,
    /// Every fold of every seed.
    pub folds: Vec<PartFigures>,
    /// What the model that is then trained on all songs can cite.
    pub cross_validation: CrossValidation,
    /// The genres in the order of the networks' outputs.
    pub genres: Vec<String>,
    /// A number, or `csv`.
    pub folds_by: Folds,
    /// Epochs that every network was trained.
    pub epochs: usize,
    /// Seconds of training.
    pub seconds: f64,
    /// The device in words.
    pub device: String,
    /// The folder of the networks' runs.
    #[serde(serialize_with = "files::serialize_path")]
    pub run: PathBuf,
    /// What every network was trained with, but for its seed and split.
    pub config: RunConfig,
    /// (seed, fold) of each of the judgements in `out_of_fold`.
    #[serde(skip)]
    pub judged_in: Vec<(u64, u32)>,
}

impl Pooled {
    /// Pools the folds of all seeds.
    pub fn new(
        tested: Vec<Tested>,
        library: &Library,
        folds_by: Folds,
        config: RunConfig,
        (run, device): (&Path, String),
    ) -> Self {
        let names = &library.dataset.genres;
        let folds: Vec<PartFigures> =
            tested.iter().map(|t| part((t.seed, Some(t.fold)), &t.evaluation(library))).collect();
        let mut numbers: Vec<u64> = tested.iter().map(|t| t.seed).collect();
        numbers.dedup();
        let seeds: Vec<PartFigures> = numbers
            .iter()
            .map(|&seed| {
                let (songs, frames) = join(tested.iter().filter(|t| t.seed == seed), names.len());
                part((seed, None), &Evaluation::new(names, songs, frames, Decision::default()))
            })
            .collect();
        let (songs, frames) = join(tested.iter(), names.len());
        let mut pooled = Evaluation::new(names, songs, frames, Decision::default());
        let aggregations = Aggregation::ALL.map(|rule| {
            let mut by_rule = pooled.clone();
            by_rule.decide(Decision {
                aggregation: rule,
                temperature: pooled.temperature(rule),
                ..pooled.decision
            });
            RuleFigures {
                aggregation: rule,
                song_accuracy: by_rule.song_accuracy,
                macro_f1: by_rule.macro_f1,
                temperature: by_rule.decision.temperature,
                nll: by_rule.calibration.nll,
                ece: by_rule.calibration.ece,
            }
        });
        pooled.decide(pooled.fitted());
        let cross_validation = CrossValidation {
            folds: folds.len() / seeds.len().max(1),
            seeds: seeds.len(),
            songs: pooled.songs,
            song_accuracy: pooled.song_accuracy,
            interval: pooled.song_interval,
            macro_f1: pooled.macro_f1,
            frame_accuracy: pooled.frame_accuracy,
        };
        Self {
            song_accuracy_over_seeds: spread(&seeds),
            aggregations: aggregations.to_vec(),
            cross_validation,
            genres: names.clone(),
            folds_by,
            epochs: config.training.epochs,
            seconds: tested.iter().map(|t| t.seconds).sum(),
            device,
            run: run.to_owned(),
            config,
            judged_in: tested.iter().flat_map(|t| t.songs.iter().map(|_| (t.seed, t.fold))).collect(),
            out_of_fold: pooled,
            seeds,
            folds,
        }
    }

    /// Writes `evaluation.json` into the cross-validation's folder, atomically.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&self) -> Result<(), TrainError> {
        let path = self.run.join(NAME);
        let fail = |source| TrainError::Io { path: path.clone(), action: "writing", source };
        let text = serde_json::to_string_pretty(self).map_err(|error| fail(error.into()))?;
        files::write_atomic(&path, text.as_bytes()).map_err(fail)
    }
}

/// The file of [`Pooled::write`].
const NAME: &str = "evaluation.json";

/// What a model trained on all songs can cite, and how it should decide, from the file of a cross-validation: what
/// `evaluate --folds --format json` prints, or the `evaluation.json` in its folder, which may be named instead.
///
/// # Errors
/// [`TrainError::Io`] where the file cannot be read, [`TrainError::Config`] where it is none of a cross-validation.
pub fn read_cross_validation(path: &Path) -> Result<(CrossValidation, Decision), TrainError> {
    #[derive(Deserialize)]
    struct OutOfFold {
        decision: Decision,
    }
    #[derive(Deserialize)]
    struct PooledFile {
        cross_validation: CrossValidation,
        out_of_fold: OutOfFold,
    }
    let path = if path.is_dir() { path.join(NAME) } else { path.to_owned() };
    let text = std::fs::read(&path).map_err(|source| TrainError::Io {
        path: path.clone(),
        action: "reading",
        source,
    })?;
    let fail = |reason: String| {
        let reason = files::printable(&reason);
        TrainError::Config {
            path: path.clone(),
            reason: format!("no result of a cross-validation ({reason})"),
        }
    };
    let file: PooledFile = serde_json::from_slice(&text).map_err(|error| fail(error.to_string()))?;
    file.out_of_fold.decision.check().map_err(|error| fail(error.to_string()))?;
    Ok((file.cross_validation, file.out_of_fold.decision))
}

fn part((seed, fold): (u64, Option<u32>), evaluation: &Evaluation) -> PartFigures {
    PartFigures {
        seed,
        fold,
        songs: evaluation.songs,
        song_accuracy: evaluation.song_accuracy,
        frame_accuracy: evaluation.frame_accuracy,
        macro_f1: evaluation.macro_f1,
    }
}

fn join<'a>(tested: impl Iterator<Item = &'a Tested>, genres: usize) -> (Vec<Judged>, FrameCounts) {
    let (mut songs, mut frames) = (Vec::new(), FrameCounts { confusion: Confusion::new(genres), loss: 0.0 });
    for fold in tested {
        songs.extend(fold.songs.iter().cloned());
        frames.confusion.merge(&fold.frames.confusion);
        frames.loss += fold.frames.loss;
    }
    (songs, frames)
}

fn spread(seeds: &[PartFigures]) -> Spread {
    let n = seeds.len() as f64;
    let mean = seeds.iter().map(|seed| seed.song_accuracy).sum::<f64>() / n.max(1.0);
    let squares: f64 = seeds.iter().map(|seed| (seed.song_accuracy - mean).powi(2)).sum();
    Spread { mean, sd: (seeds.len() > 1).then(|| (squares / (n - 1.0)).sqrt()) }
}
