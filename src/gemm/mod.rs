//! Matrix products of the CPU device: register tiles over packed panels, in safe Rust, with SIMD chosen at
//! run time.
//!
//! Two products serve everything. [`shift_product`] keeps outputs in vectors and computes `c[m, j] = Σ_t a[m,
//! t] · b[offset[t] + j]`: with rows of B as offsets this is a plain matrix product, and with shifts of a
//! padded image as offsets it is a convolution that needs no im2col matrix. [`shift_dot`] keeps sums in
//! vectors and computes `c[m, t] += Σ_j a[m, j] · b[offset[t] + j]`, the weight gradient of the same
//! convolution.
//!
//! Each output element is one sum in a fixed order, so results do not depend on how the work is divided.

mod dot;
mod outer;
mod pack;
mod product;

pub use dot::{Dot, shift_dot};
pub use outer::{Outer, SHIFTS, shift_outer};
pub use pack::pack_rows;
pub use product::{Product, shift_product};

use pulp::{Simd, WithSimd};

use crate::simd::dispatch;

/// Vectors in a row of a register tile of [`shift_product`]: 8×3 accumulators of 32 registers, 4×3 of 16.
const TILE_VECTORS: usize = 3;

/// The tile sizes that the machine's instruction set gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// f32 in a vector.
    pub lanes: usize,
    /// Rows of the largest register tile of [`shift_product`].
    pub rows: usize,
    /// Columns of every register tile of [`shift_product`].
    pub columns: usize,
}

struct Sizes;

impl WithSimd for Sizes {
    type Output = Tiles;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tiles {
        Tiles { lanes: S::F32_LANES, rows: tile_rows::<S>(), columns: TILE_VECTORS * S::F32_LANES }
    }
}

#[inline(always)]
const fn tile_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 8 } else { 4 }
}

impl Tiles {
    /// Those of this machine.
    pub fn get() -> Self {
        dispatch(Sizes)
    }

    /// The height of packed panels for a matrix of `rows` rows: the tile's, or the next power of two for
    /// less.
    pub fn height(self, rows: usize) -> usize {
        self.rows.min(rows.next_power_of_two())
    }
}
