//! Dispatch of `shaders/conv2d_points.wgsl`: weight gradients of one tap.

use super::Dims;
use super::product::in_parts;
use crate::ops::kernel::{Binding, Launch, Shader, constants, grid, shader};

const SHADER: Shader = shader!("conv2d_points");

/// Elements of workgroup memory, 16 KiB.
const MEMORY: usize = 4096;
/// Threads of a workgroup.
const WIDTH: usize = 128;
/// Threads that keep a large adapter busy: as many as have 128 registers each on 128 multiprocessors.
const BUSY: usize = 65_536;

/// What a workgroup has of one side's channels, and each of its threads.
#[derive(Clone, Copy, Debug)]
struct Side {
    channels: usize,
    own: usize,
}

impl Side {
    /// The fewest channels beyond the last, and of those the largest tile: the more channels the more multiplications
    /// for a load.
    fn new(channels: usize) -> Self {
        let all = [64, 32, 16];
        let side = all.into_iter().min_by_key(|&side| channels.next_multiple_of(side)).unwrap_or(16);
        Self { channels: side, own: if side == 16 { 4 } else { 8 } }
    }

    fn threads(self) -> usize {
        self.channels / self.own
    }
}

/// The gradient to the weight, in parts that are still to be added.
pub struct WeightGrad {
    d: Dims,
    k: Side,
    c: Side,
    /// Positions of a stage.
    stage: usize,
    slices: usize,
    tiles: usize,
    pub parts: usize,
    part_stages: usize,
}

impl WeightGrad {
    /// None where the shader is not made for the convolution.
    pub fn new(d: &Dims) -> Option<Self> {
        let fits = d.groups == 1 && [d.r, d.s] == [1, 1] && d.stride == [1, 1] && d.pad == [0, 0];
        if !fits || d.is_empty() {
            return None;
        }
        let (k, c) = (Side::new(d.k), Side::new(d.c));
        let slices = WIDTH / (k.threads() * c.threads());
        // The next lower power of two, and no more than there are threads.
        let stage = (MEMORY / (k.channels + c.channels) / 2 + 1).next_power_of_two().min(WIDTH);
        let tiles = d.k.div_ceil(k.channels) * d.c.div_ceil(c.channels);
        let stages = (d.n * d.h * d.w).div_ceil(stage);
        let [parts, part_stages] = in_parts(stages, BUSY.div_ceil(tiles * WIDTH));
        Some(Self { d: *d, k, c, stage, slices, tiles, parts, part_stages })
    }

    /// The launch that writes the parts one behind the other.
    pub fn launch(&self, output: Binding) -> Launch {
        let Self { d, k, c, stage, slices, .. } = *self;
        let memory = (stage * (k.channels + c.channels)).max(k.channels * c.channels);
        let constants = constants([
            ("N", d.n),
            ("POINTS", d.h * d.w),
            ("IN_C", d.c),
            ("OUT_C", d.k),
            ("SIDE_K", k.channels),
            ("SIDE_C", c.channels),
            ("ROWS", k.own),
            ("COLUMNS", c.own),
            ("STAGE", stage),
            ("SLICES", slices),
            ("MEMORY", memory / 4),
            ("PARTS", self.parts),
            ("PART_STAGES", self.part_stages),
        ]);
        Launch {
            shader: SHADER,
            entry: "weight_grad",
            constants,
            bindings: vec![Binding::Input(0), Binding::Input(1), output],
            workgroups: grid(self.parts * self.tiles),
        }
    }
}
