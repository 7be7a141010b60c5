use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};
use crate::ops::vector::Maps;

static SHADER: Maps = Maps::new(
    Shader { name: "residual_add", source: include_str!("../../../shaders/residual_add.wgsl") },
    "residual_add, by fours",
);

pub fn add(io: &Io<'_>) -> GpuKernel {
    let len = io.output.elements();
    let (shader, lanes) = SHADER.for_runs_of(len);
    let (entry, bindings) = if io.in_place {
        ("add_in_place", vec![Binding::Input(1), Binding::Output])
    } else {
        ("add", vec![Binding::Input(0), Binding::Input(1), Binding::Output])
    };
    let launch = Launch {
        shader,
        entry,
        constants: vec![("LEN", len as f64)],
        bindings,
        workgroups: grid(len.div_ceil(256 * lanes)),
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}
