//! Softmax, and softmax cross-entropy on soft labels.

mod cpu;
mod gpu;
mod reference;

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
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

impl CrossEntropy {
    fn check(&self, logits: &Shape, labels: &Shape, weights: &Shape) -> Result<(), String> {
        let [_, k] = logits.dims("the logits [N, K]")?;
        same(logits, labels, "logits and labels")?;
        if **weights != [k] {
            return Err(format!("the weights of {k} classes must be [{k}], not {weights}"));
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(format!("smoothing must be at least 0 and below 1, not {}", self.smoothing));
        }
        Ok(())
    }
}

impl Operation for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = arity(inputs)?;
        x.dims::<2>("the logits [N, K]")?;
        Ok(x.clone())
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.output(), backward.upstream()];
        Ok(vec![backward.add_for(0, SoftmaxGrad.into(), &inputs)?])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::softmax(inputs[0].data, output, shape[1]);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::softmax(io.output[1])
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::by_row("softmax", io, 0.0)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        4 * io.output.elements() as u64
    }
}

impl Operation for SoftmaxGrad {
    fn name(&self) -> &'static str {
        "softmax_grad"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [y, dy] = arity(inputs)?;
        y.dims::<2>("the probabilities [N, K]")?;
        same(y, dy, "y and dy")?;
        Ok(y.clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::softmax_grad(inputs[0].data, inputs[1].data, output, shape[1]);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::softmax_grad(io.output[1])
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::by_row("softmax_grad", io, 0.0)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 1])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        4 * io.output.elements() as u64
    }
}

impl Operation for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn settings(&self) -> String {
        format!("smoothing {}", self.smoothing)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [logits, labels, weights] = arity(inputs)?;
        self.check(logits, labels, weights)?;
        Ok(Shape::from([1]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.input(0), backward.input(1), backward.input(2), backward.upstream()];
        Ok(vec![
            backward.add_for(0, CrossEntropyGrad(*self).into(), &inputs)?,
            backward.refuse(1, "labels are given, not computed")?,
            backward.refuse(2, "class weights are given, not computed")?,
        ])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        reference::cross_entropy(self, inputs, output);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::cross_entropy(*self, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::cross_entropy(*self, io)
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        6 * io.inputs[0].elements() as u64
    }
}

impl Operation for CrossEntropyGrad {
    fn name(&self) -> &'static str {
        "cross_entropy_grad"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [logits, labels, weights, dloss] = arity(inputs)?;
        self.0.check(logits, labels, weights)?;
        if **dloss != [1] {
            return Err(format!("the gradient to the loss must be [1], not {dloss}"));
        }
        Ok(logits.clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::cross_entropy_grad(&self.0, inputs, output, shape);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::cross_entropy_grad(self.0, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::by_row("cross_entropy_grad", io, self.0.smoothing)
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        6 * io.output.elements() as u64
    }
}
