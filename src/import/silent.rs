//! Filters that are the same without their kernel.
//!
//! Weight decay drove most kernels of the published networks to nothing: of MSD_musicnn's 561 filters in front, 488
//! give one constant whatever they hear. Without them the network has 29 % of its parameters and computes 12 % of its
//! products.

use std::collections::BTreeMap;

use super::Imported;
use super::bundle::Tensor;
use super::musicnn::FRONT;

/// A kernel whose weights have magnitudes of less than this in all is none: what it hears is at most 7.
const NONE: f64 = 1e-8;

/// Of every batch norm: `tf.layers.batch_normalization`'s default.
const EPSILON: f64 = 1e-3;

impl Imported {
    /// The network without the filters of its front end that have no kernel.
    ///
    /// What they gave, batch norm(relu(bias)), goes into the biases of `middle1` and, through the norm of the pooled
    /// features, of `dense1`. So embeddings stay the same, except that the padding of `middle1` is no longer heard
    /// through them, which changes three frames at either end: by 1e-9 in the embeddings of MSD_musicnn, by 1.3e-6 in
    /// those of MTT_musicnn. One filter of each convolution stays in any case.
    #[must_use]
    pub fn without_silent_filters(self) -> Self {
        let mut pruned = self.clone();
        // Nothing is missing in a network that came from a wheel.
        if prune(&mut pruned).is_some() { pruned } else { self }
    }
}

fn prune(network: &mut Imported) -> Option<()> {
    let tensors = &mut network.tensors;
    let (mut live, mut constants) = (Vec::new(), Vec::new());
    for ((layer, _), convolution) in FRONT.into_iter().zip(&mut network.sizes.front) {
        let name = |part: &str| format!("{layer}.{part}");
        let bias = values(tensors, &name("conv.bias"))?.iter().map(|&bias| f64::from(bias).max(0.0));
        constants.extend(normed(tensors, &name("norm"), &bias.collect::<Vec<_>>())?);
        let kernels = values(tensors, &name("conv.weight"))?;
        let kernels = kernels.chunks((kernels.len() / convolution.filters.max(1)).max(1));
        let mut heard: Vec<bool> =
            kernels.map(|kernel| kernel.iter().map(|&w| f64::from(w.abs())).sum::<f64>() >= NONE).collect();
        if !heard.contains(&true) {
            *heard.first_mut()? = true;
        }
        for (part, axis) in
            [("conv.weight", 0), ("conv.bias", 0), ("norm.scale_shift", 1), ("norm.running", 1)]
        {
            keep(tensors.get_mut(&name(part))?, axis, &heard)?;
        }
        convolution.filters = heard.iter().filter(|&&heard| heard).count();
        live.extend(heard);
    }

    // What is constant in time goes through a convolution as through the sum of each of its kernels over time.
    let silent = |channel: usize| live.get(channel) == Some(&false);
    let taps = network.sizes.middle[0].width.max(1);
    let sums = values(tensors, "middle1.conv.weight")?.chunks(taps);
    let sums: Vec<f64> = sums.map(|kernel| kernel.iter().map(|&w| f64::from(w)).sum()).collect();
    add(values_mut(tensors, "middle1.conv.bias")?, &sums, &constants, silent);
    keep(tensors.get_mut("middle1.conv.weight")?, 1, &live)?;

    // The maximum and the mean of a constant are itself.
    let pooled = live.len() + network.sizes.middle.iter().map(|layer| layer.filters).sum::<usize>();
    let pad = |values: &[f64]| [values, &vec![0.0; pooled - values.len()]].concat().repeat(2);
    let inputs = normed(tensors, "pooling.norm", &pad(&constants))?;
    let weights: Vec<f64> = values(tensors, "dense1.weight")?.iter().map(|&w| f64::from(w)).collect();
    add(values_mut(tensors, "dense1.bias")?, &weights, &inputs, |input| silent(input % pooled));
    let heard: Vec<bool> = (0..2 * pooled).map(|input| !silent(input % pooled)).collect();
    for (name, axis) in [("dense1.weight", 1), ("pooling.norm.scale_shift", 1), ("pooling.norm.running", 1)] {
        keep(tensors.get_mut(name)?, axis, &heard)?;
    }
    Some(())
}

fn values<'a>(tensors: &'a BTreeMap<String, Tensor>, name: &str) -> Option<&'a [f32]> {
    tensors.get(name).map(|(_, values)| &values[..])
}

fn values_mut<'a>(tensors: &'a mut BTreeMap<String, Tensor>, name: &str) -> Option<&'a mut [f32]> {
    tensors.get_mut(name).map(|(_, values)| &mut values[..])
}

/// What a batch norm makes of one value for each channel.
fn normed(tensors: &BTreeMap<String, Tensor>, norm: &str, channels: &[f64]) -> Option<Vec<f64>> {
    let row = |part: &str, row: usize| {
        let values = values(tensors, &format!("{norm}.{part}"))?;
        values.chunks(channels.len().max(1)).nth(row).map(|row| row.iter().map(|&value| f64::from(value)))
    };
    let scale_shift = row("scale_shift", 0)?.zip(row("scale_shift", 1)?);
    let running = row("running", 0)?.zip(row("running", 1)?);
    let parts = channels.iter().zip(scale_shift).zip(running);
    Some(
        parts
            .map(|((x, (scale, shift)), (mean, variance))| {
                (x - mean) / (variance + EPSILON).sqrt() * scale + shift
            })
            .collect(),
    )
}

/// Adds to each bias what the chosen inputs bring through its row of weights.
fn add(biases: &mut [f32], weights: &[f64], inputs: &[f64], chosen: impl Fn(usize) -> bool) {
    for (bias, row) in biases.iter_mut().zip(weights.chunks(inputs.len().max(1))) {
        let terms = row.iter().zip(inputs).enumerate().filter(|(input, _)| chosen(*input));
        *bias += terms.map(|(_, (weight, input))| weight * input).sum::<f64>() as f32;
    }
}

/// Leaves of a tensor what is chosen along one axis.
fn keep((shape, values): &mut Tensor, axis: usize, chosen: &[bool]) -> Option<()> {
    let inner = shape.get(axis + 1..)?.iter().product::<usize>().max(1);
    let rows = values.chunks(inner).zip(chosen.iter().cycle()).filter(|(_, chosen)| **chosen);
    let kept = rows.flat_map(|(row, _)| row.iter().copied()).collect();
    *values = kept;
    *shape.get_mut(axis)? = chosen.iter().filter(|&&chosen| chosen).count();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::musicnn::tests::{MELS, published, read};
    use super::super::settings::Preprocessing;
    use super::*;

    fn imported(tensors: &BTreeMap<String, Tensor>) -> Imported {
        let (tensors, sizes) = read(tensors).unwrap();
        let preprocessing =
            Preprocessing { sample_rate: 16_000, n_fft: 512, hop: 256, mels: MELS, frames: 20 };
        let (licence, source) = (String::new(), String::new());
        Imported { network: "MSD_musicnn", tensors, sizes, preprocessing, tags: &[], licence, source }
    }

    #[test]
    fn a_filter_without_kernel_goes_into_the_biases() {
        // The second filter of timbral1, after which there are five others in front: channel 1 of 7.
        let mut tensors = published();
        tensors.get_mut("conv2d/kernel").unwrap().1.iter_mut().skip(1).step_by(2).for_each(|w| *w = 1e-11);
        tensors.get_mut("conv2d/bias").unwrap().1[1] = 2.0;
        let whole = imported(&tensors);
        let pruned = whole.clone().without_silent_filters();
        assert_eq!(pruned.sizes.front.map(|layer| layer.filters), [1, 2, 1, 1, 1]);
        assert_eq!(pruned.sizes.middle, whole.sizes.middle);

        let without = |values: &[f32], dropped: &[usize]| -> Vec<f32> {
            values.iter().enumerate().filter(|(i, _)| !dropped.contains(i)).map(|(_, &value)| value).collect()
        };
        for (name, shape, dropped) in [
            ("timbral1.conv.weight", vec![1, 1, 2, 7], (14..28).collect()),
            ("timbral1.conv.bias", vec![1], vec![1]),
            ("timbral1.norm.scale_shift", vec![2, 1], vec![1, 3]),
            ("timbral1.norm.running", vec![2, 1], vec![1, 3]),
            ("middle1.conv.weight", vec![2, 6, 1, 7], (7..14).chain(56..63).collect()),
            ("pooling.norm.scale_shift", vec![2, 24], vec![1, 14, 27, 40]),
            ("pooling.norm.running", vec![2, 24], vec![1, 14, 27, 40]),
            ("dense1.weight", vec![4, 24], (0..4).flat_map(|unit| [26 * unit + 1, 26 * unit + 14]).collect()),
        ] {
            let wanted = without(&whole.tensors[name].1, &dropped);
            assert_eq!(pruned.tensors[name], (shape, wanted), "{name}");
        }

        // Of its batch norm, mean, variance, scale and shift are 1.
        let constant = (2.0 - 1.0) / 1.001_f64.sqrt() + 1.0;
        let middle = &whole.tensors["middle1.conv.weight"].1;
        for (filter, bias) in pruned.tensors["middle1.conv.bias"].1.iter().enumerate() {
            let kernel: f32 = middle[49 * filter + 7..49 * filter + 14].iter().sum();
            let wanted = filter as f64 + constant * f64::from(kernel);
            assert!((f64::from(*bias) - wanted).abs() < 1e-6 * wanted, "{filter}: {bias}, {wanted}");
        }
        // Of the norm of the pooled features they are the number of the feature in the checkpoint: 2 and 3.
        let pooled = [2.0, 3.0].map(|n: f64| (constant - n) / (n + 1e-3).sqrt() * n + n);
        for (unit, bias) in pruned.tensors["dense1.bias"].1.iter().enumerate() {
            let row = &whole.tensors["dense1.weight"].1[26 * unit..];
            let wanted = unit as f64 + pooled[0] * f64::from(row[1]) + pooled[1] * f64::from(row[14]);
            assert!((f64::from(*bias) - wanted).abs() < 1e-6 * wanted.abs(), "{unit}: {bias}, {wanted}");
        }

        let changed = ["timbral1", "middle1.conv", "pooling", "dense1.weight", "dense1.bias"];
        for (name, tensor) in &whole.tensors {
            if !changed.iter().any(|changed| name.starts_with(changed)) {
                assert_eq!(pruned.tensors[name], *tensor, "{name}");
            }
        }
    }

    #[test]
    fn what_hears_something_stays() {
        let mut tensors = published();
        // A single filter's kernel counts up from 0; none of these is nothing.
        let whole = imported(&tensors);
        assert_eq!(whole.clone().without_silent_filters(), whole);
        // One filter stays, as a convolution must have one.
        tensors.get_mut("conv2d_2/kernel").unwrap().1.fill(0.0);
        let whole = imported(&tensors);
        assert_eq!(whole.clone().without_silent_filters(), whole);
    }
}
