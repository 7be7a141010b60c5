//! The three convolutions as loops over the definition.

use super::Dims;
use crate::ops::kernel::Real;

/// Calls `f(x index, w index, y index)` for every product of the definition, in the order n, k, p, q, c, r,
/// s.
fn products(d: &Dims, mut f: impl FnMut(usize, usize, usize)) {
    for n in 0..d.n {
        for k in 0..d.k {
            let group = k / d.group_k();
            for p in 0..d.p {
                for q in 0..d.q {
                    let y = ((n * d.k + k) * d.p + p) * d.q + q;
                    for c in 0..d.group_c() {
                        let channel = group * d.group_c() + c;
                        for r in 0..d.r {
                            for s in 0..d.s {
                                let h = (p * d.stride[0] + r).wrapping_sub(d.pad[0]);
                                let w = (q * d.stride[1] + s).wrapping_sub(d.pad[1]);
                                if h < d.h && w < d.w {
                                    let x = ((n * d.c + channel) * d.h + h) * d.w + w;
                                    let weight = ((k * d.group_c() + c) * d.r + r) * d.s + s;
                                    f(x, weight, y);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub fn forward<T: Real>(d: &Dims, x: &[T], w: &[T], y: &mut [T]) {
    y.fill(T::zero());
    products(d, |xi, wi, yi| y[yi] += w[wi] * x[xi]);
}

pub fn input_grad<T: Real>(d: &Dims, w: &[T], dy: &[T], dx: &mut [T]) {
    dx.fill(T::zero());
    products(d, |xi, wi, yi| dx[xi] += w[wi] * dy[yi]);
}

pub fn weight_grad<T: Real>(d: &Dims, x: &[T], dy: &[T], dw: &mut [T]) {
    dw.fill(T::zero());
    products(d, |xi, wi, yi| dw[wi] += x[xi] * dy[yi]);
}
