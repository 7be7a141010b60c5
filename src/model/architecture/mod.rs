//! The networks' architectures, from audio to logits. Features, masks and head are common to all; what lies between is a
//! file for each.

mod musicnn;
mod residual;

use super::ModelError;
use super::builder::{Builder, input};
use super::config::{Architecture, Features, ModelConfig};
use super::parameters::Initial;
use crate::graph::NodeId;
use crate::ops::bias::Bias;
use crate::ops::log::{Compress, Decibel, Ln};
use crate::ops::mel::{Mel, MelSpec};
use crate::ops::stft::PowerStft;

/// Added to mel power before the logarithm is taken.
const LOG_FLOOR: f32 = 1e-5;
/// The range of the decibel scale.
const DECIBEL_RANGE: f32 = 80.0;

/// The transform that the features begin with.
pub(super) fn stft(config: &ModelConfig) -> PowerStft {
    PowerStft { n_fft: config.n_fft, hop: config.hop, centred: config.centred }
}

/// The ends of a network.
pub(super) struct Parts {
    pub audio: NodeId,
    /// [N, channels, H, W], before they are normalised.
    pub features: NodeId,
    /// [N, E]: what the last layer sees of a frame, before dropout.
    pub embedding: NodeId,
    pub logits: NodeId,
}

/// Adds everything from audio to the logits of so many labels.
pub(super) fn build(
    config: &ModelConfig,
    labels: usize,
    b: &mut Builder,
    batch: usize,
) -> Result<Parts, ModelError> {
    let audio = b.graph.add_named("audio", input([batch, config.channels, config.frame_length()]), &[])?;
    let features = features(config, b, audio)?;
    let x = b.scoped("features", |b| {
        let x = b.norm(features)?;
        // Behind the norm, where 0 is the mean.
        b.mask(x)
    })?;
    let last = match &config.architecture {
        Architecture::Residual => residual::body(config, b, x)?,
        Architecture::Musicnn(sizes) => musicnn::body(config, sizes, b, x)?,
    };
    // A network without dense layers has nothing to drop.
    let x = if config.dense.is_empty() { last } else { b.dropout(last, config.dropout)? };
    let (embedding, x) = match config.embedding {
        None => (last, x),
        Some(units) => {
            let x = linear(b, (EMBEDDING, "outputs"), x, units)?;
            (x, x)
        }
    };
    let logits = linear(b, (HEAD, "logits"), x, labels)?;
    Ok(Parts { audio, features, embedding, logits })
}

/// A layer without activation, of these names of its scope and its outputs: x [N, E] → [N, units].
fn linear(
    b: &mut Builder,
    (scope, outputs): (&str, &str),
    x: NodeId,
    units: usize,
) -> Result<NodeId, ModelError> {
    b.scoped(scope, |b| {
        let fan_in = b.graph.shape(x)[1];
        let x = b.dense(x, units, Initial::Uniform { fan_in })?;
        let bias = b.parameter("bias", [units].into(), Initial::Zero)?;
        Ok(b.graph.add_named(outputs, Bias.into(), &[x, bias])?)
    })
}

/// The scope of the layer that says what a teacher hears, [`ModelConfig::embedding`].
const EMBEDDING: &str = "embedding";

/// The scope of the last layer.
const HEAD: &str = "head";
/// Its parameters, [labels, E] and \[labels\].
pub const HEAD_WEIGHT: &str = "head.weight";
pub const HEAD_BIAS: &str = "head.bias";

fn features(config: &ModelConfig, b: &mut Builder, audio: NodeId) -> Result<NodeId, ModelError> {
    let mut x = b.graph.add_named("stft", stft(config).into(), &[audio])?;
    if config.uses_mels() {
        let ModelConfig { sample_rate, n_fft, mels, low, high, mel_scale, .. } = *config;
        let mel = Mel::new(MelSpec { sample_rate, n_fft, mels, low, high, scale: mel_scale });
        let mel =
            mel.map_err(|wanted| ModelError::Setting { setting: "mels", value: mels.to_string(), wanted })?;
        x = b.graph.add_named("mel", mel.into(), &[x])?;
    }
    Ok(match config.features {
        Features::Power => x,
        Features::LogMel => b.graph.add_named("ln", Ln { floor: LOG_FLOOR }.into(), &[x])?,
        Features::CompressedMel => {
            b.graph.add_named("log10", Compress { gain: Features::GAIN }.into(), &[x])?
        }
        Features::MelDecibel | Features::Decibel => {
            b.graph.add_named("decibel", Decibel { range: DECIBEL_RANGE }.into(), &[x])?
        }
    })
}
