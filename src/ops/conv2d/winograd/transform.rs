//! The transforms of F(4, 3) with the points 0, ±a, ±b and ∞, a = 3/4 and b = 3/2.
//!
//! Rows of Bᵀ are the coefficients of Π(x − pⱼ) without one factor, rows of Aᵀ are powers of the points, and
//! G[i, r] = pᵢʳ / Π_{j≠i}(pᵢ − pⱼ) (Toom and Cook's interpolation, see Blahut, *Fast Algorithms for Signal
//! Processing*). Pairs ±p share their even and odd parts.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::rows;
use super::{POINTS, ROWS, TAPS, Tiling};
use crate::simd::mul_add;

const A: f32 = 0.75;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// G.
const TAP_FACTORS: [[f32; TAPS]; POINTS] = {
    const fn row(point: f64, product: f64) -> [f32; TAPS] {
        [(1.0 / product) as f32, (point / product) as f32, (point * point / product) as f32]
    }
    let (a, b) = (A as f64, B as f64);
    let (at_a, at_b) = (2.0 * a * a * (a * a - b * b), 2.0 * b * b * (b * b - a * a));
    let infinity = [0.0, 0.0, 1.0];
    [row(0.0, a * a * b * b), row(a, at_a), row(-a, at_a), row(b, at_b), row(-b, at_b), infinity]
};

/// G·g for one column of taps.
#[inline(always)]
pub fn taps(g: [f32; TAPS]) -> [f32; POINTS] {
    TAP_FACTORS.map(|factors| factors[0] * g[0] + factors[1] * g[1] + factors[2] * g[2])
}

/// Gᵀ·sums: the gradient to one column of taps, for L output channels.
#[inline(always)]
pub fn tap_gradients<const L: usize>(sums: [[f32; L]; POINTS]) -> [[f32; L]; TAPS] {
    let mut taps = [[0.0; L]; TAPS];
    for (sums, factors) in sums.iter().zip(&TAP_FACTORS) {
        for (taps, factor) in taps.iter_mut().zip(factors) {
            for (tap, sum) in taps.iter_mut().zip(sums) {
                *tap += factor * sum;
            }
        }
    }
    taps
}

/// `x·y + z`.
#[inline(always)]
fn fma<S: Simd>(simd: S, x: f32, y: S::f32s, z: S::f32s) -> S::f32s {
    mul_add(simd, simd.splat_f32s(x), y, z)
}

/// Bᵀ·d.
#[inline(always)]
fn input<S: Simd>(simd: S, d: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
    let [d0, d1, d2, d3, d4, d5] = d;
    let (even_a, odd_a) = (fma(simd, -B2, d2, d4), fma(simd, -B2, d1, d3));
    let (even_b, odd_b) = (fma(simd, -A2, d2, d4), fma(simd, -A2, d1, d3));
    [
        fma(simd, A2 * B2, d0, fma(simd, -(A2 + B2), d2, d4)),
        fma(simd, A, odd_a, even_a),
        fma(simd, -A, odd_a, even_a),
        fma(simd, B, odd_b, even_b),
        fma(simd, -B, odd_b, even_b),
        fma(simd, A2 * B2, d1, fma(simd, -(A2 + B2), d3, d5)),
    ]
}

/// Aᵀ·m: four rows of outputs from the six products.
#[inline(always)]
fn output<S: Simd>(simd: S, m: [S::f32s; POINTS]) -> [S::f32s; ROWS] {
    let (even_a, odd_a) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (even_b, odd_b) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(m[0], simd.add_f32s(even_a, even_b)),
        fma(simd, A, odd_a, simd.mul_f32s(simd.splat_f32s(B), odd_b)),
        fma(simd, A2, even_a, simd.mul_f32s(simd.splat_f32s(B2), even_b)),
        fma(simd, A2 * A, odd_a, fma(simd, B2 * B, odd_b, m[5])),
    ]
}

/// A·dy: six rows of points from four rows of the output's gradient.
#[inline(always)]
pub fn gradient<S: Simd>(simd: S, rows: [S::f32s; ROWS]) -> [S::f32s; POINTS] {
    let [y0, y1, y2, y3] = rows;
    let (even_a, odd_a) = (fma(simd, A2, y2, y0), fma(simd, A2, y3, y1));
    let (even_b, odd_b) = (fma(simd, B2, y2, y0), fma(simd, B2, y3, y1));
    [
        y0,
        fma(simd, A, odd_a, even_a),
        fma(simd, -A, odd_a, even_a),
        fma(simd, B, odd_b, even_b),
        fma(simd, -B, odd_b, even_b),
        y3,
    ]
}

/// `to[j][i] = f(from[·][i])` for all i below the rows' common length, a vector or more: whole vectors, then
/// one that reaches back over what was done already.
///
/// Closures are inlined by force: what is not inlined is compiled for the oldest processor.
#[inline(always)]
fn map_rows<S: Simd, const I: usize, const O: usize>(
    simd: S,
    from: [&[f32]; I],
    mut to: [&mut [f32]; O],
    f: impl Fn([S::f32s; I]) -> [S::f32s; O],
) {
    let len = from[0].len();
    let vectors = len / S::F32_LANES;
    map_vectors(simd, &from, &mut to, 0, vectors, &f);
    if vectors * S::F32_LANES < len {
        map_vectors(simd, &from, &mut to, len - S::F32_LANES, 1, &f);
    }
}

/// A vector of what begins a slice; zeros where the slice is too short.
#[inline(always)]
fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    match S::as_simd_f32s(from).0.first() {
        Some(vector) => *vector,
        None => simd.partial_load_f32s(from),
    }
}

/// Writes a vector where there is room for it, else the part for which there is.
#[inline(always)]
fn store<S: Simd>(simd: S, to: &mut [f32], value: S::f32s) {
    match S::as_mut_simd_f32s(to).0.first_mut() {
        Some(vector) => *vector = value,
        None => simd.partial_store_f32s(to, value),
    }
}

#[inline(always)]
fn map_vectors<S: Simd, const I: usize, const O: usize>(
    simd: S,
    from: &[&[f32]; I],
    to: &mut [&mut [f32]; O],
    first: usize,
    vectors: usize,
    f: &impl Fn([S::f32s; I]) -> [S::f32s; O],
) {
    let mut sources: [&[S::f32s]; I] = [&[]; I];
    for i in 0..I {
        sources[i] = &S::as_simd_f32s(&from[i][first..]).0[..vectors];
    }
    let mut targets: [&mut [S::f32s]; O] = none();
    for (target, to) in targets.iter_mut().zip(to) {
        *target = &mut S::as_mut_simd_f32s(&mut to[first..]).0[..vectors];
    }
    for v in 0..vectors {
        let mut loaded = [simd.splat_f32s(0.0); I];
        for i in 0..I {
            loaded[i] = sources[i][v];
        }
        let result = f(loaded);
        for o in 0..O {
            targets[o][v] = result[o];
        }
    }
}

/// N empty slices, to be replaced.
#[inline(always)]
pub fn none<'a, T, const N: usize>() -> [&'a mut [T]; N] {
    std::array::from_fn(
        #[inline(always)]
        |_| &mut [][..],
    )
}

/// The first rows of N parts that are `stride` elements apart.
#[inline(always)]
fn rows_apart<const N: usize>(to: &mut [f32], stride: usize, len: usize) -> [&mut [f32]; N] {
    let mut rows: [&mut [f32]; N] = none();
    for (row, part) in rows.iter_mut().zip(to.chunks_mut(stride)) {
        *row = &mut part[..len];
    }
    rows
}

/// Bᵀ·d of some samples, `batch` or fewer: \[channel, point, `point()`\].
pub struct Input<'a> {
    pub tiling: &'a Tiling,
    pub image: &'a [f32],
    pub samples: Range<usize>,
    /// As many zeros as the image has columns, or a vector.
    pub zeros: &'a [f32],
    pub to: &'a mut [f32],
}

impl WithSimd for Input<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tiling, image, samples, zeros, to } = self;
        let &Tiling { channels: [channels, _], images: [[height, width], _], pitch, pad, .. } = tiling;
        let (map, point) = (height * width, tiling.point());
        let gap = pitch - pad[1] - width;
        let columns = samples.len() * tiling.len();
        for (channel, to) in to.chunks_exact_mut(POINTS * point).enumerate().take(channels) {
            for (i, sample) in samples.clone().enumerate() {
                // What a vector reads behind a row is the next row's; what it writes there is written again.
                let image = &image[(sample * channels + channel) * map..];
                for tile in 0..tiling.tiles {
                    let mut from = [zeros; POINTS];
                    for (row, from) in from.iter_mut().enumerate() {
                        let row = (tile * ROWS + row).wrapping_sub(pad[0]);
                        if row < height {
                            *from = &image[row * width..];
                        }
                    }
                    let start = i * tiling.len() + tile * pitch;
                    for to in to.chunks_exact_mut(point) {
                        rows::zero(&mut to[start..], pad[1]);
                    }
                    let first = start + pad[1];
                    if width < S::F32_LANES {
                        let mut d = [simd.splat_f32s(0.0); POINTS];
                        for row in 0..POINTS {
                            d[row] = load(simd, from[row]);
                        }
                        let d = input(simd, d);
                        for (i, to) in to.chunks_exact_mut(point).enumerate() {
                            store(simd, &mut to[first..], d[i]);
                        }
                    } else {
                        for from in &mut from {
                            *from = &from[..width];
                        }
                        let to = rows_apart(&mut to[first..], point, width);
                        map_rows(
                            simd,
                            from,
                            to,
                            #[inline(always)]
                            |d| input(simd, d),
                        );
                    }
                    if gap > 0 {
                        to.chunks_exact_mut(point).for_each(|to| to[first + width..][..gap].fill(0.0));
                    }
                }
            }
            to.chunks_exact_mut(point).for_each(|to| rows::zero(&mut to[columns..], tiling.taps));
        }
    }
}

/// Aᵀ·m of one row of tiles.
pub struct Output<'a> {
    /// The row's first column in the first product; the products are `stride` apart.
    pub products: &'a [f32],
    pub stride: usize,
    /// The image's rows from the tile's first on.
    pub image: &'a mut [f32],
    pub width: usize,
    /// As long as a row, for rows beyond the image's last.
    pub beyond: &'a mut [f32],
}

impl Output<'_> {
    #[inline(always)]
    pub fn write<S: Simd>(self, simd: S) {
        let Self { products, stride, image, width, beyond } = self;
        if width < S::F32_LANES {
            let mut m = [simd.splat_f32s(0.0); POINTS];
            for (m, products) in m.iter_mut().zip(products.chunks(stride)) {
                *m = load(simd, products);
            }
            // In order: what a vector writes behind a row is written again, or lies behind the image.
            for (row, value) in output(simd, m).into_iter().enumerate() {
                if row * width < image.len() {
                    store(simd, &mut image[row * width..], value);
                }
            }
            return;
        }
        let mut from: [&[f32]; POINTS] = [&[]; POINTS];
        for (from, products) in from.iter_mut().zip(products.chunks(stride)) {
            *from = &products[..width];
        }
        if image.len() >= ROWS * width {
            return map_rows(
                simd,
                from,
                rows_apart(image, width, width),
                #[inline(always)]
                |m| output(simd, m),
            );
        }
        let rows = image.chunks_exact_mut(width).chain(beyond.chunks_exact_mut(width));
        let mut to: [&mut [f32]; ROWS] = none();
        for (to, row) in to.iter_mut().zip(rows) {
            *to = row;
        }
        map_rows(
            simd,
            from,
            to,
            #[inline(always)]
            |m| output(simd, m),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::simd::dispatch;

    fn first<S: Simd>(vector: S::f32s) -> f32 {
        bytemuck::cast_slice(&[vector])[0]
    }

    struct Columns {
        d: [f32; POINTS],
        g: [f32; TAPS],
        dy: [f32; ROWS],
    }

    impl WithSimd for Columns {
        type Output = ([f32; ROWS], [f32; TAPS]);

        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            let splat = |x| simd.splat_f32s(x);
            let points = input(simd, self.d.map(splat));
            let taps = taps(self.g).map(splat);
            let products = std::array::from_fn(|i| simd.mul_f32s(points[i], taps[i]));
            let y = output(simd, products).map(first::<S>);
            let upstream = gradient(simd, self.dy.map(splat));
            let sums = std::array::from_fn(|i| first::<S>(simd.mul_f32s(points[i], upstream[i])));
            (y, tap_gradients(sums.map(|sum: f32| [sum])).map(|[tap]| tap))
        }
    }

    /// One column: the transforms together are the convolution, and the transposed ones its gradient to the
    /// taps.
    #[test]
    fn transforms_make_a_convolution() {
        let mut rng = Rng::new(5);
        let mut random = || rng.normal();
        let d: [f32; POINTS] = std::array::from_fn(|_| random());
        let g: [f32; TAPS] = std::array::from_fn(|_| random());
        let dy: [f32; ROWS] = std::array::from_fn(|_| random());
        let (y, dg) = dispatch(Columns { d, g, dy });
        for (row, actual) in y.iter().enumerate() {
            let expected: f32 = (0..TAPS).map(|r| g[r] * d[row + r]).sum();
            assert!((actual - expected).abs() < 1e-5, "row {row}: {actual}, not {expected}");
        }
        for (r, actual) in dg.iter().enumerate() {
            let expected: f32 = (0..ROWS).map(|row| dy[row] * d[row + r]).sum();
            assert!((actual - expected).abs() < 1e-5, "tap {r}: {actual}, not {expected}");
        }
    }
}
