//! Flags of the network and of what it hears.

use clap::Args;

use super::{given, named, put};
use crate::audio::Normalise;
use crate::cli::CliError;
use crate::model::{Convolution, Features, ModelConfig};
use crate::train::Preset;

/// Flags of the network; what is not given keeps its default.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Network", allow_negative_numbers = true)]
pub struct NetworkFlags {
    /// A network, with its recipe: small, medium, large or original; other flags change it [default: small]
    #[arg(long, value_parser = named::<Preset>, value_name = "NAME", conflicts_with = "config")]
    pub(super) preset: Option<Preset>,
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

impl NetworkFlags {
    /// Whether they ask for another network than one that begins with another may be.
    pub fn shape(&self) -> bool {
        let Self { frame_step, drop_below, dropout, .. } = *self;
        *self != Self { frame_step, drop_below, dropout, ..Self::default() }
    }

    /// As [`super::TrainingFlags::of_steps`].
    pub(super) fn of_steps(&self) -> Vec<String> {
        given!(self; dropout).collect()
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
