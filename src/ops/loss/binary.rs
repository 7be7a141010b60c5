//! Cross-entropy of labels of which each is there or not, whatever the others.

use rayon::prelude::*;

use super::{LogitDims, gpu};
use crate::graph::{GraphError, NodeId, Shape};
use crate::ops::kernel::{CpuKernel, GpuKernel, Real};
use crate::ops::prepared::Prepared;
use crate::ops::{Backward, Operation, arity, same};

/// (logits [N, L], labels [N, L], label weights \[L\]) → loss \[1\]:
/// `1/(N·L) · Σ_{n, l} w[l]·(max(x, 0) − x·y + ln(1 + e^−|x|))`, x a logit and y its label, from 0 to 1: the
/// cross-entropy of `sigmoid(x)` where nothing overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryCrossEntropy;

/// (logits, labels, label weights, dloss \[1\]) → gradient to the logits, `dloss/(N·L) · w[l]·(sigmoid(x) − y)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryCrossEntropyGrad;

/// Elements that one task takes.
const TASK: usize = 1 << 12;

impl LogitDims {
    /// Of logits and labels that share them, with a weight for each label.
    fn of_labels(logits: &Shape, labels: &Shape, weights: &Shape) -> Result<Self, String> {
        let rows = Self::of(logits, "the logits [N, L]")?;
        same(logits, labels, "logits and labels")?;
        if **weights != [rows.k] {
            return Err(format!("the weights of {0} labels must be [{0}], not {weights}", rows.k));
        }
        Ok(rows)
    }

    /// N·L.
    fn elements(self) -> usize {
        self.n * self.k
    }

    fn rows_per_task(self) -> usize {
        TASK.div_ceil(self.k)
    }
}

/// The loss of one logit. What the label misses of the likelier answer is exact where the label is 0 or 1.
fn loss(x: f32, y: f32) -> f32 {
    let missed = if x < 0.0 { y } else { 1.0 - y };
    x.abs() * missed + (-x.abs()).exp().ln_1p()
}

/// `sigmoid(x) − y`, from the probability of the less likely answer, which keeps what 1 − y would lose.
fn slope(x: f32, y: f32) -> f32 {
    let e = (-x.abs()).exp();
    let unlikely = e / (1.0 + e);
    if x < 0.0 { unlikely - y } else { (1.0 - y) - unlikely }
}

impl Operation for BinaryCrossEntropy {
    type Sizes = LogitDims;

    fn name(&self) -> &'static str {
        "binary_cross_entropy"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<LogitDims>, String> {
        let [logits, labels, weights] = arity(inputs)?;
        let rows = LogitDims::of_labels(logits, labels, weights)?;
        Ok(Prepared::new(Shape::from([1]), rows).flops(7 * logits.elements()))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.input(0), backward.input(1), backward.input(2), backward.upstream()];
        Ok(vec![
            backward.add_for(0, BinaryCrossEntropyGrad.into(), &inputs)?,
            backward.refuse(1, "labels are given, not computed")?,
            backward.refuse(2, "label weights are given, not computed")?,
        ])
    }

    fn reference<T: Real>(&self, rows: &LogitDims, inputs: &[&[T]], output: &mut [T]) {
        let mut sum = T::zero();
        for (x, labels) in inputs[0].chunks_exact(rows.k).zip(inputs[1].chunks_exact(rows.k)) {
            for ((&x, &y), &w) in x.iter().zip(labels).zip(inputs[2]) {
                sum += w * (x.max(T::zero()) - x * y + (-x.abs()).exp().ln_1p());
            }
        }
        output[0] = sum / T::of(rows.elements() as f64);
    }

    /// A loss a row, then their sum in the order of the rows.
    fn cpu(&self, &rows: &LogitDims, _: Option<usize>) -> CpuKernel {
        let LogitDims { n, k } = rows;
        CpuKernel::with_workspace(n, move |inputs, mean, losses| {
            let (logits, labels, weights) = (inputs[0], inputs[1], inputs[2]);
            losses.par_iter_mut().with_min_len(rows.rows_per_task()).enumerate().for_each(|(row, sum)| {
                let row = row * k..(row + 1) * k;
                let terms = logits[row.clone()].iter().zip(&labels[row]).zip(weights);
                *sum = terms.map(|((&x, &y), &w)| w * loss(x, y)).sum();
            });
            let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
            mean[0] = (sum / rows.elements() as f64) as f32;
        })
    }

    fn gpu(&self, rows: &LogitDims, _: Option<usize>) -> GpuKernel {
        gpu::mean_of_rows("binary_cross_entropy_rows", *rows, 0.0)
    }
}

impl Operation for BinaryCrossEntropyGrad {
    type Sizes = LogitDims;

    fn name(&self) -> &'static str {
        "binary_cross_entropy_grad"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<LogitDims>, String> {
        let [logits, labels, weights, dloss] = arity(inputs)?;
        let rows = LogitDims::of_labels(logits, labels, weights)?;
        if **dloss != [1] {
            return Err(format!("the gradient to the loss must be [1], not {dloss}"));
        }
        Ok(Prepared::new(logits.clone(), rows).flops(6 * logits.elements()))
    }

    fn reference<T: Real>(&self, rows: &LogitDims, inputs: &[&[T]], output: &mut [T]) {
        let factor = inputs[3][0] / T::of(rows.elements() as f64);
        for (i, dx) in output.iter_mut().enumerate() {
            let (x, y, w) = (inputs[0][i], inputs[1][i], inputs[2][i % rows.k]);
            *dx = factor * w * (T::one() / (T::one() + (-x).exp()) - y);
        }
    }

    fn cpu(&self, &rows: &LogitDims, _: Option<usize>) -> CpuKernel {
        let k = rows.k;
        CpuKernel::new(move |inputs, dx| {
            let (weights, factor) = (inputs[2], inputs[3][0] / rows.elements() as f32);
            let len = rows.rows_per_task() * k;
            let sources = inputs[0].par_chunks(len).zip(inputs[1].par_chunks(len));
            dx.par_chunks_mut(len).zip(sources).for_each(|(dx, (x, labels))| {
                let rows = x.chunks_exact(k).zip(labels.chunks_exact(k));
                for (dx, (x, labels)) in dx.chunks_exact_mut(k).zip(rows) {
                    for (((dx, &x), &y), &w) in dx.iter_mut().zip(x).zip(labels).zip(weights) {
                        *dx = factor * w * slope(x, y);
                    }
                }
            });
        })
    }

    fn gpu(&self, rows: &LogitDims, _: Option<usize>) -> GpuKernel {
        gpu::by_row("binary_cross_entropy_grad", 4, *rows, 0.0)
    }
}
