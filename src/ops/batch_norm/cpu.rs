//! Batch normalisation at the speed of memory: one pass over the tensors for each operation.
//!
//! Everything that a channel contributes is folded into a few coefficients first, so that an element costs a
//! handful of multiplications and additions.

use std::sync::{Mutex, PoisonError};

use pulp::Simd;

use super::planes::{Reduction, Terms, map, map_part, reduce_part, reduce_planes, sum_plane, sum_rows};
use super::{BatchNorm, BatchNormInputGrad, BatchNormSums, Channels, MergeStats, Residual, RunningStats};
use crate::ops::activation::masked_f32 as masked;
use crate::ops::kernel::{CpuKernel, Follow};

/// Mean and variance of every channel from the means of its planes, [N, C], and the squared deviations in
/// them; the means of planes of one element are the elements.
fn merge_statistics(channels: Channels, plane_means: &[f32], squares: Option<&[f32]>, stats: &mut [f32]) {
    let Channels { n, c, size } = channels;
    let (n, size) = (n as f64, size as f64);
    let (means, variances) = stats.split_at_mut(c);
    sum_rows(c, [plane_means], |_, [m]| [f64::from(m), 0.0], |c, [sum, _]| means[c] = (sum / n) as f32);
    let deviations = |channel: usize, mean: f32, squares: f32| {
        let d = f64::from(mean) - f64::from(means[channel]);
        [d, f64::from(squares) + size * d * d]
    };
    // The deviations are from the rounded mean: the square of their own mean is taken off.
    let write = |channel: usize, [d, total]: [f64; 2]| {
        variances[channel] = ((total - size * d * d / n) / (n * size)) as f32;
    };
    match squares {
        Some(squares) => {
            sum_rows(c, [plane_means, squares], |c, [mean, squares]| deviations(c, mean, squares), write);
        }
        None => sum_rows(c, [plane_means], |c, [mean]| deviations(c, mean, 0.0), write),
    }
}

fn reduction_workspace(channels: Channels) -> usize {
    if channels.rows() { 0 } else { 2 * channels.n * channels.c }
}

#[derive(Clone, Copy)]
struct Element;

impl Terms<1, 1> for Element {
    #[inline(always)]
    fn of<S: Simd>(self, _: S, [x]: [S::f32s; 1]) -> [S::f32s; 1] {
        [x]
    }
}

/// The deviation from a centre, and its square.
#[derive(Clone, Copy)]
struct Deviation(f32);

impl Terms<1, 2> for Deviation {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, [x]: [S::f32s; 1]) -> [S::f32s; 2] {
        let d = simd.sub_f32s(x, simd.splat_f32s(self.0));
        [d, simd.mul_f32s(d, d)]
    }
}

/// Mean and squared deviations of a plane in two passes, the second from cache, about a centre that is nearly its mean;
/// what is left of the mean is taken off (Chan, Golub and LeVeque 1983, "corrected two-pass").
struct Moments;

impl Reduction<1> for Moments {
    #[inline(always)]
    fn plane<S: Simd>(&self, simd: S, _: usize, planes: [&[f32]; 1]) -> [f32; 2] {
        let size = planes[0].len() as f64;
        let [sum] = sum_plane(simd, planes, Element);
        let centre = (sum / size) as f32;
        let [d, squares] = sum_plane(simd, planes, Deviation(centre));
        let rest = d / size;
        [(f64::from(centre) + rest) as f32, (squares - d * rest) as f32]
    }
}

pub fn statistics(channels: Channels) -> CpuKernel {
    let kernel = CpuKernel::with_workspace(reduction_workspace(channels), move |inputs, stats, workspace| {
        if channels.rows() {
            return merge_statistics(channels, inputs[0], None, stats);
        }
        reduce_planes(channels, [inputs[0]], workspace, &Moments);
        let (means, squares) = workspace.split_at(workspace.len() / 2);
        merge_statistics(channels, means, Some(squares), stats);
    });
    if channels.rows() {
        return kernel;
    }
    kernel.following(move |_| {
        Box::new(FollowStatistics { channels, moments: Mutex::new(vec![0.0; reduction_workspace(channels)]) })
    })
}

/// Statistics of what another kernel computes.
struct FollowStatistics {
    channels: Channels,
    /// Means and squared deviations of all planes.
    moments: Mutex<Vec<f32>>,
}

impl Follow for FollowStatistics {
    fn part(&self, first: usize, part: &mut [f32]) {
        let planes = part.len() / self.channels.size;
        let mut found = vec![0.0; 2 * planes];
        let (means, squares) = found.split_at_mut(planes);
        reduce_part(
            self.channels,
            [part],
            first / self.channels.size,
            [&mut *means, &mut *squares],
            &Moments,
        );
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let half = moments.len() / 2;
        let first = first / self.channels.size;
        moments[first..][..planes].copy_from_slice(means);
        moments[half + first..][..planes].copy_from_slice(squares);
    }

    fn finish(self: Box<Self>, stats: &mut [f32]) {
        let moments = self.moments.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (means, squares) = moments.split_at(moments.len() / 2);
        merge_statistics(self.channels, means, Some(squares), stats);
    }
}

/// `1/√(variance + epsilon)`.
fn inverse_deviation(variance: f32, epsilon: f64) -> f64 {
    (f64::from(variance) + epsilon).sqrt().recip()
}

/// The gradient times the deviation from the mean, and the gradient.
#[derive(Clone, Copy)]
struct Upstream {
    mean: f32,
    /// Of the leaky ReLU whose gradient is applied first.
    slope: f32,
}

impl Terms<2, 2> for Upstream {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, [x, dy]: [S::f32s; 2]) -> [S::f32s; 2] {
        [simd.mul_f32s(dy, simd.sub_f32s(x, simd.splat_f32s(self.mean))), dy]
    }
}

impl Terms<3, 2> for Upstream {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, [x, dy, y]: [S::f32s; 3]) -> [S::f32s; 2] {
        let falls = simd.less_than_or_equal_f32s(y, simd.splat_f32s(0.0));
        let dz = simd.select_f32s(falls, simd.mul_f32s(dy, simd.splat_f32s(self.slope)), dy);
        self.of(simd, [x, dz])
    }
}

/// [`Upstream`] by channel.
struct Upstreams<'a> {
    means: &'a [f32],
    slope: f32,
}

impl<const I: usize> Reduction<I> for Upstreams<'_>
where
    Upstream: Terms<I, 2>,
{
    #[inline(always)]
    fn plane<S: Simd>(&self, simd: S, channel: usize, planes: [&[f32]; I]) -> [f32; 2] {
        let terms = Upstream { mean: self.means[channel], slope: self.slope };
        sum_plane(simd, planes, terms).map(|sum| sum as f32)
    }
}

pub fn sums(op: &BatchNormSums, channels: Channels) -> CpuKernel {
    let (c, slope, epsilon) = (channels.c, op.slope, op.epsilon);
    CpuKernel::with_workspace(reduction_workspace(channels), move |inputs, sums, workspace| {
        let (x, stats, dy) = (inputs[0], inputs[1], inputs[2]);
        let (scales, shifts) = sums.split_at_mut(c);
        let (means, variances) = stats.split_at(c);
        let write = |channel: usize, [dot, sum]: [f64; 2]| {
            scales[channel] = (dot * inverse_deviation(variances[channel], epsilon)) as f32;
            shifts[channel] = sum as f32;
        };
        let row_terms = |channel: usize, x: f32, dz: f32| {
            let (d, dz) = (f64::from(x) - f64::from(means[channel]), f64::from(dz));
            [dz * d, dz]
        };
        let upstreams = Upstreams { means, slope: slope.unwrap_or(1.0) };
        match (slope, channels.rows()) {
            (None, true) => {
                return sum_rows(c, [x, dy], |channel, [x, dy]| row_terms(channel, x, dy), write);
            }
            (Some(slope), true) => {
                let f = |channel, [x, dy, y]: [f32; 3]| row_terms(channel, x, masked(dy, y, slope));
                return sum_rows(c, [x, dy, inputs[3]], f, write);
            }
            (None, false) => reduce_planes(channels, [x, dy], workspace, &upstreams),
            (Some(_), false) => reduce_planes(channels, [x, dy, inputs[3]], workspace, &upstreams),
        }
        let (dots, totals) = workspace.split_at(workspace.len() / 2);
        sum_rows(c, [dots, totals], |_, [dot, total]| [f64::from(dot), f64::from(total)], write);
    })
}

#[inline(always)]
fn leaky(z: f32, slope: f32) -> f32 {
    z * if z < 0.0 { slope } else { 1.0 }
}

/// Mean, factor and shift of every channel, [3, C].
fn coefficients(stats: &[f32], affine: &[f32], epsilon: f64, coefficients: &mut [f32]) {
    let c = coefficients.len() / 3;
    for channel in 0..c {
        coefficients[channel] = stats[channel];
        coefficients[c + channel] =
            (f64::from(affine[channel]) * inverse_deviation(stats[c + channel], epsilon)) as f32;
        coefficients[2 * c + channel] = affine[c + channel];
    }
}

/// The mean is taken off first: folded into the shift, it would cancel where it is large.
#[inline(always)]
fn norm(x: f32, [mean, factor, shift]: [f32; 3]) -> f32 {
    factor * (x - mean) + shift
}

pub fn apply(
    op: &BatchNorm,
    channels: Channels,
    Residual(residual): Residual,
    in_place: Option<usize>,
) -> CpuKernel {
    let (c, slope, epsilon) = (channels.c, op.slope.unwrap_or(1.0), op.epsilon);
    let kernel = CpuKernel::with_workspace(3 * c, move |inputs, y, k| {
        let x = inputs[0];
        coefficients(inputs[1], inputs[2], epsilon, k);
        match (in_place.is_some(), residual) {
            (false, false) => map(channels, k, [x], y, |_, [x], k| leaky(norm(x, k), slope)),
            (true, false) => map(channels, k, [], y, |x, [], k| leaky(norm(x, k), slope)),
            (false, true) => {
                map(channels, k, [x, inputs[3]], y, |_, [x, r], k| leaky(norm(x, k) + r, slope));
            }
            (true, true) => {
                map(channels, k, [inputs[3]], y, |x, [r], k| leaky(norm(x, k) + r, slope));
            }
        }
    });
    if in_place.is_none() || residual || channels.rows() {
        return kernel;
    }
    kernel.following(move |inputs| {
        let mut k = vec![0.0; 3 * c];
        coefficients(inputs[1], inputs[2], epsilon, &mut k);
        Box::new(FollowNorm { channels, coefficients: k, slope })
    })
}

/// The normalisation of what another kernel computes, in its place.
struct FollowNorm {
    channels: Channels,
    coefficients: Vec<f32>,
    slope: f32,
}

impl Follow for FollowNorm {
    fn part(&self, first: usize, part: &mut [f32]) {
        let slope = self.slope;
        map_part(self.channels, &self.coefficients, first, [], part, |x, [], k| leaky(norm(x, k), slope));
    }

    fn finish(self: Box<Self>, _: &mut [f32]) {}
}

pub fn input_grad(op: &BatchNormInputGrad, channels: Channels, in_place: Option<usize>) -> CpuKernel {
    let (c, slope, through, epsilon) = (channels.c, op.slope, op.through(), op.epsilon);
    CpuKernel::with_workspace(4 * c, move |inputs, dx, coefficients| {
        let (x, stats, affine, sums, dy) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]);
        for channel in 0..c {
            let inverse = inverse_deviation(stats[c + channel], epsilon);
            let factor = f64::from(affine[channel]) * inverse;
            let through = -factor * through;
            coefficients[channel] = stats[channel];
            coefficients[c + channel] = factor as f32;
            coefficients[2 * c + channel] = (through * inverse * f64::from(sums[channel])) as f32;
            coefficients[3 * c + channel] = (through * f64::from(sums[c + channel])) as f32;
        }
        let grad = |x: f32, dz: f32, [mean, factor, slope, shift]: [f32; 4]| {
            factor * dz + (slope * (x - mean) + shift)
        };
        match (in_place.is_some(), slope) {
            (false, None) => map(channels, coefficients, [x, dy], dx, |_, [x, dy], k| grad(x, dy, k)),
            (true, None) => map(channels, coefficients, [x], dx, |dy, [x], k| grad(x, dy, k)),
            (false, Some(slope)) => {
                let f = |_: f32, [x, dy, y]: [f32; 3], k| grad(x, masked(dy, y, slope), k);
                map(channels, coefficients, [x, dy, inputs[5]], dx, f);
            }
            (true, Some(slope)) => {
                let f = |dy: f32, [x, y]: [f32; 2], k| grad(x, masked(dy, y, slope), k);
                map(channels, coefficients, [x, inputs[5]], dx, f);
            }
        }
    })
}

pub fn merge(op: &MergeStats, c: usize) -> CpuKernel {
    let share = op.share();
    CpuKernel::new(move |inputs, merged| {
        let part = |i: usize, c: usize| f64::from(inputs[i][c]);
        for channel in 0..c {
            let d = part(1, channel) - part(0, channel);
            let within = (1.0 - share) * part(0, c + channel) + share * part(1, c + channel);
            merged[channel] = (part(0, channel) + share * d) as f32;
            merged[c + channel] = (within + share * (1.0 - share) * d * d) as f32;
        }
    })
}

pub fn running(op: &RunningStats, c: usize, in_place: Option<usize>) -> CpuKernel {
    let (momentum, unbiased) = (op.momentum, op.unbiased() as f32);
    CpuKernel::new(move |inputs, new| {
        if in_place.is_none() {
            new.copy_from_slice(inputs[0]);
        }
        for (i, (new, &batch)) in new.iter_mut().zip(inputs[1]).enumerate() {
            let batch = if i < c { batch } else { batch * unbiased };
            *new += momentum * (batch - *new);
        }
    })
}
