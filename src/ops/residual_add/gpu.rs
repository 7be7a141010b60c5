use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};

const SHADER: Shader =
    Shader { name: "residual_add", source: include_str!("../../../shaders/residual_add.wgsl") };

pub fn add(io: &Io<'_>) -> GpuKernel {
    let len = io.output.elements();
    let (entry, bindings) = if io.in_place {
        ("add_in_place", vec![Binding::Input(1), Binding::Output])
    } else {
        ("add", vec![Binding::Input(0), Binding::Input(1), Binding::Output])
    };
    let launch = Launch {
        shader: SHADER,
        entry,
        constants: vec![("LEN", len as f64)],
        bindings,
        workgroups: grid(len.div_ceil(256)),
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}
