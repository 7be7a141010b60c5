use pulp::{Simd, WithSimd};

use crate::simd::{dispatch, mul_add};

/// Shifts of every row of B.
pub const SHIFTS: usize = 3;

/// `c[i, s, k] += Σ_j b[starts[i] + s + j] · d[j, k]` for all rows i, shifts s below [`SHIFTS`] and k of
/// whole vectors.
#[derive(Debug)]
pub struct Outer<'a> {
    pub b: &'a [f32],
    /// Where each row of B begins; readable for `len + SHIFTS − 1` elements.
    pub starts: &'a [u32],
    /// D in blocks of [`super::Tiles::lanes`] columns: \[block, `len` or more, lanes\].
    pub d: &'a [f32],
    /// From one block to the next.
    pub d_block: usize,
    pub blocks: usize,
    /// Terms of the sum over j.
    pub len: usize,
    /// Each row \[SHIFTS, blocks · lanes\].
    pub c: &'a mut [f32],
    /// From one row of C to the next.
    pub c_pitch: usize,
}

/// Computes an [`Outer`].
pub fn shift_outer(outer: Outer<'_>) {
    dispatch(outer);
}

impl WithSimd for Outer<'_> {
    type Output = ();

    /// Tiles of 24 accumulators of 32 registers, 12 of 16.
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for block in (0..self.blocks).step_by(2) {
            let mut row = 0;
            if self.blocks - block >= 2 {
                if S::REGISTER_COUNT >= 32 {
                    row = self.rows::<S, 4, 2>(simd, block, row);
                }
                row = self.rows::<S, 2, 2>(simd, block, row);
                self.rows::<S, 1, 2>(simd, block, row);
            } else {
                if S::REGISTER_COUNT >= 32 {
                    row = self.rows::<S, 8, 1>(simd, block, row);
                }
                row = self.rows::<S, 4, 1>(simd, block, row);
                self.rows::<S, 1, 1>(simd, block, row);
            }
        }
    }
}

impl Outer<'_> {
    /// Computes whole tiles of I rows from `row` on, for N blocks; returns the first row that is left.
    #[inline(always)]
    fn rows<S: Simd, const I: usize, const N: usize>(
        &mut self,
        simd: S,
        block: usize,
        mut row: usize,
    ) -> usize {
        let width = self.blocks * S::F32_LANES;
        while row + I <= self.starts.len() {
            let mut sums = [[[simd.splat_f32s(0.0); N]; SHIFTS]; I];
            self.tile(simd, block, row, &mut sums);
            for (i, sums) in sums.iter().enumerate() {
                for (s, sums) in sums.iter().enumerate() {
                    let at = (row + i) * self.c_pitch + s * width + block * S::F32_LANES;
                    let to = S::as_mut_simd_f32s(&mut self.c[at..][..N * S::F32_LANES]).0;
                    for (to, &sum) in to.iter_mut().zip(sums) {
                        *to = simd.add_f32s(*to, sum);
                    }
                }
            }
            row += I;
        }
        row
    }

    #[inline(always)]
    fn tile<S: Simd, const I: usize, const N: usize>(
        &self,
        simd: S,
        block: usize,
        row: usize,
        sums: &mut [[[S::f32s; N]; SHIFTS]; I],
    ) {
        let len = self.len;
        let b: [&[f32]; I] =
            std::array::from_fn(|i| &self.b[self.starts[row + i] as usize..][..len + SHIFTS - 1]);
        let d: [&[S::f32s]; N] =
            std::array::from_fn(|n| &S::as_simd_f32s(&self.d[(block + n) * self.d_block..]).0[..len]);
        let mut tile = *sums;
        if S::REGISTER_COUNT >= 32 {
            // An element of B is loaded once for all shifts, which take it with this row of D and those before.
            let zero = simd.splat_f32s(0.0);
            let mut before = [[zero; N]; SHIFTS - 1];
            for j in 0..len + SHIFTS - 1 {
                let mut columns = [zero; N];
                if j < len {
                    for (column, d) in columns.iter_mut().zip(&d) {
                        *column = d[j];
                    }
                }
                for i in 0..I {
                    let factor = simd.splat_f32s(b[i][j]);
                    for n in 0..N {
                        tile[i][0][n] = mul_add(simd, factor, columns[n], tile[i][0][n]);
                        tile[i][1][n] = mul_add(simd, factor, before[0][n], tile[i][1][n]);
                        tile[i][2][n] = mul_add(simd, factor, before[1][n], tile[i][2][n]);
                    }
                }
                before = [columns, before[0]];
            }
        } else {
            for j in 0..len {
                let mut columns = [simd.splat_f32s(0.0); N];
                for (column, d) in columns.iter_mut().zip(&d) {
                    *column = d[j];
                }
                for i in 0..I {
                    for s in 0..SHIFTS {
                        let factor = simd.splat_f32s(b[i][j + s]);
                        for n in 0..N {
                            tile[i][s][n] = mul_add(simd, factor, columns[n], tile[i][s][n]);
                        }
                    }
                }
            }
        }
        *sums = tile;
    }
}
