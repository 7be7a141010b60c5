//! Softmax, softmax cross-entropy on soft labels, and binary cross-entropy.

mod binary;
mod cpu;
mod gpu;
mod reference;

pub use binary::{BinaryCrossEntropy, BinaryCrossEntropyGrad};

use super::kernel::{CpuKernel, GpuKernel, Real};
use super::prepared::Prepared;
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

/// Logits [N, K] → probabilities [N, K], row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Softmax;

/// (y, dy) → `y·(dy − Σ_k dy·y)`, y the softmax's output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftmaxGrad;

/// (logits [N, K], labels [N, K], class weights \[K\]) → loss \[1\]:
/// `−1/N · Σ_{n, k} w[k]·q[n, k]·ln softmax(logits)[n, k]` with `q = (1 − smoothing)·label + smoothing/K`.
///
/// Labels are distributions over the classes (soft labels), as PyTorch's `cross_entropy` takes probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropy {
    /// At least 0 and below 1.
    pub smoothing: f32,
}

/// (logits, labels, class weights, dloss \[1\]) → gradient to the logits,
/// `dloss/N · (softmax[n, k]·Σ_j w[j]·q[n, j] − w[k]·q[n, k])`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropyGrad(pub CrossEntropy);

/// The sizes of logits [N, K].
#[derive(Clone, Copy, Debug)]
pub struct LogitDims {
    pub n: usize,
    pub k: usize,
}

impl LogitDims {
    fn of(x: &Shape, what: &str) -> Result<Self, String> {
        x.dims(what).map(|[n, k]| Self { n, k })
    }
}

impl CrossEntropy {
    fn check(&self, logits: &Shape, labels: &Shape, weights: &Shape) -> Result<LogitDims, String> {
        let rows = LogitDims::of(logits, "the logits [N, K]")?;
        let k = rows.k;
        same(logits, labels, "logits and labels")?;
        if **weights != [k] {
            return Err(format!("the weights of {k} classes must be [{k}], not {weights}"));
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(format!("smoothing must be at least 0 and below 1, not {}", self.smoothing));
        }
        Ok(rows)
    }
}

impl Operation for Softmax {
    type Sizes = LogitDims;

    fn name(&self) -> &'static str {
        "softmax"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<LogitDims>, String> {
        let [x] = arity(inputs)?;
        let rows = LogitDims::of(x, "the logits [N, K]")?;
        Ok(Prepared::new(x.clone(), rows).flops(4 * x.elements()).rows(&[0]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.output(), backward.upstream()];
        Ok(vec![backward.add_for(0, SoftmaxGrad.into(), &inputs)?])
    }

    fn reference<T: Real>(&self, rows: &LogitDims, inputs: &[&[T]], output: &mut [T]) {
        reference::softmax(inputs[0], output, rows.k);
    }

    fn cpu(&self, rows: &LogitDims, _: Option<usize>) -> CpuKernel {
        cpu::softmax(rows.k)
    }

    fn gpu(&self, rows: &LogitDims, _: Option<usize>) -> GpuKernel {
        gpu::by_row("softmax", 1, *rows, 0.0)
    }
}

impl Operation for SoftmaxGrad {
    type Sizes = LogitDims;

    fn name(&self) -> &'static str {
        "softmax_grad"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<LogitDims>, String> {
        let [y, dy] = arity(inputs)?;
        let rows = LogitDims::of(y, "the probabilities [N, K]")?;
        same(y, dy, "y and dy")?;
        Ok(Prepared::new(y.clone(), rows).flops(4 * y.elements()).rows(&[0, 1]))
    }

    fn reference<T: Real>(&self, rows: &LogitDims, inputs: &[&[T]], output: &mut [T]) {
        reference::softmax_grad(inputs[0], inputs[1], output, rows.k);
    }

    fn cpu(&self, rows: &LogitDims, _: Option<usize>) -> CpuKernel {
        cpu::softmax_grad(rows.k)
    }

    fn gpu(&self, rows: &LogitDims, _: Option<usize>) -> GpuKernel {
        gpu::by_row("softmax_grad", 2, *rows, 0.0)
    }
}

impl Operation for CrossEntropy {
    type Sizes = LogitDims;

    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn settings(&self) -> String {
        format!("smoothing {}", self.smoothing)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<LogitDims>, String> {
        let [logits, labels, weights] = arity(inputs)?;
        let rows = self.check(logits, labels, weights)?;
        Ok(Prepared::new(Shape::from([1]), rows).flops(6 * logits.elements()))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.input(0), backward.input(1), backward.input(2), backward.upstream()];
        Ok(vec![
            backward.add_for(0, CrossEntropyGrad(*self).into(), &inputs)?,
            backward.refuse(1, "labels are given, not computed")?,
            backward.refuse(2, "class weights are given, not computed")?,
        ])
    }

    fn reference<T: Real>(&self, rows: &LogitDims, inputs: &[&[T]], output: &mut [T]) {
        reference::cross_entropy(self, *rows, inputs, output);
    }

    fn cpu(&self, rows: &LogitDims, _: Option<usize>) -> CpuKernel {
        cpu::cross_entropy(*self, *rows)
    }

    fn gpu(&self, rows: &LogitDims, _: Option<usize>) -> GpuKernel {
        gpu::mean_of_rows("cross_entropy_rows", *rows, self.smoothing)
    }
}

impl Operation for CrossEntropyGrad {
    type Sizes = LogitDims;

    fn name(&self) -> &'static str {
        "cross_entropy_grad"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<LogitDims>, String> {
        let [logits, labels, weights, dloss] = arity(inputs)?;
        let rows = self.0.check(logits, labels, weights)?;
        if **dloss != [1] {
            return Err(format!("the gradient to the loss must be [1], not {dloss}"));
        }
        Ok(Prepared::new(logits.clone(), rows).flops(6 * logits.elements()))
    }

    fn reference<T: Real>(&self, rows: &LogitDims, inputs: &[&[T]], output: &mut [T]) {
        reference::cross_entropy_grad(&self.0, *rows, inputs, output);
    }

    fn cpu(&self, rows: &LogitDims, _: Option<usize>) -> CpuKernel {
        cpu::cross_entropy_grad(self.0, *rows)
    }

    fn gpu(&self, rows: &LogitDims, _: Option<usize>) -> GpuKernel {
        gpu::by_row("cross_entropy_grad", 4, *rows, self.0.smoothing)
    }
}
