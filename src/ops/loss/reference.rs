//! Softmax and cross-entropy by their definitions, row by row.

use super::{CrossEntropy, LogitDims};
use crate::ops::kernel::Real;

/// `x − ln Σ e^x`, with the largest x taken out first so that nothing overflows.
fn log_softmax<T: Real>(x: &[T]) -> Vec<T> {
    let largest = x.iter().copied().fold(T::neg_infinity(), T::max);
    let sum: T = x.iter().map(|&x| (x - largest).exp()).sum();
    x.iter().map(|&x| x - largest - sum.ln()).collect()
}

pub fn softmax<T: Real>(x: &[T], y: &mut [T], k: usize) {
    for (x, y) in x.chunks_exact(k).zip(y.chunks_exact_mut(k)) {
        for (y, log) in y.iter_mut().zip(log_softmax(x)) {
            *y = log.exp();
        }
    }
}

pub fn softmax_grad<T: Real>(y: &[T], dy: &[T], dx: &mut [T], k: usize) {
    let rows = y.chunks_exact(k).zip(dy.chunks_exact(k));
    for ((y, dy), dx) in rows.zip(dx.chunks_exact_mut(k)) {
        let dot: T = y.iter().zip(dy).map(|(&y, &dy)| y * dy).sum();
        for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
            *dx = y * (dy - dot);
        }
    }
}

/// `w[k]·q[k]` of one row.
fn targets<T: Real>(op: &CrossEntropy, labels: &[T], weights: &[T]) -> Vec<T> {
    let smoothing = T::of(f64::from(op.smoothing));
    let even = smoothing / T::of(labels.len() as f64);
    labels.iter().zip(weights).map(|(&l, &w)| w * ((T::one() - smoothing) * l + even)).collect()
}

pub fn cross_entropy<T: Real>(
    op: &CrossEntropy,
    LogitDims { n, k }: LogitDims,
    inputs: &[&[T]],
    loss: &mut [T],
) {
    let mut sum = T::zero();
    for (x, labels) in inputs[0].chunks_exact(k).zip(inputs[1].chunks_exact(k)) {
        let targets = targets(op, labels, inputs[2]);
        sum -= log_softmax(x).into_iter().zip(targets).map(|(log, t)| t * log).sum();
    }
    loss[0] = sum / T::of(n as f64);
}

pub fn cross_entropy_grad<T: Real>(
    op: &CrossEntropy,
    LogitDims { n, k }: LogitDims,
    inputs: &[&[T]],
    dx: &mut [T],
) {
    let factor = inputs[3][0] / T::of(n as f64);
    let rows = inputs[0].chunks_exact(k).zip(inputs[1].chunks_exact(k));
    for ((x, labels), dx) in rows.zip(dx.chunks_exact_mut(k)) {
        let targets = targets(op, labels, inputs[2]);
        let total: T = targets.iter().copied().sum();
        for ((dx, log), target) in dx.iter_mut().zip(log_softmax(x)).zip(targets) {
            *dx = factor * (log.exp() * total - target);
        }
    }
}
