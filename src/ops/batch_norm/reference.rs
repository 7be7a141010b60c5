//! Batch normalisation by its definition, channel by channel.

use super::{BatchNorm, BatchNormInputGrad, BatchNormSums, Channels, MergeStats};
use crate::ops::activation::masked;
use crate::ops::kernel::Real;

/// Calls `f` with every index of channel `c` of [N, C, ...].
fn each_of(channels: Channels, c: usize, mut f: impl FnMut(usize)) {
    let size = channels.size;
    for n in 0..channels.n {
        let start = (n * channels.c + c) * size;
        (start..start + size).for_each(&mut f);
    }
}

/// The mean and `1/√(variance + epsilon)` of channel `c`.
fn moments<T: Real>(stats: &[T], c: usize, epsilon: f64) -> (T, T) {
    let channels = stats.len() / 2;
    (stats[c], (stats[channels + c] + T::of(epsilon)).sqrt().recip())
}

pub fn statistics<T: Real>(channels: Channels, x: &[T], stats: &mut [T]) {
    let count = T::of(channels.count() as f64);
    for c in 0..channels.c {
        let mut sum = T::zero();
        each_of(channels, c, |i| sum += x[i]);
        let mean = sum / count;
        let mut squares = T::zero();
        each_of(channels, c, |i| squares += (x[i] - mean).powi(2));
        stats[c] = mean;
        stats[channels.c + c] = squares / count;
    }
}

pub fn apply<T: Real>(op: &BatchNorm, channels: Channels, inputs: &[&[T]], y: &mut [T]) {
    let (x, stats, affine) = (inputs[0], inputs[1], inputs[2]);
    for c in 0..channels.c {
        let (mean, inverse) = moments(stats, c, op.epsilon);
        each_of(channels, c, |i| {
            let mut z = affine[c] * ((x[i] - mean) * inverse) + affine[channels.c + c];
            if let Some(residual) = inputs.get(3) {
                z += residual[i];
            }
            y[i] = match op.slope {
                Some(slope) if z < T::zero() => z * T::of(f64::from(slope)),
                _ => z,
            };
        });
    }
}

pub fn sums<T: Real>(op: &BatchNormSums, channels: Channels, inputs: &[&[T]], sums: &mut [T]) {
    let (x, stats, dy) = (inputs[0], inputs[1], inputs[2]);
    for c in 0..channels.c {
        let (mean, inverse) = moments(stats, c, op.epsilon);
        let (mut scale, mut shift) = (T::zero(), T::zero());
        each_of(channels, c, |i| {
            let dz = masked(dy[i], inputs.get(3).map(|y| y[i]), op.slope);
            scale += dz * (x[i] - mean) * inverse;
            shift += dz;
        });
        sums[c] = scale;
        sums[channels.c + c] = shift;
    }
}

pub fn input_grad<T: Real>(op: &BatchNormInputGrad, channels: Channels, inputs: &[&[T]], dx: &mut [T]) {
    let (x, stats, affine) = (inputs[0], inputs[1], inputs[2]);
    let (sums, dy) = (inputs[3], inputs[4]);
    for c in 0..channels.c {
        let (mean, inverse) = moments(stats, c, op.epsilon);
        each_of(channels, c, |i| {
            let mut dz = masked(dy[i], inputs.get(5).map(|y| y[i]), op.slope);
            if let Some(count) = op.count {
                let normalised = (x[i] - mean) * inverse;
                dz -= (sums[channels.c + c] + normalised * sums[c]) / T::of(count as f64);
            }
            dx[i] = affine[c] * inverse * dz;
        });
    }
}

pub fn merge<T: Real>(op: &MergeStats, inputs: &[&[T]], merged: &mut [T], channels: usize) {
    let (first, second) = (inputs[0], inputs[1]);
    let [n0, n1] = op.counts.map(|count| T::of(count as f64));
    for c in 0..channels {
        let mean = (n0 * first[c] + n1 * second[c]) / (n0 + n1);
        let squares = |n: T, stats: &[T]| n * (stats[channels + c] + (stats[c] - mean).powi(2));
        merged[c] = mean;
        merged[channels + c] = (squares(n0, first) + squares(n1, second)) / (n0 + n1);
    }
}
