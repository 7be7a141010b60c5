//! Natural logarithm and decibel scale of a power spectrogram.

mod cpu;
mod gpu;
mod ln;
mod reference;

pub(super) use ln::ln;

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

/// `y = ln(x + floor)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ln {
    pub floor: f32,
}

/// (x, dy) → `dy / (x + floor)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LnGrad(pub Ln);

/// Kapre's decibel scale, a sample (first axis) at a time: `d = 10·log10(max(x, AMIN))`,
/// `y = max(d − max(d), −range)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decibel {
    /// Positive; Kapre's is 80 dB.
    pub range: f32,
}

/// (x, dy) → gradient to x. The sample's (first) maximum receives what all values above the floor give up by being
/// measured against it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecibelGrad(pub Decibel);

impl Decibel {
    /// The power below which all is silence.
    pub const AMIN: f64 = 1e-10;
}

fn gradient(backward: &mut Backward<'_>, op: super::Op) -> Result<Vec<Option<NodeId>>, GraphError> {
    let inputs = [backward.input(0), backward.upstream()];
    Ok(vec![backward.add_for(0, op, &inputs)?])
}

impl Operation for Ln {
    fn name(&self) -> &'static str {
        "ln"
    }

    fn settings(&self) -> String {
        format!("floor {:e}", self.floor)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = arity(inputs)?;
        Ok(x.clone())
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        gradient(backward, LnGrad(*self).into())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        let floor = T::of(f64::from(self.floor));
        for (y, &x) in output.iter_mut().zip(inputs[0].data) {
            *y = (x + floor).ln();
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::logarithm(*self, io.in_place)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::logarithm(self, io)
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

impl Operation for LnGrad {
    fn name(&self) -> &'static str {
        "ln_grad"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x, dy] = arity(inputs)?;
        same(x, dy, "x and dy")?;
        Ok(x.clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        let floor = T::of(f64::from(self.0.floor));
        for ((dx, &x), &dy) in output.iter_mut().zip(inputs[0].data).zip(inputs[1].data) {
            *dx = dy / (x + floor);
        }
    }

    fn cpu(&self, _: &Io<'_>) -> CpuKernel {
        cpu::logarithm_gradient(self.0)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::logarithm_gradient(&self.0, io)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 1])
    }
}

impl Operation for Decibel {
    fn name(&self) -> &'static str {
        "decibel"
    }

    fn settings(&self) -> String {
        format!("floor −{} dB", self.range)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = arity(inputs)?;
        if x.is_empty() {
            return Err("a first axis (samples) is needed".into());
        }
        Ok(x.clone())
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        gradient(backward, DecibelGrad(*self).into())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::forward(self, inputs[0].data, output, shape[0]);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::decibel(*self, io.output)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::decibel(self, io.output)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }
}

impl Operation for DecibelGrad {
    fn name(&self) -> &'static str {
        "decibel_grad"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x, dy] = arity(inputs)?;
        same(x, dy, "x and dy")?;
        Ok(x.clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::gradient(&self.0, inputs[0].data, inputs[1].data, output, shape[0]);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::decibel_gradient(self.0, io.output)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::decibel_gradient(&self.0, io.output)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 1])
    }
}
