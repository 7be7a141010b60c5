//! Convolution forward and to the input on the CPU: a product of packed weights and shifted [`Planes`].
//!
//! The gradient to the input is itself such a convolution, of dy: with stride 1 by the flipped kernel, with a larger
//! stride by one kernel for each phase of the input's positions, all phases being rows of one product. Kernels of three rows
//! with stride 1 go to [`super::winograd`] where that pays.

use rayon::prelude::*;

use super::planes::{PlaneSpec, Planes, pairs};
use super::{Dims, rows, winograd};
use crate::gemm::{Product, Tiles, pack_rows, shift_product};
use crate::ops::kernel::CpuKernel;

/// Pieces of work for each thread: few, because each has scratch memory, but enough to even out.
pub(super) const SLOTS_A_THREAD: usize = 2;

/// Where columns of the product go: output channel c, phase φ, place i is position `i·phases + φ − skip`.
#[derive(Clone, Copy, Debug)]
struct Target {
    image: [usize; 2],
    phases: [usize; 2],
    skip: [usize; 2],
    /// Places for each phase.
    places: [usize; 2],
}

/// A convolution prepared as a product; one for every sample and group.
#[derive(Clone, Debug)]
struct Shifted {
    planes: Planes,
    target: Target,
    groups: usize,
    /// Where each term of the sum reads.
    offsets: Vec<u32>,
    /// Rows of the product for each group: output channels and phases.
    rows: usize,
    height: usize,
    /// Columns of the product.
    columns: usize,
    /// Output channels in a piece of work, and the pieces in a group.
    piece: usize,
    pieces: usize,
    /// Pieces of work that share scratch memory, and how much of it they need.
    run: usize,
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
    let planes = Planes::new(&PlaneSpec {
        channels: d.group_c(),
        samples: 1,
        image: [d.h, d.w],
        phases: d.stride,
        before: d.pad.map(|pad| pad as isize),
        taps,
        outputs: [d.p, d.q],
    });
    let target = Target { image: [d.p, d.q], phases: [1, 1], skip: [0, 0], places: [d.p, d.q] };
    let terms = (0..d.group_c()).flat_map(|c| pairs(d.r, d.s).map(move |(r, s)| (c, r, s)));
    let offsets = terms.map(|(c, r, s)| planes.offset(c, r, s) as u32).collect();
    let shifted = Shifted::new(planes, target, offsets, d.n, d.groups, d.group_k());
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
    // Position h of x is place i of phase φ, counted from the first place that is needed.
    let first = [0, 1].map(|a| d.pad[a] / d.stride[a]);
    let places = [0, 1].map(|a| ([d.h, d.w][a] - 1 + d.pad[a]) / d.stride[a] + 1 - first[a]);
    let planes = Planes::new(&PlaneSpec {
        channels: d.group_k(),
        samples: 1,
        image: [d.p, d.q],
        phases: [1, 1],
        before: [0, 1].map(|a| taps[a] as isize - 1 - first[a] as isize),
        taps,
        outputs: places,
    });
    let target =
        Target { image: [d.h, d.w], phases: d.stride, skip: [0, 1].map(|a| d.pad[a] % d.stride[a]), places };
    // dx at place i takes dy at i − a by tap a·stride + φ.
    let terms = (0..d.group_k()).flat_map(|k| pairs(taps[0], taps[1]).map(move |(a, b)| (k, a, b)));
    let offsets = terms.map(|(k, a, b)| planes.offset(k, taps[0] - 1 - a, taps[1] - 1 - b) as u32).collect();
    let shifted = Shifted::new(planes, target, offsets, d.n, d.groups, d.group_c());
    shifted.kernel(1, 0, d.group_k() * d.group_c() * d.r * d.s, |row, t| {
        let (c, phase) = (row / (d.stride[0] * d.stride[1]), row % (d.stride[0] * d.stride[1]));
        let (k, a, b) = (t / (taps[0] * taps[1]), t / taps[1] % taps[0], t % taps[1]);
        let (r, s) = (a * d.stride[0] + phase / d.stride[1], b * d.stride[1] + phase % d.stride[1]);
        (r < d.r && s < d.s).then(|| ((k * d.group_c() + c) * d.r + r) * d.s + s)
    })
}

impl Shifted {
    fn new(
        planes: Planes,
        target: Target,
        offsets: Vec<u32>,
        n: usize,
        groups: usize,
        channels: usize,
    ) -> Self {
        let tiles = Tiles::get();
        let phases = target.phases[0] * target.phases[1];
        let rows = channels * phases;
        let height = tiles.height(rows);
        let [places, row] = target.places;
        let outputs = (places - 1) * planes.pitch() + row;
        let direct = phases == 1 && planes.pitch() == row && outputs >= tiles.columns;
        let columns = outputs.max(tiles.columns);
        let slots = SLOTS_A_THREAD * rayon::current_num_threads();
        // Few samples are divided by output channels too, at borders of panels.
        let mut piece = channels;
        while n * groups * (channels / piece) < slots
            && piece.is_multiple_of(2)
            && (piece / 2 * phases).is_multiple_of(height)
        {
            piece /= 2;
        }
        let pieces = channels / piece;
        let read = offsets.iter().max().map_or(0, |&offset| offset as usize) + columns;
        let copied = !planes.is_image() || outputs < tiles.columns;
        let copy = if copied { read.max(planes.len()) } else { 0 };
        let strip = if direct { 0 } else { piece * phases * columns };
        Self {
            planes,
            target,
            groups,
            offsets,
            rows,
            height,
            columns,
            piece,
            pieces,
            run: (n * groups * pieces).div_ceil(slots).max(1),
            scratch: (copy + strip).max(1),
            copied,
            direct,
        }
    }

    /// The kernel that reads images from input `source` and weights, `group_weights` for each group, from input
    /// `weight`; `at(row, term)` is the weight's index within its group, if it is not zero.
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
        let workspace = packed_len + self.scratch * SLOTS_A_THREAD * rayon::current_num_threads();
        // The order of packing as indices, because finding them takes longer than the packing itself.
        let mut indices = vec![u32::MAX; packed_group];
        pack_rows(&mut indices, self.height, self.rows, self.offsets.len(), |row, t| {
            at(row, t).map_or(u32::MAX, |index| index as u32)
        });
        CpuKernel::with_workspace(workspace, move |inputs, out, workspace| {
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
            let unit = self.piece * self.target.image[0] * self.target.image[1];
            let image = self.planes.image_len() * self.planes.channels();
            let work = |index: usize, outputs: &mut [f32], scratch: &mut [f32]| {
                for (i, output) in outputs.chunks_exact_mut(unit).enumerate() {
                    let at = index * self.run + i;
                    let (sample_group, piece) = (at / self.pieces, at % self.pieces);
                    let images = &inputs[source][sample_group * image..];
                    let a = &packed[sample_group % self.groups * packed_group..][..packed_group];
                    let a = &a[piece * (packed_group / self.pieces)..][..packed_group / self.pieces];
                    self.piece_of_work(images, a, output, scratch);
                }
            };
            let outputs = out.par_chunks_mut(self.run * unit).enumerate();
            let scratches = scratch.par_chunks_exact_mut(self.scratch);
            outputs.zip(scratches).for_each(|((i, outputs), scratch)| work(i, outputs, scratch));
        })
    }

    /// One piece of output channels of one sample and group.
    fn piece_of_work(&self, images: &[f32], a: &[f32], output: &mut [f32], scratch: &mut [f32]) {
        let phases = self.target.phases[0] * self.target.phases[1];
        let rows = self.piece * phases;
        let strip_len = if self.direct { 0 } else { rows * self.columns };
        let (strip, copy) = scratch.split_at_mut(strip_len);
        let b = if self.copied {
            let map = self.planes.image_len();
            self.planes.fill(|c, _| &images[c * map..][..map], copy);
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
            shift_product(product(strip, self.columns));
            self.target.write(strip, self.columns, self.planes.pitch(), output);
        }
    }
}

impl Target {
    /// Takes the columns of the product that are outputs, and interleaves the phases.
    fn write(&self, strip: &[f32], columns: usize, pitch: usize, output: &mut [f32]) {
        let phases = self.phases[0] * self.phases[1];
        let [height, width] = self.image;
        let images = output.chunks_exact_mut(height * width);
        for (image, strip) in images.zip(strip.chunks_exact(phases * columns)) {
            for ((phase_row, phase_column), from) in
                pairs(self.phases[0], self.phases[1]).zip(strip.chunks_exact(columns))
            {
                for place in 0..self.places[0] {
                    let row = (place * self.phases[0] + phase_row).wrapping_sub(self.skip[0]);
                    if row >= height {
                        continue;
                    }
                    let to = &mut image[row * width..];
                    let from = &from[place * pitch..];
                    if phases == 1 {
                        rows::copy(to, from, width);
                        continue;
                    }
                    let (to, from) = (&mut to[..width], &from[..self.places[1]]);
                    // The first place of an early phase may lie before the image.
                    let early = usize::from(phase_column < self.skip[1]);
                    let first = early * self.phases[1] + phase_column - self.skip[1];
                    let to = to.iter_mut().skip(first).step_by(self.phases[1]);
                    to.zip(&from[early..]).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}
