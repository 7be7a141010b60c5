//! A stem, residual blocks, the mean over all places, dense layers.

use super::super::ModelError;
use super::super::builder::Builder;
use super::super::config::{Convolution, ModelConfig};
use super::super::parameters::Initial;
use crate::graph::NodeId;
use crate::ops::conv2d::Conv2d;
use crate::ops::elementwise::Binary::Add;
use crate::ops::pool::{MaxPool, Window, global_average_pool};

/// Side and stride of the stem's convolution.
const STEM: (usize, usize) = (5, 2);

/// Normalised features [N, channels, H, W] → embedding.
pub(super) fn body(config: &ModelConfig, b: &mut Builder, features: NodeId) -> Result<NodeId, ModelError> {
    let mut x = features;
    if config.stem {
        x = b.scoped("stem", |b| {
            let (kernel, stride) = STEM;
            let conv = Conv2d { stride: [stride; 2], pad: [kernel / 2; 2], groups: 1 };
            let x = b.conv("conv", x, config.filters[0], [kernel; 2], conv, config.slope)?;
            let x = b.norm(x)?;
            b.leaky(x, config.slope)
        })?;
    }
    for (i, &filters) in config.filters.iter().enumerate() {
        x = b.scoped(&format!("block{}", i + 1), |b| block(config, b, x, filters))?;
    }
    x = global_average_pool(&mut b.graph, x)?;
    for (i, &units) in config.dense.iter().enumerate() {
        if i > 0 {
            // The last layer's is added behind it, before the head.
            x = b.scoped(&format!("dense{i}"), |b| b.dropout(x, config.dropout))?;
        }
        x = b.scoped(&format!("dense{}", i + 1), |b| {
            let fan_in = b.graph.shape(x)[1];
            let initial = Initial::He { fan_in, slope: config.slope };
            let x = b.dense(x, units, initial)?;
            let x = b.norm(x)?;
            b.leaky(x, config.slope)
        })?;
    }
    Ok(x)
}

/// `leaky(norm(conv(… leaky(norm(conv(x))))) + norm(conv1×1(x)))`, then max pooling; with the addition last
/// `leaky(norm(conv(…))) + leaky(norm(conv1×1(x)))`.
fn block(config: &ModelConfig, b: &mut Builder, x: NodeId, filters: usize) -> Result<NodeId, ModelError> {
    let mut y = x;
    for i in 1..=config.convolutions {
        y = b.scoped(&format!("conv{i}"), |b| {
            let y = convolution(config, b, y, filters, config.kernel)?;
            let y = b.norm(y)?;
            let activated = i < config.convolutions || config.addition_last;
            if activated { b.leaky(y, config.slope) } else { Ok(y) }
        })?;
    }
    let projected = b.scoped("projection", |b| {
        let x = convolution(config, b, x, filters, 1)?;
        let x = b.norm(x)?;
        if config.addition_last { b.leaky(x, config.slope) } else { Ok(x) }
    })?;
    let sum = b.graph.add_named("add", Add.into(), &[y, projected])?;
    let y = if config.addition_last { sum } else { b.leaky(sum, config.slope)? };
    pool(config, b, y)
}

/// Max pooling, which is left out where a side would vanish.
fn pool(config: &ModelConfig, b: &mut Builder, x: NodeId) -> Result<NodeId, ModelError> {
    let [h, w] = [b.graph.shape(x)[2], b.graph.shape(x)[3]];
    if config.pool == 1 || h < config.pool || w < config.pool {
        return Ok(x);
    }
    let size = [config.pool; 2];
    let window = if config.pool_rest { Window::covering(size) } else { Window::tiles(size) };
    Ok(b.graph.add_named("pool", MaxPool(window).into(), &[x])?)
}

/// A convolution of stride 1 that keeps height and width, standard or separable.
fn convolution(
    config: &ModelConfig,
    b: &mut Builder,
    x: NodeId,
    filters: usize,
    kernel: usize,
) -> Result<NodeId, ModelError> {
    let same = Conv2d::same([kernel; 2]);
    match config.convolution {
        Convolution::Standard => b.conv("conv", x, filters, [kernel; 2], same, config.slope),
        Convolution::Separable => {
            let channels = b.graph.shape(x)[1];
            let depthwise = Conv2d { groups: channels, ..same };
            let x = b.conv("depthwise", x, channels, [kernel; 2], depthwise, config.slope)?;
            b.conv("pointwise", x, filters, [1; 2], Conv2d::same([1; 2]), config.slope)
        }
    }
}
