//! Dispatch of `shaders/mixed/`: the three convolutions in mixed precision, on matrix units where the adapter has them.

use super::Dims;
use super::product::{Kind, Product, sizes};
use crate::ops::kernel::{Binding, Cooperative, GpuKernel, Launch, Mixed, Shader, grid, shader};

const VECTORS: Shader = shader!("mixed/vectors", "", "mixed/product", "mixed/vectors");
const COOPERATIVE_8: Shader = shader!(
    "mixed/cooperative_8",
    "enable wgpu_cooperative_matrix;\n",
    "mixed/product",
    "mixed/cooperative_8",
    "mixed/cooperative"
);
const COOPERATIVE_16: Shader = shader!(
    "mixed/cooperative_16",
    "enable wgpu_cooperative_matrix;\n",
    "mixed/product",
    "mixed/cooperative_16",
    "mixed/cooperative"
);

/// All modules that are made of the files in `shaders/mixed/`.
#[cfg(test)]
pub const SHADERS: [Shader; 3] = [VECTORS, COOPERATIVE_8, COOPERATIVE_16];

/// Products of fewer rows (depthwise convolution) stay in f32: they are bound by memory, which is f32 here too.
const LEAST_ROWS: usize = 4;
/// Workgroups that keep a large adapter busy; where tiles are fewer, they are made smaller.
const BUSY: usize = 256;
/// Terms of the sum in a part of the weight gradient, at least, so that parts outweigh their addition.
const PART_TERMS: usize = 256;

/// A kernel for a product: its shader, what a workgroup computes of the product, and how many terms at once.
struct Plan {
    shader: Shader,
    tile: [usize; 2],
    depth: usize,
    constants: Vec<(&'static str, usize)>,
}

fn tiles(product: Product, [rows, columns]: [usize; 2]) -> usize {
    product.groups * product.rows.div_ceil(rows) * product.columns.div_ceil(columns)
}

/// Tiles of 4·TX columns and 4·TY rows. 64×64 for 256 threads, or flatter for few rows: 32×128, 16×128. Where that leaves
/// the adapter idle, the longer side is halved, down to 16; not where a sum in parts keeps it busy.
fn vectors(product: Product, in_parts: bool) -> Plan {
    let threads = |size: usize| size.div_ceil(4).next_power_of_two();
    let mut ty = threads(product.rows).clamp(4, 16);
    let mut tx = (256 / ty).min(32).min(threads(product.columns).max(4));
    while !in_parts && tiles(product, [4 * ty, 4 * tx]) < BUSY && tx.max(ty) > 4 {
        if tx >= ty { tx /= 2 } else { ty /= 2 }
    }
    Plan { shader: VECTORS, tile: [4 * ty, 4 * tx], depth: 16, constants: vec![("TX", tx), ("TY", ty)] }
}

/// Blocks of four squares of 2·side rows and columns: two by two, or four in a row where there are no more rows than one
/// square has. Fewer terms at once where subgroups may be more than four, so that workgroup memory is enough.
fn cooperative(product: Product, Cooperative { side, subgroup: [min, max] }: Cooperative) -> Plan {
    let across = if product.rows <= 2 * side { 4 } else { 2 };
    let [rows, columns] = [8 * side / across, 2 * side * across];
    let depth = if min == max { 32 } else { 16 };
    Plan {
        shader: if side == 16 { COOPERATIVE_16 } else { COOPERATIVE_8 },
        tile: [rows, columns],
        depth,
        constants: vec![
            ("ACROSS", across),
            ("ROWS", rows),
            ("COLUMNS", columns),
            ("DEPTH", depth),
            ("SUBGROUP", max),
            ("SLOTS", 4 * max / min.max(1)),
        ],
    }
}

fn launch(shader: Shader, entry: &'static str, constants: &[(&'static str, usize)]) -> Launch {
    let constants = constants.iter().map(|&(name, value)| (name, value as f64)).collect();
    Launch { shader, entry, constants, bindings: Vec::new(), workgroups: [0; 3] }
}

/// One of the three convolutions on its two inputs, in the order of [`Kind`]; none where f32 does as well, or where a size
/// is zero. The sum of the weight gradient is long and its result small, so it is split into parts until the adapter is
/// busy; a second launch adds them.
pub fn product(kind: Kind, d: &Dims, inputs: [Binding; 2], mixed: Mixed) -> Option<GpuKernel> {
    let product = Product::new(kind, d);
    if product.rows < LEAST_ROWS || product.multiplications() == 0 {
        return None;
    }
    let in_parts = kind == Kind::WeightGrad;
    let plan = match mixed.cooperative {
        Some(units) => cooperative(product, units),
        None => vectors(product, in_parts),
    };
    let tiles = tiles(product, plan.tile);
    let wanted = if in_parts { BUSY.div_ceil(tiles).min(product.terms.div_ceil(PART_TERMS)) } else { 1 };
    let part_terms = product.terms.div_ceil(wanted).next_multiple_of(plan.depth);
    let parts = product.terms.div_ceil(part_terms);
    let own = [("KIND", kind as usize), ("PARTS", parts), ("PART_TERMS", part_terms)];
    let sizes = [&sizes(d)[..], &own].concat();
    let elements = product.elements();
    let workspace = Binding::Workspace(0..parts * elements);
    let [first, second] = inputs;
    let result = if parts == 1 { Binding::Output } else { workspace.clone() };
    let mut launches = vec![Launch {
        bindings: vec![first, second, result],
        workgroups: grid(parts * tiles),
        ..launch(plan.shader, "product", &[&sizes[..], &plan.constants].concat())
    }];
    if parts == 1 {
        return Some(GpuKernel { launches, ..GpuKernel::default() });
    }
    launches.push(Launch {
        bindings: vec![workspace, Binding::Output],
        workgroups: grid(elements.div_ceil(256)),
        ..launch(plan.shader, "weight_grad_sum", &sizes)
    });
    Some(GpuKernel { workspace: parts * elements, launches, ..GpuKernel::default() })
}

/// The kernel of a convolution on inputs 0 and 1.
pub fn kernel(kind: Kind, d: &Dims, mixed: Mixed) -> Option<GpuKernel> {
    product(kind, d, [Binding::Input(0), Binding::Input(1)], mixed)
}
