//! Logarithmic compression that leaves 0 where it is.

use super::{Entries, GpuMap, SHADER, gradient, ln_1p};
use crate::graph::{GraphError, NodeId, Shape};
use crate::ops::kernel::{CpuKernel, GpuKernel, Real};
use crate::ops::map::{entries, map};
use crate::ops::prepared::Prepared;
use crate::ops::{Backward, Operation, arity, same};

/// `y = log10(1 + gain·x)`, for x above −1/gain; of power with a gain of 10 000 the features of musicnn (Pons
/// and Serra 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compress {
    /// Positive.
    pub gain: f32,
}

/// (x, dy) → `gain/(ln 10·(1 + gain·x))·dy`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompressGrad(pub Compress);

impl Compress {
    fn check(self) -> Result<(), String> {
        if self.gain > 0.0 && self.gain.is_finite() {
            return Ok(());
        }
        Err(format!("the gain must be positive and finite, not {}", self.gain))
    }

    fn kernel(self, entries: Entries, inputs: usize, len: usize, in_place: Option<usize>) -> GpuKernel {
        let constants = vec![("LEN", len as f64), ("GAIN", f64::from(self.gain))];
        GpuMap { entries, constants, inputs, in_place, len }.kernel(SHADER, 1)
    }
}

impl Operation for Compress {
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "compress"
    }

    fn settings(&self) -> String {
        format!("gain {}", self.gain)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [x] = arity(inputs)?;
        self.check()?;
        Ok(Prepared::like(x).flops(3 * x.elements()).in_place(0).rows(&[0]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        gradient(backward, CompressGrad(*self).into())
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        let gain = T::of(f64::from(self.gain));
        for (y, &x) in output.iter_mut().zip(inputs[0]) {
            *y = (gain * x).ln_1p() / T::of(std::f64::consts::LN_10);
        }
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        let gain = self.gain;
        map(
            0,
            in_place,
            1,
            #[inline(always)]
            move |_, _, y| y.iter_mut().for_each(|y| *y = std::f32::consts::LOG10_E * ln_1p(gain * *y)),
        )
    }

    fn gpu(&self, &len: &usize, in_place: Option<usize>) -> GpuKernel {
        self.kernel(entries!("compress"), 1, len, in_place)
    }
}

impl Operation for CompressGrad {
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "compress_grad"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [x, dy] = arity(inputs)?;
        same(x, dy, "x and dy")?;
        self.0.check()?;
        Ok(Prepared::like(x).flops(4 * x.elements()).rows(&[0, 1]))
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        let gain = T::of(f64::from(self.0.gain));
        for ((dx, &x), &dy) in output.iter_mut().zip(inputs[0]).zip(inputs[1]) {
            *dx = gain / (T::of(std::f64::consts::LN_10) * (T::one() + gain * x)) * dy;
        }
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        let gain = self.0.gain;
        let slope = gain * std::f32::consts::LOG10_E;
        map(
            1,
            in_place,
            1,
            #[inline(always)]
            move |first, inputs, dx| {
                let x = &inputs[0][first..];
                dx.iter_mut().zip(x).for_each(|(dx, &x)| *dx *= slope / (1.0 + gain * x));
            },
        )
    }

    fn gpu(&self, &len: &usize, in_place: Option<usize>) -> GpuKernel {
        self.0.kernel(entries!("compress_grad"), 2, len, in_place)
    }
}
