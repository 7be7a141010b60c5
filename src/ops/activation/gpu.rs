//! Dispatch of the leaky ReLU: one thread an element, or four.

use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};
use crate::ops::vector::Maps;

static SHADER: Maps = Maps::new(
    Shader { name: "activation", source: include_str!("../../../shaders/activation.wgsl") },
    "activation, by fours",
);

/// Invocations of a workgroup; the shader's.
const WORKGROUP: usize = 256;

fn launch(entry: &'static str, slope: f32, inputs: &[usize], io: &Io<'_>) -> GpuKernel {
    let count = io.output.elements();
    let (shader, lanes) = SHADER.for_runs_of(count);
    let bindings = inputs.iter().map(|&i| Binding::Input(i)).chain([Binding::Output]).collect();
    let launch = Launch {
        shader,
        entry,
        constants: vec![("COUNT", count as f64), ("SLOPE", f64::from(slope))],
        bindings,
        workgroups: grid(count.div_ceil(lanes * WORKGROUP)),
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}

pub fn forward(slope: f32, io: &Io<'_>) -> GpuKernel {
    if io.in_place { launch("forward_in_place", slope, &[], io) } else { launch("forward", slope, &[0], io) }
}

pub fn backward(slope: f32, io: &Io<'_>) -> GpuKernel {
    if io.in_place {
        launch("backward_in_place", slope, &[0], io)
    } else {
        launch("backward", slope, &[0, 1], io)
    }
}
