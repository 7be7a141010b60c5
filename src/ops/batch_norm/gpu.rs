//! Dispatch of batch normalisation: reductions over a channel in two launches, the rest one thread an element.

use super::{BatchNorm, BatchNormInputGrad, BatchNormSums, EPSILON, MergeStats, RunningStats};
use crate::graph::Shape;
use crate::ops::bias::channels;
use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};

const SHADER: Shader =
    Shader { name: "batch_norm", source: include_str!("../../../shaders/batch_norm.wgsl") };

/// Invocations of a workgroup; the shader's.
const WORKGROUP: usize = 256;
/// Elements of a channel that one workgroup reduces, as long as there are no more chunks than one workgroup merges.
const CHUNK: usize = 4096;

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

    /// Into how many chunks a channel is cut: one for every [`CHUNK`] elements, at most one for every invocation of
    /// the workgroup that merges them.
    fn chunks(&self) -> usize {
        self.count.div_ceil(CHUNK).clamp(1, WORKGROUP)
    }

    /// `launch` with this tensor's sizes added to its constants.
    fn launch(
        &self,
        entry: &'static str,
        constants: &[(&'static str, f64)],
        bindings: Vec<Binding>,
        invocations: usize,
    ) -> Launch {
        let sizes = [("C", self.channels), ("SIZE", self.size), ("COUNT", self.count)];
        let sizes = sizes.map(|(name, size)| (name, size as f64));
        Launch {
            shader: SHADER,
            entry,
            constants: [&sizes, constants].concat(),
            bindings,
            workgroups: grid(invocations.div_ceil(WORKGROUP)),
        }
    }

    /// A workgroup a chunk and channel, then a workgroup a channel.
    fn reduction(
        &self,
        (partial, inputs): (&'static str, &[usize]),
        (merge, rest): (&'static str, &[usize]),
        constants: &[(&'static str, f64)],
    ) -> GpuKernel {
        let chunks = self.chunks();
        let constants = [constants, &[("CHUNKS", chunks as f64)]].concat();
        let workspace = 2 * self.channels * chunks;
        let bind = |inputs: &[usize], last: &[Binding]| -> Vec<Binding> {
            inputs.iter().map(|&i| Binding::Input(i)).chain(last.iter().cloned()).collect()
        };
        let partials = Binding::Workspace(0..workspace);
        let first = bind(inputs, std::slice::from_ref(&partials));
        let second = bind(rest, &[partials, Binding::Output]);
        let launches = vec![
            self.launch(partial, &constants, first, WORKGROUP * self.channels * chunks),
            self.launch(merge, &constants, second, WORKGROUP * self.channels),
        ];
        GpuKernel { workspace, tables: Vec::new(), launches }
    }

    /// A thread an element; `inputs` without the one that lies in the output.
    fn map(
        &self,
        entry: &'static str,
        constants: &[(&'static str, f64)],
        inputs: impl IntoIterator<Item = usize>,
    ) -> GpuKernel {
        let bindings = inputs.into_iter().map(Binding::Input).chain([Binding::Output]).collect();
        let launch = self.launch(entry, constants, bindings, self.channels * self.count);
        GpuKernel { launches: vec![launch], ..GpuKernel::default() }
    }
}

/// The slope as a constant: 1 leaves everything as it is.
fn slope(slope: Option<f32>) -> (&'static str, f64) {
    ("SLOPE", slope.map_or(1.0, f64::from))
}

pub fn statistics(io: &Io<'_>) -> GpuKernel {
    let sizes = Sizes::new(io.inputs[0]);
    sizes.reduction(("statistics", &[0]), ("merge_statistics", &[]), &[])
}

pub fn sums(op: &BatchNormSums, io: &Io<'_>) -> GpuKernel {
    let sizes = Sizes::new(io.inputs[0]);
    let partial: (_, &[usize]) =
        if op.slope.is_some() { ("sums_masked", &[0, 1, 2, 3]) } else { ("sums", &[0, 1, 2]) };
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
