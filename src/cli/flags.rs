//! Flags that change a configuration.

use std::path::{Path, PathBuf};

use clap::Args;

use super::cures::told;
use super::{CliError, quoted};
use crate::audio::Normalise;
use crate::dataset::{Augmentation, Cache};
use crate::device::Precision;
use crate::files;
use crate::model::{Convolution, Features, Model, ModelConfig, OptimizerKind};
use crate::train::{Balance, Keep, Preset, RunConfig, ScheduleKind, TrainOptions};

/// The names of the flags that were given.
macro_rules! given {
    ($flags:expr; $($name:ident),*) => {
        [$(($flags.$name.is_some(), stringify!($name))),*]
            .into_iter()
            .filter_map(|(given, name)| given.then(|| name.replace('_', "-")))
    };
}

/// Puts a flag's value, where it was given, into a setting.
macro_rules! put {
    ($flags:expr => $settings:expr; $($name:ident),*) => {
        $(if let Some(value) = &$flags.$name {
            $settings.$name = value.clone();
        })*
    };
}

/// The name that a setting's value has in files, from the one on the command line.
fn named<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_string())).map_err(|error| error.to_string())
}

/// Flags of the network; what is not given keeps its default.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Network", allow_negative_numbers = true)]
pub struct NetworkFlags {
    /// A network, with its recipe: small, medium, large or original; other flags change it [default: small]
    #[arg(long, value_parser = named::<Preset>, value_name = "NAME", conflicts_with = "config")]
    preset: Option<Preset>,
    /// Samples a second that songs are resampled to [default: 44100]
    #[arg(long, value_name = "HZ")]
    sample_rate: Option<u32>,
    /// Length of the frames that songs are cut into [default: 1]
    #[arg(long, value_name = "SECONDS")]
    frame_seconds: Option<f64>,
    /// From the beginning of a frame to that of the next in recognition [default: a frame's length]
    #[arg(long, value_name = "SECONDS")]
    frame_step: Option<f64>,
    /// Drop frames whose level (root mean square) is below this, such as -50 [default: none are dropped]
    #[arg(long, value_name = "DBFS")]
    drop_below: Option<f64>,
    /// 1 for mono, 2 for stereo [default: 1]
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// Level of a whole song: peak, rms or none [default: peak]
    #[arg(long, value_parser = named::<Normalise>, value_name = "HOW")]
    normalise: Option<Normalise>,
    /// log-mel, mel-decibel, power or decibel [default: log-mel]
    #[arg(long, value_parser = named::<Features>, value_name = "KIND")]
    features: Option<Features>,
    /// Length of the Fourier transform, a power of two from 64 to 4096 [default: 2048]
    #[arg(long, value_name = "SAMPLES")]
    n_fft: Option<usize>,
    /// Samples from one transform to the next [default: 512]
    #[arg(long, value_name = "SAMPLES")]
    hop: Option<usize>,
    /// Number of mel filters [default: 128]
    #[arg(long, value_name = "N")]
    mels: Option<usize>,
    /// Where the mel filters begin [default: 30]
    #[arg(long, value_name = "HZ")]
    low: Option<f64>,
    /// Where the mel filters end [default: 16000]
    #[arg(long, value_name = "HZ")]
    high: Option<f64>,
    /// Leave out the 5×5 convolution before the blocks
    #[arg(long)]
    no_stem: bool,
    /// Number of residual blocks, each with twice the filters of the one before [default: 4]
    #[arg(long, value_name = "N")]
    blocks: Option<usize>,
    /// Filters of the first block, or of each: 16,32,64,128 [default: 16]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    filters: Option<Vec<usize>>,
    /// Convolutions a block [default: 2]
    #[arg(long, value_name = "N")]
    convolutions: Option<usize>,
    /// Side of the convolutions' kernels [default: 3]
    #[arg(long, value_name = "N")]
    kernel: Option<usize>,
    /// Side of the max pooling after each block; 1 for none [default: 2]
    #[arg(long, value_name = "N")]
    pool: Option<usize>,
    /// standard or separable [default: standard]
    #[arg(long, value_parser = named::<Convolution>, value_name = "KIND")]
    convolution: Option<Convolution>,
    /// Number of dense layers before the last [default: 1]
    #[arg(long, value_name = "N")]
    dense_layers: Option<usize>,
    /// Units of these layers, or of each: 256,128 [default: 256]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    units: Option<Vec<usize>>,
    /// Share of the dense layers' outputs dropped in training [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    dropout: Option<f32>,
}

/// Flags of what a network begins with.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Beginning", allow_negative_numbers = true)]
pub struct BaseFlags {
    /// Begin with this model: its preprocessing, architecture and weights, and a new last layer for the genres; included is
    /// the one that comes with the program, none is to train from nothing [default: included, unless flags shape another
    /// network or the songs are the demo set]
    #[arg(long, value_name = "MODEL|included|none", conflicts_with_all = ["config", "preset"])]
    from: Option<PathBuf>,
    /// Fit the new last layer and leave the rest as it is, which takes seconds once the songs were heard [default, where a
    /// network begins with another and --epochs is not given]
    #[arg(long, conflicts_with_all = ["epochs", "base_rate"])]
    freeze: bool,
    /// The learning rate of what was there, as a share of that of the new layer [default: 1]
    #[arg(long, value_name = "SHARE")]
    base_rate: Option<f32>,
}

impl BaseFlags {
    /// Whether nobody said what to begin with.
    pub fn is_open(&self) -> bool {
        self.from.is_none()
    }

    /// Where the base of a run that is resumed is now.
    ///
    /// # Errors
    /// [`CliError::Usage`] where another model is named, or other flags are given.
    pub fn moved(&self, config: &mut RunConfig) -> Result<(), CliError> {
        let Some(from) = &self.from else {
            let message =
                "a resumed run keeps the settings that it was begun with; leave out --freeze and --base-rate";
            return if *self == Self::default() { Ok(()) } else { Err(CliError::Usage(message.to_string())) };
        };
        let digest = Model::load(from)?.digest();
        match &mut config.base {
            Some(base) if base.digest == digest => {
                base.model.clone_from(from);
                Ok(())
            }
            _ => Err(CliError::Usage(format!(
                "--from {}: not what this run began with; leave it out, or name where that model is now",
                files::shown(from)
            ))),
        }
    }

    /// As [`TrainingFlags::of_steps`].
    fn of_steps(&self) -> Vec<String> {
        given!(self; base_rate).collect()
    }

    /// Begins with the model that is named, or where none is, with that of `default`. Then only the last layer is trained,
    /// unless flags say more.
    fn begin(&self, default: Option<&Path>, config: &mut RunConfig) -> Result<(), CliError> {
        let named = self.from.as_deref().filter(|from| *from != Path::new("none"));
        if let Some(model) = named.or(default.filter(|_| self.is_open())) {
            config.begin_with(model)?;
            config.training.epochs = 0;
        }
        match (&mut config.base, self.base_rate) {
            (Some(base), Some(rate)) => base.rate = rate,
            (None, rate) if self.freeze || rate.is_some() => {
                return Err(CliError::Usage(
                    "--freeze and --base-rate are for networks that begin with another; name it with --from"
                        .to_string(),
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

fn at_least_two(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count >= 2).ok_or_else(|| "2 or more are possible".to_string())
}

/// Flags of a training's split, and of what its validation songs decide; what is not given keeps its default.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Validation", allow_negative_numbers = true)]
pub struct ValidationFlags {
    /// Share of songs kept apart for validation; 0 trains on all [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    validation: Option<f64>,
    /// Validate on this fold instead: of --folds, or of tracks.csv
    #[arg(long, value_name = "NUMBER")]
    fold: Option<u32>,
    /// Deal the songs to so many folds, by genre and artist
    #[arg(long, value_name = "N", requires = "fold", value_parser = at_least_two)]
    folds: Option<usize>,
    /// Seed of split, weights, order, crops and dropout [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The model that is kept: of the best epoch, by validation songs, or of the last [default: best]
    #[arg(long, value_parser = named::<Keep>, value_name = "best|last")]
    keep: Option<Keep>,
    /// Validate after every Nth epoch and the last [default: 1]
    #[arg(long, value_name = "N")]
    validate_every: Option<usize>,
}

/// Flags of the training; what is not given keeps its default.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Training", allow_negative_numbers = true)]
pub struct TrainingFlags {
    /// How often every song is seen [default: 20]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Frames a step [default: 32]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Parts that a step's frames are computed in, one behind the other, whose sums are joined in order; ranks of an MPI
    /// compute one or more of them each [default: 1, or as many as there are ranks]
    #[arg(long, value_name = "N")]
    slices: Option<usize>,
    /// Random frames that each song gives to an epoch [default: 8]
    #[arg(long, value_name = "N")]
    frames_per_song: Option<usize>,
    /// adamw, adam or sgd [default: adamw]
    #[arg(long, value_parser = named::<OptimizerKind>, value_name = "KIND")]
    optimizer: Option<OptimizerKind>,
    /// Largest learning rate of the schedule [default: 0.003]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f32>,
    /// one-cycle, cosine, constant or plateau (halved when the validation loss no longer falls) [default: one-cycle]
    #[arg(long, value_parser = named::<ScheduleKind>, value_name = "KIND")]
    schedule: Option<ScheduleKind>,
    /// Weight decay [default: 0.01]
    #[arg(long, value_name = "RATE")]
    weight_decay: Option<f32>,
    /// Momentum of sgd [default: 0.9]
    #[arg(long, value_name = "SHARE")]
    momentum: Option<f32>,
    /// Largest norm of the gradients; 0 for any [default: 5]
    #[arg(long, value_name = "NORM")]
    clip: Option<f32>,
    /// Share of every label spread over all genres [default: 0.05]
    #[arg(long, value_name = "SHARE")]
    label_smoothing: Option<f32>,
    /// End after so many epochs without a lower validation loss; 0 for never [default: 0]
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<usize>,
    /// Where genres have different numbers of songs: none, weights (in the loss) or sampling [default: none]
    #[arg(long, value_parser = named::<Balance>, value_name = "HOW")]
    balance: Option<Balance>,
    /// Of matrix products and convolutions: f32, or mixed (rounded to f16, summed in f32), which takes a GPU that has
    /// 16-bit floats [default: f32]
    #[arg(long, value_parser = named::<Precision>, value_name = "f32|mixed")]
    precision: Option<Precision>,
    #[command(flatten)]
    augmentation: AugmentationFlags,
}

/// Flags of the augmentation; 0 leaves a change out.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Augmentation (of training frames; 0 for none)", allow_negative_numbers = true)]
pub struct AugmentationFlags {
    /// Leave frames as they are, but for what the flags below ask for
    #[arg(long)]
    no_augmentation: bool,
    /// Change the level by up to this [default: 6]
    #[arg(long, value_name = "DB")]
    gain: Option<f32>,
    /// Turn half of the frames upside down [default: true]
    #[arg(long, value_name = "true|false")]
    polarity: Option<bool>,
    /// Raise and lower parts of the spectrum by up to this [default: 10]
    #[arg(long, value_name = "DB")]
    equaliser: Option<f32>,
    /// Play faster or slower by up to this share [default: 0.1]
    #[arg(long, value_name = "SHARE")]
    speed: Option<f32>,
    /// Add white noise, at most this many dB above -60 dB of the frame's level [default: 0]
    #[arg(long, value_name = "DB")]
    noise: Option<f32>,
    /// Mix frames and their labels in pairs, with shares from Beta(A, A) [default: 0.3]
    #[arg(long, value_name = "A")]
    mixup: Option<f32>,
    /// Stripes of frequencies that are masked [default: 3]
    #[arg(long, value_name = "N")]
    frequency_masks: Option<u32>,
    /// Stripes of time that are masked [default: 3]
    #[arg(long, value_name = "N")]
    time_masks: Option<u32>,
    /// The widest stripe, as a share of the axis [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    mask_width: Option<f32>,
}

/// Flags of the cache of decoded songs.
#[derive(Args, Debug, Default)]
pub struct CacheFlags {
    /// Hold decoded songs in memory instead of keeping them on disk for the next time
    #[arg(long)]
    no_cache: bool,
    /// Folder for decoded songs [default: the system's folder for caches]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
}

impl CacheFlags {
    /// These flags as they should be typed again.
    pub fn repeated(&self) -> String {
        match &self.cache {
            _ if self.no_cache => " --no-cache".to_string(),
            Some(folder) => format!(" --cache {}", quoted(folder)),
            None => String::new(),
        }
    }

    /// The cache that is asked for; none where the system has no folder for it.
    pub fn open(&self) -> Option<Cache> {
        if self.no_cache {
            return None;
        }
        self.cache.clone().or_else(Cache::user_folder).map(Cache::new)
    }
}

impl NetworkFlags {
    /// Whether they ask for another network than one that begins with another may be.
    pub fn shape(&self) -> bool {
        let Self { frame_step, drop_below, dropout, .. } = *self;
        *self != Self { frame_step, drop_below, dropout, ..Self::default() }
    }

    pub fn has_preset(&self) -> bool {
        self.preset.is_some()
    }

    /// Applies what changes a network, but for the preset, which is where a configuration begins.
    pub fn apply(&self, model: &mut ModelConfig) -> Result<(), CliError> {
        put!(self => model; sample_rate, frame_seconds, channels, normalise, features, n_fft, hop, mels, low, high,
            convolutions, kernel, pool, convolution, dropout);
        model.frame_step = self.frame_step.or(model.frame_step);
        model.drop_below = self.drop_below.or(model.drop_below);
        model.stem &= !self.no_stem;
        let doubled =
            |first: usize, i: usize| first.saturating_mul(1usize.checked_shl(i as u32).unwrap_or(0));
        if let Some(sizes) =
            sizes("--filters", "--blocks", &self.filters, self.blocks, &model.filters, doubled)?
        {
            model.filters = sizes;
        }
        let layers =
            sizes("--units", "--dense-layers", &self.units, self.dense_layers, &model.dense, |u, _| u)?;
        if let Some(sizes) = layers {
            model.dense = sizes;
        }
        Ok(())
    }
}

/// The sizes of layers from a list (or the size of the first) and their number, either or both given.
fn sizes(
    list_flag: &str,
    count_flag: &str,
    list: &Option<Vec<usize>>,
    count: Option<usize>,
    now: &[usize],
    further: impl Fn(usize, usize) -> usize,
) -> Result<Option<Vec<usize>>, CliError> {
    const MOST: usize = 64;
    let count = count.map(|count| count.min(MOST));
    Ok(match (list.as_deref(), count) {
        (None, None) => None,
        (Some(&[first]), count) => {
            let count = count.unwrap_or(now.len());
            Some((0..count).map(|i| further(first, i)).collect())
        }
        (Some(list), None) => Some(list.to_vec()),
        (Some(list), Some(count)) if list.len() == count => Some(list.to_vec()),
        (Some(list), Some(count)) => {
            return Err(CliError::Usage(format!(
                "{list_flag} names {} layers, but {count_flag} is {count}; give one of them",
                list.len()
            )));
        }
        (None, Some(count)) => {
            let first = now.first().copied().unwrap_or(256);
            Some((0..count).map(|i| now.get(i).copied().unwrap_or_else(|| further(first, i))).collect())
        }
    })
}

impl ValidationFlags {
    pub fn apply(&self, training: &mut TrainOptions) {
        put!(self => training; validation, folds, seed, keep, validate_every);
        training.fold = self.fold.or(training.fold);
    }
}

impl TrainingFlags {
    pub fn has_slices(&self) -> bool {
        self.slices.is_some()
    }

    pub fn apply(&self, training: &mut TrainOptions) {
        put!(self => training; epochs, batch, slices, frames_per_song, optimizer, learning_rate, schedule, weight_decay, momentum,
            clip, label_smoothing, patience, balance, precision);
        self.augmentation.apply(&mut training.augmentation);
    }

    /// The flags given that say how steps are made: a last layer that is fitted to means over songs has none.
    fn of_steps(&self) -> Vec<String> {
        let flags = given!(self; frames_per_song, optimizer, learning_rate, schedule, weight_decay, momentum, clip,
            label_smoothing, patience);
        flags.chain(self.augmentation.given()).collect()
    }
}

impl AugmentationFlags {
    fn given(&self) -> Vec<String> {
        let none = self.no_augmentation.then(|| "no-augmentation".to_string());
        let flags = given!(self; gain, polarity, equaliser, speed, noise, mixup, frequency_masks, time_masks, mask_width);
        none.into_iter().chain(flags).collect()
    }

    fn apply(&self, augmentation: &mut Augmentation) {
        if self.no_augmentation {
            *augmentation = Augmentation::NONE;
        }
        put!(self => augmentation; gain, polarity, equaliser, speed, noise, mixup, frequency_masks, time_masks, mask_width);
    }
}

/// A configuration from a file or a preset, if any, and flags, which win; `default` is what the network begins with where
/// nobody said so.
///
/// # Errors
/// [`CliError::Usage`] where a setting is not possible, or flags of steps are given and there are none.
pub fn configure(
    file: Option<&PathBuf>,
    (base, default): (&BaseFlags, Option<&Path>),
    network: &NetworkFlags,
    training: Option<(&TrainingFlags, &ValidationFlags)>,
) -> Result<RunConfig, CliError> {
    let read = file.map(|path| RunConfig::read(path)).transpose()?;
    let mut config = read.unwrap_or_else(|| network.preset.unwrap_or_default().config());
    base.begin(default, &mut config)?;
    network.apply(&mut config.model)?;
    if let Some((training, validation)) = training {
        training.apply(&mut config.training);
        validation.apply(&mut config.training);
    }
    config.check().map_err(|error| CliError::Usage(told(&error.into())))?;
    if config.training.epochs == 0 {
        let training = training.into_iter().flat_map(|(training, _)| training.of_steps());
        let idle: Vec<_> = base.of_steps().into_iter().chain(training).collect();
        if !idle.is_empty() {
            let cure = match (base.freeze, &base.from) {
                (true, _) => "leave out what of them you do not need",
                (false, None) => {
                    "give --epochs to tune the other layers too, or --from none to train from nothing"
                }
                (false, Some(_)) => "give --epochs to tune the other layers too",
            };
            return Err(CliError::Usage(format!(
                "--{}: of no use where only a new last layer is fitted to what a trained network hears; {cure}",
                idle.join(", --")
            )));
        }
    }
    Ok(config)
}
