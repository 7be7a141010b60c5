use super::Window;
use crate::graph::Shape;
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "pool", source: include_str!("../../../shaders/pool.wgsl") };

/// The largest window that one thread searches and writes.
const WINDOW: usize = 16;

/// The gradient of the maximum: one thread a window where small windows lie side by side, else one an element.
pub fn max_pool_grad(window: Window, x: &Shape, pooled: &Shape) -> GpuKernel {
    let Window { size, stride } = window;
    let mut kernel = kernel("max_pool_grad", window, x, pooled, x, 2);
    if size == stride && size[0] * size[1] <= WINDOW {
        let windows = x[0] * x[1] * x[2].div_ceil(size[0]) * x[3].div_ceil(size[1]);
        let launch = &mut kernel.launches[0];
        launch.entry = "max_pool_grad_side_by_side";
        launch.workgroups = grid(windows.div_ceil(256));
    }
    kernel
}

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
