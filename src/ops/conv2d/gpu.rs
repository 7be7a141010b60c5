//! Dispatch of `shaders/conv2d.wgsl`.

use super::Dims;
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "conv2d", source: include_str!("../../../shaders/conv2d.wgsl") };

/// Products of fewer rows go to the direct kernels: three quarters of a tile's smallest side would be empty.
const TILED_ROWS: usize = 4;
/// Workgroups that keep a large adapter busy; where tiles are fewer, they are made smaller.
const BUSY: usize = 256;
/// Terms of the sum in a part of the weight gradient, at least, so that parts outweigh their addition.
const PART_TERMS: usize = 256;
/// The shader's DEPTH; parts are multiples of it.
const DEPTH: usize = 16;

/// One of the three convolutions as a matrix product for each group.
#[derive(Clone, Copy)]
struct Product {
    rows: usize,
    columns: usize,
    groups: usize,
}

/// Threads across and down a tile of 4·tx columns and 4·ty rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tile {
    tx: usize,
    ty: usize,
}

impl Tile {
    fn count(self, product: Product) -> usize {
        product.groups * product.rows.div_ceil(4 * self.ty) * product.columns.div_ceil(4 * self.tx)
    }

    /// 64×64 for 256 threads, or flatter for few rows: 32×128, 16×128. Where that leaves the adapter idle, the
    /// longer side is halved down to 32, then both to 16.
    fn choose(product: Product) -> Self {
        let ty = product.rows.div_ceil(4).next_power_of_two().clamp(4, 16);
        let columns = product.columns.div_ceil(4).next_power_of_two().max(4);
        let mut tile = Self { tx: (256 / ty).min(32).min(columns), ty };
        while tile.count(product) < BUSY && tile.tx.max(tile.ty) > 8 {
            if tile.tx >= tile.ty { tile.tx /= 2 } else { tile.ty /= 2 }
        }
        while tile.count(product) < BUSY && tile.tx.max(tile.ty) > 4 {
            if tile.tx >= tile.ty { tile.tx /= 2 } else { tile.ty /= 2 }
        }
        tile
    }
}

fn launch(
    entry: &'static str,
    d: &Dims,
    tile: Option<Tile>,
    parts: [usize; 2],
    bindings: Vec<Binding>,
    workgroups: usize,
) -> Launch {
    let mut constants = vec![
        ("N", d.n),
        ("H", d.h),
        ("W", d.w),
        ("GROUPS", d.groups),
        ("GROUP_C", d.group_c()),
        ("GROUP_K", d.group_k()),
        ("R", d.r),
        ("S", d.s),
        ("P", d.p),
        ("Q", d.q),
        ("STRIDE_H", d.stride[0]),
        ("STRIDE_W", d.stride[1]),
        ("PAD_H", d.pad[0]),
        ("PAD_W", d.pad[1]),
        ("PARTS", parts[0]),
        ("PART_TERMS", parts[1]),
    ];
    if let Some(Tile { tx, ty }) = tile {
        constants.extend([("TX", tx), ("TY", ty)]);
    }
    Launch {
        shader: SHADER,
        entry,
        constants: constants.into_iter().map(|(name, value)| (name, value as f64)).collect(),
        bindings,
        workgroups: grid(workgroups),
    }
}

/// The kernel of a product that is computed at once: tiled, or direct with one thread an element.
fn single(tiled: &'static str, direct: &'static str, d: &Dims, product: Product) -> GpuKernel {
    let bindings = vec![Binding::Input(0), Binding::Input(1), Binding::Output];
    let launch = if product.rows < TILED_ROWS {
        let elements = product.groups * product.rows * product.columns;
        launch(direct, d, None, [1, 1], bindings, elements.div_ceil(256))
    } else {
        let tile = Tile::choose(product);
        launch(tiled, d, Some(tile), [1, 1], bindings, tile.count(product))
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}

/// y of inputs (x, w).
pub fn forward(d: &Dims) -> GpuKernel {
    let product = Product { rows: d.group_k(), columns: d.n * d.p * d.q, groups: d.groups };
    single("forward", "forward_direct", d, product)
}

/// dx of inputs (w, dy).
pub fn input_grad(d: &Dims) -> GpuKernel {
    let product = Product { rows: d.group_c(), columns: d.n * d.h * d.w, groups: d.groups };
    single("input_grad", "input_grad_direct", d, product)
}

/// dw of inputs (x, dy). The sum is long and the result small, so the sum is split into parts until the adapter is
/// busy; a second launch adds them.
pub fn weight_grad(d: &Dims) -> GpuKernel {
    let product = Product { rows: d.group_k(), columns: d.group_c() * d.r * d.s, groups: d.groups };
    let weights = d.k * product.columns;
    let inputs = [Binding::Input(0), Binding::Input(1)];
    if product.rows < TILED_ROWS {
        let bindings = [&inputs[..], &[Binding::Output]].concat();
        let launch = launch("weight_grad_direct", d, None, [1, 1], bindings, weights);
        return GpuKernel { launches: vec![launch], ..GpuKernel::default() };
    }
    // Parts make the workgroups here, so tiles are as large as the result allows.
    let ty = product.rows.div_ceil(4).next_power_of_two().clamp(4, 16);
    let tile = Tile { tx: product.columns.div_ceil(4).next_power_of_two().clamp(4, 16), ty };
    let terms = d.n * d.p * d.q;
    let wanted = BUSY.div_ceil(tile.count(product)).min(terms.div_ceil(PART_TERMS));
    let part_terms = terms.div_ceil(wanted).next_multiple_of(DEPTH);
    let parts = terms.div_ceil(part_terms);
    let sizes = [parts, part_terms];
    let workgroups = parts * tile.count(product);
    if parts == 1 {
        let bindings = [&inputs[..], &[Binding::Output]].concat();
        let launch = launch("weight_grad", d, Some(tile), sizes, bindings, workgroups);
        return GpuKernel { launches: vec![launch], ..GpuKernel::default() };
    }
    let workspace = Binding::Workspace(0..parts * weights);
    let bindings = [&inputs[..], std::slice::from_ref(&workspace)].concat();
    let launches = vec![
        launch("weight_grad", d, Some(tile), sizes, bindings, workgroups),
        launch("weight_grad_sum", d, None, sizes, vec![workspace, Binding::Output], weights.div_ceil(256)),
    ];
    GpuKernel { workspace: parts * weights, launches, ..GpuKernel::default() }
}
