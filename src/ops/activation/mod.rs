//! Leaky ReLU; with slope 0, ReLU.

use super::kernel::{Constants, CpuKernel, GpuKernel, Real};
use super::map::{Entries, GpuMap, Lanes, entries, lanes, map};
use super::prepared::Prepared;
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

const SHADER: Lanes = lanes!("activation");

/// `y = x` where x is positive, else `slope·x`; 0 ≤ slope < 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyRelu {
    /// Of negative values.
    pub slope: f32,
}

/// (y, dy) → `dy` where y is positive, else `slope·dy`: the output's sign is the input's, so that the input
/// need not be kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyReluGrad(pub LeakyRelu);

/// dy times the slope of the leaky ReLU whose output is y; dy itself where there is none.
pub(super) fn masked<T: Real>(dy: T, y: Option<T>, slope: Option<f32>) -> T {
    match (slope, y) {
        (Some(slope), Some(y)) if y <= T::zero() => dy * T::of(f64::from(slope)),
        _ => dy,
    }
}

/// As [`masked`], without options, so that a loop over it becomes a blend.
#[inline(always)]
pub(super) fn masked_f32(dy: f32, y: f32, slope: f32) -> f32 {
    dy * if y <= 0.0 { slope } else { 1.0 }
}

impl LeakyRelu {
    fn gpu(self, entries: Entries, inputs: usize, len: usize, in_place: Option<usize>) -> GpuKernel {
        let constants: Constants = vec![("COUNT", len as f64), ("SLOPE", f64::from(self.slope))];
        SHADER.map(len, GpuMap { entries, constants, inputs, in_place, len })
    }
}

impl Operation for LeakyRelu {
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn settings(&self) -> String {
        format!("slope {}", self.slope)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [x] = arity(inputs)?;
        if !(0.0..1.0).contains(&self.slope) {
            return Err(format!("the slope must be at least 0 and below 1, not {}", self.slope));
        }
        Ok(Prepared::like(x).in_place(0).rows(&[0]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.output(), backward.upstream()];
        Ok(vec![backward.add_for(0, LeakyReluGrad(*self).into(), &inputs)?])
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        let slope = T::of(f64::from(self.slope));
        for (y, &x) in output.iter_mut().zip(inputs[0]) {
            *y = if x > T::zero() { x } else { slope * x };
        }
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        let slope = self.slope;
        map(
            0,
            in_place,
            1,
            #[inline(always)]
            move |_, _, y| y.iter_mut().for_each(|y| *y = if *y > 0.0 { *y } else { slope * *y }),
        )
    }

    fn gpu(&self, &len: &usize, in_place: Option<usize>) -> GpuKernel {
        Self::gpu(*self, entries!("forward"), 1, len, in_place)
    }
}

impl Operation for LeakyReluGrad {
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "leaky_relu_grad"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [y, dy] = arity(inputs)?;
        same(y, dy, "y and dy")?;
        Ok(Prepared::like(y).in_place(1).rows(&[0, 1]))
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        for ((dx, &y), &dy) in output.iter_mut().zip(inputs[0]).zip(inputs[1]) {
            *dx = masked(dy, Some(y), Some(self.0.slope));
        }
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        let slope = self.0.slope;
        map(
            1,
            in_place,
            1,
            #[inline(always)]
            move |first, inputs, dx| {
                dx.iter_mut().zip(&inputs[0][first..]).for_each(|(dx, &y)| *dx = masked_f32(*dx, y, slope));
            },
        )
    }

    fn gpu(&self, &len: &usize, in_place: Option<usize>) -> GpuKernel {
        self.0.gpu(entries!("backward"), 2, len, in_place)
    }
}
