//! `evaluate`: how well a model, or networks trained with given settings, recognise songs that they do not know.

mod folds;
mod model;
mod show;
mod tags;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::flags::{BaseFlags, CacheFlags, NetworkFlags, TrainingFlags};
use super::label::LabelFlags;
use super::{CliError, DeviceFlag, End, Format};
use crate::train::Folds;

/// Says how well songs are recognised: by a model, or with --folds by networks trained for it.
///
/// A model is judged on the songs of a dataset, whose genres are matched by name. With --folds, networks are trained with
/// the settings given, each on all folds but one, and judged on that one; every song is judged once for each seed, and no
/// song that a network judges has a part in its training or in the choice of its epoch. Started again with the same
/// settings, a cross-validation goes on where it was stopped.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Evaluate {
    /// A trained model, or included [default: the newest best.safetensors of the runs in ./runs, else the included one]
    #[arg(long, value_name = "FILE", conflicts_with = "folds")]
    model: Option<PathBuf>,
    /// Folder with one subfolder of songs for each genre [default: the one that the model was trained on, or dataset]
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    #[command(flatten)]
    labels: LabelFlags,
    /// Which of its songs
    #[arg(long, value_enum, default_value_t, conflicts_with = "folds")]
    split: SplitPart,
    /// Leave out songs of genres that the model does not know
    #[arg(long, conflicts_with = "folds")]
    skip_unknown: bool,
    /// Train and judge networks on so many folds, dealt by genre and artist; or on those of tracks.csv
    #[arg(long, value_name = "K|csv")]
    folds: Option<Folds>,
    /// Seeds of the networks; every fold is trained with each [default: 1]
    #[arg(long, value_name = "N,N", value_delimiter = ',', requires = "folds", conflicts_with = "model")]
    seeds: Vec<u64>,
    /// Folder for the networks' runs, new or begun [default: runs/<dataset>-folds-<number>]
    #[arg(long, value_name = "DIR", requires = "folds", conflicts_with = "model")]
    run: Option<PathBuf>,
    /// Settings in a TOML file as in a run's config.toml; flags win over it. What networks begin with stands in its table
    /// [base]; without one they are trained from nothing
    #[arg(long, value_name = "FILE", requires = "folds", conflicts_with = "model")]
    config: Option<PathBuf>,
    /// How to write the results
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceFlag,
    #[command(flatten)]
    cache: CacheFlags,
    #[command(flatten)]
    base: BaseFlags,
    #[command(flatten)]
    training: TrainingFlags,
    #[command(flatten)]
    network: NetworkFlags,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer evaluate --split validation       the newest model, on the songs that its run kept apart
  genre-recognizer evaluate --model best.safetensors --dataset ~/Music/new
  genre-recognizer evaluate --folds 5 --dataset ~/Music
  genre-recognizer evaluate --folds csv --seeds 1,2,3 --epochs 40 --format json > figures.json

Accuracies come with 95 % intervals: Wilson's of song accuracy, a bootstrap over songs of macro F1. With several seeds they
count every song once. Genres without songs are left out of macro F1. csv has a row a song.";

/// Which songs of a dataset a model is judged on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SplitPart {
    /// Those that the model's run kept apart, by its split.csv.
    Validation,
    /// Those that the model's run neither trained on nor kept apart.
    Test,
    /// All.
    #[default]
    All,
}

impl SplitPart {
    fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Test => "test",
            Self::All => "all",
        }
    }
}

impl Evaluate {
    pub fn run(&self) -> Result<End, CliError> {
        match self.folds {
            Some(folds) => self.cross_validate(folds),
            None if self.network != NetworkFlags::default()
                || self.training != TrainingFlags::default()
                || self.base != BaseFlags::default() =>
            {
                Err(CliError::Usage(
                    "flags of a network and of its training go with --folds; without it a model is judged, which has its \
                     own"
                    .to_string(),
                ))
            }
            None => self.judge(),
        }
    }
}
