//! Dispatch of batch normalisation: reductions over a channel in one or two launches, the rest one thread an
//! element, or four of a plane.

use super::{BatchNorm, BatchNormInputGrad, BatchNormSums, Channels, MergeStats, Residual, RunningStats};
use crate::ops::kernel::{Binding, Constants, GpuKernel, Launch, constants, grid};
use crate::ops::map::{Entries, GpuMap, Lanes, entries, lanes};

const SHADER: Lanes = lanes!("batch_norm");

/// Invocations of a workgroup that gives each a channel; the shader's.
const FEW: usize = 64;
/// Workgroups of a reduction that keep a large adapter busy.
const BUSY: usize = 1024;
/// Elements of a channel that one workgroup reduces: at most, and at least where that makes two chunks or
/// more.
const CHUNK: usize = 4096;
const SMALL_CHUNK: usize = 1024;
/// The most elements of a channel that one invocation reduces: of rows [N, C], whose channels lie side by
/// side, and of others.
const FEW_ROWS: usize = 128;
const FEW_ELEMENTS: usize = 16;

/// The sizes as constants, before those that a kernel adds.
fn sizes(channels: Channels, own: &[(&'static str, f64)]) -> Constants {
    let Channels { c, size, .. } = channels;
    [&constants([("C", c), ("SIZE", size), ("COUNT", channels.count())]), own].concat()
}

/// Elements of a chunk, into which a channel is cut: fewer where that keeps the adapter busy.
fn chunk(channels: Channels) -> usize {
    let chunk = (channels.elements() / BUSY).clamp(SMALL_CHUNK, CHUNK);
    if channels.count() <= 2 * SMALL_CHUNK { channels.count() } else { chunk }
}

/// Whether channels are so short that one invocation each reduces them.
fn few(channels: Channels) -> bool {
    channels.count() <= if channels.size == 1 { FEW_ROWS } else { FEW_ELEMENTS }
}

/// A workgroup a chunk and channel, then, if there are several chunks, a workgroup a channel; or an
/// invocation a channel. Partial results are two numbers a chunk and channel.
fn reduction(
    channels: Channels,
    ([short, partial], inputs): ([&'static str; 2], &[usize]),
    (merge, rest): (&'static str, &[usize]),
    constants: &[(&'static str, f64)],
) -> GpuKernel {
    let launch = |entry, own: &[(&'static str, f64)], inputs: &[usize], last: &[Binding], groups| Launch {
        shader: SHADER.one,
        entry,
        constants: sizes(channels, &[constants, own].concat()),
        bindings: inputs.iter().map(|&i| Binding::Input(i)).chain(last.iter().cloned()).collect(),
        workgroups: grid(groups),
    };
    let c = channels.c;
    if few(channels) {
        return launch(short, &[], inputs, &[Binding::Output], c.div_ceil(FEW)).into();
    }
    let chunk = chunk(channels);
    let chunks = channels.count().div_ceil(chunk);
    let chunked = |elements| {
        let width = if elements > SMALL_CHUNK { 256.0 } else { 64.0 };
        [("CHUNK", chunk as f64), ("CHUNKS", chunks as f64), ("WIDTH", width)]
    };
    if chunks == 1 {
        return launch(partial, &chunked(chunk), inputs, &[Binding::Output], c).into();
    }
    let workspace = 2 * c * chunks;
    let partials = Binding::Workspace(0..workspace);
    let launches = vec![
        launch(partial, &chunked(chunk), inputs, std::slice::from_ref(&partials), c * chunks),
        launch(merge, &chunked(chunks), rest, &[partials, Binding::Output], c),
    ];
    GpuKernel { workspace, launches, ..GpuKernel::default() }
}

/// A thread an element, or four of one plane.
fn map(
    channels: Channels,
    entries: Entries,
    own: &[(&'static str, f64)],
    inputs: usize,
    in_place: Option<usize>,
) -> GpuKernel {
    let (constants, len) = (sizes(channels, own), channels.elements());
    SHADER.map(channels.size, GpuMap { entries, constants, inputs, in_place, len })
}

/// The slope as a constant: 1 leaves everything as it is.
fn slope(slope: Option<f32>) -> (&'static str, f64) {
    ("SLOPE", slope.map_or(1.0, f64::from))
}

pub fn statistics(channels: Channels) -> GpuKernel {
    reduction(channels, (["few_statistics", "statistics"], &[0]), ("merge_statistics", &[]), &[])
}

pub fn sums(op: &BatchNormSums, channels: Channels) -> GpuKernel {
    let partial: (_, &[usize]) = if op.slope.is_some() {
        (["few_sums_masked", "sums_masked"], &[0, 1, 2, 3])
    } else {
        (["few_sums", "sums"], &[0, 1, 2])
    };
    reduction(channels, partial, ("merge_sums", &[1]), &[slope(op.slope), ("EPSILON", op.epsilon)])
}

pub fn apply(
    op: &BatchNorm,
    channels: Channels,
    Residual(residual): Residual,
    in_place: Option<usize>,
) -> GpuKernel {
    let (entries, inputs) = if residual { (entries!("apply_residual"), 4) } else { (entries!("apply"), 3) };
    map(channels, entries, &[slope(op.slope), ("EPSILON", op.epsilon)], inputs, in_place)
}

pub fn input_grad(op: &BatchNormInputGrad, channels: Channels, in_place: Option<usize>) -> GpuKernel {
    let (entries, inputs) =
        if op.slope.is_some() { (entries!("input_grad_masked"), 6) } else { (entries!("input_grad"), 5) };
    let own = [slope(op.slope), ("THROUGH", op.through()), ("EPSILON", op.epsilon)];
    map(channels, entries, &own, inputs, in_place)
}

/// Maps over the channels of statistics [2, C]: [`MergeStats`] over C elements, [`RunningStats`] over 2·C.
fn of_statistics(c: usize, rows: usize) -> Channels {
    Channels { n: rows, c, size: 1 }
}

pub fn merge(op: &MergeStats, c: usize) -> GpuKernel {
    map(of_statistics(c, 1), entries!("merge_parts"), &[("SHARE", op.share())], 2, None)
}

pub fn running(op: &RunningStats, c: usize, in_place: Option<usize>) -> GpuKernel {
    let own = [("MOMENTUM", f64::from(op.momentum)), ("UNBIASED", op.unbiased())];
    map(of_statistics(c, 2), entries!("running"), &own, 2, in_place)
}
