//! Convolution forward and to the input on the CPU, without an im2col matrix: a product of packed weights and
//! shifted [`PaddedPlanes`]. Its rows are output channels, its columns output positions, its terms input
//! channels and taps.
//!
//! The gradient to the input is itself such a convolution, of dy. With stride 1 it takes the flipped kernel.
//! With a larger stride it takes one kernel for each phase of the input's positions, and all phases are rows
//! of one product. Kernels of three rows with stride 1 go to [`super::winograd`] where that pays.

use rayon::prelude::*;

use super::planes::{PaddedPlanes, PlaneSpec, pairs};
use super::{Dims, rows, winograd};
use crate::gemm::{Product, Tiles, pack_rows, shift_product};
use crate::ops::kernel::CpuKernel;
use crate::simd::{arch, vectorised};

/// Tasks per thread: few, because each has scratch memory, but enough to even out.
pub(super) const TASKS_PER_THREAD: usize = 2;

/// Where columns of the product go: index i of phase φ of an output channel is position `i·phases + φ − skip`
/// of the image.
#[derive(Clone, Copy, Debug)]
struct OutputImage {
    image: [usize; 2],
    phases: [usize; 2],
    skip: [usize; 2],
    /// Positions of each phase.
    positions: [usize; 2],
}

/// A convolution prepared as a product; one for every sample and group.
#[derive(Clone, Debug)]
struct Shifted {
    planes: PaddedPlanes,
    output: OutputImage,
    groups: usize,
    /// Where each term of the sum reads.
    offsets: Vec<u32>,
    /// Rows of the product for each group: output channels and phases.
    rows: usize,
    height: usize,
    /// Columns of the product.
    columns: usize,
    /// Output channels of a block, and the blocks of a group.
    block: usize,
    blocks: usize,
    /// Blocks of a task, which share scratch memory, and how much of it they need.
    task: usize,
    scratch: usize,
    /// Whether images are laid out as planes first.
    copied: bool,
    /// Whether the product is written straight to the output.
    direct: bool,
}

/// y = x ⋆ w as a kernel of inputs (x, w).
pub fn forward(d: &Dims) -> CpuKernel {
    if d.is_empty() {
        return CpuKernel::zeros();
    }
    winograd::forward(d).unwrap_or_else(|| shifted_forward(d))
}

fn shifted_forward(d: &Dims) -> CpuKernel {
    let taps = [(d.r - 1) / d.stride[0] + 1, (d.s - 1) / d.stride[1] + 1];
    let planes = PaddedPlanes::new(&PlaneSpec {
        channels: d.group_c(),
        samples: 1,
        image: [d.h, d.w],
        phases: d.stride,
        before: d.pad.map(|pad| pad as isize),
        taps,
        outputs: [d.p, d.q],
    });
    let output = OutputImage { image: [d.p, d.q], phases: [1, 1], skip: [0, 0], positions: [d.p, d.q] };
    let terms = (0..d.group_c()).flat_map(|c| pairs(d.r, d.s).map(move |(r, s)| (c, r, s)));
    let offsets = terms.map(|(c, r, s)| planes.offset(c, r, s) as u32).collect();
    let shifted = Shifted::new(planes, output, offsets, d.n, d.groups, d.group_k());
    let terms = d.group_c() * d.r * d.s;
    shifted.kernel(0, 1, d.group_k() * terms, |k, t| Some(k * terms + t))
}

/// dx as a kernel of inputs (w, dy).
pub fn input_grad(d: &Dims) -> CpuKernel {
    if d.is_empty() {
        return CpuKernel::zeros();
    }
    winograd::input_grad(d).unwrap_or_else(|| shifted_input_grad(d))
}

fn shifted_input_grad(d: &Dims) -> CpuKernel {
    let taps = [d.r.div_ceil(d.stride[0]), d.s.div_ceil(d.stride[1])];
    // Row h of x is index i of phase φ, counted from the first index that is needed.
    let first = [0, 1].map(|a| d.pad[a] / d.stride[a]);
    let positions = [0, 1].map(|a| ([d.h, d.w][a] - 1 + d.pad[a]) / d.stride[a] + 1 - first[a]);
    let planes = PaddedPlanes::new(&PlaneSpec {
        channels: d.group_k(),
        samples: 1,
        image: [d.p, d.q],
        phases: [1, 1],
        before: [0, 1].map(|a| taps[a] as isize - 1 - first[a] as isize),
        taps,
        outputs: positions,
    });
    let output = OutputImage {
        image: [d.h, d.w],
        phases: d.stride,
        skip: [0, 1].map(|a| d.pad[a] % d.stride[a]),
        positions,
    };
    // dx at index i takes dy at i − a by tap a·stride + φ.
    let terms = (0..d.group_k()).flat_map(|k| pairs(taps[0], taps[1]).map(move |(a, b)| (k, a, b)));
    let offsets = terms.map(|(k, a, b)| planes.offset(k, taps[0] - 1 - a, taps[1] - 1 - b) as u32).collect();
    let shifted = Shifted::new(planes, output, offsets, d.n, d.groups, d.group_c());
    shifted.kernel(1, 0, d.group_k() * d.group_c() * d.r * d.s, |row, t| {
        let (c, phase) = (row / (d.stride[0] * d.stride[1]), row % (d.stride[0] * d.stride[1]));
        let (k, a, b) = (t / (taps[0] * taps[1]), t / taps[1] % taps[0], t % taps[1]);
        let (r, s) = (a * d.stride[0] + phase / d.stride[1], b * d.stride[1] + phase % d.stride[1]);
        (r < d.r && s < d.s).then(|| ((k * d.group_c() + c) * d.r + r) * d.s + s)
    })
}

impl Shifted {
    fn new(
        planes: PaddedPlanes,
        output: OutputImage,
        offsets: Vec<u32>,
        n: usize,
        groups: usize,
        channels: usize,
    ) -> Self {
        let tiles = Tiles::get();
        let phases = output.phases[0] * output.phases[1];
        let rows = channels * phases;
        let height = tiles.height(rows);
        let [rows_of_phase, row] = output.positions;
        let outputs = (rows_of_phase - 1) * planes.pitch() + row;
        let direct = phases == 1 && planes.pitch() == row && outputs >= tiles.columns;
        let columns = outputs.max(tiles.columns);
        let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
        // Few samples are divided by output channels too, at borders of panels.
        let mut block = channels;
        while n * groups * (channels / block) < tasks
            && block.is_multiple_of(2)
            && (block / 2 * phases).is_multiple_of(height)
        {
            block /= 2;
        }
        let blocks = channels / block;
        let read = offsets.iter().max().map_or(0, |&offset| offset as usize) + columns;
        let copied = !planes.is_image() || outputs < tiles.columns;
        let copy = if copied { read.max(planes.len()) } else { 0 };
        let products = if direct { 0 } else { block * phases * columns };
        Self {
            planes,
            output,
            groups,
            offsets,
            rows,
            height,
            columns,
            block,
            blocks,
            task: (n * groups * blocks).div_ceil(tasks).max(1),
            scratch: (copy + products).max(1),
            copied,
            direct,
        }
    }

    /// The kernel that reads images from input `source` and weights, `group_weights` for each group, from
    /// input `weight`; `at(row, term)` is the weight's index within its group, if it is not zero.
    fn kernel(
        self,
        source: usize,
        weight: usize,
        group_weights: usize,
        at: impl Fn(usize, usize) -> Option<usize>,
    ) -> CpuKernel {
        let panel = self.height * self.offsets.len();
        let packed_group = self.rows.next_multiple_of(self.height) * self.offsets.len();
        let packed_len = self.groups * packed_group;
        let workspace = packed_len + self.scratch * TASKS_PER_THREAD * rayon::current_num_threads();
        // The order of packing as indices, because finding them takes longer than the packing itself.
        let mut indices = vec![u32::MAX; packed_group];
        pack_rows(&mut indices, self.height, self.rows, self.offsets.len(), |row, t| {
            at(row, t).map_or(u32::MAX, |index| index as u32)
        });
        CpuKernel::in_parts(workspace, move |inputs, out, workspace, done| {
            let (packed, scratch) = workspace.split_at_mut(packed_len);
            let groups =
                packed.chunks_exact_mut(packed_group).zip(inputs[weight].chunks_exact(group_weights));
            groups.for_each(|(packed, weights)| {
                let panels = packed.par_chunks_mut(panel).zip(indices.par_chunks(panel));
                panels.for_each(|(panel, indices)| {
                    for (to, &index) in panel.iter_mut().zip(indices) {
                        *to = weights.get(index as usize).copied().unwrap_or(0.0);
                    }
                });
            });
            let packed = &*packed;
            let unit = self.block * self.output.image[0] * self.output.image[1];
            let image = self.planes.image_len() * self.planes.channels();
            let work = |index: usize, outputs: &mut [f32], scratch: &mut [f32]| {
                for (i, output) in outputs.chunks_exact_mut(unit).enumerate() {
                    let at = index * self.task + i;
                    let (sample_group, block) = (at / self.blocks, at % self.blocks);
                    let images = &inputs[source][sample_group * image..];
                    let a = &packed[sample_group % self.groups * packed_group..][..packed_group];
                    let a = &a[block * (packed_group / self.blocks)..][..packed_group / self.blocks];
                    self.block_of_outputs(images, a, output, scratch);
                    done(at * unit, output);
                }
            };
            let outputs = out.par_chunks_mut(self.task * unit).enumerate();
            let scratches = scratch.par_chunks_exact_mut(self.scratch);
            outputs.zip(scratches).for_each(|((i, outputs), scratch)| work(i, outputs, scratch));
        })
    }

    /// One block of output channels of one sample and group.
    fn block_of_outputs(&self, images: &[f32], a: &[f32], output: &mut [f32], scratch: &mut [f32]) {
        let phases = self.output.phases[0] * self.output.phases[1];
        let rows = self.block * phases;
        let product_len = if self.direct { 0 } else { rows * self.columns };
        let (products, copy) = scratch.split_at_mut(product_len);
        let b = if self.copied {
            let map = self.planes.image_len();
            vectorised(
                arch(),
                #[inline(always)]
                || self.planes.fill(|c, _| &images[c * map..][..map], copy),
            );
            copy
        } else {
            images
        };
        let product = |c, pitch| Product {
            a,
            height: self.height,
            rows,
            offsets: &self.offsets,
            b,
            columns: self.columns,
            c,
            pitch,
        };
        if self.direct {
            shift_product(product(output, self.columns));
        } else {
            shift_product(product(products, self.columns));
            vectorised(
                arch(),
                #[inline(always)]
                || self.output.write(products, self.columns, self.planes.pitch(), output),
            );
        }
    }
}

impl OutputImage {
    /// Takes the columns of the product that are outputs, and interleaves the phases.
    #[inline(always)]
    fn write(&self, products: &[f32], columns: usize, pitch: usize, output: &mut [f32]) {
        let phases = self.phases[0] * self.phases[1];
        let [height, width] = self.image;
        let images = output.chunks_exact_mut(height * width);
        for (image, products) in images.zip(products.chunks_exact(phases * columns)) {
            for ((phase_row, phase_column), from) in
                pairs(self.phases[0], self.phases[1]).zip(products.chunks_exact(columns))
            {
                for index in 0..self.positions[0] {
                    let row = (index * self.phases[0] + phase_row).wrapping_sub(self.skip[0]);
                    if row >= height {
                        continue;
                    }
                    let to = &mut image[row * width..];
                    let from = &from[index * pitch..];
                    if phases == 1 {
                        rows::copy(to, from, width);
                        continue;
                    }
                    let (to, from) = (&mut to[..width], &from[..self.positions[1]]);
                    // The first index of an early phase may lie before the image.
                    let early = usize::from(phase_column < self.skip[1]);
                    let first = early * self.phases[1] + phase_column - self.skip[1];
                    let to = to.iter_mut().skip(first).step_by(self.phases[1]);
                    to.zip(&from[early..]).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}
