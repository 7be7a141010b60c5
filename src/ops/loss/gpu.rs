use super::LogitDims;
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, grid, shader};

const SHADER: Shader = shader!("loss");

fn launch(
    entry: &'static str,
    LogitDims { n, k }: LogitDims,
    smoothing: f32,
    bindings: Vec<Binding>,
    groups: usize,
) -> Launch {
    let constants = vec![("N", n as f64), ("K", k as f64), ("SMOOTHING", f64::from(smoothing))];
    Launch { shader: SHADER, entry, constants, bindings, workgroups: grid(groups) }
}

/// One workgroup a row.
pub fn by_row(entry: &'static str, inputs: usize, rows: LogitDims, smoothing: f32) -> GpuKernel {
    launch(entry, rows, smoothing, Binding::all(inputs, None), rows.n).into()
}

/// A loss a row, then their mean.
pub fn mean_of_rows(entry: &'static str, rows: LogitDims, smoothing: f32) -> GpuKernel {
    let losses = Binding::Workspace(0..rows.n);
    let inputs = vec![Binding::Input(0), Binding::Input(1), Binding::Input(2), losses.clone()];
    let each = launch(entry, rows, smoothing, inputs, rows.n);
    let mean = launch("mean_of_rows", rows, smoothing, vec![losses, Binding::Output], 1);
    GpuKernel { workspace: rows.n, launches: vec![each, mean], ..GpuKernel::default() }
}
