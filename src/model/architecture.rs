//! The network's architecture, from audio to logits.

use super::ModelError;
use super::builder::{Builder, input};
use super::config::{Convolution, Features, ModelConfig};
use super::parameters::Initial;
use crate::graph::NodeId;
use crate::ops::bias::Bias;
use crate::ops::conv2d::Conv2d;
use crate::ops::elementwise::Binary::Add;
use crate::ops::log::{Decibel, Ln};
use crate::ops::mel::{Mel, MelScale, MelSpec};
use crate::ops::pool::{MaxPool, Window, global_average_pool};
use crate::ops::stft::PowerStft;

/// Added to mel power before the logarithm is taken.
const LOG_FLOOR: f32 = 1e-5;
/// The range of the decibel scale.
const DECIBEL_RANGE: f32 = 80.0;
/// Side and stride of the stem's convolution.
const STEM: (usize, usize) = (5, 2);

/// The transform that the features begin with.
pub(super) fn stft(config: &ModelConfig) -> PowerStft {
    PowerStft { n_fft: config.n_fft, hop: config.hop, centred: true }
}

/// The ends of a network.
pub(super) struct Parts {
    pub audio: NodeId,
    /// [N, channels, H, W], before they are normalised.
    pub features: NodeId,
    pub logits: NodeId,
}

/// What the network is built from.
pub(super) struct Architecture<'a> {
    pub config: &'a ModelConfig,
    pub genres: usize,
}

impl Architecture<'_> {
    /// Adds everything from audio to logits.
    pub(super) fn body(&self, b: &mut Builder, batch: usize) -> Result<Parts, ModelError> {
        let config = self.config;
        let audio =
            b.graph.add_named("audio", input([batch, config.channels, config.frame_length()]), &[])?;
        let features = self.features(b, audio)?;
        let mut x = b.scoped("features", |b| {
            let x = b.norm(features)?;
            // Behind the norm, where 0 is the mean.
            b.mask(x)
        })?;
        if config.stem {
            x = b.scoped("stem", |b| {
                let (kernel, stride) = STEM;
                let conv = Conv2d { stride: [stride; 2], pad: [kernel / 2; 2], groups: 1 };
                let x = b.conv("conv", x, config.filters[0], kernel, conv, config.slope)?;
                let x = b.norm(x)?;
                b.leaky(x, config.slope)
            })?;
        }
        for (i, &filters) in config.filters.iter().enumerate() {
            x = b.scoped(&format!("block{}", i + 1), |b| self.block(b, x, filters))?;
        }
        x = global_average_pool(&mut b.graph, x)?;
        for (i, &units) in config.dense.iter().enumerate() {
            x = b.scoped(&format!("dense{}", i + 1), |b| {
                let fan_in = b.graph.shape(x)[1];
                let initial = Initial::He { fan_in, slope: config.slope };
                let x = b.dense(x, units, initial)?;
                let x = b.norm(x)?;
                let x = b.leaky(x, config.slope)?;
                b.dropout(x, config.dropout)
            })?;
        }
        let logits = b.scoped("head", |b| {
            let fan_in = b.graph.shape(x)[1];
            let x = b.dense(x, self.genres, Initial::Uniform { fan_in })?;
            let bias = b.parameter("bias", [self.genres].into(), Initial::Zero)?;
            Ok(b.graph.add_named("logits", Bias.into(), &[x, bias])?)
        })?;
        Ok(Parts { audio, features, logits })
    }

    fn features(&self, b: &mut Builder, audio: NodeId) -> Result<NodeId, ModelError> {
        let config = self.config;
        let mut x = b.graph.add_named("stft", stft(config).into(), &[audio])?;
        if config.uses_mels() {
            let ModelConfig { sample_rate, n_fft, mels, low, high, .. } = *config;
            let mel = Mel::new(MelSpec { sample_rate, n_fft, mels, low, high, scale: MelScale::Htk });
            let mel = mel.map_err(|wanted| ModelError::Setting {
                setting: "mels",
                value: mels.to_string(),
                wanted,
            })?;
            x = b.graph.add_named("mel", mel.into(), &[x])?;
        }
        Ok(match config.features {
            Features::Power => x,
            Features::LogMel => b.graph.add_named("ln", Ln { floor: LOG_FLOOR }.into(), &[x])?,
            Features::MelDecibel | Features::Decibel => {
                b.graph.add_named("decibel", Decibel { range: DECIBEL_RANGE }.into(), &[x])?
            }
        })
    }

    /// `leaky(norm(conv(… leaky(norm(conv(x))))) + norm(conv1×1(x)))`, then max pooling; with the addition last
    /// `leaky(norm(conv(…))) + leaky(norm(conv1×1(x)))`.
    fn block(&self, b: &mut Builder, x: NodeId, filters: usize) -> Result<NodeId, ModelError> {
        let config = self.config;
        let mut y = x;
        for i in 1..=config.convolutions {
            y = b.scoped(&format!("conv{i}"), |b| {
                let y = self.convolution(b, y, filters, config.kernel)?;
                let y = b.norm(y)?;
                let activated = i < config.convolutions || config.addition_last;
                if activated { b.leaky(y, config.slope) } else { Ok(y) }
            })?;
        }
        let projected = b.scoped("projection", |b| {
            let x = self.convolution(b, x, filters, 1)?;
            let x = b.norm(x)?;
            if config.addition_last { b.leaky(x, config.slope) } else { Ok(x) }
        })?;
        let sum = b.graph.add_named("add", Add.into(), &[y, projected])?;
        let y = if config.addition_last { sum } else { b.leaky(sum, config.slope)? };
        let [h, w] = [b.graph.shape(y)[2], b.graph.shape(y)[3]];
        if config.pool == 1 || h < config.pool || w < config.pool {
            return Ok(y);
        }
        Ok(b.graph.add_named("pool", MaxPool(Window::tiles([config.pool; 2])).into(), &[y])?)
    }

    /// A convolution of stride 1 that keeps height and width, standard or separable.
    fn convolution(
        &self,
        b: &mut Builder,
        x: NodeId,
        filters: usize,
        kernel: usize,
    ) -> Result<NodeId, ModelError> {
        let same = Conv2d::same([kernel; 2]);
        let slope = self.config.slope;
        match self.config.convolution {
            Convolution::Standard => b.conv("conv", x, filters, kernel, same, slope),
            Convolution::Separable => {
                let channels = b.graph.shape(x)[1];
                let depthwise = Conv2d { groups: channels, ..same };
                let x = b.conv("depthwise", x, channels, kernel, depthwise, slope)?;
                b.conv("pointwise", x, filters, 1, Conv2d::same([1; 2]), slope)
            }
        }
    }
}
