//! Dispatch of `shaders/mixed/cooperative.wgsl`: convolutions of 3×3 taps with stride 1 on matrix units, and their gradients.

use super::Dims;
use super::gpu::summed;
use super::gpu_window::Image;
use super::product::{Kind, in_parts};
use crate::ops::kernel::{Binding, Cooperative, GpuKernel, Launch, Shader, constants, grid, shader};

pub const COOPERATIVE_8: Shader = shader!(
    "mixed/cooperative_8",
    "enable f16;\nenable wgpu_cooperative_matrix;\n",
    "mixed/cooperative_8",
    "mixed/cooperative"
);
pub const COOPERATIVE_16: Shader = shader!(
    "mixed/cooperative_16",
    "enable f16;\nenable wgpu_cooperative_matrix;\n",
    "mixed/cooperative_16",
    "mixed/cooperative"
);

/// Bytes of workgroup memory: what every adapter with matrix units has.
pub const MEMORY: usize = 32 << 10;
const TAPS: usize = 9;
/// Subgroups of a workgroup.
const SQUARES: usize = 4;
/// Fewer channels leave more than half of the matrices empty.
const LEAST_CHANNELS: usize = 8;
/// Workgroups that keep a large adapter busy: three for each of 132 multiprocessors; where there are fewer, they are made
/// smaller.
const BUSY: usize = 396;
/// The same for weight gradients, in parts.
const WEIGHT_BUSY: usize = 528;

/// A convolution's line of positions, as the shader has it, and the matrices that compute it.
struct Line {
    image: Image,
    units: Cooperative,
    /// Positions of a row, and of the batch.
    wide: usize,
    positions: usize,
}

impl Line {
    fn new(kind: Kind, d: &Dims, units: Cooperative) -> Option<Self> {
        let image = Image::new(kind, d)?;
        if image.in_c < LEAST_CHANNELS || image.out_c < LEAST_CHANNELS {
            return None;
        }
        let [down, wide] = [0, 1].map(|axis| image.input[axis] + image.pad[axis]);
        Some(Self { image, units, wide, positions: image.n * down * wide })
    }

    /// Bytes of one position or output channel in workgroup memory: a matrix's row, and 16 that keep rows in other banks.
    fn row(&self) -> usize {
        2 * self.units.side + 16
    }

    /// Slots of sums, one for each subgroup where all are of the smallest size.
    fn slots(&self) -> usize {
        let [min, max] = self.units.subgroup;
        SQUARES * max / min.max(1)
    }

    /// Bytes of the image that a stage of so many positions reads, and of the sums.
    fn memory(&self, positions: usize) -> usize {
        let side = self.units.side;
        (positions + 2 * self.wide + 2) * self.row() + 4 * self.slots() * side * side
    }

    fn launch(
        &self,
        entry: &'static str,
        own: &[(&'static str, usize)],
        bindings: Vec<Binding>,
        workgroups: usize,
    ) -> Launch {
        let Cooperative { side, subgroup: [_, max] } = self.units;
        let units = constants([("SUBGROUP", max), ("SLOTS", self.slots())]);
        let own = own.iter().map(|&(name, value)| (name, value as f64)).collect();
        Launch {
            shader: if side == 16 { COOPERATIVE_16 } else { COOPERATIVE_8 },
            entry,
            constants: [self.image.sizes(), units, own].concat(),
            bindings,
            workgroups: grid(workgroups),
        }
    }
}

/// What a workgroup of `convolve` computes: squares of rows × columns matrices, so many of them below each other.
#[derive(Clone, Copy)]
struct Block {
    rows: usize,
    columns: usize,
    down: usize,
    tap_rows: usize,
}

impl Block {
    fn channels(self, side: usize) -> usize {
        self.rows * side * self.down
    }

    fn positions(self, side: usize) -> usize {
        self.columns * side * SQUARES / self.down
    }

    fn workgroups(self, line: &Line) -> usize {
        let side = line.units.side;
        line.image.out_c.div_ceil(self.channels(side)) * line.positions.div_ceil(self.positions(side))
    }

    fn memory(self, line: &Line) -> usize {
        let side = line.units.side;
        let weights = 3 * self.tap_rows * (self.channels(side) * line.row() + 16);
        line.memory(self.positions(side)) + weights
    }

    /// No more rows of matrices than there are output channels, up to four; twice as many positions where they keep the
    /// adapter busy; all taps at once where they fit.
    fn choose(line: &Line) -> Option<Self> {
        let side = line.units.side;
        let [rows, down] = match line.image.out_c.div_ceil(side) {
            1 => [1, 1],
            2 => [2, 1],
            _ => [2, 2],
        };
        let fitting = |columns| {
            let blocks = [3, 1].map(|tap_rows| Self { rows, columns, down, tap_rows });
            blocks.into_iter().find(|block| block.memory(line) <= MEMORY)
        };
        fitting(4).filter(|block| block.workgroups(line) >= BUSY).or_else(|| fitting(2))
    }
}

fn convolve(kind: Kind, d: &Dims, units: Cooperative) -> Option<GpuKernel> {
    let line = Line::new(kind, d, units)?;
    let block = Block::choose(&line)?;
    let own = [
        ("POSITIONS", block.positions(units.side)),
        ("ROWS", block.rows),
        ("COLUMNS", block.columns),
        ("DOWN", block.down),
        ("TAP_ROWS", block.tap_rows),
    ];
    let [x, w] = if kind == Kind::InputGrad { [1, 0] } else { [0, 1] };
    let bindings = vec![Binding::Input(x), Binding::Input(w), Binding::Output];
    Some(line.launch("convolve", &own, bindings, block.workgroups(&line)).into())
}

/// The sum is long and the result small: it is split into parts until the adapter is busy, which a second launch adds.
fn weight_grad(d: &Dims, units: Cooperative) -> Option<GpuKernel> {
    let line = Line::new(Kind::WeightGrad, d, units)?;
    let side = units.side;
    let most = line.image.out_c.div_ceil(side).next_power_of_two().min(SQUARES);
    let downs = [4, 2, 1].into_iter().filter(|&down| down <= most);
    // Positions in whole matrices for every slice; long stages read fewer positions twice.
    let mut stages = downs.flat_map(|down| [16, 12, 8, 4].map(|matrices| (down, matrices * side)));
    let memory = |down: usize, positions: usize| line.memory(positions) + positions * (2 * side * down + 16);
    let (down, positions) = stages.find(|&(down, positions)| memory(down, positions) <= MEMORY)?;
    let tiles = line.image.in_c.div_ceil(side) * line.image.out_c.div_ceil(side * down);
    let [parts, part_stages] = in_parts(line.positions.div_ceil(positions), WEIGHT_BUSY.div_ceil(tiles));
    let own = [("POSITIONS", positions), ("DOWN", down), ("PARTS", parts), ("PART_STAGES", part_stages)];
    let weights = line.image.in_c * line.image.out_c * TAPS;
    let bindings = |output| vec![Binding::Input(0), Binding::Input(1), output];
    Some(summed(d, parts, weights, |output| {
        line.launch("weight_grad", &own, bindings(output), parts * tiles)
    }))
}

/// The kernel of a convolution on inputs 0 and 1; none where f32 does better.
pub fn kernel(kind: Kind, d: &Dims, units: Cooperative) -> Option<GpuKernel> {
    match kind {
        Kind::WeightGrad => weight_grad(d, units),
        _ => convolve(kind, d, units),
    }
}
