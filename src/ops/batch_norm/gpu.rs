//! Dispatch of batch normalisation: reductions over a channel in one or two launches, the rest one thread an element, or four
//! of a plane.

use super::{BatchNorm, BatchNormInputGrad, BatchNormSums, EPSILON, MergeStats, RunningStats};
use crate::graph::Shape;
use crate::ops::bias::channels;
use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};
use crate::ops::vector::Maps;

const SHADER: Shader =
    Shader { name: "batch_norm", source: include_str!("../../../shaders/batch_norm.wgsl") };
static MAPS: Maps = Maps::new(SHADER, "batch_norm, by fours");

/// Invocations of a workgroup; the shader's.
const WORKGROUP: usize = 256;
/// Invocations of a workgroup that gives each a channel; the shader's.
const FEW: usize = 64;
/// Workgroups of a reduction that keep a large adapter busy.
const BUSY: usize = 1024;
/// Elements of a channel that one workgroup reduces: at most, and at least where that makes two chunks or more.
const CHUNK: usize = 4096;
const SMALL_CHUNK: usize = 1024;
/// The most elements of a channel that one invocation reduces: of rows [N, C], whose channels lie side by side, and of
/// others.
const FEW_ROWS: usize = 128;
const FEW_ELEMENTS: usize = 16;

struct Sizes {
    channels: usize,
    /// Elements of one channel of one sample.
    size: usize,
    /// Elements of a channel.
    count: usize,
}

impl Sizes {
    fn new(x: &Shape) -> Self {
        // The shape rule has refused everything else.
        let (n, channels, size) = channels(x).unwrap_or((0, 1, 1));
        Self { channels, size, count: n * size }
    }

    /// Elements of a chunk, into which a channel is cut: fewer where that keeps the adapter busy.
    fn chunk(&self) -> usize {
        let chunk = (self.channels * self.count / BUSY).clamp(SMALL_CHUNK, CHUNK);
        if self.count <= 2 * SMALL_CHUNK { self.count } else { chunk }
    }

    /// Whether channels are so short that one invocation each reduces them.
    fn few(&self) -> bool {
        self.count <= if self.size == 1 { FEW_ROWS } else { FEW_ELEMENTS }
    }

    /// `launch` with this tensor's sizes added to its constants.
    fn launch(
        &self,
        entry: &'static str,
        constants: &[(&'static str, f64)],
        bindings: Vec<Binding>,
        workgroups: usize,
    ) -> Launch {
        let sizes = [("C", self.channels), ("SIZE", self.size), ("COUNT", self.count)];
        let sizes = sizes.map(|(name, size)| (name, size as f64));
        Launch {
            shader: SHADER,
            entry,
            constants: [&sizes, constants].concat(),
            bindings,
            workgroups: grid(workgroups),
        }
    }

    /// A workgroup a chunk and channel, then, if there are several chunks, a workgroup a channel; or an invocation a
    /// channel.
    fn reduction(
        &self,
        ([few, partial], inputs): ([&'static str; 2], &[usize]),
        (merge, rest): (&'static str, &[usize]),
        constants: &[(&'static str, f64)],
    ) -> GpuKernel {
        let bind = |inputs: &[usize], last: &[Binding]| -> Vec<Binding> {
            inputs.iter().map(|&i| Binding::Input(i)).chain(last.iter().cloned()).collect()
        };
        let whole = bind(inputs, &[Binding::Output]);
        if self.few() {
            let launch = self.launch(few, constants, whole, self.channels.div_ceil(FEW));
            return GpuKernel { launches: vec![launch], ..GpuKernel::default() };
        }
        let chunk = self.chunk();
        let chunks = self.count.div_ceil(chunk);
        let width = |elements| ("WIDTH", if elements > SMALL_CHUNK { 256.0 } else { 64.0 });
        let chunked = [("CHUNK", chunk as f64), ("CHUNKS", chunks as f64)];
        let own = [constants, &chunked, &[width(chunk)]].concat();
        if chunks == 1 {
            let launch = self.launch(partial, &own, whole, self.channels);
            return GpuKernel { launches: vec![launch], ..GpuKernel::default() };
        }
        let workspace = 2 * self.channels * chunks;
        let partials = Binding::Workspace(0..workspace);
        let first = bind(inputs, std::slice::from_ref(&partials));
        let second = bind(rest, &[partials, Binding::Output]);
        let merging = [constants, &chunked, &[width(chunks)]].concat();
        let launches = vec![
            self.launch(partial, &own, first, self.channels * chunks),
            self.launch(merge, &merging, second, self.channels),
        ];
        GpuKernel { workspace, tables: Vec::new(), launches }
    }

    /// A thread an element, or four of one plane; `inputs` without the one that lies in the output.
    fn map(
        &self,
        entry: &'static str,
        constants: &[(&'static str, f64)],
        inputs: impl IntoIterator<Item = usize>,
    ) -> GpuKernel {
        let bindings = inputs.into_iter().map(Binding::Input).chain([Binding::Output]).collect();
        let (shader, lanes) = MAPS.for_runs_of(self.size);
        let workgroups = (self.channels * self.count).div_ceil(lanes * WORKGROUP);
        let launch = Launch { shader, ..self.launch(entry, constants, bindings, workgroups) };
        GpuKernel { launches: vec![launch], ..GpuKernel::default() }
    }
}

/// The slope as a constant: 1 leaves everything as it is.
fn slope(slope: Option<f32>) -> (&'static str, f64) {
    ("SLOPE", slope.map_or(1.0, f64::from))
}

pub fn statistics(io: &Io<'_>) -> GpuKernel {
    let sizes = Sizes::new(io.inputs[0]);
    sizes.reduction((["few_statistics", "statistics"], &[0]), ("merge_statistics", &[]), &[])
}

pub fn sums(op: &BatchNormSums, io: &Io<'_>) -> GpuKernel {
    let sizes = Sizes::new(io.inputs[0]);
    let partial: (_, &[usize]) = if op.slope.is_some() {
        (["few_sums_masked", "sums_masked"], &[0, 1, 2, 3])
    } else {
        (["few_sums", "sums"], &[0, 1, 2])
    };
    sizes.reduction(partial, ("merge_sums", &[1]), &[slope(op.slope), ("EPSILON", EPSILON)])
}

pub fn apply(op: &BatchNorm, io: &Io<'_>) -> GpuKernel {
    let entry = match (io.inputs.len() == 4, io.in_place) {
        (false, false) => "apply",
        (false, true) => "apply_in_place",
        (true, false) => "apply_residual",
        (true, true) => "apply_residual_in_place",
    };
    let inputs = (0..io.inputs.len()).filter(|&i| !(io.in_place && i == 0));
    Sizes::new(io.output).map(entry, &[slope(op.slope), ("EPSILON", EPSILON)], inputs)
}

pub fn input_grad(op: &BatchNormInputGrad, io: &Io<'_>) -> GpuKernel {
    let entry = match (op.slope.is_some(), io.in_place) {
        (false, false) => "input_grad",
        (false, true) => "input_grad_in_place",
        (true, false) => "input_grad_masked",
        (true, true) => "input_grad_masked_in_place",
    };
    let inputs = (0..io.inputs.len()).filter(|&i| !(io.in_place && i == 4));
    let constants = [slope(op.slope), ("THROUGH", op.through()), ("EPSILON", EPSILON)];
    Sizes::new(io.output).map(entry, &constants, inputs)
}

pub fn merge(op: &MergeStats, io: &Io<'_>) -> GpuKernel {
    let sizes = Sizes { channels: io.output[1], size: 1, count: 1 };
    sizes.map("merge_parts", &[("SHARE", op.share())], 0..2)
}

pub fn running(op: &RunningStats, io: &Io<'_>) -> GpuKernel {
    let sizes = Sizes { channels: io.output[1], size: 1, count: 2 };
    let entry = if io.in_place { "running_in_place" } else { "running" };
    let constants = [("MOMENTUM", f64::from(op.momentum)), ("UNBIASED", op.unbiased())];
    sizes.map(entry, &constants, usize::from(io.in_place)..2)
}
