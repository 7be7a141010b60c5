use super::Dropout;
use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "dropout", source: include_str!("../../../shaders/dropout.wgsl") };

pub fn dropout(op: Dropout, io: &Io<'_>) -> GpuKernel {
    let len = io.output.elements();
    let (entry, first) = if io.in_place { ("dropout_in_place", 1) } else { ("dropout", 0) };
    let launch = Launch {
        shader: SHADER,
        entry,
        constants: vec![
            ("LEN", len as f64),
            ("LAYER", f64::from(op.layer)),
            ("FIRST", f64::from(op.first)),
            ("THRESHOLD", f64::from(op.threshold())),
            ("FACTOR", f64::from(op.factor())),
        ],
        bindings: (first..2).map(Binding::Input).chain([Binding::Output]).collect(),
        workgroups: grid(len.div_ceil(256)),
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}
