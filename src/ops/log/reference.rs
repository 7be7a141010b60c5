//! The decibel scale by its definition.

use super::Decibel;
use crate::ops::kernel::Real;

fn decibels<T: Real>(x: T) -> T {
    T::of(10.0) * x.max(T::of(Decibel::AMIN)).log10()
}

/// The position of the first maximum.
fn loudest<T: Real>(x: &[T]) -> usize {
    (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}

pub fn forward<T: Real>(op: &Decibel, x: &[T], y: &mut [T], size: usize) {
    for (x, y) in x.chunks_exact(size).zip(y.chunks_exact_mut(size)) {
        let reference = decibels(x[loudest(x)]);
        for (y, &x) in y.iter_mut().zip(x) {
            *y = (decibels(x) - reference).max(T::of(-f64::from(op.range)));
        }
    }
}

pub fn gradient<T: Real>(op: &Decibel, x: &[T], dy: &[T], dx: &mut [T], size: usize) {
    let (amin, floor) = (T::of(Decibel::AMIN), T::of(-f64::from(op.range)));
    // d(10·log10 x)/dx
    let slope = |x: T| {
        if x > amin { T::of(10.0 / std::f64::consts::LN_10) / x } else { T::zero() }
    };
    let upstream = dy.chunks_exact(size);
    for ((x, dy), dx) in x.chunks_exact(size).zip(upstream).zip(dx.chunks_exact_mut(size)) {
        let peak = loudest(x);
        let reference = decibels(x[peak]);
        let mut above = T::zero();
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            let open = decibels(x) - reference > floor;
            *dx = if open { dy * slope(x) } else { T::zero() };
            above += if open { dy } else { T::zero() };
        }
        dx[peak] -= above * slope(x[peak]);
    }
}
