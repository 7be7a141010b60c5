//! Dispatch of the mask: one thread an element.

use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "mask", source: include_str!("../../../shaders/mask.wgsl") };

/// Invocations of a workgroup; the shader's.
const WORKGROUP: usize = 256;

pub fn mask(io: &Io<'_>) -> GpuKernel {
    // The shape rule has refused everything else.
    let [_, c, h, w] = io.output.dims("images [N, C, H, W]").unwrap_or([1; 4]);
    let len = io.output.elements();
    let (entry, first) = if io.in_place { ("mask_in_place", 1) } else { ("mask", 0) };
    let launch = Launch {
        shader: SHADER,
        entry,
        constants: vec![("LEN", len as f64), ("C", c as f64), ("H", h as f64), ("W", w as f64)],
        bindings: (first..3).map(Binding::Input).chain([Binding::Output]).collect(),
        workgroups: grid(len.div_ceil(WORKGROUP)),
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}
