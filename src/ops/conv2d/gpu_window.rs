//! Dispatch of `shaders/conv2d_window.wgsl`: 3×3 taps with stride 1, by windows in workgroup memory.

use super::Dims;
use super::product::{Kind, in_parts};
use crate::ops::kernel::{Binding, Constants, GpuKernel, Launch, Shader, constants, grid, shader};

const SHADER: Shader = shader!("conv2d_window");

/// Elements of workgroup memory, 16 KiB.
const MEMORY: usize = 4096;
const TAPS: usize = 9;
/// Channels of a team of weight_grad, in and out.
const SIDE: usize = 16;
/// Threads of a team: its input channels by its halves of output channels.
const TEAM: usize = 32;
/// The most threads of a workgroup of one team, and of one of several.
const WIDTH: usize = 128;
const WIDTH_OF_TEAMS: usize = 256;
/// Elements that a team hands to that of the first slice: the shader's.
const REDUCED: usize = TEAM * 8 * TAPS;
/// Input channels of a stage of convolve, at most: longer stages make more threads wait for each other.
const CHANNELS: usize = 5;
/// Sums of a thread of convolve, at most.
const MOST_SUMS: usize = 64;
/// Threads that keep a large adapter busy in convolve, 12 subgroups of 32 for each of 128 multiprocessors; and workgroups.
const BUSY: usize = 49_152;
const BUSY_GROUPS: usize = 256;
/// Threads that keep it busy in weight gradients, in parts.
const WEIGHT_BUSY: usize = 65_536;

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
    down: usize,
    blocks: usize,
    samples: usize,
    p: usize,
    q: usize,
    channels: usize,
}

impl Tile {
    fn threads(&self) -> usize {
        self.blocks * self.samples * (self.p / self.down) * self.q
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

    /// The time of all workgroups, in about instructions of a subgroup of 32 threads. An element to stage takes 14 of the
    /// image, 10 of the weights, and waits for memory; 64 sums in registers leave room for fewer subgroups to wait in turn.
    /// What both cost was fitted to an NVIDIA H200 (docs/performance.md).
    fn cost(&self, image: &Image) -> f64 {
        let stages = image.in_c.div_ceil(self.channels);
        let [pixels, weights] = self.memory();
        let staged = self.channels * (28 * pixels + 15 * weights) / self.width() + 80;
        let channel = 9 * self.rows * self.down + 3 * (self.down + 2) + 12 + 9 * self.rows / 4;
        let each = (stages * (staged + self.channels * channel)) as f64;
        let registers = if self.rows * self.down == MOST_SUMS { 1.125 } else { 1.0 };
        let workgroups = self.workgroups(image);
        let threads = workgroups * self.width();
        let idle = (BUSY as f64 / threads as f64).max(BUSY_GROUPS as f64 / workgroups as f64).max(1.0);
        (threads / 32) as f64 * each * registers * idle
    }

    /// The cheapest that fits the memory.
    fn choose(image: &Image) -> Option<Self> {
        let [p, q] = image.output;
        let of_thread = [[4, 4], [4, 8], [8, 4], [8, 8]];
        let mut best: Option<(f64, Self)> = None;
        for [rows, down] in
            of_thread.into_iter().filter(|&[rows, _]| rows < 2 * image.out_c.next_multiple_of(4))
        {
            for blocks in [1, 2, 4, 8].into_iter().filter(|&blocks| blocks <= image.out_c.div_ceil(rows)) {
                for p in (down..=p.next_multiple_of(down).min(32)).step_by(down) {
                    for q in (1..=8).map(|parts| q.div_ceil(parts)) {
                        for samples in [1, 2, 4, 8] {
                            let tile = Self { rows, down, blocks, samples, p, q, channels: 1 };
                            let channels =
                                (MEMORY / tile.memory().iter().sum::<usize>()).min(image.in_c).min(CHANNELS);
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
    let Tile { rows, down, blocks, samples, p, q, channels } = tile;
    let [pixels, weights] = tile.memory();
    let own = constants([
        ("WIDTH", tile.width()),
        ("TILE_P", p),
        ("TILE_Q", q),
        ("CHANNELS", channels),
        ("SAMPLES", samples),
        ("ROWS", rows),
        ("DOWN", down),
        ("BLOCKS", blocks),
        ("IMAGE", channels * pixels),
        ("WEIGHTS", channels * weights / 4),
    ]);
    let [x, w] = if kind == Kind::InputGrad { [1, 0] } else { [0, 1] };
    let bindings = vec![Binding::Input(x), Binding::Input(w), Binding::Output];
    Some(image.launch("convolve", own, bindings, tile.workgroups(&image)).into())
}

/// A workgroup of weight_grad.
#[derive(Clone, Copy, Debug)]
struct Teams {
    /// Beside each other: along input channels, and along output channels.
    c: usize,
    k: usize,
    /// Positions of a stage.
    patch: [usize; 2],
    slices: usize,
}

impl Teams {
    fn new([c, k]: [usize; 2], patch: [usize; 2]) -> Self {
        let width = if c * k == 1 { WIDTH } else { WIDTH_OF_TEAMS };
        Self { c, k, patch, slices: patch[0].min(width / (c * k * TEAM)) }
    }

    fn width(&self) -> usize {
        self.c * self.k * self.slices * TEAM
    }

    /// Elements of a stage: of the image, and of dy.
    fn staged(&self) -> [usize; 2] {
        let [p, q] = self.patch;
        [SIDE * self.c * plane(self.patch), SIDE * self.k * p * q]
    }

    /// The same in workgroup memory, where teams hand over their sums in the image's place.
    fn memory(&self) -> [usize; 2] {
        let [pixels, gradients] = self.staged();
        [pixels.max(REDUCED), gradients]
    }

    /// Workgroups that have all weights once.
    fn tiles(&self, image: &Image) -> usize {
        image.in_c.div_ceil(SIDE * self.c) * image.out_c.div_ceil(SIDE * self.k)
    }

    fn stages(&self, image: &Image) -> usize {
        let [height, width] = image.output;
        image.n * height.div_ceil(self.patch[0]) * width.div_ceil(self.patch[1])
    }

    /// The time of all workgroups, as that of [`Tile::cost`]. Up to four positions are computed without a loop.
    fn cost(&self, image: &Image) -> f64 {
        let [p, q] = self.patch;
        let [pixels, gradients] = self.staged();
        let row = 90 * q + if q <= 4 { 20 } else { 80 };
        let staged = (28 * pixels + 20 * gradients) / self.width() + 100;
        let each = p.div_ceil(self.slices) * row + staged;
        let stages = self.tiles(image) as f64 * self.stages(image) as f64;
        stages * (self.width() / TEAM * each) as f64
    }

    /// The cheapest that fits the memory.
    fn choose(image: &Image) -> Option<Self> {
        let [height, width] = image.output;
        let beside = [[1, 1], [2, 1], [1, 2], [2, 2]];
        let patches = (1..=height.min(16)).flat_map(|p| (1..=8).map(move |parts| [p, width.div_ceil(parts)]));
        patches
            .flat_map(|patch| beside.map(|teams| Self::new(teams, patch)))
            .filter(|teams| teams.memory().iter().sum::<usize>() <= MEMORY)
            .min_by(|one, other| one.cost(image).total_cmp(&other.cost(image)))
    }
}

/// The gradient to the weight, in parts that are still to be added.
pub struct WeightGrad {
    image: Image,
    teams: Teams,
    pub parts: usize,
    part_stages: usize,
}

impl WeightGrad {
    /// None where the shader is not made for the convolution.
    pub fn new(d: &Dims) -> Option<Self> {
        let image = Image::new(Kind::WeightGrad, d)?;
        let teams = Teams::choose(&image)?;
        let wanted = WEIGHT_BUSY.div_ceil(teams.tiles(&image) * teams.width());
        let [parts, part_stages] = in_parts(teams.stages(&image), wanted);
        Some(Self { image, teams, parts, part_stages })
    }

    /// The launch that writes the parts one behind the other.
    pub fn launch(&self, output: Binding) -> Launch {
        let Self { image, teams, .. } = self;
        let [p, q] = teams.patch;
        let [pixels, gradients] = teams.memory();
        let own = constants([
            ("WIDTH", teams.width()),
            ("TILE_P", p),
            ("TILE_Q", q),
            ("CHANNELS", SIDE * teams.c),
            ("TEAMS_C", teams.c),
            ("TEAMS_K", teams.k),
            ("SLICES", teams.slices),
            ("PARTS", self.parts),
            ("PART_STAGES", self.part_stages),
            ("IMAGE", pixels),
            ("GRADIENTS", gradients / 4),
        ]);
        let bindings = vec![Binding::Input(0), Binding::Input(1), output];
        image.launch("weight_grad", own, bindings, self.parts * teams.tiles(image))
    }
}
