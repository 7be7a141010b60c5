//! Softmax and its kin, row by row, without allocation.

use rayon::prelude::*;

use super::{CrossEntropy, LogitDims};
use crate::ops::kernel::CpuKernel;

/// Elements that one task takes.
const TASK: usize = 1 << 12;

fn rows_per_task(k: usize) -> usize {
    (TASK / k).max(1)
}

/// The largest x, and `ln Σ e^(x − largest)`.
fn log_sum(x: &[f32]) -> (f32, f32) {
    let (mut best, mut largest) = (0, f32::NEG_INFINITY);
    for (i, &x) in x.iter().enumerate() {
        if x > largest {
            (best, largest) = (i, x);
        }
    }
    // Without the largest term, which is 1, so that the logarithm is exact where the others are small.
    let others = x[..best].iter().chain(&x[best + 1..]);
    let sum: f32 = others.map(|&x| (x - largest).exp()).sum();
    (largest, sum.ln_1p())
}

pub fn softmax(k: usize) -> CpuKernel {
    CpuKernel::new(move |inputs, y| {
        let len = rows_per_task(k) * k;
        y.par_chunks_mut(len).zip(inputs[0].par_chunks(len)).for_each(|(y, x)| {
            for (y, x) in y.chunks_exact_mut(k).zip(x.chunks_exact(k)) {
                let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - largest).exp());
                let sum: f32 = y.iter().sum();
                y.iter_mut().for_each(|y| *y /= sum);
            }
        });
    })
}

pub fn softmax_grad(k: usize) -> CpuKernel {
    CpuKernel::new(move |inputs, dx| {
        let len = rows_per_task(k) * k;
        let sources = inputs[0].par_chunks(len).zip(inputs[1].par_chunks(len));
        dx.par_chunks_mut(len).zip(sources).for_each(|(dx, (y, dy))| {
            let rows = y.chunks_exact(k).zip(dy.chunks_exact(k));
            for (dx, (y, dy)) in dx.chunks_exact_mut(k).zip(rows) {
                let dot: f32 = y.iter().zip(dy).map(|(&y, &dy)| y * dy).sum();
                dx.iter_mut().zip(y).zip(dy).for_each(|((dx, &y), &dy)| *dx = y * (dy - dot));
            }
        });
    })
}

/// `w·q` of one class.
fn target(op: &CrossEntropy, label: f32, weight: f32, k: usize) -> f32 {
    weight * ((1.0 - op.smoothing) * label + op.smoothing / k as f32)
}

pub fn cross_entropy(op: CrossEntropy, LogitDims { n, k }: LogitDims) -> CpuKernel {
    // A loss a row, then their sum in the order of the rows.
    CpuKernel::with_workspace(n, move |inputs, loss, losses| {
        let (logits, labels, weights) = (inputs[0], inputs[1], inputs[2]);
        losses.par_iter_mut().with_min_len(rows_per_task(k)).enumerate().for_each(|(row, loss)| {
            let (x, labels) = (&logits[row * k..][..k], &labels[row * k..][..k]);
            let (largest, log_sum) = log_sum(x);
            let terms = x.iter().zip(labels).zip(weights);
            *loss = terms.map(|((&x, &l), &w)| target(&op, l, w, k) * (log_sum - (x - largest))).sum();
        });
        loss[0] = (losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / n as f64) as f32;
    })
}

pub fn cross_entropy_grad(op: CrossEntropy, LogitDims { n, k }: LogitDims) -> CpuKernel {
    CpuKernel::new(move |inputs, dx| {
        let (weights, factor) = (inputs[2], inputs[3][0] / n as f32);
        let len = rows_per_task(k) * k;
        let sources = inputs[0].par_chunks(len).zip(inputs[1].par_chunks(len));
        dx.par_chunks_mut(len).zip(sources).for_each(|(dx, (x, labels))| {
            let rows = x.chunks_exact(k).zip(labels.chunks_exact(k));
            for (dx, (x, labels)) in dx.chunks_exact_mut(k).zip(rows) {
                let targets = || labels.iter().zip(weights).map(|(&l, &w)| target(&op, l, w, k));
                let total: f32 = targets().sum();
                let (largest, log_sum) = log_sum(x);
                for ((dx, &x), target) in dx.iter_mut().zip(x).zip(targets()) {
                    *dx = factor * ((x - largest - log_sum).exp() * total - target);
                }
            }
        });
    })
}
