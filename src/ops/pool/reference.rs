//! Pooling by its definition, window by window.

use super::{PoolDims, Window};
use crate::ops::kernel::Real;

/// Calls `f(output index, input indices)` for every window, with what of it lies inside.
fn windows(planes: &PoolDims, mut f: impl FnMut(usize, &[usize])) {
    let PoolDims { window: Window { size, stride, .. }, count, h, w, p: rows, q: columns } = *planes;
    let mut indices = Vec::with_capacity(size[0] * size[1]);
    for plane in 0..count {
        for p in 0..rows {
            for q in 0..columns {
                indices.clear();
                for i in (p * stride[0]..h).take(size[0]) {
                    for j in (q * stride[1]..w).take(size[1]) {
                        indices.push((plane * h + i) * w + j);
                    }
                }
                f((plane * rows + p) * columns + q, &indices);
            }
        }
    }
}

/// The first of the indices whose value is largest.
fn first_max<T: Real>(x: &[T], indices: &[usize]) -> usize {
    indices.iter().copied().reduce(|best, i| if x[i] > x[best] { i } else { best }).unwrap_or(0)
}

pub fn max<T: Real>(planes: &PoolDims, x: &[T], y: &mut [T]) {
    windows(planes, |o, indices| y[o] = x[first_max(x, indices)]);
}

pub fn max_grad<T: Real>(planes: &PoolDims, x: &[T], dy: &[T], dx: &mut [T]) {
    dx.fill(T::zero());
    windows(planes, |o, indices| dx[first_max(x, indices)] += dy[o]);
}

pub fn average<T: Real>(planes: &PoolDims, x: &[T], y: &mut [T]) {
    windows(planes, |o, indices| {
        let sum: T = indices.iter().map(|&i| x[i]).sum();
        y[o] = sum / T::of(indices.len() as f64);
    });
}

pub fn average_grad<T: Real>(planes: &PoolDims, dy: &[T], dx: &mut [T]) {
    dx.fill(T::zero());
    windows(planes, |o, indices| {
        for &i in indices {
            dx[i] += dy[o] / T::of(indices.len() as f64);
        }
    });
}
