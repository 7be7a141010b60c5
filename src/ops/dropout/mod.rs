//! Dropout with counter-based random numbers: the mask is a function of seed, step, layer and element, so
//! that every device draws the same one and the backward pass draws it again.

use super::kernel::{CpuKernel, GpuKernel, Real, Shader, shader};
use super::map::{GpuMap, entries, map};
use super::prepared::Prepared;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

const SHADER: Shader = shader!("dropout");

/// (x, RNG state \[2\]) → `x/(1 − rate)` where kept, else 0. The state holds seed and step, whole numbers
/// below 2²⁴.
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
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "dropout"
    }

    fn settings(&self) -> String {
        format!("rate {}", self.rate)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [x, state] = arity(inputs)?;
        if !(0.0..1.0).contains(&self.rate) {
            return Err(format!("the rate must be at least 0 and below 1, not {}", self.rate));
        }
        if **state != [2] {
            return Err(format!("the RNG state must be [2] (seed, step), not {state}"));
        }
        Ok(Prepared::like(x).in_place(0).rows(&[0]))
    }

    /// The same mask and factor on dy.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.upstream(), backward.input(1)];
        let state = backward.refuse(1, "random numbers have no derivative")?;
        Ok(vec![backward.add_for(0, (*self).into(), &inputs)?, state])
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        let state = inputs[1];
        let key = self.key(state[0].wide() as u32, state[1].wide() as u32);
        let factor = T::of(1.0 / (1.0 - f64::from(self.rate)));
        for (i, (y, &x)) in output.iter_mut().zip(inputs[0]).enumerate() {
            *y = if self.keeps(key, self.first.wrapping_add(i as u32)) { x * factor } else { T::zero() };
        }
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        let op = *self;
        let (threshold, factor) = (op.threshold(), op.factor());
        map(
            0,
            in_place,
            1,
            #[inline(always)]
            move |first, inputs, y| {
                let key = op.key(inputs[1][0] as u32, inputs[1][1] as u32);
                let mut element = op.first.wrapping_add(first as u32);
                for y in y.iter_mut() {
                    *y = if mix(element ^ key) >> 8 >= threshold { *y * factor } else { 0.0 };
                    element = element.wrapping_add(1);
                }
            },
        )
    }

    fn gpu(&self, &len: &usize, in_place: Option<usize>) -> GpuKernel {
        let constants = vec![
            ("LEN", len as f64),
            ("LAYER", f64::from(self.layer)),
            ("FIRST", f64::from(self.first)),
            ("THRESHOLD", f64::from(self.threshold())),
            ("FACTOR", f64::from(self.factor())),
        ];
        GpuMap { entries: entries!("dropout"), constants, inputs: 2, in_place, len }.kernel(SHADER, 1)
    }

    fn slice(&self, first: usize) -> Self {
        Self { first: self.first.wrapping_add(first as u32), ..*self }
    }
}
