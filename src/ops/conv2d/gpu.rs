//! Dispatch of `shaders/conv2d.wgsl`.

use super::Dims;
use super::product::{Kind, Product, in_parts, sizes};
use super::{gpu_points, gpu_window};
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, grid, shader};

const SHADER: Shader = shader!("conv2d");

/// Products of fewer rows go to the direct kernels: more than a quarter of the smallest tile would be empty.
const TILED_ROWS: usize = 4;
/// Threads that keep a large adapter busy, 32 for each of 512 schedulers; where tiles make fewer, they are made smaller.
const BUSY: usize = 16_384;
/// The same for weight gradients, whose parts cost little: eight groups of 128 for each of 128 multiprocessors.
const WEIGHT_BUSY: usize = 131_072;
/// Products of fewer multiplications are over in tens of microseconds on hardware, which a launch costs as well. They
/// get the tiles with the fewest loads, which is what costs on a software adapter.
const SMALL: usize = 1 << 24;
/// Threads of a workgroup of forward and input_grad, at most.
const WIDTH: usize = 64;
/// Threads of a workgroup of weight_grad, at most.
const WEIGHT_WIDTH: usize = 192;
/// Elements of weights in workgroup memory: 12 KiB of the 16 that every adapter has.
const WEIGHTS: usize = 3072;
/// Channels of a stage: their part of the image stays near while all taps go over it. With one tap it does not matter.
const CHANNELS: usize = 16;
const CHANNELS_OF_ONE_TAP: usize = 64;
/// Elements of workgroup memory, 16 KiB.
const MEMORY: usize = 4096;
/// Positions of a stage of weight_grad, at most.
const PATCH: usize = 96;
/// Terms of the sum in a part of the weight gradient, at least, so that parts outweigh their addition.
const PART_TERMS: usize = 256;
/// Weights that a workgroup of weight_grad_sum adds; the shader's.
const SUMMED: usize = 32;

type Constants = Vec<(&'static str, usize)>;

fn is_small(product: Product) -> bool {
    product.multiplications() <= SMALL
}

/// What a workgroup computes: `rows` of `columns` columns for each of `width` threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tile {
    rows: usize,
    columns: usize,
    width: usize,
}

impl Tile {
    /// 16 rows, or 8 or 4 where the product has no more; as many threads as the columns need, in whole steps of
    /// `step`, at most `most`.
    fn new(product: Product, columns: usize, most: usize, step: usize) -> Self {
        let rows = product.rows.next_power_of_two().clamp(4, 16);
        let across = product.columns.div_ceil(columns * most).max(1);
        let width = product.columns.div_ceil(columns * across).next_multiple_of(step).max(step);
        Self { rows, columns, width }
    }

    fn count(self, product: Product) -> usize {
        product.groups
            * product.rows.div_ceil(self.rows)
            * product.columns.div_ceil(self.columns * self.width)
    }

    /// Of forward and input_grad: 16 rows of 4 columns, 64 multiplications for 8 loads; fewer columns where that
    /// leaves the adapter idle.
    fn choose(product: Product) -> Self {
        let tile = |columns| Self::new(product, columns, WIDTH, 8);
        let busy = |tile: &Self| is_small(product) || tile.count(product) * tile.width >= BUSY;
        [4, 2].into_iter().map(tile).find(busy).unwrap_or_else(|| tile(1))
    }

    /// Of the weight gradient, whose parts keep the adapter busy: more columns a thread where that leaves few threads
    /// of a group of 32 without work.
    fn of_weights(product: Product) -> Self {
        let (columns, step) = match product.columns {
            _ if is_small(product) => (4, 8),
            ..=192 => (1, 32),
            193..=384 => (2, 32),
            _ => (4, 32),
        };
        Self::new(product, columns, WEIGHT_WIDTH, step)
    }
}

/// A stage of the weight gradient: output positions, and the part of x that they read.
#[derive(Clone, Copy, Debug)]
struct Patch {
    p: usize,
    q: usize,
    planes: usize,
    plane: usize,
}

impl Patch {
    fn new(d: &Dims, tile: Tile, [p, q]: [usize; 2]) -> Self {
        let side = |size: usize, stride: usize, kernel: usize| (size - 1) * stride + kernel;
        // A tile's columns may begin within a channel.
        let planes = (tile.columns * tile.width - 1).div_ceil(d.r * d.s) + 1;
        // Planes of odd size lie in different banks of the memory.
        let plane = (side(p, d.stride[0], d.r) * side(q, d.stride[1], d.s)) | 1;
        Self { p, q, planes: planes.min(d.group_c()), plane }
    }

    fn stages(self, d: &Dims) -> usize {
        d.n * d.p.div_ceil(self.p) * d.q.div_ceil(self.q)
    }

    /// What a thread does in all stages of a sample, in about instructions: 18 for every element that is brought into
    /// workgroup memory, 5 for every 4 multiplications.
    fn cost(self, d: &Dims, tile: Tile) -> usize {
        let (staged, positions) = (self.planes * self.plane, self.p * self.q);
        let stage = 18 * (staged + positions * tile.rows) / tile.width + 100;
        d.p.div_ceil(self.p) * d.q.div_ceil(self.q) * stage + d.p * d.q * tile.rows * tile.columns * 5 / 4
    }

    /// The cheapest that fits the memory, if any does.
    fn choose(d: &Dims, tile: Tile) -> Option<Self> {
        (1..=d.p.min(PATCH))
            .flat_map(|p| (1..=d.q.min(PATCH / p)).map(move |q| [p, q]))
            .map(|sides| Self::new(d, tile, sides))
            .filter(|patch| patch.planes * patch.plane + patch.p * patch.q * tile.rows <= MEMORY)
            .min_by_key(|patch| patch.cost(d, tile))
    }
}

fn launch(
    entry: &'static str,
    d: &Dims,
    own: Constants,
    bindings: Vec<Binding>,
    workgroups: usize,
) -> Launch {
    Launch {
        shader: SHADER,
        entry,
        constants: sizes(d).into_iter().chain(own).map(|(name, value)| (name, value as f64)).collect(),
        bindings,
        workgroups: grid(workgroups),
    }
}

fn of_tile(Tile { rows, columns, width }: Tile) -> Constants {
    vec![("ROWS", rows), ("COLUMNS", columns), ("WIDTH", width)]
}

/// The kernel of a product that is computed at once: tiled, or direct with one thread an element.
fn single(tiled: &'static str, direct: &'static str, d: &Dims, product: Product) -> GpuKernel {
    let bindings = Binding::all(2, None);
    if product.rows < TILED_ROWS {
        return launch(direct, d, vec![], bindings, product.elements().div_ceil(256)).into();
    }
    let tile = Tile::choose(product);
    let taps = (d.r * d.s).min(WEIGHTS / tile.rows);
    let near = if d.r * d.s == 1 { CHANNELS_OF_ONE_TAP } else { CHANNELS };
    let channels = (WEIGHTS / (tile.rows * taps)).min(near).min(product.terms / (d.r * d.s));
    let constants = [of_tile(tile), vec![("CHANNELS", channels), ("TAPS", taps)]].concat();
    launch(tiled, d, constants, bindings, tile.count(product)).into()
}

/// y of inputs (x, w).
pub fn forward(d: &Dims) -> GpuKernel {
    let other = || single("forward", "forward_direct", d, Product::new(Kind::Forward, d));
    gpu_window::convolve(Kind::Forward, d).unwrap_or_else(other)
}

/// dx of inputs (w, dy).
pub fn input_grad(d: &Dims) -> GpuKernel {
    let other = || single("input_grad", "input_grad_direct", d, Product::new(Kind::InputGrad, d));
    gpu_window::convolve(Kind::InputGrad, d).unwrap_or_else(other)
}

/// dw of inputs (x, dy). The sum is long and the result small, so the sum is split into parts until the adapter is
/// busy; a second launch adds them. Kernels of thousands of taps do not fit the memory and are computed directly.
pub fn weight_grad(d: &Dims) -> GpuKernel {
    let product = Product::new(Kind::WeightGrad, d);
    let weights = product.elements();
    if let Some(window) = gpu_window::WeightGrad::new(d) {
        return summed(d, window.parts, weights, |output| window.launch(output));
    }
    if let Some(points) = gpu_points::WeightGrad::new(d) {
        return summed(d, points.parts, weights, |output| points.launch(output));
    }
    let tile = Tile::of_weights(product);
    let patch = Patch::choose(d, tile).filter(|_| product.rows >= TILED_ROWS);
    let Some(patch) = patch else {
        return launch("weight_grad_direct", d, vec![], Binding::all(2, None), weights).into();
    };
    let tiles = tile.count(product).max(1);
    let wanted = WEIGHT_BUSY.div_ceil(tiles * tile.width).min(product.terms.div_ceil(PART_TERMS));
    let [parts, part_stages] = in_parts(patch.stages(d), wanted);
    let Patch { p, q, planes, plane } = patch;
    let split = vec![("PARTS", parts), ("PART_STAGES", part_stages)];
    let sizes = vec![("PATCH_P", p), ("PATCH_Q", q), ("PLANES", planes), ("PLANE", plane)];
    let constants = [of_tile(tile), sizes, split].concat();
    let bind = |output| vec![Binding::Input(0), Binding::Input(1), output];
    summed(d, parts, weights, |output| launch("weight_grad", d, constants, bind(output), parts * tiles))
}

/// A launch that writes parts of the weight gradient, and what adds them.
pub fn summed(
    d: &Dims,
    parts: usize,
    weights: usize,
    launch_of: impl FnOnce(Binding) -> Launch,
) -> GpuKernel {
    if parts == 1 {
        return launch_of(Binding::Output).into();
    }
    let workspace = Binding::Workspace(0..parts * weights);
    let first = launch_of(workspace.clone());
    let bindings = vec![workspace, Binding::Output];
    let sum = launch("weight_grad_sum", d, vec![("PARTS", parts)], bindings, weights.div_ceil(SUMMED));
    GpuKernel { workspace: parts * weights, launches: vec![first, sum], ..GpuKernel::default() }
}
