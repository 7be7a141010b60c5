//! Loops over the planes (n, c) of tensors [N, C, ...], or the rows of [N, C]: maps and sums, vectorised and
//! on all threads.
//!
//! Sums are taken per plane in a fixed number of lanes and merged over n in f64, in order: neither the number
//! of threads nor the width of the vectors changes a bit. No fused multiply-add is used, for the same reason;
//! memory is the limit either way.

use rayon::prelude::*;

use super::Channels;
use crate::simd;

/// Elements a task takes at least: below, handing out costs more than it brings.
const TASK: usize = 16 * 1024;
/// Partial sums kept side by side: four AVX2 registers hide the latency of an addition.
const LANES: usize = 4 * FEW;
/// Lanes of one register, for what is left of a plane.
const FEW: usize = 8;
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
    let Channels { c, size, .. } = channels;
    let (units, elements) = channels.task();
    let arch = simd::arch();
    let of: [&[f32]; K] = std::array::from_fn(|k| &coefficients[k * c..][..c]);
    let task = |(task, out): (usize, &mut [f32])| {
        let inputs = inputs.map(|input| &input[task * elements..][..out.len()]);
        simd::vectorised(
            arch,
            #[inline(always)]
            || {
                if channels.rows() {
                    for (row, out) in out.chunks_exact_mut(c).enumerate() {
                        map_row(inputs.map(|input| &input[row * c..][..c]), of, out, f);
                    }
                } else {
                    let order = (0..c).cycle().skip(task * units % c);
                    for ((plane, out), channel) in out.chunks_exact_mut(size).enumerate().zip(order) {
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

/// The sums over `i` of the terms that `f` makes of the elements `i` of `inputs`.
#[inline(always)]
pub fn sum_plane<const I: usize, const T: usize>(
    inputs: [&[f32]; I],
    f: impl Fn([f32; I]) -> [f32; T] + Copy,
) -> [f64; T] {
    let len = inputs[0].len();
    let mut sums = [0.0; T];
    for start in (0..len).step_by(BLOCK) {
        let block = inputs.map(|input| &input[start..len.min(start + BLOCK)]);
        for (sum, part) in sums.iter_mut().zip(sum_block(block, f)) {
            *sum += f64::from(part);
        }
    }
    sums
}

/// As [`sum_plane`], in f32: many lanes, then few lanes, then one by one.
#[inline(always)]
fn sum_block<const I: usize, const T: usize>(
    inputs: [&[f32]; I],
    f: impl Fn([f32; I]) -> [f32; T] + Copy,
) -> [f32; T] {
    let len = inputs[0].len();
    let (wide, narrow) = (len / LANES * LANES, len / FEW * FEW);
    let mut lanes = [[0f32; LANES]; T];
    add_lanes(inputs.map(|input| &input[..wide]), &mut lanes, f);
    let mut few = [[0f32; FEW]; T];
    for (few, lanes) in few.iter_mut().zip(&lanes) {
        for lane in 0..FEW {
            few[lane] = (lanes[lane] + lanes[lane + FEW]) + (lanes[lane + 2 * FEW] + lanes[lane + 3 * FEW]);
        }
    }
    add_lanes(inputs.map(|input| &input[wide..narrow]), &mut few, f);
    let mut sums = few.map(|[a, b, c, d, e, f, g, h]| ((a + e) + (c + g)) + ((b + f) + (d + h)));
    for i in narrow..len {
        for (sum, term) in sums.iter_mut().zip(f(inputs.map(|input| input[i]))) {
            *sum += term;
        }
    }
    sums
}

/// Adds the terms of element i to lane `i % L`; the length is a multiple of L.
#[inline(always)]
fn add_lanes<const I: usize, const T: usize, const L: usize>(
    inputs: [&[f32]; I],
    lanes: &mut [[f32; L]; T],
    f: impl Fn([f32; I]) -> [f32; T],
) {
    let len = inputs[0].len();
    let inputs = inputs.map(|input| &input[..len]);
    let mut sums = *lanes;
    for at in (0..len).step_by(L) {
        let chunk = inputs.map(|input| &input[at..at + L]);
        for lane in 0..L {
            let terms = f(chunk.map(|input| input[lane]));
            for t in 0..T {
                sums[t][lane] += terms[t];
            }
        }
    }
    *lanes = sums;
}

/// Two numbers for every plane, from `f(channel, planes of the inputs)`, into the halves of `partials`, each
/// [N, C]. `f` must be `#[inline(always)]`, as [`simd::vectorised`] says.
#[inline(always)]
pub fn reduce_planes<const I: usize>(
    channels: Channels,
    inputs: [&[f32]; I],
    partials: &mut [f32],
    f: impl Fn(usize, [&[f32]; I]) -> [f32; 2] + Send + Sync,
) {
    let Channels { c, size, .. } = channels;
    let (planes, _) = channels.task();
    let arch = simd::arch();
    let task = |(task, (first, second)): (usize, (&mut [f32], &mut [f32]))| {
        simd::vectorised(
            arch,
            #[inline(always)]
            || {
                for (plane, (first, second)) in first.iter_mut().zip(second.iter_mut()).enumerate() {
                    let plane = task * planes + plane;
                    [*first, *second] = f(plane % c, inputs.map(|input| &input[plane * size..][..size]));
                }
            },
        );
    };
    let (first, second) = partials.split_at_mut(partials.len() / 2);
    if first.len() <= planes {
        task((0, (first, second)));
    } else {
        first.par_chunks_mut(planes).zip(second.par_chunks_mut(planes)).enumerate().for_each(task);
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
