//! Dispatch of `shaders/dense.wgsl`.

use super::{Form, Sizes};
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "dense", source: include_str!("../../../shaders/dense.wgsl") };

/// Workgroups that keep a large adapter busy.
const BUSY: usize = 256;

/// The product as a kernel. Tiles are 64×64 where there are enough of them, else 32×32, else 16×16.
pub fn product(form: Form, Sizes { m, n, k }: Sizes) -> GpuKernel {
    let entry = match form {
        Form::Plain => "plain",
        Form::TransposeB => "transpose_b",
        Form::TransposeA => "transpose_a",
    };
    let tiles = |side: usize| m.div_ceil(4 * side) * n.div_ceil(4 * side);
    let side = [16, 8].into_iter().find(|&side| tiles(side) >= BUSY).unwrap_or(4);
    let constants = [("M", m), ("N", n), ("K", k), ("TX", side), ("TY", side)];
    let launch = Launch {
        shader: SHADER,
        entry,
        constants: constants.into_iter().map(|(name, value)| (name, value as f64)).collect(),
        bindings: vec![Binding::Input(0), Binding::Input(1), Binding::Output],
        workgroups: grid(tiles(side)),
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}
