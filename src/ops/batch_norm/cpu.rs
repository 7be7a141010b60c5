//! Batch normalisation at the speed of memory: one task a group of planes, one pass of vectorised loops each.
//!
//! Everything a channel contributes is folded into a few coefficients first, so that an element costs a handful of
//! multiplications and additions. Sums are taken per plane (n, c) in a fixed number of lanes and merged over n in
//! f64, in order: the number of threads and the width of the vectors change no bit. No fused multiply-add is used,
//! for the same reason; memory is the limit either way.

use pulp::Arch;
use rayon::prelude::*;

use super::{BatchNorm, BatchNormInputGrad, BatchNormSums, EPSILON, RunningStats};
use crate::graph::Shape;
use crate::ops::bias::channels;
use crate::ops::kernel::{CpuKernel, Io};

/// Elements a task takes at least: below, handing out costs more than it brings.
const TASK: usize = 16 * 1024;
/// Partial sums kept side by side: four AVX2 registers hide the latency of an addition.
const LANES: usize = 32;
/// Elements that are summed in f32 before the sum goes on in f64.
const BLOCK: usize = 8 * 1024;

/// [N, C, ...] as batch, channels, and elements of a plane.
#[derive(Clone, Copy)]
struct Layout {
    n: usize,
    c: usize,
    size: usize,
}

impl Layout {
    fn new(x: &Shape) -> Self {
        // The shape rule has refused everything else.
        let (n, c, size) = channels(x).unwrap_or((0, 1, 1));
        Self { n, c, size }
    }

    /// Elements of a channel.
    fn count(self) -> usize {
        self.n * self.size
    }

    /// Rows of a tensor [N, C] are vectorised across channels; everything else within planes.
    fn rows(self) -> bool {
        self.size == 1
    }

    /// Planes (or rows) a task takes, and their elements.
    fn task(self) -> (usize, usize) {
        let unit = if self.rows() { self.c } else { self.size };
        let units = TASK.div_ceil(unit.max(1));
        (units, units * unit)
    }
}

/// `out = f(out, inputs, coefficients of the channel)` for every element; `coefficients` is [K, C].
#[inline(always)]
fn map<const I: usize, const K: usize>(
    layout: Layout,
    coefficients: &[f32],
    inputs: [&[f32]; I],
    out: &mut [f32],
    f: impl Fn(f32, [f32; I], [f32; K]) -> f32 + Copy + Send + Sync,
) {
    let Layout { c, size, .. } = layout;
    let (units, elements) = layout.task();
    let arch = Arch::new();
    let of: [&[f32]; K] = std::array::from_fn(|k| &coefficients[k * c..][..c]);
    let task = |(task, out): (usize, &mut [f32])| {
        let inputs = inputs.map(|input| &input[task * elements..][..out.len()]);
        arch.dispatch(
            #[inline(always)]
            || {
                if layout.rows() {
                    for (row, out) in out.chunks_exact_mut(c).enumerate() {
                        map_row(inputs.map(|input| &input[row * c..][..c]), of, out, f);
                    }
                } else {
                    for (plane, out) in out.chunks_exact_mut(size).enumerate() {
                        let channel = (task * units + plane) % c;
                        let k = of.map(|k| k[channel]);
                        map_plane(inputs.map(|input| &input[plane * size..][..size]), k, out, f);
                    }
                }
            },
        );
    };
    if out.len() <= elements {
        task((0, out));
    } else {
        out.par_chunks_mut(elements).enumerate().for_each(task);
    }
}

#[inline(always)]
fn map_row<const I: usize, const K: usize>(
    inputs: [&[f32]; I],
    coefficients: [&[f32]; K],
    out: &mut [f32],
    f: impl Fn(f32, [f32; I], [f32; K]) -> f32,
) {
    let len = out.len();
    let (inputs, coefficients) = (inputs.map(|input| &input[..len]), coefficients.map(|k| &k[..len]));
    for i in 0..len {
        out[i] = f(out[i], inputs.map(|input| input[i]), coefficients.map(|k| k[i]));
    }
}

#[inline(always)]
fn map_plane<const I: usize, const K: usize>(
    inputs: [&[f32]; I],
    coefficients: [f32; K],
    out: &mut [f32],
    f: impl Fn(f32, [f32; I], [f32; K]) -> f32,
) {
    let len = out.len();
    let inputs = inputs.map(|input| &input[..len]);
    for i in 0..len {
        out[i] = f(out[i], inputs.map(|input| input[i]), coefficients);
    }
}

/// The sums over `i` of the two terms that `f` makes of the elements `i` of `inputs`.
#[inline(always)]
fn sum_pairs<const I: usize>(inputs: [&[f32]; I], f: impl Fn([f32; I]) -> [f32; 2]) -> [f64; 2] {
    let len = inputs[0].len();
    let mut sums = [0.0; 2];
    let mut start = 0;
    while start < len {
        let end = len.min(start + BLOCK);
        let block = inputs.map(|input| &input[start..end]);
        let mut lanes = [[0f32; LANES]; 2];
        let whole = (end - start) / LANES * LANES;
        let mut at = 0;
        while at < whole {
            let chunk: [&[f32; LANES]; I] = block.map(|input| {
                // Never the zeros: the slice has LANES elements.
                input[at..at + LANES].try_into().unwrap_or(&[0.0; LANES])
            });
            for lane in 0..LANES {
                let [a, b] = f(chunk.map(|input| input[lane]));
                lanes[0][lane] += a;
                lanes[1][lane] += b;
            }
            at += LANES;
        }
        for (lane, i) in (whole..end - start).enumerate() {
            let [a, b] = f(block.map(|input| input[i]));
            lanes[0][lane] += a;
            lanes[1][lane] += b;
        }
        for (sum, lanes) in sums.iter_mut().zip(&lanes) {
            *sum += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        }
        start = end;
    }
    sums
}

/// Two numbers for every plane, from `f(channel, planes of the inputs)`, into `partials` [N·C, 2].
#[inline(always)]
fn reduce_planes<const I: usize>(
    layout: Layout,
    inputs: [&[f32]; I],
    partials: &mut [f32],
    f: impl Fn(usize, [&[f32]; I]) -> [f32; 2] + Send + Sync,
) {
    let Layout { c, size, .. } = layout;
    let (planes, _) = layout.task();
    let arch = Arch::new();
    let task = |(task, partials): (usize, &mut [f32])| {
        arch.dispatch(
            #[inline(always)]
            || {
                for (plane, partial) in partials.chunks_exact_mut(2).enumerate() {
                    let plane = task * planes + plane;
                    partial
                        .copy_from_slice(&f(plane % c, inputs.map(|input| &input[plane * size..][..size])));
                }
            },
        );
    };
    if partials.len() <= 2 * planes {
        task((0, partials));
    } else {
        partials.par_chunks_mut(2 * planes).enumerate().for_each(task);
    }
}

/// Two numbers for every channel of [N, C]: the sums over n of the two terms that `f` makes of a row's elements, in
/// f64, for a few channels side by side.
#[inline(always)]
fn sum_rows<const I: usize>(
    c: usize,
    inputs: [&[f32]; I],
    f: impl Fn(usize, [f32; I]) -> [f64; 2],
    mut done: impl FnMut(usize, [f64; 2]),
) {
    const WIDTH: usize = 16;
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for first in (0..c).step_by(WIDTH) {
                let width = WIDTH.min(c - first);
                let mut sums = [[0f64; WIDTH]; 2];
                for row in (first..inputs[0].len()).step_by(c) {
                    let inputs = inputs.map(|input| &input[row..][..width]);
                    for i in 0..width {
                        let [a, b] = f(first + i, inputs.map(|input| input[i]));
                        sums[0][i] += a;
                        sums[1][i] += b;
                    }
                }
                (0..width).for_each(|i| done(first + i, [sums[0][i], sums[1][i]]));
            }
        },
    );
}

/// The partials of channel `channel`, in the order of n.
fn of_channel(partials: &[f32], channel: usize, c: usize) -> impl Iterator<Item = [f64; 2]> {
    partials.chunks_exact(2).skip(channel).step_by(c).map(|pair| [f64::from(pair[0]), f64::from(pair[1])])
}

fn reduction_workspace(layout: Layout) -> usize {
    if layout.rows() { 0 } else { 2 * layout.n * layout.c }
}

pub fn statistics(io: &Io<'_>) -> CpuKernel {
    let layout = Layout::new(io.inputs[0]);
    let Layout { c, size, .. } = layout;
    let count = layout.count() as f64;
    let run = move |inputs: &[&[f32]], stats: &mut [f32], workspace: &mut [f32]| {
        let x = inputs[0];
        let (means, variances) = stats.split_at_mut(c);
        if layout.rows() {
            let sum = |_, [x]: [f32; 1]| [f64::from(x), 0.0];
            sum_rows(c, [x], sum, |c, [sum, _]| means[c] = (sum / count) as f32);
            let deviations = |c: usize, [x]: [f32; 1]| {
                let d = f64::from(x) - f64::from(means[c]);
                [d, d * d]
            };
            sum_rows(c, [x], deviations, |c, [d, d2]| variances[c] = ((d2 - d * d / count) / count) as f32);
            return;
        }
        // Every plane in two passes, the second from cache, about a centre that is nearly its mean; the rest of the
        // mean, d, is taken off (Chan, Golub and LeVeque 1983, "corrected two-pass").
        reduce_planes(layout, [x], workspace, |_, [x]| {
            let [sum, _] = sum_pairs([x], |[x]| [x, 0.0]);
            let centre = (sum / size as f64) as f32;
            let [d, d2] = sum_pairs([x], |[x]| {
                let d = x - centre;
                [d, d * d]
            });
            let rest = d / size as f64;
            [(f64::from(centre) + rest) as f32, (d2 - d * rest) as f32]
        });
        for channel in 0..c {
            let planes = || of_channel(workspace, channel, c);
            let mean = planes().map(|[mean, _]| mean).sum::<f64>() * size as f64 / count;
            let squares =
                planes().map(|[m, squares]| squares + size as f64 * (m - mean).powi(2)).sum::<f64>();
            means[channel] = mean as f32;
            variances[channel] = (squares / count) as f32;
        }
    };
    CpuKernel { workspace: reduction_workspace(layout), run: Box::new(run) }
}

/// `1/√(variance + EPSILON)`.
fn inverse_deviation(variance: f32) -> f64 {
    (f64::from(variance) + EPSILON).sqrt().recip()
}

pub fn sums(op: &BatchNormSums, io: &Io<'_>) -> CpuKernel {
    let layout = Layout::new(io.inputs[0]);
    let Layout { c, .. } = layout;
    let slope = op.slope;
    let run = move |inputs: &[&[f32]], sums: &mut [f32], workspace: &mut [f32]| {
        let (x, stats, dy) = (inputs[0], inputs[1], inputs[2]);
        let (scales, shifts) = sums.split_at_mut(c);
        let (means, variances) = stats.split_at(c);
        let mut write = |c: usize, [dot, sum]: [f64; 2]| {
            scales[c] = (dot * inverse_deviation(variances[c])) as f32;
            shifts[c] = sum as f32;
        };
        let centred = |c: usize, x: f32, dz: f32| {
            let d = f64::from(x) - f64::from(means[c]);
            [f64::from(dz) * d, f64::from(dz)]
        };
        match (slope, layout.rows()) {
            (None, true) => sum_rows(c, [x, dy], |c, [x, dy]| centred(c, x, dy), &mut write),
            (Some(slope), true) => {
                let f = |c, [x, dy, y]: [f32; 3]| centred(c, x, masked(dy, y, slope));
                sum_rows(c, [x, dy, inputs[3]], f, &mut write);
            }
            (None, false) => reduce_planes(layout, [x, dy], workspace, |c, planes| {
                let mean = means[c];
                sum_pairs(planes, |[x, dy]| [dy * (x - mean), dy]).map(|sum| sum as f32)
            }),
            (Some(slope), false) => reduce_planes(layout, [x, dy, inputs[3]], workspace, |c, planes| {
                let mean = means[c];
                let f = |[x, dy, y]: [f32; 3]| {
                    let dz = masked(dy, y, slope);
                    [dz * (x - mean), dz]
                };
                sum_pairs(planes, f).map(|sum| sum as f32)
            }),
        }
        if !layout.rows() {
            for channel in 0..c {
                let total = of_channel(workspace, channel, c).fold([0.0; 2], |[a, b], [x, y]| [a + x, b + y]);
                write(channel, total);
            }
        }
    };
    CpuKernel { workspace: reduction_workspace(layout), run: Box::new(run) }
}

/// As [`super::masked`], without options, so that it becomes a blend.
#[inline(always)]
fn masked(dy: f32, y: f32, slope: f32) -> f32 {
    dy * if y <= 0.0 { slope } else { 1.0 }
}

#[inline(always)]
fn leaky(z: f32, slope: f32) -> f32 {
    z * if z < 0.0 { slope } else { 1.0 }
}

pub fn apply(op: &BatchNorm, io: &Io<'_>) -> CpuKernel {
    let layout = Layout::new(io.output);
    let Layout { c, .. } = layout;
    let (slope, in_place, residual) = (op.slope.unwrap_or(1.0), io.in_place, io.inputs.len() == 4);
    let run = move |inputs: &[&[f32]], y: &mut [f32], coefficients: &mut [f32]| {
        let (x, stats, affine) = (inputs[0], inputs[1], inputs[2]);
        for channel in 0..c {
            coefficients[channel] = stats[channel];
            coefficients[c + channel] =
                (f64::from(affine[channel]) * inverse_deviation(stats[c + channel])) as f32;
            coefficients[2 * c + channel] = affine[c + channel];
        }
        // The mean is taken off first: folded into the shift, it would cancel where it is large.
        let norm = |x: f32, [mean, factor, shift]: [f32; 3]| factor * (x - mean) + shift;
        match (in_place, residual) {
            (false, false) => map(layout, coefficients, [x], y, |_, [x], k| leaky(norm(x, k), slope)),
            (true, false) => map(layout, coefficients, [], y, |x, [], k| leaky(norm(x, k), slope)),
            (false, true) => {
                map(layout, coefficients, [x, inputs[3]], y, |_, [x, r], k| leaky(norm(x, k) + r, slope));
            }
            (true, true) => {
                map(layout, coefficients, [inputs[3]], y, |x, [r], k| leaky(norm(x, k) + r, slope))
            }
        }
    };
    CpuKernel { workspace: 3 * c, run: Box::new(run) }
}

pub fn input_grad(op: &BatchNormInputGrad, io: &Io<'_>) -> CpuKernel {
    let layout = Layout::new(io.output);
    let Layout { c, .. } = layout;
    let (BatchNormInputGrad { training, slope }, in_place) = (*op, io.in_place);
    let run = move |inputs: &[&[f32]], dx: &mut [f32], coefficients: &mut [f32]| {
        let (x, stats, affine, sums, dy) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]);
        let count = layout.count() as f64;
        for channel in 0..c {
            let inverse = inverse_deviation(stats[c + channel]);
            let factor = f64::from(affine[channel]) * inverse;
            let through = if training { -factor / count } else { 0.0 };
            coefficients[channel] = stats[channel];
            coefficients[c + channel] = factor as f32;
            coefficients[2 * c + channel] = (through * inverse * f64::from(sums[channel])) as f32;
            coefficients[3 * c + channel] = (through * f64::from(sums[c + channel])) as f32;
        }
        let grad = |x: f32, dz: f32, [mean, factor, slope, shift]: [f32; 4]| {
            factor * dz + (slope * (x - mean) + shift)
        };
        match (in_place, slope) {
            (false, None) => map(layout, coefficients, [x, dy], dx, |_, [x, dy], k| grad(x, dy, k)),
            (true, None) => map(layout, coefficients, [x], dx, |dy, [x], k| grad(x, dy, k)),
            (false, Some(slope)) => {
                let f = |_: f32, [x, dy, y]: [f32; 3], k| grad(x, masked(dy, y, slope), k);
                map(layout, coefficients, [x, dy, inputs[5]], dx, f);
            }
            (true, Some(slope)) => {
                let f = |dy: f32, [x, y]: [f32; 2], k| grad(x, masked(dy, y, slope), k);
                map(layout, coefficients, [x, inputs[5]], dx, f);
            }
        }
    };
    CpuKernel { workspace: 4 * c, run: Box::new(run) }
}

pub fn running(op: &RunningStats, io: &Io<'_>) -> CpuKernel {
    let RunningStats { momentum, .. } = *op;
    let unbiased = op.unbiased() as f32;
    let (c, in_place) = (io.output[1], io.in_place);
    CpuKernel::new(move |inputs, new, _| {
        if !in_place {
            new.copy_from_slice(inputs[0]);
        }
        for (i, (new, &batch)) in new.iter_mut().zip(inputs[1]).enumerate() {
            let batch = if i < c { batch } else { batch * unbiased };
            *new += momentum * (batch - *new);
        }
    })
}
