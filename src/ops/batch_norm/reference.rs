//! Batch normalisation by its definition, channel by channel.

use super::{BatchNorm, BatchNormInputGrad, BatchNormSums, EPSILON, MergeStats, masked};
use crate::ops::bias::channels;
use crate::ops::kernel::{Operand, Real};

/// Calls `f` with every index of channel `c` of [N, C, ...].
fn each_of<T>(x: Operand<'_, T>, c: usize, mut f: impl FnMut(usize)) {
    let Ok((n, channels, size)) = channels(x.shape) else { return };
    for n in 0..n {
        let start = (n * channels + c) * size;
        (start..start + size).for_each(&mut f);
    }
}

/// The mean and `1/√(variance + EPSILON)` of channel `c`.
fn moments<T: Real>(stats: &[T], c: usize) -> (T, T) {
    let channels = stats.len() / 2;
    (stats[c], (stats[channels + c] + T::of(EPSILON)).sqrt().recip())
}

pub fn statistics<T: Real>(x: Operand<'_, T>, stats: &mut [T]) {
    let channels = stats.len() / 2;
    let count = T::of((x.data.len() / channels) as f64);
    for c in 0..channels {
        let mut sum = T::zero();
        each_of(x, c, |i| sum += x.data[i]);
        let mean = sum / count;
        let mut squares = T::zero();
        each_of(x, c, |i| squares += (x.data[i] - mean).powi(2));
        stats[c] = mean;
        stats[channels + c] = squares / count;
    }
}

pub fn apply<T: Real>(op: &BatchNorm, inputs: &[Operand<'_, T>], y: &mut [T]) {
    let (x, stats, affine) = (inputs[0], inputs[1].data, inputs[2].data);
    let channels = stats.len() / 2;
    for c in 0..channels {
        let (mean, inverse) = moments(stats, c);
        each_of(x, c, |i| {
            let mut z = affine[c] * ((x.data[i] - mean) * inverse) + affine[channels + c];
            if let Some(residual) = inputs.get(3) {
                z += residual.data[i];
            }
            y[i] = match op.slope {
                Some(slope) if z < T::zero() => z * T::of(f64::from(slope)),
                _ => z,
            };
        });
    }
}

pub fn sums<T: Real>(op: &BatchNormSums, inputs: &[Operand<'_, T>], sums: &mut [T]) {
    let (x, stats, dy) = (inputs[0], inputs[1].data, inputs[2].data);
    let channels = stats.len() / 2;
    for c in 0..channels {
        let (mean, inverse) = moments(stats, c);
        let (mut scale, mut shift) = (T::zero(), T::zero());
        each_of(x, c, |i| {
            let dz = masked(dy[i], inputs.get(3).map(|y| y.data[i]), op.slope);
            scale += dz * (x.data[i] - mean) * inverse;
            shift += dz;
        });
        sums[c] = scale;
        sums[channels + c] = shift;
    }
}

pub fn input_grad<T: Real>(op: &BatchNormInputGrad, inputs: &[Operand<'_, T>], dx: &mut [T]) {
    let (x, stats, affine) = (inputs[0], inputs[1].data, inputs[2].data);
    let (sums, dy) = (inputs[3].data, inputs[4].data);
    let channels = stats.len() / 2;
    for c in 0..channels {
        let (mean, inverse) = moments(stats, c);
        each_of(x, c, |i| {
            let mut dz = masked(dy[i], inputs.get(5).map(|y| y.data[i]), op.slope);
            if let Some(count) = op.count {
                let normalised = (x.data[i] - mean) * inverse;
                dz -= (sums[channels + c] + normalised * sums[c]) / T::of(count as f64);
            }
            dx[i] = affine[c] * inverse * dz;
        });
    }
}

pub fn merge<T: Real>(op: &MergeStats, inputs: &[Operand<'_, T>], merged: &mut [T], channels: usize) {
    let (first, second) = (inputs[0].data, inputs[1].data);
    let [n0, n1] = op.counts.map(|count| T::of(count as f64));
    for c in 0..channels {
        let mean = (n0 * first[c] + n1 * second[c]) / (n0 + n1);
        let squares = |n: T, stats: &[T]| n * (stats[channels + c] + (stats[c] - mean).powi(2));
        merged[c] = mean;
        merged[channels + c] = (squares(n0, first) + squares(n1, second)) / (n0 + n1);
    }
}
