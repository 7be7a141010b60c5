//! The convolution's gradient to the weight on the CPU: dot products of dy and shifted [`Planes`] of x.
//!
//! dy is spread to the pitch of the planes, zeros in between, so that the whole sum over a sample's positions is one
//! dot product of contiguous memory for every output channel and tap. Samples are summed in a number of parts that
//! only the shapes decide; the parts are added in order.

use rayon::prelude::*;

use super::Dims;
use super::cpu::SLOTS_A_THREAD;
use super::planes::{PlaneSpec, Planes, pairs};
use crate::gemm::{Dot, Tiles, shift_dot};
use crate::ops::kernel::CpuKernel;

/// Pieces of work to divide into, if samples and channels allow.
const PIECES: usize = 16;
/// Output channels in a piece of work, at least: fewer would lay x out too often.
const CHANNELS: usize = 32;
/// Positions for which sums stay in registers, at least, if there are enough samples.
const POSITIONS: usize = 2048;

struct WeightGrad {
    d: Dims,
    planes: Planes,
    offsets: Vec<u32>,
    /// Spread positions of a sample.
    positions: usize,
    /// Memory for the planes of a sample.
    image: usize,
    /// Samples laid out at once.
    together: usize,
    /// Output channels in a piece of work.
    channels: usize,
    /// Parts of the sum, and samples in each.
    parts: usize,
    samples: usize,
}

/// dw as a kernel of inputs (x, dy).
pub fn weight_grad(d: Dims) -> CpuKernel {
    let taps = [(d.r - 1) / d.stride[0] + 1, (d.s - 1) / d.stride[1] + 1];
    let planes = Planes::new(&PlaneSpec {
        channels: d.group_c(),
        image: [d.h, d.w],
        phases: d.stride,
        before: d.pad.map(|pad| pad as isize),
        taps,
        outputs: [d.p, d.q],
    });
    let terms = (0..d.group_c()).flat_map(|c| pairs(d.r, d.s).map(move |(r, s)| (c, r, s)));
    let offsets: Vec<u32> = terms.map(|(c, r, s)| planes.offset(c, r, s) as u32).collect();
    let positions = ((d.p - 1) * planes.pitch() + d.q).next_multiple_of(Tiles::get().lanes);
    let read = offsets.iter().max().map_or(0, |&offset| offset as usize) + positions;
    let image = read.max(planes.len());

    let mut channels = d.group_k();
    while channels.is_multiple_of(2) && channels / 2 >= CHANNELS {
        channels /= 2;
    }
    let pieces = d.k / channels;
    let parts = (PIECES / pieces).clamp(1, d.n);
    let samples = d.n.div_ceil(parts);
    let together = POSITIONS.div_ceil(positions).min(samples);
    let parts = d.n.div_ceil(samples);
    WeightGrad { d, planes, offsets, positions, image, together, channels, parts, samples }.kernel()
}

impl WeightGrad {
    fn kernel(self) -> CpuKernel {
        let dw = self.d.k * self.offsets.len();
        let sums = if self.parts > 1 { self.parts * dw } else { 0 };
        let slots = SLOTS_A_THREAD * rayon::current_num_threads();
        let scratch_len = self.together * (self.image + self.channels * self.positions);
        let run = move |inputs: &[&[f32]], out: &mut [f32], workspace: &mut [f32]| {
            let (sums, scratch) = workspace.split_at_mut(sums);
            let parts = if self.parts > 1 { &mut *sums } else { &mut *out };
            let piece = self.channels * self.offsets.len();
            let pieces = self.parts * (self.d.k / self.channels);
            let run = pieces.div_ceil(slots);
            let scratches = scratch.par_chunks_exact_mut(scratch_len);
            parts.par_chunks_mut(run * piece).zip(scratches).enumerate().for_each(|(i, (parts, scratch))| {
                for (j, part) in parts.chunks_exact_mut(piece).enumerate() {
                    self.piece(inputs, i * run + j, part, scratch);
                }
            });
            if self.parts > 1 {
                let chunk = dw.div_ceil(slots).max(1);
                out.par_chunks_mut(chunk).enumerate().for_each(|(i, out)| {
                    out.copy_from_slice(&sums[i * chunk..][..out.len()]);
                    for part in 1..self.parts {
                        let part = &sums[part * dw + i * chunk..];
                        out.iter_mut().zip(part).for_each(|(out, part)| *out += part);
                    }
                });
            }
        };
        CpuKernel { workspace: sums + slots * scratch_len, run: Box::new(run) }
    }

    /// The sum over one part of the samples for one piece of the output channels.
    fn piece(&self, inputs: &[&[f32]], index: usize, out: &mut [f32], scratch: &mut [f32]) {
        let (x, dy) = (inputs[0], inputs[1]);
        let (d, pieces) = (&self.d, self.d.k / self.channels);
        let (part, first_k) = (index / pieces, index % pieces * self.channels);
        let group = first_k / d.group_k();
        let samples = part * self.samples..((part + 1) * self.samples).min(d.n);
        let (planes, spread) = scratch.split_at_mut(self.together * self.image);
        let spread_len = self.channels * self.positions;
        let (image, map) = (d.group_c() * d.h * d.w, d.p * d.q);
        out.fill(0.0);
        for first in samples.clone().step_by(self.together) {
            let n = self.together.min(samples.end - first);
            for i in 0..n {
                let x = &x[((first + i) * d.groups + group) * image..][..image];
                self.planes.fill(x, &mut planes[i * self.image..][..self.image]);
                let dy = &dy[((first + i) * d.k + first_k) * map..][..self.channels * map];
                self.spread(dy, &mut spread[i * spread_len..][..spread_len]);
            }
            shift_dot(Dot {
                a: spread,
                a_pitch: self.positions,
                a_stride: spread_len,
                rows: self.channels,
                b: planes,
                b_stride: self.image,
                offsets: &self.offsets,
                n,
                len: self.positions,
                c: out,
            });
        }
    }

    /// dy of one sample, its rows as far apart as those of the planes.
    fn spread(&self, dy: &[f32], to: &mut [f32]) {
        let (map, pitch) = (self.d.p * self.d.q, self.planes.pitch());
        for (map, to) in dy.chunks_exact(map).zip(to.chunks_exact_mut(self.positions)) {
            let rows = map.chunks_exact(self.d.q);
            for (row, to) in rows.zip(to.chunks_mut(pitch)) {
                let (inside, gap) = to.split_at_mut(self.d.q);
                inside.copy_from_slice(row);
                gap.fill(0.0);
            }
            // Up to a whole number of vectors.
            let end = (self.d.p * pitch).min(to.len());
            to[end..].fill(0.0);
        }
    }
}
