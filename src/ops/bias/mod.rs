//! A bias for every channel.

mod cpu;
mod gpu;

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

/// (x [N, C, ...], b \[C\]) → `y[n, c, i] = x[n, c, i] + b[c]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bias;

/// dy [N, C, ...] → gradient to the bias, \[C\]: `Σ_{n, i} dy[n, c, i]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BiasGrad;

/// A tensor [N, C, ...] as its batch, its channels and the elements of one channel of one sample.
///
/// # Errors
/// In words, where there are fewer than two axes.
pub(crate) fn channels(x: &Shape) -> Result<(usize, usize, usize), String> {
    match x[..] {
        [n, c, ref rest @ ..] => Ok((n, c, rest.iter().product())),
        _ => Err(format!("a tensor [N, C, ...] is wanted, not {x}")),
    }
}

impl Operation for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x, b] = arity(inputs)?;
        let (_, c, _) = channels(x)?;
        if **b != [c] {
            return Err(format!("the bias of {c} channels must be [{c}], not {b}"));
        }
        Ok(x.clone())
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let dy = backward.upstream();
        Ok(vec![Some(dy), backward.add_for(1, BiasGrad.into(), &[dy])?])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        let Ok((_, c, size)) = channels(shape) else { return };
        for (i, (y, &x)) in output.iter_mut().zip(inputs[0].data).enumerate() {
            *y = x + inputs[1].data[i / size % c];
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::bias(io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::bias(io)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    fn cpu_in_place(&self) -> Option<usize> {
        Some(0)
    }

    fn gpu_in_place(&self) -> Option<usize> {
        Some(0)
    }
}

impl Operation for BiasGrad {
    fn name(&self) -> &'static str {
        "bias_grad"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [dy] = arity(inputs)?;
        let (_, c, _) = channels(dy)?;
        Ok(Shape::from([c]))
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        let Ok((_, c, size)) = channels(inputs[0].shape) else { return };
        output.fill(T::zero());
        for (i, &dy) in inputs[0].data.iter().enumerate() {
            output[i / size % c] += dy;
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::bias_grad(io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::bias_grad(io)
    }

    fn split(&self) -> Option<Split> {
        Split::sum(&[0])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        io.inputs[0].elements() as u64
    }
}
