//! The gradient to the weight: by transposition of the forward transforms, `dg = Gᵀ·Σ (A·dy) ⊙ (Bᵀ·d)`,
//! summed over samples and positions before Gᵀ.
//!
//! x is transformed as for the forward convolution; dy is transposed so that output channels lie in vectors,
//! which needs no horizontal sums. Samples are summed in a number of parts that only the shapes decide, the
//! parts in order.

use rayon::prelude::*;

use super::super::Dims;
use super::super::cpu::TASKS_PER_THREAD;
use super::gradient::Gradient;
use super::transform::{self, Input};
use super::{LANES, POINTS, TAPS, Tiling};
use crate::gemm::{Outer, SHIFTS, Tiles, shift_outer};
use crate::ops::kernel::CpuKernel;
use crate::simd::{arch, dispatch, vectorised};

/// Transformed elements of x and dy that are summed at once: a second-level cache.
const SUMMED: usize = 1 << 18;
/// Elements that all parts of the sum may take, at most, and parts.
const PARTS_LEN: usize = 1 << 21;
const PARTS: usize = 16;
/// Output channels, and positions of all samples, from which the transforms are worth their time.
const OUTPUTS: usize = 16;
const POSITIONS: usize = 640;
/// Channels of x that are summed at once.
const CHANNELS: usize = 8;

struct WinogradWeightGrad {
    d: Dims,
    tiling: Tiling,
    zeros: Vec<f32>,
    /// Output channels in a vector, and vectors of them.
    lanes: usize,
    blocks: usize,
    /// Samples in a part of the sum, and parts.
    samples: usize,
    parts: usize,
}

/// dw as a kernel of inputs (x, dy), where that pays.
pub fn weight_grad(d: &Dims) -> Option<CpuKernel> {
    let pays = d.s == SHIFTS && d.k >= OUTPUTS && d.n * d.p * d.q >= POSITIONS;
    let mut tiling = Tiling::forward(d).filter(|_| pays)?;
    let lanes = Tiles::get().lanes;
    let blocks = d.k.div_ceil(lanes);
    let each = POINTS * tiling.len() * (d.c + d.k);
    tiling.batch = (SUMMED / each).clamp(1, d.n);
    let part_len = POINTS * SHIFTS * d.c * d.k;
    // A power of two, so that threads get as many.
    let parts = (PARTS_LEN / part_len).clamp(1, PARTS).min(d.n.div_ceil(tiling.batch));
    let parts = 1 << parts.ilog2();
    let samples = d.n.div_ceil(parts);
    tiling.batch = samples.div_ceil(samples.div_ceil(tiling.batch));
    let parts = d.n.div_ceil(samples);
    Some(
        WinogradWeightGrad { d: *d, zeros: vec![0.0; d.w.max(LANES)], tiling, lanes, blocks, samples, parts }
            .kernel(),
    )
}

impl WinogradWeightGrad {
    fn kernel(self) -> CpuKernel {
        let part = self.d.c * self.row();
        let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
        let task = self.parts.div_ceil(tasks);
        let image = self.tiling.transformed();
        let scratch_len = (image + self.blocks * self.block() + self.run()).next_multiple_of(LANES);
        let workspace = self.parts * part + tasks * scratch_len;
        CpuKernel::with_workspace(workspace, move |inputs, out, workspace| {
            let (sums, scratch) = workspace.split_at_mut(self.parts * part);
            let scratches = scratch.par_chunks_exact_mut(scratch_len);
            sums.par_chunks_mut(task * part).zip(scratches).enumerate().for_each(|(i, (sums, scratch))| {
                for (j, sums) in sums.chunks_exact_mut(part).enumerate() {
                    self.part(inputs, i * task + j, sums, scratch);
                }
            });
            let taps = self.d.c * TAPS * SHIFTS;
            out.par_chunks_mut(self.lanes * taps).enumerate().for_each(|(block, out)| {
                vectorised(
                    arch(),
                    #[inline(always)]
                    || self.taps(sums, part, block, out),
                );
            });
        })
    }

    /// Sums of one channel of x: \[POINTS, SHIFTS, blocks · lanes\].
    fn row(&self) -> usize {
        POINTS * SHIFTS * self.blocks * self.lanes
    }

    /// The transformed gradient of one vector of output channels: \[POINTS, columns, lanes\].
    fn block(&self) -> usize {
        POINTS * self.tiling.batch * self.tiling.len() * self.lanes
    }

    /// The gradient of one vector of output channels for one row of tiles, transposed.
    fn run(&self) -> usize {
        super::ROWS * self.d.q * self.lanes
    }

    /// The sum over one part of the samples, \[C, POINTS, SHIFTS, blocks · lanes\].
    fn part(&self, inputs: &[&[f32]], part: usize, sums: &mut [f32], scratch: &mut [f32]) {
        let (x, dy, tiling) = (inputs[0], inputs[1], &self.tiling);
        let (image, rest) = scratch.split_at_mut(tiling.transformed());
        let (gradient, run) = rest.split_at_mut(self.blocks * self.block());
        sums.fill(0.0);
        let samples = part * self.samples..((part + 1) * self.samples).min(self.d.n);
        for first in samples.clone().step_by(tiling.batch) {
            let here = first..samples.end.min(first + tiling.batch);
            dispatch(Input { tiling, image: x, samples: here.clone(), zeros: &self.zeros, to: image });
            for (block, to) in gradient.chunks_exact_mut(self.block()).enumerate() {
                dispatch(Gradient {
                    d: &self.d,
                    tiling,
                    dy,
                    samples: here.clone(),
                    block,
                    transposed: run,
                    to,
                });
            }
            let point_len = self.block() / POINTS;
            for (chunk, sums) in sums.chunks_mut(CHANNELS * self.row()).enumerate() {
                let rows = sums.len() / self.row();
                for point in 0..POINTS {
                    let start = |row| ((chunk * CHANNELS + row) * POINTS + point) * tiling.point();
                    let starts: [u32; CHANNELS] = std::array::from_fn(|row| start(row) as u32);
                    shift_outer(Outer {
                        b: image,
                        starts: &starts[..rows],
                        d: &gradient[point * point_len..],
                        d_block: self.block(),
                        blocks: self.blocks,
                        len: here.len() * tiling.len(),
                        c: &mut sums[point * SHIFTS * self.blocks * self.lanes..],
                        c_pitch: self.row(),
                    });
                }
            }
        }
    }

    /// dw of one vector of output channels, from the sums of all parts.
    #[inline(always)]
    fn taps(&self, sums: &[f32], part: usize, block: usize, out: &mut [f32]) {
        let (c, width) = (self.d.c, self.blocks * self.lanes);
        let taps = c * TAPS * SHIFTS;
        for (channel, s) in (0..c).flat_map(|channel| (0..SHIFTS).map(move |s| (channel, s))) {
            let mut total = [[0.0; LANES]; POINTS];
            for sums in sums.chunks_exact(part) {
                for (point, total) in total.iter_mut().enumerate() {
                    let at = channel * self.row() + (point * SHIFTS + s) * width + block * self.lanes;
                    for (total, sum) in total.iter_mut().zip(&sums[at..][..self.lanes]) {
                        *total += sum;
                    }
                }
            }
            let gradients = transform::tap_gradients(total);
            for (k, out) in out.chunks_exact_mut(taps).enumerate() {
                for (r, gradient) in gradients.iter().enumerate() {
                    out[(channel * TAPS + r) * SHIFTS + s] = gradient[k];
                }
            }
        }
    }
}
