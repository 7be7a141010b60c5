use pulp::{Simd, WithSimd};

use super::TILE_VECTORS;
use crate::simd::{dispatch, mul_add};

/// `c[m, j] = Σ_t a[m, t] · b[offsets[t] + j]` for `rows` rows and `columns` columns.
#[derive(Debug)]
pub struct Product<'a> {
    /// A in panels of `height` rows, as [`super::pack_rows`] makes them.
    pub a: &'a [f32],
    /// [`super::Tiles::height`] of `rows`.
    pub height: usize,
    pub rows: usize,
    /// Where the row of B for each term begins.
    pub offsets: &'a [u32],
    /// Readable up to the largest offset plus `columns`.
    pub b: &'a [f32],
    /// At least [`super::Tiles::columns`].
    pub columns: usize,
    pub c: &'a mut [f32],
    /// From one row of C to the next.
    pub pitch: usize,
}

/// Computes a [`Product`]. The last tile of a row overlaps the one before where the columns do not divide
/// into tiles.
pub fn shift_product(product: Product<'_>) {
    dispatch(product);
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.height {
            8 => self.tiles::<S, 8>(simd),
            4 => self.tiles::<S, 4>(simd),
            2 => self.tiles::<S, 2>(simd),
            _ => self.tiles::<S, 1>(simd),
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize>(self, simd: S) {
        let Self { a, rows, offsets, b, columns, c, pitch, .. } = self;
        let width = TILE_VECTORS * S::F32_LANES;
        let (panels, _) = a.as_chunks::<M>();
        // Depth 0 is a sum of nothing.
        let panel_len = offsets.len().max(1);
        for tile in 0..columns.div_ceil(width) {
            let column = (tile * width).min(columns - width);
            for (p, panel) in panels.chunks_exact(panel_len).enumerate() {
                let sums = tile_sums::<S, M>(simd, panel, offsets, &b[column..]);
                for (i, sum) in sums.iter().enumerate().take(rows - p * M) {
                    let row = &mut c[(p * M + i) * pitch + column..][..width];
                    let (row, _) = S::as_mut_simd_f32s(row);
                    for (to, &value) in row.iter_mut().zip(sum) {
                        *to = value;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn tile_sums<S: Simd, const M: usize>(
    simd: S,
    panel: &[[f32; M]],
    offsets: &[u32],
    b: &[f32],
) -> [[S::f32s; TILE_VECTORS]; M] {
    let width = TILE_VECTORS * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); TILE_VECTORS]; M];
    for (a, &offset) in panel.iter().zip(offsets) {
        let (loaded, _) = S::as_simd_f32s(&b[offset as usize..][..width]);
        let mut row = [simd.splat_f32s(0.0); TILE_VECTORS];
        row.copy_from_slice(&loaded[..TILE_VECTORS]);
        for i in 0..M {
            let factor = simd.splat_f32s(a[i]);
            for v in 0..TILE_VECTORS {
                sums[i][v] = mul_add(simd, factor, row[v], sums[i][v]);
            }
        }
    }
    sums
}
