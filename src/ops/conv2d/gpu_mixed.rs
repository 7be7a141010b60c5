//! Dispatch of `shaders/mixed/`: the three convolutions in mixed precision, on vectors of f16; on matrix units see
//! `gpu_mixed_window`.

use super::product::{Kind, Product, sizes};
use super::{Dims, gpu_mixed_window};
use crate::ops::kernel::{Binding, GpuKernel, Launch, Mixed, Shader, grid, shader};

const VECTORS: Shader = shader!("mixed/vectors", "", "mixed/product", "mixed/vectors");

/// All modules that are made of the files in `shaders/mixed/`.
#[cfg(test)]
pub const SHADERS: [Shader; 3] = [VECTORS, gpu_mixed_window::COOPERATIVE_8, gpu_mixed_window::COOPERATIVE_16];

/// Products of fewer rows (depthwise convolution) stay in f32: they are bound by memory, which is f32 here too.
const LEAST_ROWS: usize = 4;
/// Workgroups that keep a large adapter busy; where tiles are fewer, they are made smaller.
const BUSY: usize = 256;
/// Terms of the sum in a part of the weight gradient, at least, so that parts outweigh their addition.
const PART_TERMS: usize = 256;

/// Terms of a tile in workgroup memory; the shader's.
const DEPTH: usize = 16;

fn tiles(product: Product, [rows, columns]: [usize; 2]) -> usize {
    product.groups * product.rows.div_ceil(rows) * product.columns.div_ceil(columns)
}

/// Tiles of 4·TX columns and 4·TY rows. 64×64 for 256 threads, or flatter for few rows: 32×128, 16×128. Where that leaves
/// the adapter idle, the longer side is halved, down to 16; not where a sum in parts keeps it busy.
fn threads(product: Product, in_parts: bool) -> [usize; 2] {
    let threads = |size: usize| size.div_ceil(4).next_power_of_two();
    let mut ty = threads(product.rows).clamp(4, 16);
    let mut tx = (256 / ty).min(32).min(threads(product.columns).max(4));
    while !in_parts && tiles(product, [4 * ty, 4 * tx]) < BUSY && tx.max(ty) > 4 {
        if tx >= ty { tx /= 2 } else { ty /= 2 }
    }
    [ty, tx]
}

fn launch(entry: &'static str, constants: &[(&'static str, usize)]) -> Launch {
    let constants = constants.iter().map(|&(name, value)| (name, value as f64)).collect();
    Launch { shader: VECTORS, entry, constants, bindings: Vec::new(), workgroups: [0; 3] }
}

/// One of the three convolutions on its two inputs, in the order of [`Kind`], on vectors; none where the adapter has matrix
/// units, because f32 does better than either there, where f32 does as well, or where a size is zero. The sum of the weight
/// gradient is long and its result small, so it is split into parts until the adapter is busy; a second launch adds them.
pub fn product(kind: Kind, d: &Dims, inputs: [Binding; 2], mixed: Mixed) -> Option<GpuKernel> {
    let product = Product::new(kind, d);
    if mixed.cooperative.is_some() || product.rows < LEAST_ROWS || product.multiplications() == 0 {
        return None;
    }
    let in_parts = kind == Kind::WeightGrad;
    let [ty, tx] = threads(product, in_parts);
    let tiles = tiles(product, [4 * ty, 4 * tx]);
    let wanted = if in_parts { BUSY.div_ceil(tiles).min(product.terms.div_ceil(PART_TERMS)) } else { 1 };
    let part_terms = product.terms.div_ceil(wanted).next_multiple_of(DEPTH);
    let parts = product.terms.div_ceil(part_terms);
    let own = [("KIND", kind as usize), ("PARTS", parts), ("PART_TERMS", part_terms), ("TX", tx), ("TY", ty)];
    let constants = [&sizes(d)[..], &own].concat();
    let elements = product.elements();
    let workspace = Binding::Workspace(0..parts * elements);
    let [first, second] = inputs;
    let result = if parts == 1 { Binding::Output } else { workspace.clone() };
    let mut launches = vec![Launch {
        bindings: vec![first, second, result],
        workgroups: grid(parts * tiles),
        ..launch("product", &constants)
    }];
    if parts == 1 {
        return Some(GpuKernel { launches, ..GpuKernel::default() });
    }
    launches.push(Launch {
        bindings: vec![workspace, Binding::Output],
        workgroups: grid(elements.div_ceil(256)),
        ..launch("weight_grad_sum", &constants)
    });
    Some(GpuKernel { workspace: parts * elements, launches, ..GpuKernel::default() })
}

/// The kernel of a convolution on inputs 0 and 1.
pub fn kernel(kind: Kind, d: &Dims, mixed: Mixed) -> Option<GpuKernel> {
    if let Some(units) = mixed.cooperative {
        return gpu_mixed_window::kernel(kind, d, units);
    }
    product(kind, d, [Binding::Input(0), Binding::Input(1)], mixed)
}
