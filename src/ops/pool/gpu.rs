use super::{PoolDims, Window};
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, constants, grid, shader};

const SHADER: Shader = shader!("pool");

/// The largest window that one thread searches and writes.
const WINDOW: usize = 16;

/// The gradient of the maximum: one thread a window where small windows lie side by side, else one an
/// element.
pub fn max_pool_grad(planes: &PoolDims) -> GpuKernel {
    let PoolDims { window: Window { size, stride, .. }, count, h, w, .. } = *planes;
    if size == stride && size[0] * size[1] <= WINDOW {
        let windows = count * h.div_ceil(size[0]) * w.div_ceil(size[1]);
        return kernel("max_pool_grad_side_by_side", planes, 2, windows);
    }
    kernel("max_pool_grad", planes, 2, count * planes.full())
}

/// A dispatch of so many threads.
pub fn kernel(entry: &'static str, planes: &PoolDims, inputs: usize, threads: usize) -> GpuKernel {
    let PoolDims { window: Window { size, stride, .. }, count, h, w, p, q } = *planes;
    let constants = constants([
        ("PLANES", count),
        ("H", h),
        ("W", w),
        ("P", p),
        ("Q", q),
        ("R", size[0]),
        ("S", size[1]),
        ("STRIDE_H", stride[0]),
        ("STRIDE_W", stride[1]),
    ]);
    let bindings = Binding::all(inputs, None);
    Launch { shader: SHADER, entry, constants, bindings, workgroups: grid(threads.div_ceil(256)) }.into()
}
