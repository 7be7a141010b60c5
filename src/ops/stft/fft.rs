//! A complex fast Fourier transform of several signals at once, one in each SIMD lane.
//!
//! Decimation in frequency, in place, radix 4 with a last stage of radix 2 where the length asks for it
//! (Cooley and Tukey 1965; Gentleman and Sande 1966). A radix-4 butterfly stores its middle outputs swapped,
//! as two stages of radix 2 would, so that the spectrum lies in bit-reversed order whatever the radices;
//! nothing is ever reordered, since who reads the spectrum can read it anywhere, and the inverse runs the
//! stages backwards from that order. Lanes never mix: a signal's result does not depend on its neighbours,
//! nor on how many there are.

use std::f64::consts::TAU;

use crate::simd::{mul_add, negate_mul_add};
use pulp::Simd;

/// A complex number for each signal: real parts, imaginary parts.
pub type Point<S> = [<S as Simd>::f32s; 2];

/// A sub-transform of this many bytes is finished before the next is begun: it fits the first-level cache.
const CACHED: usize = 1 << 14;

/// The tables of a transform of a power of two of points, 4 at least.
#[derive(Clone, Debug)]
pub struct Fft {
    points: usize,
    /// For every radix-4 stage from the largest block down, and j in 0..block/4: e^(−2πi·k·j/block) for k =
    /// 1, 2, 3.
    stages: Vec<Vec<[Twiddle; 3]>>,
}

/// A twiddle factor, a complex number of modulus 1: (cos, sin).
pub type Twiddle = (f32, f32);

/// e^(−2πi·k/n), rounded once.
pub fn twiddle(k: usize, n: usize) -> Twiddle {
    let (sin, cos) = (-TAU * (k % n) as f64 / n as f64).sin_cos();
    (cos as f32, sin as f32)
}

/// Arithmetic of [`Point`]s.
#[derive(Clone, Copy)]
pub struct Complex<S>(pub S);

impl<S: Simd> Complex<S> {
    #[inline(always)]
    pub fn add(self, a: Point<S>, b: Point<S>) -> Point<S> {
        [self.0.add_f32s(a[0], b[0]), self.0.add_f32s(a[1], b[1])]
    }

    #[inline(always)]
    pub fn sub(self, a: Point<S>, b: Point<S>) -> Point<S> {
        [self.0.sub_f32s(a[0], b[0]), self.0.sub_f32s(a[1], b[1])]
    }

    /// a + i·b
    #[inline(always)]
    pub fn add_i(self, a: Point<S>, b: Point<S>) -> Point<S> {
        [self.0.sub_f32s(a[0], b[1]), self.0.add_f32s(a[1], b[0])]
    }

    /// a − i·b
    #[inline(always)]
    pub fn sub_i(self, a: Point<S>, b: Point<S>) -> Point<S> {
        [self.0.add_f32s(a[0], b[1]), self.0.sub_f32s(a[1], b[0])]
    }

    /// a + conj(b)
    #[inline(always)]
    pub fn add_conj(self, a: Point<S>, b: Point<S>) -> Point<S> {
        [self.0.add_f32s(a[0], b[0]), self.0.sub_f32s(a[1], b[1])]
    }

    /// a − conj(b)
    #[inline(always)]
    pub fn sub_conj(self, a: Point<S>, b: Point<S>) -> Point<S> {
        [self.0.sub_f32s(a[0], b[0]), self.0.add_f32s(a[1], b[1])]
    }

    #[inline(always)]
    pub fn conj(self, a: Point<S>) -> Point<S> {
        [a[0], self.0.neg_f32s(a[1])]
    }

    /// a·w
    #[inline(always)]
    pub fn mul(self, [re, im]: Point<S>, (cos, sin): Twiddle) -> Point<S> {
        let (cos, sin) = (self.0.splat_f32s(cos), self.0.splat_f32s(sin));
        [
            negate_mul_add(self.0, im, sin, self.0.mul_f32s(re, cos)),
            mul_add(self.0, im, cos, self.0.mul_f32s(re, sin)),
        ]
    }

    /// a·conj(w)
    #[inline(always)]
    pub fn mul_conj(self, [re, im]: Point<S>, (cos, sin): Twiddle) -> Point<S> {
        let (cos, sin) = (self.0.splat_f32s(cos), self.0.splat_f32s(sin));
        [
            mul_add(self.0, im, sin, self.0.mul_f32s(re, cos)),
            negate_mul_add(self.0, re, sin, self.0.mul_f32s(im, cos)),
        ]
    }

    #[inline(always)]
    pub fn scaled(self, a: Point<S>, by: S::f32s) -> Point<S> {
        [self.0.mul_f32s(a[0], by), self.0.mul_f32s(a[1], by)]
    }

    #[inline(always)]
    pub fn power(self, a: Point<S>) -> S::f32s {
        mul_add(self.0, a[0], a[0], self.0.mul_f32s(a[1], a[1]))
    }

    /// The transform of four points, in bit-reversed order.
    #[inline(always)]
    fn dft4(self, [a, b, c, d]: [Point<S>; 4]) -> [Point<S>; 4] {
        let (even, odd) = (self.add(a, c), self.add(b, d));
        let (left, right) = (self.sub(a, c), self.sub(b, d));
        [self.add(even, odd), self.sub(even, odd), self.sub_i(left, right), self.add_i(left, right)]
    }

    /// The inverse of [`Self::dft4`] times 4.
    #[inline(always)]
    fn inverse_dft4(self, [y0, y2, y1, y3]: [Point<S>; 4]) -> [Point<S>; 4] {
        let (even, odd) = (self.add(y0, y2), self.sub(y0, y2));
        let (left, right) = (self.add(y1, y3), self.sub(y1, y3));
        [self.add(even, left), self.add_i(odd, right), self.sub(even, left), self.sub_i(odd, right)]
    }

    #[inline(always)]
    fn butterfly(self, points: [Point<S>; 4], twiddles: &[Twiddle; 3]) -> [Point<S>; 4] {
        let [a, b, c, d] = self.dft4(points);
        [a, self.mul(b, twiddles[1]), self.mul(c, twiddles[0]), self.mul(d, twiddles[2])]
    }

    #[inline(always)]
    fn inverse_butterfly(self, [a, b, c, d]: [Point<S>; 4], twiddles: &[Twiddle; 3]) -> [Point<S>; 4] {
        let (b, c, d) =
            (self.mul_conj(b, twiddles[1]), self.mul_conj(c, twiddles[0]), self.mul_conj(d, twiddles[2]));
        self.inverse_dft4([a, b, c, d])
    }
}

impl Fft {
    pub fn new(points: usize) -> Self {
        let blocks =
            std::iter::successors(Some(points), |block| Some(block / 4)).take_while(|&block| block >= 4);
        let stage = |block: usize| (0..block / 4).map(|j| [1, 2, 3].map(|k| twiddle(k * j, block))).collect();
        Self { points, stages: blocks.map(stage).collect() }
    }

    /// Where bin `k` of the spectrum lies.
    pub fn position(&self, k: usize) -> usize {
        k.reverse_bits() >> (usize::BITS - self.points.trailing_zeros())
    }

    /// `Z[position(k)] = Σ_j z[j]·e^(−2πi·j·k/points)`, where `quarters(j)` gives z at j and one, two and
    /// three quarters of the points behind it. What `data` held before does not matter.
    #[inline(always)]
    pub fn forward<S: Simd>(
        &self,
        simd: S,
        data: &mut [Point<S>],
        quarters: impl Fn(usize) -> [Point<S>; 4],
    ) {
        let complex = Complex(simd);
        let quarter = self.points / 4;
        let [a, b, c, d] = quarters_of(data, quarter);
        for (j, ((((a, b), c), d), twiddles)) in
            a.iter_mut().zip(b).zip(c).zip(d).zip(&self.stages[0]).enumerate()
        {
            [*a, *b, *c, *d] = complex.butterfly(quarters(j), twiddles);
        }
        let large = self.large::<S>().max(1);
        for stage in &self.stages[1..large] {
            forward_stage(complex, data, stage);
        }
        for part in data.chunks_exact_mut(self.points >> (2 * large)) {
            for stage in &self.stages[large..] {
                forward_stage(complex, part, stage);
            }
            self.last_stage(complex, part);
        }
    }

    /// `z[j] = Σ_k Z[position(k)]·e^(2πi·j·k/points)`: not divided by the number of points.
    #[inline(always)]
    pub fn inverse<S: Simd>(&self, simd: S, data: &mut [Point<S>]) {
        let complex = Complex(simd);
        let large = self.large::<S>();
        for part in data.chunks_exact_mut(self.points >> (2 * large)) {
            self.last_stage(complex, part);
            for stage in self.stages[large..].iter().rev() {
                inverse_stage(complex, part, stage);
            }
        }
        for stage in self.stages[..large].iter().rev() {
            inverse_stage(complex, data, stage);
        }
    }

    /// How many stages have blocks too large for the first-level cache.
    #[inline(always)]
    fn large<S: Simd>(&self) -> usize {
        let size = |stage: &Vec<_>| 4 * stage.len() * size_of::<Point<S>>();
        self.stages.iter().take_while(|stage| size(stage) > CACHED).count()
    }

    /// The radix-2 stage of blocks of two, where the length is no power of four; it is its own inverse up to
    /// scale.
    #[inline(always)]
    fn last_stage<S: Simd>(&self, complex: Complex<S>, data: &mut [Point<S>]) {
        if self.points.trailing_zeros() % 2 == 1 {
            for pair in data.as_chunks_mut::<2>().0 {
                *pair = [complex.add(pair[0], pair[1]), complex.sub(pair[0], pair[1])];
            }
        }
    }
}

/// The four quarters of a block.
#[inline(always)]
fn quarters_of<P>(block: &mut [P], quarter: usize) -> [&mut [P]; 4] {
    let (a, rest) = block.split_at_mut(quarter);
    let (b, rest) = rest.split_at_mut(quarter);
    let (c, d) = rest.split_at_mut(quarter);
    [a, b, c, d]
}

#[inline(always)]
fn forward_stage<S: Simd>(complex: Complex<S>, data: &mut [Point<S>], stage: &[[Twiddle; 3]]) {
    if stage.len() == 1 {
        for block in data.as_chunks_mut::<4>().0 {
            *block = complex.dft4(*block);
        }
        return;
    }
    for block in data.chunks_exact_mut(4 * stage.len()) {
        let [a, b, c, d] = quarters_of(block, stage.len());
        for ((((a, b), c), d), twiddles) in a.iter_mut().zip(b).zip(c).zip(d).zip(stage) {
            [*a, *b, *c, *d] = complex.butterfly([*a, *b, *c, *d], twiddles);
        }
    }
}

#[inline(always)]
fn inverse_stage<S: Simd>(complex: Complex<S>, data: &mut [Point<S>], stage: &[[Twiddle; 3]]) {
    if stage.len() == 1 {
        for block in data.as_chunks_mut::<4>().0 {
            *block = complex.inverse_dft4(*block);
        }
        return;
    }
    for block in data.chunks_exact_mut(4 * stage.len()) {
        let [a, b, c, d] = quarters_of(block, stage.len());
        for ((((a, b), c), d), twiddles) in a.iter_mut().zip(b).zip(c).zip(d).zip(stage) {
            [*a, *b, *c, *d] = complex.inverse_butterfly([*a, *b, *c, *d], twiddles);
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Scalar128b, Scalar256b, Scalar512b, WithSimd};

    use super::*;
    use crate::rng::Rng;

    /// Against the definition in f64, and back again, for every length that a spectrogram can ask for.
    struct ThereAndBack(usize);

    impl WithSimd for ThereAndBack {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            let points = self.0;
            let mut rng = Rng::new(3);
            let fft = Fft::new(points);
            let signal: Vec<f32> = (0..2 * S::F32_LANES * points).map(|_| rng.normal()).collect();
            let at = |j: usize, lane: usize| {
                let [re, im] = [0, 1].map(|part| signal[(2 * j + part) * S::F32_LANES + lane]);
                (f64::from(re), f64::from(im))
            };
            let given = S::as_simd_f32s(&signal).0.as_chunks::<2>().0;
            let mut out = vec![f32::NAN; signal.len()];
            let data = S::as_mut_simd_f32s(&mut out).0.as_chunks_mut::<2>().0;
            fft.forward(simd, data, |j| [0, 1, 2, 3].map(|i| given[j + i * points / 4]));
            let spectrum = out.clone();
            let scale = (points as f64).sqrt();
            for k in [0, 1, 2, 3, points / 3, points / 2, points - 1] {
                for lane in 0..S::F32_LANES {
                    let (mut re, mut im) = (0.0, 0.0);
                    for j in 0..points {
                        let (sin, cos) = (-TAU * ((j * k) % points) as f64 / points as f64).sin_cos();
                        let (x, y) = at(j, lane);
                        re += x * cos - y * sin;
                        im += x * sin + y * cos;
                    }
                    let actual =
                        [0, 1].map(|p| f64::from(spectrum[(2 * fft.position(k) + p) * S::F32_LANES + lane]));
                    let error = (actual[0] - re).hypot(actual[1] - im);
                    assert!(error <= 1e-6 * scale, "{points} points, bin {k}: off by {error:e}");
                }
            }
            fft.inverse(simd, S::as_mut_simd_f32s(&mut out).0.as_chunks_mut::<2>().0);
            for (back, there) in out.iter().zip(&signal) {
                let error = (back / points as f32 - there).abs();
                assert!(error <= 3e-6, "{points} points: off by {error:e} after there and back");
            }
        }
    }

    #[test]
    fn transforms_and_inverts() {
        for points in [4, 8, 32, 64, 128, 256, 512, 1024, 2048] {
            crate::simd::dispatch(ThereAndBack(points));
            ThereAndBack(points).with_simd(Scalar128b);
            ThereAndBack(points).with_simd(Scalar256b);
            ThereAndBack(points).with_simd(Scalar512b);
        }
    }
}
