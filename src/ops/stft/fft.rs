//! A complex Fourier transform of several signals at once, one in each SIMD lane.
//!
//! Decimation in frequency, in place, radix 4 with a last stage of radix 2 where the length asks for it (Cooley and
//! Tukey 1965; Gentleman and Sande 1966). A radix-4 butterfly stores its middle outputs swapped, as two stages of
//! radix 2 would, so that the spectrum lies in bit-reversed order whatever the radices; nothing is ever reordered,
//! since who reads the spectrum can read it anywhere, and the inverse runs the stages backwards from that order.
//! Lanes never mix: a signal's result does not depend on its neighbours.

use std::f64::consts::TAU;

use bytemuck::{Pod, Zeroable};

/// How many signals are transformed together: an AVX2 register of f32.
pub const LANES: usize = 8;

/// One number for each signal.
pub type Lane = [f32; LANES];

/// A complex number for each signal.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct Point {
    pub re: Lane,
    pub im: Lane,
}

/// Sub-transforms of this many points (16 KiB) are finished before the next is begun: they fit the first-level cache.
const CACHED: usize = 256;

/// The tables of a transform of a power of two of points, 4 at least.
#[derive(Clone, Debug)]
pub struct Fft {
    points: usize,
    /// For every radix-4 stage from the largest block down, and j in 0..block/4: e^(−2πi·k·j/block) for k = 1, 2, 3.
    stages: Vec<Vec<[Turn; 3]>>,
}

/// A complex number of modulus 1: (cos, sin).
pub type Turn = (f32, f32);

/// e^(−2πi·k/n), rounded once.
pub fn turn(k: usize, n: usize) -> Turn {
    let (sin, cos) = (-TAU * (k % n) as f64 / n as f64).sin_cos();
    (cos as f32, sin as f32)
}

#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> Lane {
    let mut lane = [0.0; LANES];
    for (i, value) in lane.iter_mut().enumerate() {
        *value = f(i);
    }
    lane
}

impl Point {
    #[inline(always)]
    pub fn add(self, b: Point) -> Point {
        Point { re: lanes(|i| self.re[i] + b.re[i]), im: lanes(|i| self.im[i] + b.im[i]) }
    }

    #[inline(always)]
    pub fn sub(self, b: Point) -> Point {
        Point { re: lanes(|i| self.re[i] - b.re[i]), im: lanes(|i| self.im[i] - b.im[i]) }
    }

    #[inline(always)]
    pub fn conj(self) -> Point {
        Point { re: self.re, im: lanes(|i| -self.im[i]) }
    }

    /// Times i.
    #[inline(always)]
    pub fn times_i(self) -> Point {
        Point { re: lanes(|i| -self.im[i]), im: self.re }
    }

    #[inline(always)]
    pub fn turned(self, (cos, sin): Turn) -> Point {
        Point {
            re: lanes(|i| self.re[i] * cos - self.im[i] * sin),
            im: lanes(|i| self.re[i] * sin + self.im[i] * cos),
        }
    }

    #[inline(always)]
    pub fn scaled(self, by: Lane) -> Point {
        Point { re: lanes(|i| self.re[i] * by[i]), im: lanes(|i| self.im[i] * by[i]) }
    }

    #[inline(always)]
    pub fn power(self) -> Lane {
        lanes(|i| self.re[i] * self.re[i] + self.im[i] * self.im[i])
    }
}

impl Fft {
    pub fn new(points: usize) -> Self {
        let blocks =
            std::iter::successors(Some(points), |block| Some(block / 4)).take_while(|&block| block >= 4);
        let stage = |block: usize| (0..block / 4).map(|j| [1, 2, 3].map(|k| turn(k * j, block))).collect();
        Self { points, stages: blocks.map(stage).collect() }
    }

    /// Where bin `k` of the spectrum lies.
    pub fn position(&self, k: usize) -> usize {
        k.reverse_bits() >> (usize::BITS - self.points.trailing_zeros())
    }

    /// `Z[position(k)] = Σ_j z[j]·e^(−2πi·j·k/points)`.
    #[inline(always)]
    pub fn forward(&self, data: &mut [Point]) {
        let whole = self.stages.iter().take_while(|stage| 4 * stage.len() > CACHED).count();
        for stage in &self.stages[..whole] {
            forward_stage(data, stage);
        }
        for part in data.chunks_exact_mut(self.points >> (2 * whole)) {
            for stage in &self.stages[whole..] {
                forward_stage(part, stage);
            }
            self.last_stage(part);
        }
    }

    /// `z[j] = Σ_k Z[position(k)]·e^(2πi·j·k/points)`: not divided by the number of points.
    #[inline(always)]
    pub fn inverse(&self, data: &mut [Point]) {
        let whole = self.stages.iter().take_while(|stage| 4 * stage.len() > CACHED).count();
        for part in data.chunks_exact_mut(self.points >> (2 * whole)) {
            self.last_stage(part);
            for stage in self.stages[whole..].iter().rev() {
                inverse_stage(part, stage);
            }
        }
        for stage in self.stages[..whole].iter().rev() {
            inverse_stage(data, stage);
        }
    }

    /// The radix-2 stage of blocks of two, where the length is no power of four; it is its own inverse up to scale.
    #[inline(always)]
    fn last_stage(&self, data: &mut [Point]) {
        if self.points.trailing_zeros() % 2 == 1 {
            for pair in data.as_chunks_mut::<2>().0 {
                *pair = [pair[0].add(pair[1]), pair[0].sub(pair[1])];
            }
        }
    }
}

/// The four quarters of a block.
#[inline(always)]
fn quarters(block: &mut [Point], quarter: usize) -> [&mut [Point]; 4] {
    let (a, rest) = block.split_at_mut(quarter);
    let (b, rest) = rest.split_at_mut(quarter);
    let (c, d) = rest.split_at_mut(quarter);
    [a, b, c, d]
}

#[inline(always)]
fn forward_stage(data: &mut [Point], stage: &[[Turn; 3]]) {
    for block in data.chunks_exact_mut(4 * stage.len()) {
        let [a, b, c, d] = quarters(block, stage.len());
        for ((((a, b), c), d), turns) in a.iter_mut().zip(b).zip(c).zip(d).zip(stage) {
            let (even, odd) = (a.add(*c), b.add(*d));
            let (left, right) = (a.sub(*c), b.sub(*d).times_i());
            *a = even.add(odd);
            *b = even.sub(odd).turned(turns[1]);
            *c = left.sub(right).turned(turns[0]);
            *d = left.add(right).turned(turns[2]);
        }
    }
}

#[inline(always)]
fn inverse_stage(data: &mut [Point], stage: &[[Turn; 3]]) {
    let back = |(cos, sin): Turn| (cos, -sin);
    for block in data.chunks_exact_mut(4 * stage.len()) {
        let [a, b, c, d] = quarters(block, stage.len());
        for ((((a, b), c), d), turns) in a.iter_mut().zip(b).zip(c).zip(d).zip(stage) {
            let (y0, y2) = (*a, b.turned(back(turns[1])));
            let (y1, y3) = (c.turned(back(turns[0])), d.turned(back(turns[2])));
            let (even, odd) = (y0.add(y2), y0.sub(y2));
            let (left, right) = (y1.add(y3), y1.sub(y3).times_i());
            *a = even.add(left);
            *b = odd.add(right);
            *c = even.sub(left);
            *d = odd.sub(right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Against the definition in f64, and back again, for every length that a spectrogram can ask for.
    #[test]
    fn transforms_and_inverts() {
        let mut rng = Rng::new(3);
        for points in [4, 8, 32, 64, 128, 256, 512, 1024, 2048] {
            let fft = Fft::new(points);
            let mut random = || std::array::from_fn(|_| rng.normal());
            let signal: Vec<Point> = (0..points).map(|_| Point { re: random(), im: random() }).collect();
            let mut data = signal.clone();
            fft.forward(&mut data);
            let scale = (points as f64).sqrt();
            for k in [0, 1, 2, 3, points / 3, points / 2, points - 1] {
                for lane in 0..LANES {
                    let (mut re, mut im) = (0.0, 0.0);
                    for (j, point) in signal.iter().enumerate() {
                        let (sin, cos) = (-TAU * ((j * k) % points) as f64 / points as f64).sin_cos();
                        let (x, y) = (f64::from(point.re[lane]), f64::from(point.im[lane]));
                        re += x * cos - y * sin;
                        im += x * sin + y * cos;
                    }
                    let actual = data[fft.position(k)];
                    let error = (f64::from(actual.re[lane]) - re).hypot(f64::from(actual.im[lane]) - im);
                    assert!(error <= 1e-6 * scale, "{points} points, bin {k}: off by {error:e}");
                }
            }
            fft.inverse(&mut data);
            for (back, there) in data.iter().zip(&signal) {
                for lane in 0..LANES {
                    let error = (back.re[lane] / points as f32 - there.re[lane]).abs()
                        + (back.im[lane] / points as f32 - there.im[lane]).abs();
                    assert!(error <= 5e-6, "{points} points: off by {error:e} after there and back");
                }
            }
        }
    }
}
