//! Forward and to the input.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::Dims;
use super::super::cpu::TASKS_PER_THREAD;
use super::transform::{self, Input, Output};
use super::{LANES, POINTS, ROWS, TAPS, TILES, Tiling};
use crate::gemm::{Product, Tiles};
use crate::ops::kernel::CpuKernel;
use crate::simd::{arch, dispatch, vectorised};

/// y = x ⋆ w as a kernel of inputs (x, w), where that pays.
pub fn forward(d: &Dims) -> Option<CpuKernel> {
    let tiling = Tiling::forward(d)?;
    let (c, s) = (d.c, d.s);
    let at = |k: usize, channel: usize, row, column| ((k * c + channel) * TAPS + row) * s + column;
    Some(Winograd::new(tiling).kernel(0, 1, at))
}

/// dx as a kernel of inputs (w, dy), where that pays.
pub fn input_grad(d: &Dims) -> Option<CpuKernel> {
    let tiling = Tiling::input_grad(d)?;
    let (c, s) = (d.c, d.s);
    let at = |channel: usize, k: usize, row, column| {
        ((k * c + channel) * TAPS + TAPS - 1 - row) * s + s - 1 - column
    };
    Some(Winograd::new(tiling).kernel(1, 0, at))
}

/// The six points of a panel's elements, from the indices of their weights.
#[inline(always)]
fn pack(packed: &mut [f32], indices: &[[u32; TAPS]], weights: &[f32]) {
    let mut points: [&mut [f32]; POINTS] = transform::none();
    for (point, packed) in points.iter_mut().zip(packed.chunks_exact_mut(indices.len())) {
        *point = packed;
    }
    for (i, indices) in indices.iter().enumerate() {
        let mut taps = [0.0; TAPS];
        for r in 0..TAPS {
            taps[r] = weights.get(indices[r] as usize).copied().unwrap_or(0.0);
        }
        let values = transform::taps(taps);
        for point in 0..POINTS {
            points[point][i] = values[point];
        }
    }
}

/// The sizes of the products.
#[derive(Clone, Debug)]
struct Winograd {
    tiling: Tiling,
    zeros: Vec<f32>,
    /// Where each term of a sum reads, from its point's first column on.
    offsets: Vec<u32>,
    /// Rows of a packed panel.
    height: usize,
    /// Rows of tiles that are multiplied at once, columns of their product, and of a register tile.
    tile_rows: usize,
    columns: usize,
    tile_columns: usize,
    /// Output channels of a block, and the blocks.
    block: usize,
    blocks: usize,
    /// Blocks of a task, which share scratch memory.
    task: usize,
}

impl Winograd {
    fn new(tiling: Tiling) -> Self {
        let tiles = Tiles::get();
        let [from, to] = tiling.channels;
        let terms = (0..from).flat_map(|c| (0..tiling.taps).map(move |s| c * POINTS * tiling.point() + s));
        let height = tiles.height(to);
        // As many rows as leave the least of the register tiles empty.
        let most = (TILES * tiles.columns / tiling.pitch).clamp(1, tiling.batch * tiling.tiles);
        let padded = |tile_rows: usize| (tile_rows * tiling.pitch).next_multiple_of(tiles.columns);
        let tile_rows = (1..=most).min_by_key(|tile_rows| padded(*tile_rows) * 1000 / tile_rows).unwrap_or(1);
        let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
        let batches = tiling.samples.div_ceil(tiling.batch);
        // Few samples are divided by output channels too, at borders of panels.
        let mut block = to;
        while tiling.batch == 1
            && batches * (to / block) < tasks
            && block.is_multiple_of(2)
            && (block / 2).is_multiple_of(height)
        {
            block /= 2;
        }
        let blocks = to / block;
        Self {
            offsets: terms.map(|offset| offset as u32).collect(),
            zeros: vec![0.0; tiling.images[0][1].max(LANES)],
            height,
            tile_rows,
            columns: padded(tile_rows),
            tile_columns: tiles.columns,
            block,
            blocks,
            task: (batches * blocks).div_ceil(tasks),
            tiling,
        }
    }

    /// The kernel that reads images from input `source` and weights from input `weight`; `at(output channel,
    /// input channel, row, column)` is the index of a weight.
    fn kernel(
        self,
        source: usize,
        weight: usize,
        at: impl Fn(usize, usize, usize, usize) -> usize,
    ) -> CpuKernel {
        let [_, to] = self.tiling.channels;
        let panels = to.div_ceil(self.height);
        // Panel after panel, in each point after point, term after term, a row of each output channel.
        let panel = self.height * self.offsets.len();
        let packed_len = panels * POINTS * panel;
        // The weights of the three rows of taps of each element as indices: finding them takes longer than
        // packing.
        let indices: Vec<[u32; TAPS]> = (0..panels * panel)
            .map(|i| {
                let (k, t) = (i / panel * self.height + i % self.height, i % panel / self.height);
                let (c, s) = (t / self.tiling.taps, t % self.tiling.taps);
                std::array::from_fn(|r| if k < to { at(k, c, r, s) as u32 } else { u32::MAX })
            })
            .collect();
        let scratch_len = self.scratch();
        let workspace = packed_len + scratch_len * TASKS_PER_THREAD * rayon::current_num_threads();
        CpuKernel::in_parts(workspace, move |inputs, out, workspace, done| {
            let (packed, scratch) = workspace.split_at_mut(packed_len);
            let weights = inputs[weight];
            packed.par_chunks_mut(POINTS * panel).zip(indices.par_chunks(panel)).for_each(
                |(packed, indices)| {
                    vectorised(
                        arch(),
                        #[inline(always)]
                        || pack(packed, indices, weights),
                    );
                },
            );
            let unit = self.tiling.batch * self.block * self.map();
            let outputs = out.par_chunks_mut(self.task * unit).enumerate();
            outputs.zip(scratch.par_chunks_exact_mut(scratch_len)).for_each(|((task, outputs), scratch)| {
                for (i, output) in outputs.chunks_mut(unit).enumerate() {
                    let index = task * self.task + i;
                    let first = index / self.blocks * self.tiling.batch;
                    let first_panel = index % self.blocks * self.block / self.height;
                    let packed = &packed[first_panel * POINTS * panel..];
                    dispatch(OutputBlock {
                        of: &self,
                        image: inputs[source],
                        packed,
                        first,
                        output,
                        scratch,
                    });
                    done(index * unit, output);
                }
            });
        })
    }

    /// Elements of a channel of the image that is written.
    fn map(&self) -> usize {
        self.tiling.images[1].iter().product()
    }

    /// Elements of the products of a panel.
    fn products(&self) -> usize {
        POINTS * self.height * self.columns
    }

    fn scratch(&self) -> usize {
        (self.tiling.transformed() + self.products() + ROWS * self.tiling.images[1][1])
            .next_multiple_of(LANES)
    }
}

/// The outputs of some samples, or of some output channels of one.
struct OutputBlock<'a> {
    of: &'a Winograd,
    image: &'a [f32],
    /// From the block's first panel on.
    packed: &'a [f32],
    /// The first sample.
    first: usize,
    output: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl WithSimd for OutputBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { of, image, packed, first, output, scratch } = self;
        let tiling = &of.tiling;
        let (transformed, rest) = scratch.split_at_mut(tiling.transformed());
        let (products, beyond) = rest.split_at_mut(of.products());
        let count = output.len() / (of.block * of.map());
        let samples = first..first + count;
        // Functions of their own: inlined into one, their loops would share registers and spill.
        simd.vectorize(Input { tiling, image, samples, zeros: &of.zeros, to: transformed });
        let (panel, tile_rows) = (of.height * of.offsets.len(), count * tiling.tiles);
        for tile_row in (0..tile_rows).step_by(of.tile_rows) {
            let here = tile_row..tile_rows.min(tile_row + of.tile_rows);
            let columns = (here.len() * tiling.pitch).next_multiple_of(of.tile_columns);
            for (packed, k) in packed.chunks_exact(POINTS * panel).zip((0..of.block).step_by(of.height)) {
                let rows = of.height.min(of.block - k);
                let parts = packed.chunks_exact(panel).zip(products.chunks_exact_mut(of.height * of.columns));
                for (point, (a, c)) in parts.enumerate() {
                    simd.vectorize(Product {
                        a,
                        height: of.height,
                        rows,
                        offsets: &of.offsets,
                        b: &transformed[point * tiling.point() + tile_row * tiling.pitch..],
                        columns,
                        c,
                        pitch: of.columns,
                    });
                }
                for row in 0..rows {
                    for tile_row in here.clone() {
                        let column = row * of.columns + (tile_row - here.start) * tiling.pitch;
                        let (sample, tile) = (tile_row / tiling.tiles, tile_row % tiling.tiles);
                        let width = tiling.images[1][1];
                        let image = &mut output[(sample * of.block + k + row) * of.map()..][..of.map()];
                        Output {
                            products: &products[column..],
                            stride: of.height * of.columns,
                            image: &mut image[tile * ROWS * width..],
                            width,
                            beyond,
                        }
                        .write(simd);
                    }
                }
            }
        }
    }
}
