//! Dispatch of `shaders/conv2d_window.wgsl`: 3×3 taps with stride 1, by windows in workgroup memory.

use super::Dims;
use super::product::Kind;
use crate::ops::kernel::{Binding, Constants, GpuKernel, Launch, Shader, constants, grid, shader};

const SHADER: Shader = shader!("conv2d_window");

/// Elements of workgroup memory, 16 KiB.
const MEMORY: usize = 4096;
const TAPS: usize = 9;
/// Channels of a weight_grad tile, in and out.
const SIDE: usize = 16;
/// Slices of a weight_grad workgroup, at most.
const SLICES: usize = 4;
/// Threads of a slice of weight_grad: a tile's input channels by its halves of output channels.
const SLICE: usize = 32;
/// Elements that a slice hands to the first: the shader's.
const REDUCED: usize = SLICE * 8 * TAPS;
/// Threads that keep a large adapter busy: 16 warps of 32 for each of 128 multiprocessors.
const BUSY: usize = 65_536;

/// The convolution that is computed, as the shader names its sizes: what is read is `in`, what is written is `out`.
#[derive(Clone, Copy)]
pub struct Image {
    pub n: usize,
    pub in_c: usize,
    pub input: [usize; 2],
    pub out_c: usize,
    output: [usize; 2],
    pub pad: [usize; 2],
    flip: bool,
}

impl Image {
    /// None where the shader is not made for the convolution.
    pub fn new(kind: Kind, d: &Dims) -> Option<Self> {
        let fits =
            d.groups == 1 && [d.r, d.s] == [3, 3] && d.stride == [1, 1] && d.pad.iter().all(|&pad| pad <= 2);
        if !fits || d.is_empty() {
            return None;
        }
        let (x, y) = ([d.h, d.w], [d.p, d.q]);
        Some(match kind {
            Kind::InputGrad => Self {
                n: d.n,
                in_c: d.k,
                input: y,
                out_c: d.c,
                output: x,
                pad: d.pad.map(|pad| 2 - pad),
                flip: true,
            },
            _ => Self { n: d.n, in_c: d.c, input: x, out_c: d.k, output: y, pad: d.pad, flip: false },
        })
    }

    /// As the shader's constants.
    pub fn sizes(&self) -> Constants {
        constants([
            ("N", self.n),
            ("IN_C", self.in_c),
            ("IN_H", self.input[0]),
            ("IN_W", self.input[1]),
            ("OUT_C", self.out_c),
            ("OUT_H", self.output[0]),
            ("OUT_W", self.output[1]),
            ("PAD_H", self.pad[0]),
            ("PAD_W", self.pad[1]),
            ("FLIP", usize::from(self.flip)),
        ])
    }

    fn launch(
        &self,
        entry: &'static str,
        tile: Constants,
        bindings: Vec<Binding>,
        workgroups: usize,
    ) -> Launch {
        Launch {
            shader: SHADER,
            entry,
            constants: [self.sizes(), tile].concat(),
            bindings,
            workgroups: grid(workgroups),
        }
    }
}

/// Elements of a tile's image of one channel; the shader's PLANE.
fn plane([p, q]: [usize; 2]) -> usize {
    ((p + 2) * (q + 2)) | 1
}

/// What a workgroup of `convolve` computes.
#[derive(Clone, Copy, Debug)]
struct Tile {
    rows: usize,
    blocks: usize,
    samples: usize,
    p: usize,
    q: usize,
    channels: usize,
}

impl Tile {
    fn threads(&self) -> usize {
        self.blocks * self.samples * (self.p / 4) * self.q
    }

    fn width(&self) -> usize {
        self.threads().next_multiple_of(32)
    }

    /// Elements of a channel in workgroup memory: the image's, and the weights'.
    fn memory(&self) -> [usize; 2] {
        [self.samples * plane([self.p, self.q]), TAPS * self.rows * self.blocks]
    }

    fn workgroups(&self, image: &Image) -> usize {
        let [p, q] = image.output;
        image.out_c.div_ceil(self.rows * self.blocks)
            * image.n.div_ceil(self.samples)
            * p.div_ceil(self.p)
            * q.div_ceil(self.q)
    }

    /// The time of all workgroups, in about instructions of a subgroup of 32 threads.
    fn cost(&self, image: &Image) -> f64 {
        let stages = image.in_c.div_ceil(self.channels);
        let [pixels, weights] = self.memory();
        let staged = self.channels * (14 * pixels + 10 * weights) / self.width() + 80;
        let channel = 36 * self.rows + 30 + 9 * self.rows / 4;
        let each = stages * (staged + self.channels * channel);
        let workgroups = self.workgroups(image);
        let idle = (BUSY as f64 / (workgroups * self.width()) as f64).max(1.0);
        (workgroups * self.width() / 32 * each) as f64 * idle
    }

    /// The cheapest that fits the memory.
    fn choose(image: &Image) -> Option<Self> {
        let [p, q] = image.output;
        let rows = [4, 8, 16].into_iter().filter(|&rows| rows < 2 * image.out_c.next_multiple_of(4));
        let mut best: Option<(f64, Self)> = None;
        for rows in rows {
            for blocks in 1..=image.out_c.div_ceil(rows).min(8) {
                for p in (4..=p.next_multiple_of(4).min(32)).step_by(4) {
                    for q in (1..=8).map(|parts| q.div_ceil(parts)) {
                        for samples in [1, 2, 4, 8] {
                            let tile = Self { rows, blocks, samples, p, q, channels: 1 };
                            let channels =
                                (MEMORY / tile.memory().iter().sum::<usize>()).min(image.in_c).min(16);
                            if !(32..=256).contains(&tile.threads()) || channels == 0 {
                                continue;
                            }
                            let tile = Self { channels, ..tile };
                            let cost = tile.cost(image);
                            if best.is_none_or(|(least, _)| cost < least) {
                                best = Some((cost, tile));
                            }
                        }
                    }
                }
            }
        }
        best.map(|(_, tile)| tile)
    }
}

/// Forward, and to the input. None where other kernels do better.
pub fn convolve(kind: Kind, d: &Dims) -> Option<GpuKernel> {
    let image = Image::new(kind, d)?;
    let tile = Tile::choose(&image)?;
    let Tile { rows, blocks, samples, p, q, channels } = tile;
    let [pixels, weights] = tile.memory();
    let own = constants([
        ("WIDTH", tile.width()),
        ("TILE_P", p),
        ("TILE_Q", q),
        ("CHANNELS", channels),
        ("SAMPLES", samples),
        ("ROWS", rows),
        ("BLOCKS", blocks),
        ("IMAGE", channels * pixels),
        ("WEIGHTS", channels * weights / 4),
    ]);
    let [x, w] = if kind == Kind::InputGrad { [1, 0] } else { [0, 1] };
    let bindings = vec![Binding::Input(x), Binding::Input(w), Binding::Output];
    Some(image.launch("convolve", own, bindings, tile.workgroups(&image)).into())
}

/// The gradient to the weight, in parts that are still to be added.
pub struct WeightGrad {
    image: Image,
    /// Positions of a stage.
    patch: [usize; 2],
    slices: usize,
    /// Workgroups of a part.
    tiles: usize,
    pub parts: usize,
    part_stages: usize,
}

impl WeightGrad {
    /// None where the shader is not made for the convolution.
    pub fn new(d: &Dims) -> Option<Self> {
        let image = Image::new(Kind::WeightGrad, d)?;
        let patch = choose_patch(&image)?;
        let slices = patch[0].min(SLICES);
        let tiles = d.c.div_ceil(SIDE) * d.k.div_ceil(SIDE);
        let stages = d.n * image.output[0].div_ceil(patch[0]) * image.output[1].div_ceil(patch[1]);
        let wanted = BUSY.div_ceil(tiles * SLICE * slices).max(1);
        let part_stages = stages.div_ceil(wanted);
        let parts = stages.div_ceil(part_stages);
        Some(Self { image, patch, slices, tiles, parts, part_stages })
    }

    /// The launch that writes the parts one behind the other.
    pub fn launch(&self, output: Binding) -> Launch {
        let [p, q] = self.patch;
        let own = constants([
            ("WIDTH", SLICE * self.slices),
            ("TILE_P", p),
            ("TILE_Q", q),
            ("CHANNELS", SIDE),
            ("SLICES", self.slices),
            ("PARTS", self.parts),
            ("PART_STAGES", self.part_stages),
            ("IMAGE", (SIDE * plane(self.patch)).max(REDUCED)),
            ("GRADIENTS", p * q * SIDE / 4),
        ]);
        let bindings = vec![Binding::Input(0), Binding::Input(1), output];
        self.image.launch("weight_grad", own, bindings, self.parts * self.tiles)
    }
}

/// The positions of a stage of weight_grad: those that fit the memory and are computed with the least work.
fn choose_patch(image: &Image) -> Option<[usize; 2]> {
    let [height, width] = image.output;
    let fits = |[p, q]: [usize; 2]| (SIDE * plane([p, q])).max(REDUCED) + SIDE * p * q <= MEMORY;
    let cost = |[p, q]: [usize; 2]| {
        let slices = p.min(SLICES);
        let rows = p.div_ceil(slices);
        let staged = 14 * SIDE * plane([p, q]) + 10 * SIDE * p * q;
        let each = rows * (q * 90 + 20) + staged / (SLICE * slices) + 100;
        height.div_ceil(p) * width.div_ceil(q) * slices * each
    };
    let sides = (1..=height.min(16)).flat_map(|p| (1..=8).map(move |parts| [p, width.div_ceil(parts)]));
    sides.filter(|&sides| fits(sides)).min_by_key(|&sides| cost(sides))
}
