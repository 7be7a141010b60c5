use super::channels;
use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "bias", source: include_str!("../../../shaders/bias.wgsl") };

/// Elements of one channel that one workgroup sums.
const CHUNK: usize = 4096;

pub fn bias(io: &Io<'_>) -> GpuKernel {
    let (n, c, size) = channels(io.output).unwrap_or((0, 1, 1));
    let (entry, first) = if io.in_place { ("bias_in_place", 1) } else { ("bias", 0) };
    let launch = Launch {
        shader: SHADER,
        entry,
        constants: vec![("N", n as f64), ("C", c as f64), ("SIZE", size as f64)],
        bindings: (first..2).map(Binding::Input).chain([Binding::Output]).collect(),
        workgroups: grid((n * c * size).div_ceil(256)),
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}

pub fn bias_grad(io: &Io<'_>) -> GpuKernel {
    let (n, c, size) = channels(io.inputs[0]).unwrap_or((0, 1, 1));
    let chunks = (n * size).div_ceil(CHUNK);
    let constants = vec![
        ("N", n as f64),
        ("C", c as f64),
        ("SIZE", size as f64),
        ("CHUNKS", chunks as f64),
        ("CHUNK", CHUNK as f64),
    ];
    let launch = |entry, bindings, groups| Launch {
        shader: SHADER,
        entry,
        constants: constants.clone(),
        bindings,
        workgroups: grid(groups),
    };
    // One chunk is the whole sum.
    let partials = if chunks == 1 { Binding::Output } else { Binding::Workspace(0..c * chunks) };
    let mut launches = vec![launch("bias_grad", vec![Binding::Input(0), partials.clone()], c * chunks)];
    if chunks > 1 {
        launches.push(launch("bias_grad_total", vec![partials, Binding::Output], c));
    }
    GpuKernel { workspace: if chunks > 1 { c * chunks } else { 0 }, launches, ..GpuKernel::default() }
}
