use super::{Decibel, Ln};
use crate::graph::Shape;
use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "log", source: include_str!("../../../shaders/log.wgsl") };

fn kernel(
    entry: &'static str,
    constants: Vec<(&'static str, f64)>,
    bindings: Vec<Binding>,
    groups: usize,
) -> GpuKernel {
    let launch = Launch { shader: SHADER, entry, constants, bindings, workgroups: grid(groups) };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}

fn elementwise(entry: &'static str, floor: f32, io: &Io<'_>, bindings: Vec<Binding>) -> GpuKernel {
    let len = io.output.elements();
    let constants = vec![("LEN", len as f64), ("FLOOR", f64::from(floor))];
    kernel(entry, constants, bindings, len.div_ceil(256))
}

fn by_sample(entry: &'static str, range: f32, shape: &Shape, bindings: Vec<Binding>) -> GpuKernel {
    let size: usize = shape[1..].iter().product();
    let constants = vec![("SAMPLES", shape[0] as f64), ("SIZE", size as f64), ("RANGE", f64::from(range))];
    kernel(entry, constants, bindings, shape[0])
}

pub fn logarithm(op: &Ln, io: &Io<'_>) -> GpuKernel {
    if io.in_place {
        elementwise("ln_in_place", op.floor, io, vec![Binding::Output])
    } else {
        elementwise("ln", op.floor, io, vec![Binding::Input(0), Binding::Output])
    }
}

pub fn logarithm_gradient(op: &Ln, io: &Io<'_>) -> GpuKernel {
    elementwise("ln_grad", op.floor, io, vec![Binding::Input(0), Binding::Input(1), Binding::Output])
}

pub fn decibel(op: &Decibel, shape: &Shape) -> GpuKernel {
    by_sample("decibel", op.range, shape, vec![Binding::Input(0), Binding::Output])
}

pub fn decibel_gradient(op: &Decibel, shape: &Shape) -> GpuKernel {
    let bindings = vec![Binding::Input(0), Binding::Input(1), Binding::Output];
    by_sample("decibel_grad", op.range, shape, bindings)
}
