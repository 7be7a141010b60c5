//! Dispatch of `shaders/dense.wgsl`.

use super::{Form, MatmulDims};
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, constants, grid, shader};

const SHADER: Shader = shader!("dense");

/// Workgroups that keep a large adapter busy.
const BUSY: usize = 256;

/// The product as a kernel. Tiles are 64×64 where there are enough of them, else 32×32, else 16×16.
pub fn product(form: Form, MatmulDims { m, n, k }: MatmulDims) -> GpuKernel {
    let entry = match form {
        Form::Plain => "plain",
        Form::TransposeB => "transpose_b",
        Form::TransposeA => "transpose_a",
    };
    let tiles = |side: usize| m.div_ceil(4 * side) * n.div_ceil(4 * side);
    let side = [16, 8].into_iter().find(|&side| tiles(side) >= BUSY).unwrap_or(4);
    let constants = constants([("M", m), ("N", n), ("K", k), ("TX", side), ("TY", side)]);
    let workgroups = grid(tiles(side));
    Launch { shader: SHADER, entry, constants, bindings: Binding::all(2, None), workgroups }.into()
}
