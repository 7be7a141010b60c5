//! Leaky ReLU; with slope 0, ReLU.

mod cpu;
mod gpu;

use super::batch_norm::masked;
use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

/// `y = x` where x is positive, else `slope·x`; 0 ≤ slope < 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyRelu {
    pub slope: f32,
}

/// (y, dy) → `dy` where y is positive, else `slope·dy`: the output's sign is the input's, so that the input need
/// not be kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyReluGrad(pub LeakyRelu);

impl Operation for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn settings(&self) -> String {
        format!("slope {}", self.slope)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = arity(inputs)?;
        if !(0.0..1.0).contains(&self.slope) {
            return Err(format!("the slope must be at least 0 and below 1, not {}", self.slope));
        }
        Ok(x.clone())
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.output(), backward.upstream()];
        Ok(vec![backward.add_for(0, LeakyReluGrad(*self).into(), &inputs)?])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        let slope = T::of(f64::from(self.slope));
        for (y, &x) in output.iter_mut().zip(inputs[0].data) {
            *y = if x > T::zero() { x } else { slope * x };
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::forward(self.slope, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::forward(self.slope, io)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    /// In x.
    fn cpu_in_place(&self) -> Option<usize> {
        Some(0)
    }

    fn gpu_in_place(&self) -> Option<usize> {
        Some(0)
    }
}

impl Operation for LeakyReluGrad {
    fn name(&self) -> &'static str {
        "leaky_relu_grad"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [y, dy] = arity(inputs)?;
        same(y, dy, "y and dy")?;
        Ok(y.clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        for ((dx, &y), &dy) in output.iter_mut().zip(inputs[0].data).zip(inputs[1].data) {
            *dx = masked(dy, Some(y), Some(self.0.slope));
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::backward(self.0.slope, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::backward(self.0.slope, io)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 1])
    }

    /// In dy.
    fn cpu_in_place(&self) -> Option<usize> {
        Some(1)
    }

    fn gpu_in_place(&self) -> Option<usize> {
        Some(1)
    }
}
