use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::Dims;
use super::transform;
use super::{POINTS, ROWS, Tiling};

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
                // Channels that are missing in the last vector repeat the last one: nobody reads their sums.
                for lane in 0..S::F32_LANES {
                    let channel = (block * S::F32_LANES + lane).min(d.k - 1);
                    let from = &dy[(sample * d.k + channel) * map..][..map][run.clone()];
                    for (to, &from) in transposed.chunks_exact_mut(S::F32_LANES).zip(from) {
                        to[lane] = from;
                    }
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
