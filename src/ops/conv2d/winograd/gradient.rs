use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::Dims;
use super::transform;
use super::{POINTS, ROWS, Tiling};

/// Rows and columns of a square that is transposed at once: the narrowest vector.
const SIDE: usize = 4;

/// A·dy of one vector of output channels of some samples, \[POINTS, samples · columns, lanes\].
pub struct Gradient<'a> {
    pub d: &'a Dims,
    pub tiling: &'a Tiling,
    pub dy: &'a [f32],
    pub samples: Range<usize>,
    pub block: usize,
    /// Memory for a row of tiles, \[ROWS, columns, lanes\].
    pub transposed: &'a mut [f32],
    pub to: &'a mut [f32],
}

impl WithSimd for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { d, tiling, dy, samples, block, transposed, to } = self;
        let (map, width, pitch) = (d.p * d.q, d.q, tiling.pitch);
        let to = S::as_mut_simd_f32s(to).0;
        let point_len = to.len() / POINTS;
        let zero = simd.splat_f32s(0.0);
        for (i, sample) in samples.enumerate() {
            for tile in 0..tiling.tiles {
                let run = tile * ROWS * width..map.min((tile + 1) * ROWS * width);
                for group in 0..S::F32_LANES / SIDE {
                    let mut rows: [&[f32]; SIDE] = [&[]; SIDE];
                    for (i, row) in rows.iter_mut().enumerate() {
                        // Channels that are missing in the last vector repeat the last one: nobody reads their sums.
                        let channel = (block * S::F32_LANES + group * SIDE + i).min(d.k - 1);
                        *row = &dy[(sample * d.k + channel) * map..][..map][run.clone()];
                    }
                    transpose(rows, &mut transposed[group * SIDE..], S::F32_LANES);
                }
                transposed[run.len() * S::F32_LANES..].fill(0.0);
                let rows: &[S::f32s] = S::as_simd_f32s(transposed).0;
                let (rows, _) = rows.split_at(ROWS * width);
                let first = i * tiling.len() + tile * pitch;
                let mut points: [&mut [S::f32s]; POINTS] = transform::none();
                for (point, to) in points.iter_mut().zip(to.chunks_exact_mut(point_len)) {
                    *point = &mut to[first..][..pitch];
                }
                for column in 0..width {
                    let values = [
                        rows[column],
                        rows[width + column],
                        rows[2 * width + column],
                        rows[3 * width + column],
                    ];
                    let values = transform::gradient(simd, values);
                    for point in 0..POINTS {
                        points[point][column] = values[point];
                    }
                }
                for to in &mut points {
                    for to in &mut to[width..] {
                        *to = zero;
                    }
                }
            }
        }
    }
}

/// Columns of some rows as rows of `to`, `pitch` elements apart: squares whose sides are the narrowest vector, so that
/// shuffles take the place of a store for each element.
#[inline(always)]
fn transpose(rows: [&[f32]; SIDE], to: &mut [f32], pitch: usize) {
    let len = rows[0].len();
    let whole = len / SIDE;
    let mut squares: [&[[f32; SIDE]]; SIDE] = [&[]; SIDE];
    for (squares, row) in squares.iter_mut().zip(rows) {
        *squares = &row.as_chunks().0[..whole];
    }
    let [a, b, c, d] = squares;
    for (i, to) in to.chunks_mut(SIDE * pitch).take(whole).enumerate() {
        let ([a, b], [c, d]) = ([a[i], b[i]], [c[i], d[i]]);
        for j in 0..SIDE {
            to[j * pitch..][..SIDE].copy_from_slice(&[a[j], b[j], c[j], d[j]]);
        }
    }
    for column in whole * SIDE..len {
        for (i, row) in rows.iter().enumerate() {
            to[column * pitch + i] = row[column];
        }
    }
}
