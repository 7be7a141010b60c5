use super::Window;
use crate::graph::Shape;
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "pool", source: include_str!("../../../shaders/pool.wgsl") };

/// One thread an element of the output, which is `x` or `pooled` by the entry point.
pub fn kernel(
    entry: &'static str,
    window: Window,
    x: &Shape,
    pooled: &Shape,
    output: &Shape,
    inputs: usize,
) -> GpuKernel {
    let Window { size, stride } = window;
    let constants = [
        ("PLANES", x[0] * x[1]),
        ("H", x[2]),
        ("W", x[3]),
        ("P", pooled[2]),
        ("Q", pooled[3]),
        ("R", size[0]),
        ("S", size[1]),
        ("STRIDE_H", stride[0]),
        ("STRIDE_W", stride[1]),
    ];
    let launch = Launch {
        shader: SHADER,
        entry,
        constants: constants.into_iter().map(|(name, value)| (name, value as f64)).collect(),
        bindings: (0..inputs).map(Binding::Input).chain([Binding::Output]).collect(),
        workgroups: grid(output.elements().div_ceil(256)),
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}
