use pulp::{Simd, WithSimd};

use crate::simd::{dispatch, mul_add};

/// Columns of a register tile: 4×6 accumulators of 32 registers, 2×6 of 16.
const TILE_COLUMNS: usize = 6;

/// `c[m, t] += Σ_j a[m, j] · b[offsets[t] + j]` for `rows` rows and all offsets.
#[derive(Debug)]
pub struct Dot<'a> {
    pub a: &'a [f32],
    /// From one row of A to the next.
    pub a_pitch: usize,
    pub rows: usize,
    pub b: &'a [f32],
    pub offsets: &'a [u32],
    /// Terms of the sum over j; a multiple of [`super::Tiles::lanes`].
    pub len: usize,
    /// \[rows, offsets\]
    pub c: &'a mut [f32],
}

/// Computes a [`Dot`].
pub fn shift_dot(dot: Dot<'_>) {
    dispatch(dot);
}

impl WithSimd for Dot<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut row = 0;
        if S::REGISTER_COUNT >= 32 {
            row = self.tiles::<S, 4>(simd, row);
        }
        row = self.tiles::<S, 2>(simd, row);
        self.tiles::<S, 1>(simd, row);
    }
}

impl Dot<'_> {
    /// Computes whole tiles of M rows from `row` on; returns the first row that is left.
    #[inline(always)]
    fn tiles<S: Simd, const M: usize>(&mut self, simd: S, mut row: usize) -> usize {
        let terms = self.offsets.len();
        while row + M <= self.rows {
            for first in (0..terms).step_by(TILE_COLUMNS) {
                // Columns that are missing in the last tile repeat its last one.
                let offsets: [usize; TILE_COLUMNS] =
                    std::array::from_fn(|t| self.offsets[(first + t).min(terms - 1)] as usize);
                let sums = self.tile_sums::<S, M>(simd, row, offsets);
                for (i, sums) in sums.iter().enumerate() {
                    let to = &mut self.c[(row + i) * terms + first..(row + i + 1) * terms];
                    for (to, &sum) in to.iter_mut().zip(sums) {
                        *to += simd.reduce_sum_f32s(sum);
                    }
                }
            }
            row += M;
        }
        row
    }

    #[inline(always)]
    fn tile_sums<S: Simd, const M: usize>(
        &self,
        simd: S,
        row: usize,
        offsets: [usize; TILE_COLUMNS],
    ) -> [[S::f32s; TILE_COLUMNS]; M] {
        let mut sums = [[simd.splat_f32s(0.0); TILE_COLUMNS]; M];
        let steps = self.len / S::F32_LANES;
        let a: [&[S::f32s]; M] =
            std::array::from_fn(|i| vectors::<S>(&self.a[(row + i) * self.a_pitch..], steps));
        let b: [&[S::f32s]; TILE_COLUMNS] =
            std::array::from_fn(|t| vectors::<S>(&self.b[offsets[t]..], steps));
        for j in 0..steps {
            let mut factors = [simd.splat_f32s(0.0); M];
            for (factor, a) in factors.iter_mut().zip(&a) {
                *factor = a[j];
            }
            for t in 0..TILE_COLUMNS {
                let column = b[t][j];
                for i in 0..M {
                    sums[i][t] = mul_add(simd, factors[i], column, sums[i][t]);
                }
            }
        }
        sums
    }
}

#[inline(always)]
fn vectors<S: Simd>(data: &[f32], count: usize) -> &[S::f32s] {
    &S::as_simd_f32s(data).0[..count]
}
