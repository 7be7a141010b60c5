use super::CrossEntropy;
use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "loss", source: include_str!("../../../shaders/loss.wgsl") };

fn launch(
    entry: &'static str,
    io: &Io<'_>,
    smoothing: f32,
    bindings: Vec<Binding>,
    groups: impl FnOnce(usize) -> usize,
) -> Launch {
    let (n, k) = (io.inputs[0][0], io.inputs[0][1]);
    Launch {
        shader: SHADER,
        entry,
        constants: vec![("N", n as f64), ("K", k as f64), ("SMOOTHING", f64::from(smoothing))],
        bindings,
        workgroups: grid(groups(n)),
    }
}

/// One workgroup a row.
pub fn by_row(entry: &'static str, io: &Io<'_>, smoothing: f32) -> GpuKernel {
    let bindings = (0..io.inputs.len()).map(Binding::Input).chain([Binding::Output]).collect();
    GpuKernel { launches: vec![launch(entry, io, smoothing, bindings, |n| n)], ..GpuKernel::default() }
}

/// A loss a row, then their mean.
pub fn cross_entropy(op: CrossEntropy, io: &Io<'_>) -> GpuKernel {
    let n = io.inputs[0][0];
    let losses = Binding::Workspace(0..n);
    let inputs = vec![Binding::Input(0), Binding::Input(1), Binding::Input(2), losses.clone()];
    let rows = launch("cross_entropy_rows", io, op.smoothing, inputs, |n| n);
    let mean = launch("cross_entropy_mean", io, op.smoothing, vec![losses, Binding::Output], |_| 1);
    GpuKernel { workspace: n, launches: vec![rows, mean], ..GpuKernel::default() }
}
