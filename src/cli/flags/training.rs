//! Flags of the training, its split and its augmentation.

use clap::Args;

use super::{given, named, put};
use crate::dataset::Augmentation;
use crate::device::Precision;
use crate::model::OptimizerKind;
use crate::train::{Balance, Keep, ScheduleKind, TrainOptions};

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

impl ValidationFlags {
    /// As [`TrainingFlags::of_steps`].
    pub(super) fn of_steps(&self) -> Vec<String> {
        given!(self; keep, validate_every).collect()
    }

    pub fn apply(&self, training: &mut TrainOptions) {
        put!(self => training; validation, folds, seed, keep, validate_every);
        training.fold = self.fold.or(training.fold);
    }
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
    pub(super) fn of_steps(&self) -> Vec<String> {
        let flags = given!(self; batch, slices, frames_per_song, optimizer, learning_rate, schedule, weight_decay, momentum,
            clip, label_smoothing, patience);
        let sampled = (self.balance == Some(Balance::Sampling)).then(|| "balance sampling".to_string());
        flags.chain(sampled).chain(self.augmentation.given()).collect()
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
