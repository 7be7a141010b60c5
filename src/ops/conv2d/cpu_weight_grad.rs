//! The convolution's gradient to the weight on the CPU: dot products of dy and shifted [`PaddedPlanes`] of x.
//!
//! dy is spread to the pitch of the planes, zeros in between, so that the whole sum over a sample's positions
//! is one dot product of contiguous memory for every output channel and tap. Samples are summed in a number
//! of parts that only the shapes decide; the parts are added in order.

use rayon::prelude::*;

use super::cpu::TASKS_PER_THREAD;
use super::planes::{PaddedPlanes, PlaneSpec, pairs};
use super::{Dims, rows, winograd};
use crate::gemm::{Dot, Tiles, shift_dot};
use crate::ops::kernel::CpuKernel;
use crate::simd::{arch, vectorised};

/// Blocks to divide the work into, if samples and channels allow.
const BLOCKS: usize = 16;
/// Output channels of a block, at least: fewer would lay x out too often.
const CHANNELS: usize = 32;
/// Positions that a part sums, at least, if there are enough samples.
const SUMMED: usize = 640;
/// Positions for which sums stay in registers, at least, if there are enough samples.
const POSITIONS: usize = 2048;

/// Positions from which laying the samples side by side would cost more than it saves, if x can be read as it
/// is.
const DIRECT_POSITIONS: usize = 512;

struct WeightGrad {
    d: Dims,
    planes: PaddedPlanes,
    offsets: Vec<u32>,
    /// Positions of all samples that are laid out side by side.
    positions: usize,
    /// Memory for the planes of x.
    image: usize,
    /// Whether x and dy are read as they are.
    direct: bool,
    /// Samples laid out side by side.
    batch: usize,
    /// Output channels of a block.
    channels: usize,
    /// Parts of the sum, and samples in each.
    parts: usize,
    samples: usize,
}

/// dw as a kernel of inputs (x, dy).
pub fn weight_grad(d: &Dims) -> CpuKernel {
    if d.is_empty() {
        return CpuKernel::zeros();
    }
    winograd::weight_grad(d).unwrap_or_else(|| WeightGrad::new(&in_one_row(d)).kernel())
}

/// The same sums for one tap, whose images are long rows: those are copied faster.
fn in_one_row(d: &Dims) -> Dims {
    match d {
        Dims { r: 1, s: 1, stride: [1, 1], pad: [0, 0], .. } => {
            Dims { h: 1, w: d.h * d.w, p: 1, q: d.p * d.q, ..*d }
        }
        _ => *d,
    }
}

impl WeightGrad {
    fn new(d: &Dims) -> Self {
        let lanes = Tiles::get().lanes;
        let mut channels = d.group_k();
        while channels.is_multiple_of(2) && channels / 2 >= CHANNELS {
            channels /= 2;
        }
        let blocks = d.k / channels;
        let few = SUMMED.div_ceil(d.p * d.q);
        let samples = d.n.div_ceil((BLOCKS / blocks).clamp(1, d.n)).max(few).min(d.n);
        let parts = d.n.div_ceil(samples);

        let spec = PlaneSpec {
            channels: d.group_c(),
            samples: 1,
            image: [d.h, d.w],
            phases: d.stride,
            before: d.pad.map(|pad| pad as isize),
            taps: [(d.r - 1) / d.stride[0] + 1, (d.s - 1) / d.stride[1] + 1],
            outputs: [d.p, d.q],
        };
        let single = PaddedPlanes::new(&spec);
        let map = d.p * d.q;
        let direct = single.is_image()
            && single.plane() == map
            && map.is_multiple_of(lanes)
            && map >= DIRECT_POSITIONS;
        let batch = if direct { 1 } else { POSITIONS.div_ceil(single.plane()).min(samples) };
        let planes = PaddedPlanes::new(&PlaneSpec { samples: batch, ..spec });
        let terms = (0..d.group_c()).flat_map(|c| pairs(d.r, d.s).map(move |(r, s)| (c, r, s)));
        let offsets: Vec<u32> = terms.map(|(c, r, s)| planes.offset(c, r, s) as u32).collect();
        let last = (d.p - 1) * planes.pitch() + d.q;
        let positions = ((batch - 1) * planes.plane() + last).next_multiple_of(lanes);
        let read = offsets.iter().max().map_or(0, |&offset| offset as usize) + positions;
        let image = read.max(planes.len());
        Self { d: *d, planes, offsets, positions, image, direct, batch, channels, parts, samples }
    }

    fn kernel(self) -> CpuKernel {
        let dw = self.d.k * self.offsets.len();
        let sums = if self.parts > 1 { self.parts * dw } else { 0 };
        let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
        let scratch_len = if self.direct { 1 } else { self.image + self.channels * self.positions };
        CpuKernel::with_workspace(sums + tasks * scratch_len, move |inputs, out, workspace| {
            let (sums, scratch) = workspace.split_at_mut(sums);
            let parts = if self.parts > 1 { &mut *sums } else { &mut *out };
            let block = self.channels * self.offsets.len();
            let blocks = self.parts * (self.d.k / self.channels);
            let task = blocks.div_ceil(tasks);
            let scratches = scratch.par_chunks_exact_mut(scratch_len);
            parts.par_chunks_mut(task * block).zip(scratches).enumerate().for_each(
                |(i, (parts, scratch))| {
                    for (j, part) in parts.chunks_exact_mut(block).enumerate() {
                        self.block(inputs, i * task + j, part, scratch);
                    }
                },
            );
            if self.parts > 1 {
                let chunk = dw.div_ceil(tasks).max(1);
                out.par_chunks_mut(chunk).enumerate().for_each(|(i, out)| {
                    out.copy_from_slice(&sums[i * chunk..][..out.len()]);
                    for part in 1..self.parts {
                        let part = &sums[part * dw + i * chunk..];
                        out.iter_mut().zip(part).for_each(|(out, part)| *out += part);
                    }
                });
            }
        })
    }

    /// The sum over one part of the samples for one block of output channels.
    fn block(&self, inputs: &[&[f32]], index: usize, out: &mut [f32], scratch: &mut [f32]) {
        let (x, dy) = (inputs[0], inputs[1]);
        let (d, blocks) = (&self.d, self.d.k / self.channels);
        let (part, first_k) = (index / blocks, index % blocks * self.channels);
        let group = first_k / d.group_k();
        let samples = part * self.samples..((part + 1) * self.samples).min(d.n);
        let (map, image) = (d.p * d.q, d.h * d.w);
        out.fill(0.0);
        for first in samples.clone().step_by(self.batch) {
            let x = |sample: usize| &x[((first + sample) * d.c + group * d.group_c()) * image..];
            let dy = |sample: usize| &dy[((first + sample) * d.k + first_k) * map..];
            let (a, b) = if self.direct {
                (dy(0), x(0))
            } else {
                let n = self.batch.min(samples.end - first);
                let (planes, spread) = scratch.split_at_mut(self.image);
                vectorised(
                    arch(),
                    #[inline(always)]
                    || {
                        self.planes.fill(|c, sample| &x(sample.min(n - 1))[c * image..][..image], planes);
                        for (k, to) in spread.chunks_exact_mut(self.positions).enumerate() {
                            self.spread(n, |sample| &dy(sample)[k * map..][..map], to);
                        }
                    },
                );
                (&*spread, &*planes)
            };
            shift_dot(Dot {
                a,
                a_pitch: self.positions,
                rows: self.channels,
                b,
                offsets: &self.offsets,
                len: self.positions,
                c: out,
            });
        }
    }

    /// dy of one channel of n samples, its rows as far apart as those of the planes.
    #[inline(always)]
    fn spread<'a>(&self, n: usize, dy: impl Fn(usize) -> &'a [f32], to: &mut [f32]) {
        let pitch = self.planes.pitch();
        for (sample, to) in to.chunks_mut(self.planes.plane()).enumerate() {
            if sample >= n {
                to.fill(0.0);
                continue;
            }
            let (q, dy) = (self.d.q, dy(sample));
            for row in 0..self.d.p {
                let to = &mut to[row * pitch..];
                rows::copy(to, &dy[row * q..], q);
                let gap = (pitch - q).min(to.len() - q);
                rows::zero(&mut to[q..], gap);
            }
            // Up to the next sample, or to a whole number of vectors.
            let end = (self.d.p * pitch).min(to.len());
            to[end..].fill(0.0);
        }
    }
}
