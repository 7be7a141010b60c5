//! Dropout with counter-based random numbers: the mask is a function of seed, step, layer and element, so that every
//! device draws the same one and the backward pass draws it again.

mod cpu;
mod gpu;

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

/// (x, counter \[2\]) → `x/(1 − rate)` where kept, else 0. The counter holds seed and step, whole numbers below 2²⁴.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The probability of dropping, at least 0 and below 1.
    pub rate: f32,
    /// Tells the layers of a network apart.
    pub layer: u32,
    /// The place of x's first element in the layer, for x a slice of the batch; modulo 2³².
    pub first: u32,
}

/// A bijective mix of 32 bits (C. Wellons' `lowbias32`).
#[inline(always)]
pub fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

impl Dropout {
    /// The layer's key of a step.
    pub fn key(&self, seed: u32, step: u32) -> u32 {
        mix(self.layer ^ mix(step ^ mix(seed)))
    }

    /// An element is dropped where the upper 24 bits of its random word are below this.
    pub fn threshold(&self) -> u32 {
        (f64::from(self.rate) * f64::from(1 << 24)).round() as u32
    }

    /// What a kept element is multiplied by.
    pub fn factor(&self) -> f32 {
        (1.0 / (1.0 - f64::from(self.rate))) as f32
    }

    /// Whether the element is kept.
    #[inline(always)]
    pub fn keeps(&self, key: u32, element: u32) -> bool {
        mix(element ^ key) >> 8 >= self.threshold()
    }
}

impl Operation for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn settings(&self) -> String {
        format!("rate {}", self.rate)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x, counter] = arity(inputs)?;
        if !(0.0..1.0).contains(&self.rate) {
            return Err(format!("the rate must be at least 0 and below 1, not {}", self.rate));
        }
        if **counter != [2] {
            return Err(format!("the counter must be [2] (seed, step), not {counter}"));
        }
        Ok(x.clone())
    }

    /// The same mask and factor on dy.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.upstream(), backward.input(1)];
        let counter = backward.refuse(1, "random numbers have no derivative")?;
        Ok(vec![backward.add_for(0, (*self).into(), &inputs)?, counter])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        let counter = inputs[1].data;
        let key = self.key(counter[0].wide() as u32, counter[1].wide() as u32);
        let factor = T::of(1.0 / (1.0 - f64::from(self.rate)));
        for (i, (y, &x)) in output.iter_mut().zip(inputs[0].data).enumerate() {
            *y = if self.keeps(key, self.first.wrapping_add(i as u32)) { x * factor } else { T::zero() };
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::dropout(*self, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::dropout(*self, io)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    fn slice(&self, first: usize) -> Self {
        Self { first: self.first.wrapping_add(first as u32), ..*self }
    }

    fn cpu_in_place(&self) -> Option<usize> {
        Some(0)
    }

    fn gpu_in_place(&self) -> Option<usize> {
        Some(0)
    }
}
