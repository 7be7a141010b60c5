//! The decibel scale on the CPU, vectorised by the compiler.

use rayon::prelude::*;

use super::{Decibel, ln};
use crate::ops::kernel::CpuKernel;
use crate::simd;
use crate::simd::vectorised;

/// Partial sums that a sum over a sample is split into, added up in their order.
const PARTIALS: usize = 16;

/// 10·log10 x = DECIBELS·ln x.
const DECIBELS: f32 = 10.0 * std::f32::consts::LOG10_E;
const AMIN: f32 = Decibel::AMIN as f32;

#[inline(always)]
fn decibels(x: f32) -> f32 {
    DECIBELS * ln(if x > AMIN { x } else { AMIN })
}

/// The largest element; the order of comparisons does not show in it.
#[inline(always)]
fn peak(x: &[f32]) -> f32 {
    let (blocks, rest) = x.as_chunks::<PARTIALS>();
    let mut peaks = [f32::NEG_INFINITY; PARTIALS];
    for block in blocks {
        for (peak, &x) in peaks.iter_mut().zip(block) {
            *peak = if x > *peak { x } else { *peak };
        }
    }
    peaks.iter().chain(rest).fold(f32::NEG_INFINITY, |peak, &x| if x > peak { x } else { peak })
}

/// In parallel over samples, the first axis.
pub fn decibel(Decibel { range }: Decibel, size: usize) -> CpuKernel {
    let arch = simd::arch();
    let size = size.max(1);
    CpuKernel::new(move |inputs, y| {
        y.par_chunks_mut(size).zip(inputs[0].par_chunks(size)).for_each(|(y, x)| {
            vectorised(
                arch,
                #[inline(always)]
                || {
                    let reference = decibels(peak(x));
                    for (y, &x) in y.iter_mut().zip(x) {
                        let level = decibels(x) - reference;
                        *y = if level > -range { level } else { -range };
                    }
                },
            );
        });
    })
}

/// In parallel over samples, the first axis.
pub fn decibel_gradient(Decibel { range }: Decibel, size: usize) -> CpuKernel {
    let arch = simd::arch();
    let size = size.max(1);
    CpuKernel::new(move |inputs, dx| {
        let given = inputs[0].par_chunks(size).zip(inputs[1].par_chunks(size));
        dx.par_chunks_mut(size).zip(given).for_each(|(dx, (x, dy))| {
            let (loudest, above) = vectorised(
                arch,
                #[inline(always)]
                || {
                    let loudest = peak(x);
                    (loudest, scale_back(x, dy, dx, decibels(loudest) - range))
                },
            );
            // The first maximum; there is one, unless all is NaN.
            if let Some(first) = x.iter().position(|&x| x == loudest) {
                dx[first] -= above * slope(loudest);
            }
        });
    })
}

/// d(10·log10 max(x, AMIN))/dx
#[inline(always)]
fn slope(x: f32) -> f32 {
    if x > AMIN { DECIBELS / x } else { 0.0 }
}

/// Writes the gradient without the reference's share, and sums dy where the level is above `floor`.
#[inline(always)]
fn scale_back(x: &[f32], dy: &[f32], dx: &mut [f32], floor: f32) -> f32 {
    let one = |x: f32, dy: f32| {
        let passed = if decibels(x) > floor { dy } else { 0.0 };
        (passed, passed * slope(x))
    };
    let (xs, x_rest) = x.as_chunks::<PARTIALS>();
    let (dys, dy_rest) = dy.as_chunks::<PARTIALS>();
    let (dxs, dx_rest) = dx.as_chunks_mut::<PARTIALS>();
    let mut sums = [0.0; PARTIALS];
    for ((x, dy), dx) in xs.iter().zip(dys).zip(dxs) {
        for i in 0..PARTIALS {
            let (passed, back) = one(x[i], dy[i]);
            sums[i] += passed;
            dx[i] = back;
        }
    }
    let mut sum = sums.iter().sum();
    for ((&x, &dy), dx) in x_rest.iter().zip(dy_rest).zip(dx_rest) {
        let (passed, back) = one(x, dy);
        sum += passed;
        *dx = back;
    }
    sum
}
