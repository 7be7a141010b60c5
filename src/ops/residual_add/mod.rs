//! The sum of two tensors of one shape: residual connections, and gradients from several consumers.

mod cpu;
mod gpu;

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

/// `y = a + b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Add;

impl Operation for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [a, b] = arity(inputs)?;
        same(a, b, "the terms")?;
        Ok(a.clone())
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Ok((0..2).map(|i| backward.needs(i).then(|| backward.upstream())).collect())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        for ((y, &a), &b) in output.iter_mut().zip(inputs[0].data).zip(inputs[1].data) {
            *y = a + b;
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::add(io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::add(io)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 1])
    }

    fn cpu_in_place(&self) -> Option<usize> {
        Some(0)
    }

    fn gpu_in_place(&self) -> Option<usize> {
        Some(0)
    }
}
