//! The global gradient norm, and optimizers that update all parameters in one operation.
//!
//! An optimizer's state is one tensor whose first row holds the parameters and whose further rows hold the
//! moments, so that parameters are views of its first row and an update is one pass in place.

mod cpu;
mod gpu;
mod reference;

use super::kernel::{CpuKernel, GpuKernel, Real};
use super::prepared::Prepared;
use super::{Operation, arity};
use crate::graph::Shape;

/// Gradients \[P\] → \[2\]: the Euclidean norm of those that are finite, and how many are not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GlobalNorm;

/// What all optimizers share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpdateSettings {
    /// Gradients whose global norm is larger are scaled down to it; infinite for no clipping.
    pub max_norm: f32,
    /// As the formulas of the optimizers have it.
    pub weight_decay: f32,
    /// Weight decay applies to the first `decayed` parameters (weights), not to the rest (scale, shift,
    /// bias).
    pub decayed: usize,
    /// What the learning rate is multiplied by for parameters that are not fresh.
    pub base_rate: f32,
    /// Fresh are the parameters from the first number to before the second, and those from the third on.
    pub fresh: [usize; 3],
}

/// Stochastic gradient descent with momentum.
///
/// (state [2, P]: parameters θ and velocity v; gradients \[P\]; norm \[2\]; scalars \[4\]: learning rate, –,
/// –, unscale) → new state: `g' = clip(g) + weight_decay·θ`, `v' = momentum·v + g'`, `θ' = θ − rate·v'`. The rate is that
/// of [`UpdateSettings::pace`].
/// Gradients and their norm are first multiplied by `unscale`: 1, or what undoes a scaled loss. Where a
/// gradient is not finite, the state stays as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// As the formula has it.
    pub momentum: f32,
    /// What all optimizers share.
    pub common: UpdateSettings,
}

/// Adam (Kingma and Ba 2015), or with `decoupled` weight decay AdamW (Loshchilov and Hutter 2019).
///
/// (state [3, P]: parameters θ, first moment m, second moment s; gradients \[P\]; norm \[2\]; scalars \[4\]:
/// learning rate, 1 − β₁ᵗ, 1 − β₂ᵗ, unscale as of [`Sgd`]) → new state: `m' = β₁·m + (1 − β₁)·g'`,
/// `s' = β₂·s + (1 − β₂)·g'²`, `θ' = θ − rate·(m'/(1 − β₁ᵗ))/(√(s'/(1 − β₂ᵗ)) + ε)`. Decoupled, θ is first multiplied by
/// `1 − rate·weight_decay`; else `g' = clip(g) + weight_decay·θ`. Where a gradient is not finite, the state
/// stays as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// β₁, the decay of the first moment.
    pub beta1: f32,
    /// β₂, the decay of the second moment.
    pub beta2: f32,
    /// ε.
    pub epsilon: f32,
    /// Whether weight decay is decoupled from the gradient (AdamW).
    pub decoupled: bool,
    /// What all optimizers share.
    pub common: UpdateSettings,
}

impl UpdateSettings {
    /// The first `decayed` parameters decay, all at the same rate; no clipping.
    pub fn new(weight_decay: f32, decayed: usize) -> Self {
        Self { max_norm: f32::INFINITY, weight_decay, decayed, base_rate: 1.0, fresh: [0; 3] }
    }

    /// What the learning rate of parameter `i` is multiplied by.
    #[inline(always)]
    pub fn pace(&self, i: usize) -> f32 {
        let [first, end, rest] = self.fresh;
        if (first..end).contains(&i) || i >= rest { 1.0 } else { self.base_rate }
    }

    /// The factor of the gradients, from their norm (as PyTorch's `clip_grad_norm_`) and what both are to be
    /// multiplied by.
    pub fn clip<T: Real>(&self, norm: T, unscale: T) -> T {
        if self.max_norm.is_finite() {
            (T::of(f64::from(self.max_norm)) / (norm * unscale + T::of(1e-6))).min(T::one()) * unscale
        } else {
            unscale
        }
    }
}

/// What updates a state [rows, P], with `flops` for each parameter; only P counts.
fn prepare_update(inputs: &[&Shape], rows: usize, flops: usize) -> Result<Prepared<usize>, String> {
    let [state, gradients, norm, scalars] = arity(inputs)?;
    let [p] = gradients.dims("the gradients [P]")?;
    if **state != [rows, p] {
        return Err(format!("the state of {p} parameters must be [{rows}, {p}], not {state}"));
    }
    if **norm != [2] || **scalars != [4] {
        return Err(format!("norm [2] and scalars [4] are wanted, not {norm} and {scalars}"));
    }
    Ok(Prepared::new(state.clone(), p).flops(flops * p).in_place(0))
}

impl Operation for GlobalNorm {
    /// P.
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "global_norm"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [gradients] = arity(inputs)?;
        let [p] = gradients.dims("the gradients [P]")?;
        Ok(Prepared::new(Shape::from([2]), p).flops(2 * p))
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        let (finite, broken): (Vec<T>, Vec<T>) = inputs[0].iter().partition(|g| g.is_finite());
        output[0] = finite.iter().map(|&g| g * g).sum::<T>().sqrt();
        output[1] = T::of(broken.len() as f64);
    }

    fn cpu(&self, &p: &usize, _: Option<usize>) -> CpuKernel {
        cpu::global_norm(p)
    }

    fn gpu(&self, &p: &usize, _: Option<usize>) -> GpuKernel {
        gpu::global_norm(p)
    }
}

impl Operation for Sgd {
    /// P.
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "sgd"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        prepare_update(inputs, 2, 6)
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        reference::sgd(self, inputs, output);
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        cpu::sgd(*self, in_place)
    }

    fn gpu(&self, &p: &usize, in_place: Option<usize>) -> GpuKernel {
        gpu::sgd(*self, p, in_place)
    }
}

impl Operation for Adam {
    /// P.
    type Sizes = usize;

    fn name(&self) -> &'static str {
        if self.decoupled { "adamw" } else { "adam" }
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        prepare_update(inputs, 3, 14)
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        reference::adam(self, inputs, output);
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        cpu::adam(*self, in_place)
    }

    fn gpu(&self, &p: &usize, in_place: Option<usize>) -> GpuKernel {
        gpu::adam(*self, p, in_place)
    }
}
