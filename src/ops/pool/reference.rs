//! Pooling by its definition, window by window.

use super::Window;
use crate::graph::Shape;
use crate::ops::kernel::{Operand, Real};

/// Calls `f(output index, input indices)` for every window of x [N, C, H, W] pooled to [N, C, H', W'].
fn windows(window: &Window, x: &Shape, pooled: &Shape, mut f: impl FnMut(usize, &[usize])) {
    let (h, w) = (x[2], x[3]);
    let mut indices = Vec::with_capacity(window.size[0] * window.size[1]);
    for plane in 0..x[0] * x[1] {
        for p in 0..pooled[2] {
            for q in 0..pooled[3] {
                indices.clear();
                for r in 0..window.size[0] {
                    for s in 0..window.size[1] {
                        let (i, j) = (p * window.stride[0] + r, q * window.stride[1] + s);
                        indices.push((plane * h + i) * w + j);
                    }
                }
                f((plane * pooled[2] + p) * pooled[3] + q, &indices);
            }
        }
    }
}

/// The first of the indices whose value is largest.
fn first_max<T: Real>(x: &[T], indices: &[usize]) -> usize {
    indices.iter().copied().reduce(|best, i| if x[i] > x[best] { i } else { best }).unwrap_or(0)
}

pub fn max<T: Real>(window: &Window, x: Operand<'_, T>, y: &mut [T], shape: &Shape) {
    windows(window, x.shape, shape, |o, indices| y[o] = x.data[first_max(x.data, indices)]);
}

pub fn max_grad<T: Real>(window: &Window, x: Operand<'_, T>, dy: Operand<'_, T>, dx: &mut [T]) {
    dx.fill(T::zero());
    windows(window, x.shape, dy.shape, |o, indices| {
        dx[first_max(x.data, indices)] += dy.data[o];
    });
}

pub fn average<T: Real>(window: &Window, x: Operand<'_, T>, y: &mut [T], shape: &Shape) {
    windows(window, x.shape, shape, |o, indices| {
        let sum: T = indices.iter().map(|&i| x.data[i]).sum();
        y[o] = sum / T::of(indices.len() as f64);
    });
}

pub fn average_grad<T: Real>(window: &Window, dy: Operand<'_, T>, dx: &mut [T], shape: &Shape) {
    dx.fill(T::zero());
    windows(window, shape, dy.shape, |o, indices| {
        for &i in indices {
            dx[i] += dy.data[o] / T::of(indices.len() as f64);
        }
    });
}
