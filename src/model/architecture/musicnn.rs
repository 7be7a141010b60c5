//! The network of Pons and Serra 2019, "musicnn: pre-trained convolutional neural networks for music audio tagging": a front
//! end of tall and of wide convolutions over the spectrogram, three layers over time of which the later add what the earlier
//! found, the maximum and the mean over time, dense layers. An activation comes before its norm.

use super::super::ModelError;
use super::super::builder::Builder;
use super::super::config::{Branch, ModelConfig, Musicnn};
use super::super::parameters::Initial;
use crate::graph::NodeId;
use crate::ops::bias::Bias;
use crate::ops::concat::{Concat, Pad};
use crate::ops::conv2d::Conv2d;
use crate::ops::elementwise::Binary::Add;
use crate::ops::pool::{MaxPool, Window, global_average_pool};
use crate::ops::view::View;

/// Axes of [N, C, H, W].
const CHANNELS: usize = 1;
const TIME: usize = 3;

/// Normalised features [N, channels, H, W] → embedding.
pub(super) fn body(
    config: &ModelConfig,
    sizes: &Musicnn,
    b: &mut Builder,
    features: NodeId,
) -> Result<NodeId, ModelError> {
    let timbral =
        sizes.timbral.iter().map(|branch| ("timbral", branch, [branch.length, sizes.timbral_width]));
    let temporal = sizes.temporal.iter().map(|branch| ("temporal", branch, [1, branch.length]));
    let mut layers = Vec::new();
    for branches in [timbral.collect::<Vec<_>>(), temporal.collect()] {
        for (i, (kind, &Branch { filters, .. }, kernel)) in branches.into_iter().enumerate() {
            layers.push(b.scoped(&format!("{kind}{}", i + 1), |b| {
                let x = layer(config, b, features, filters, kernel)?;
                let height = b.graph.shape(x)[2];
                Ok(b.graph.add_named("max", MaxPool(Window::tiles([height, 1])).into(), &[x])?)
            })?);
        }
    }
    let mut x = b.graph.add_named("front", Concat { axis: CHANNELS }.into(), &layers)?;
    layers = vec![x];
    for (i, &filters) in sizes.middle.iter().enumerate() {
        x = b.scoped(&format!("middle{}", i + 1), |b| {
            let y = layer(config, b, x, filters, [1, sizes.middle_width])?;
            // The first has other channels than what it sees.
            if i == 0 { Ok(y) } else { Ok(b.graph.add_named("add", Add.into(), &[y, x])?) }
        })?;
        layers.push(x);
    }
    let x = b.graph.add_named("layers", Concat { axis: CHANNELS }.into(), &layers)?;
    let mut x = b.scoped("pooling", |b| {
        let [n, c, w] = [0, CHANNELS, TIME].map(|axis| b.graph.shape(x)[axis]);
        let most = b.graph.add_named("max", MaxPool(Window::tiles([1, w])).into(), &[x])?;
        let most = b.graph.add_named("flatten", View::reshape([n, c]).into(), &[most])?;
        let mean = global_average_pool(&mut b.graph, x)?;
        let x = b.graph.add_named("both", Concat { axis: CHANNELS }.into(), &[most, mean])?;
        b.norm(x)
    })?;
    for (i, &units) in config.dense.iter().enumerate() {
        x = b.scoped(&format!("dense{}", i + 1), |b| {
            let x = b.dropout(x, config.dropout)?;
            let fan_in = b.graph.shape(x)[1];
            let x = b.dense(x, units, Initial::He { fan_in, slope: config.slope })?;
            let bias = b.parameter("bias", [units].into(), Initial::Zero)?;
            let x = b.graph.add_named("add_bias", Bias.into(), &[x, bias])?;
            let x = b.leaky(x, config.slope)?;
            b.norm(x)
        })?;
    }
    Ok(x)
}

/// `norm(leaky(conv(x) + bias))`. The kernel keeps the width, and covers the height without a margin.
fn layer(
    config: &ModelConfig,
    b: &mut Builder,
    x: NodeId,
    filters: usize,
    kernel: [usize; 2],
) -> Result<NodeId, ModelError> {
    // A kernel of even width has one more column behind its middle than before it.
    let (before, behind) = ((kernel[1] - 1) / 2, kernel[1] / 2);
    let (x, pad) = match before == behind {
        true => (x, [0, before]),
        false => (b.graph.add_named("pad", Pad { axis: TIME, before, behind }.into(), &[x])?, [0, 0]),
    };
    let x = b.conv("conv", x, filters, kernel, Conv2d { stride: [1, 1], pad, groups: 1 }, config.slope)?;
    let bias = b.parameter("conv.bias", [filters].into(), Initial::Zero)?;
    let x = b.graph.add_named("add_bias", Bias.into(), &[x, bias])?;
    let x = b.leaky(x, config.slope)?;
    b.norm(x)
}
