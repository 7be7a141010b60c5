//! Loops over the planes (n, c) of tensors [N, C, ...], or the rows of [N, C]: maps and sums, vectorised and
//! on all threads.
//!
//! Sums are taken per plane in a fixed number of lanes and merged over n in f64, in order: neither the number
//! of threads nor the width of the vectors changes a bit. No fused multiply-add is used, for the same reason;
//! memory is the limit either way.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::Channels;
use crate::simd;

/// Elements a task takes at least: below, handing out costs more than it brings.
const TASK: usize = 16 * 1024;
/// Partial sums kept side by side: four AVX2 registers hide the latency of an addition.
const LANES: usize = 32;
/// Lanes of the narrowest vector.
const NARROWEST: usize = 4;
/// Channels of a row that are summed side by side.
const WIDTH: usize = 8;
/// Elements that are summed in f32 before the sum goes on in f64.
const BLOCK: usize = 8 * 1024;

impl Channels {
    /// Rows of a tensor [N, C] are vectorised across channels; everything else within planes.
    pub fn rows(self) -> bool {
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
pub fn map<const I: usize, const K: usize>(
    channels: Channels,
    coefficients: &[f32],
    inputs: [&[f32]; I],
    out: &mut [f32],
    f: impl Fn(f32, [f32; I], [f32; K]) -> f32 + Copy + Send + Sync,
) {
    let (_, elements) = channels.task();
    let task = |(task, out): (usize, &mut [f32])| {
        let first = task * elements;
        let inputs = inputs.map(|input| &input[first..][..out.len()]);
        map_part(channels, coefficients, first, inputs, out, f);
    };
    if out.len() <= elements {
        task((0, out));
    } else {
        out.par_chunks_mut(elements).enumerate().for_each(task);
    }
}

/// [`map`] of a part of the elements, planes or rows from element `first` on, on this thread.
#[inline(always)]
pub fn map_part<const I: usize, const K: usize>(
    channels: Channels,
    coefficients: &[f32],
    first: usize,
    inputs: [&[f32]; I],
    out: &mut [f32],
    f: impl Fn(f32, [f32; I], [f32; K]) -> f32 + Copy,
) {
    let Channels { c, size, .. } = channels;
    let of: [&[f32]; K] = std::array::from_fn(|k| &coefficients[k * c..][..c]);
    simd::vectorised(
        simd::arch(),
        #[inline(always)]
        || {
            if channels.rows() {
                for (row, out) in out.chunks_exact_mut(c).enumerate() {
                    map_row(inputs.map(|input| &input[row * c..][..c]), of, out, f);
                }
            } else {
                let order = (0..c).cycle().skip(first / size % c);
                for ((plane, out), channel) in out.chunks_exact_mut(size).enumerate().zip(order) {
                    let k = of.map(|k| k[channel]);
                    map_plane(inputs.map(|input| &input[plane * size..][..size]), k, out, f);
                }
            }
        },
    );
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

/// What is summed over a plane: T terms of the elements of I tensors at one place.
pub trait Terms<const I: usize, const T: usize>: Copy {
    fn of<S: Simd>(self, simd: S, elements: [S::f32s; I]) -> [S::f32s; T];
}

/// The sums of all terms of a plane.
#[inline(always)]
pub fn sum_plane<S: Simd, const I: usize, const T: usize>(
    simd: S,
    inputs: [&[f32]; I],
    terms: impl Terms<I, T>,
) -> [f64; T] {
    let len = inputs[0].len();
    let mut sums = [0.0; T];
    for start in (0..len).step_by(BLOCK) {
        let block = inputs.map(|input| &input[start..len.min(start + BLOCK)]);
        for (sum, part) in sums.iter_mut().zip(sum_block(simd, block, terms)) {
            *sum += f64::from(part);
        }
    }
    sums
}

/// As [`sum_plane`], in f32: element i in lane `i % LANES`, whatever the vectors' width, then the lanes in pairs.
///
/// The lanes are vectors by name: arrays that the compiler makes vectors of stay in memory, where every addition waits
/// for the store of the one before.
#[inline(always)]
fn sum_block<S: Simd, const I: usize, const T: usize>(
    simd: S,
    inputs: [&[f32]; I],
    terms: impl Terms<I, T>,
) -> [f32; T] {
    let width = S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); T]; LANES / NARROWEST];
    let (chunks, rest) = inputs[0].as_chunks::<LANES>();
    let (whole, rest) = (chunks.len(), rest.len());
    for chunk in 0..whole {
        for (v, sums) in sums.iter_mut().enumerate().take(LANES / width) {
            let mut elements = [simd.splat_f32s(0.0); I];
            for i in 0..I {
                elements[i] = S::as_simd_f32s(&inputs[i].as_chunks::<LANES>().0[chunk]).0[v];
            }
            let terms = terms.of(simd, elements);
            for t in 0..T {
                sums[t] = simd.add_f32s(sums[t], terms[t]);
            }
        }
    }
    for (v, sums) in sums.iter_mut().enumerate().take(rest.div_ceil(width)) {
        let here = whole * LANES + v * width..inputs[0].len().min(whole * LANES + (v + 1) * width);
        let inside = simd.partial_load_f32s(&[1.0; LANES][..here.len()]);
        let mut elements = [simd.splat_f32s(0.0); I];
        for i in 0..I {
            elements[i] = simd.partial_load_f32s(&inputs[i][here.clone()]);
        }
        let terms = terms.of(simd, elements);
        for t in 0..T {
            sums[t] = simd.add_f32s(sums[t], simd.mul_f32s(inside, terms[t]));
        }
    }
    let mut totals = [0.0; T];
    for t in 0..T {
        // Lane l and lane l + half: vectors first, then within what is one vector.
        let mut count = LANES / width;
        while count > 1 {
            count /= 2;
            for v in 0..count {
                sums[v][t] = simd.add_f32s(sums[v][t], sums[v + count][t]);
            }
        }
        let mut lanes = [0.0; LANES];
        S::as_mut_simd_f32s(&mut lanes).0[0] = sums[0][t];
        let mut half = width / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
            half /= 2;
        }
        totals[t] = lanes[0];
    }
    totals
}

/// Two numbers of a plane, from the planes of I tensors.
pub trait Reduction<const I: usize>: Sync {
    fn plane<S: Simd>(&self, simd: S, channel: usize, planes: [&[f32]; I]) -> [f32; 2];
}

/// Two numbers for every plane into the halves of `partials`, each [N, C].
pub fn reduce_planes<const I: usize>(
    channels: Channels,
    inputs: [&[f32]; I],
    partials: &mut [f32],
    reduction: &impl Reduction<I>,
) {
    let (planes, elements) = channels.task();
    let task = |(task, (first, second)): (usize, (&mut [f32], &mut [f32]))| {
        let inputs = inputs.map(|input| &input[task * elements..][..first.len() * channels.size]);
        reduce_part(channels, inputs, task * planes, [first, second], reduction);
    };
    let (first, second) = partials.split_at_mut(partials.len() / 2);
    if first.len() <= planes {
        task((0, (first, second)));
    } else {
        first.par_chunks_mut(planes).zip(second.par_chunks_mut(planes)).enumerate().for_each(task);
    }
}

/// [`reduce_planes`] of some planes, the first of which is plane `start` of the tensors, on this thread.
pub fn reduce_part<const I: usize>(
    channels: Channels,
    inputs: [&[f32]; I],
    start: usize,
    results: [&mut [f32]; 2],
    reduction: &impl Reduction<I>,
) {
    simd::dispatch(Planes { channels, inputs, start, results, reduction });
}

struct Planes<'a, R, const I: usize> {
    channels: Channels,
    inputs: [&'a [f32]; I],
    start: usize,
    results: [&'a mut [f32]; 2],
    reduction: &'a R,
}

impl<R: Reduction<I>, const I: usize> WithSimd for Planes<'_, R, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { channels: Channels { c, size, .. }, inputs, start, results: [first, second], reduction } =
            self;
        for (plane, (first, second)) in first.iter_mut().zip(second).enumerate() {
            let planes = inputs.map(|input| &input[plane * size..][..size]);
            [*first, *second] = reduction.plane(simd, (start + plane) % c, planes);
        }
    }
}

/// For every channel of tensors [N, C], the sums over n of the two terms that `f` makes of a row's elements:
/// in f64, for a few channels side by side. What is reduced to a number a plane is such a tensor too.
#[inline(always)]
pub fn sum_rows<const I: usize>(
    c: usize,
    inputs: [&[f32]; I],
    f: impl Fn(usize, [f32; I]) -> [f64; 2],
    mut done: impl FnMut(usize, [f64; 2]),
) {
    let whole = c / WIDTH * WIDTH;
    simd::vectorised(
        simd::arch(),
        #[inline(always)]
        || {
            // The constant width is worth a loop of its own: its sums stay in registers.
            for first in (0..whole).step_by(WIDTH) {
                sum_columns::<I, WIDTH>(c, first, inputs, &f, &mut done);
            }
            for first in whole..c {
                sum_columns::<I, 1>(c, first, inputs, &f, &mut done);
            }
        },
    );
}

/// [`sum_rows`] for W channels from `first`.
#[inline(always)]
fn sum_columns<const I: usize, const W: usize>(
    c: usize,
    first: usize,
    inputs: [&[f32]; I],
    f: &impl Fn(usize, [f32; I]) -> [f64; 2],
    done: &mut impl FnMut(usize, [f64; 2]),
) {
    let mut sums = [[0f64; W]; 2];
    for row in (first..inputs[0].len()).step_by(c) {
        let inputs = inputs.map(|input| &input[row..][..W]);
        for i in 0..W {
            let [a, b] = f(first + i, inputs.map(|input| input[i]));
            sums[0][i] += a;
            sums[1][i] += b;
        }
    }
    (0..W).for_each(|i| done(first + i, [sums[0][i], sums[1][i]]));
}
