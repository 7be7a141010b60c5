//! Two-dimensional convolution (cross-correlation) in groups, and its two gradients.
//!
//! Forward and gradient to the input: `cpu`, `gpu`; gradient to the weight: `cpu_weight_grad`, `gpu`. All three for 3×3
//! taps with stride 1: `winograd` (CPU) and `gpu_window`. All three in mixed precision: `gpu_mixed`.

mod cpu;
mod cpu_weight_grad;
mod gpu;
pub(crate) mod gpu_mixed;
pub(crate) mod gpu_mixed_window;
mod gpu_points;
mod gpu_window;
mod planes;
pub(crate) mod product;
mod reference;
mod rows;
mod winograd;

use super::kernel::{CpuKernel, GpuKernel, Mixed, Real};
use super::prepared::Prepared;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};
use product::Kind;

/// x [N, C, H, W], w [K, C/groups, R, S] → y [N, K, H', W'] with
/// `y[n, k, p, q] = Σ_{c, r, s} w[k, c, r, s] · x[n, g·C/groups + c, p·stride₀ + r − pad₀, q·stride₁ + s − pad₁]`,
/// g the group of k, x zero outside, and `H' = (H + 2·pad₀ − R)/stride₀ + 1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d {
    /// Along H and W.
    pub stride: [usize; 2],
    /// Zeros on both sides of H and of W.
    pub pad: [usize; 2],
    /// 1 for a full convolution, C for a depthwise one.
    pub groups: usize,
}

/// (w, dy) → gradient to x, whose height and width are `input`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2dInputGrad {
    pub conv: Conv2d,
    pub input: [usize; 2],
}

/// (x, dy) → gradient to w, whose height and width are `kernel`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2dWeightGrad {
    pub conv: Conv2d,
    pub kernel: [usize; 2],
}

/// All sizes of a convolution, by the letters used everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub k: usize,
    pub r: usize,
    pub s: usize,
    /// Output height H'.
    pub p: usize,
    /// Output width W'.
    pub q: usize,
    pub stride: [usize; 2],
    pub pad: [usize; 2],
    pub groups: usize,
}

impl Dims {
    /// Input channels a group.
    pub fn group_c(&self) -> usize {
        self.c / self.groups
    }

    /// Output channels a group.
    pub fn group_k(&self) -> usize {
        self.k / self.groups
    }

    /// Whether a size is zero, so that there is nothing to sum.
    fn is_empty(&self) -> bool {
        [self.n, self.c, self.h, self.w, self.k, self.p, self.q].contains(&0)
    }

    /// One of the three convolutions, whose output has this shape.
    fn prepared(self, output: [usize; 4]) -> Prepared<Self> {
        let products = self.n * self.k * self.p * self.q * self.group_c() * self.r * self.s;
        Prepared::new(output.into(), self).flops(2 * products)
    }
}

impl Conv2d {
    /// Stride 1 and the padding that keeps H and W for an odd kernel.
    pub fn same(kernel: [usize; 2]) -> Self {
        Self { stride: [1, 1], pad: kernel.map(|k| k / 2), groups: 1 }
    }

    /// The sizes for input x and weight w.
    ///
    /// # Errors
    /// In words, where they do not fit.
    pub fn dims(&self, x: &Shape, weight: &Shape) -> Result<Dims, String> {
        let [n, c, h, w] = x.dims("x [N, C, H, W]")?;
        let [k, group_c, r, s] = weight.dims("w [K, C/groups, R, S]")?;
        self.check(c, k)?;
        if group_c * self.groups != c {
            return Err(format!(
                "{c} channels in {} groups want a weight [K, {}, R, S], not {weight}",
                self.groups,
                c / self.groups
            ));
        }
        let side = |size: usize, kernel: usize, axis: usize| {
            (size + 2 * self.pad[axis])
                .checked_sub(kernel)
                .filter(|_| kernel > 0)
                .map(|rest| rest / self.stride[axis] + 1)
                .ok_or_else(|| {
                    format!("a kernel of {kernel} does not fit {size} padded by {}", self.pad[axis])
                })
        };
        let (p, q) = (side(h, r, 0)?, side(w, s, 1)?);
        let Self { stride, pad, groups } = *self;
        Ok(Dims { n, c, h, w, k, r, s, p, q, stride, pad, groups })
    }

    fn check(&self, c: usize, k: usize) -> Result<(), String> {
        if self.stride.contains(&0) {
            return Err("the stride must be at least 1".into());
        }
        if self.groups == 0 || !c.is_multiple_of(self.groups) || !k.is_multiple_of(self.groups) {
            return Err(format!("{c} and {k} channels do not divide into {} groups", self.groups));
        }
        Ok(())
    }
}

impl Conv2dInputGrad {
    /// The sizes for weight w and output gradient dy.
    ///
    /// # Errors
    /// In words, where they do not fit.
    pub fn dims(&self, weight: &Shape, dy: &Shape) -> Result<Dims, String> {
        let [_, group_c, _, _] = weight.dims("w [K, C/groups, R, S]")?;
        let [n, _, _, _] = dy.dims("dy [N, K, H', W']")?;
        let x = Shape::from([n, group_c * self.conv.groups, self.input[0], self.input[1]]);
        fits(self.conv.dims(&x, weight)?, dy)
    }
}

impl Conv2dWeightGrad {
    /// The sizes for input x and output gradient dy.
    ///
    /// # Errors
    /// In words, where they do not fit.
    pub fn dims(&self, x: &Shape, dy: &Shape) -> Result<Dims, String> {
        let [_, c, _, _] = x.dims("x [N, C, H, W]")?;
        let [_, k, _, _] = dy.dims("dy [N, K, H', W']")?;
        self.conv.check(c, k)?;
        let weight = Shape::from([k, c / self.conv.groups, self.kernel[0], self.kernel[1]]);
        fits(self.conv.dims(x, &weight)?, dy)
    }
}

fn fits(d: Dims, dy: &Shape) -> Result<Dims, String> {
    let wanted = Shape::from([d.n, d.k, d.p, d.q]);
    if *dy == wanted { Ok(d) } else { Err(format!("dy must be {wanted}, not {dy}")) }
}

fn settings(conv: &Conv2d) -> String {
    let Conv2d { stride: [sh, sw], pad: [ph, pw], groups } = conv;
    let groups = if *groups == 1 { String::new() } else { format!(", {groups} groups") };
    format!("stride {sh}×{sw}, pad {ph}×{pw}{groups}")
}

impl Operation for Conv2d {
    type Sizes = Dims;

    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn settings(&self) -> String {
        settings(self)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Dims>, String> {
        let [x, weight] = arity(inputs)?;
        let d = self.dims(x, weight)?;
        Ok(d.prepared([d.n, d.k, d.p, d.q]).rows(&[0]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, w, dy) = (backward.input(0), backward.input(1), backward.upstream());
        let (xs, ws) = (backward.input_shape(0), backward.input_shape(1));
        let input = Conv2dInputGrad { conv: *self, input: [xs[2], xs[3]] };
        let weight = Conv2dWeightGrad { conv: *self, kernel: [ws[2], ws[3]] };
        Ok(vec![backward.add_for(0, input.into(), &[w, dy])?, backward.add_for(1, weight.into(), &[x, dy])?])
    }

    fn reference<T: Real>(&self, d: &Dims, inputs: &[&[T]], output: &mut [T]) {
        reference::forward(d, inputs[0], inputs[1], output);
    }

    fn cpu(&self, d: &Dims, _: Option<usize>) -> CpuKernel {
        cpu::forward(d)
    }

    fn gpu(&self, d: &Dims, _: Option<usize>) -> GpuKernel {
        gpu::forward(d)
    }

    fn gpu_mixed(&self, d: &Dims, mixed: Mixed) -> Option<GpuKernel> {
        gpu_mixed::kernel(Kind::Forward, d, mixed)
    }
}

impl Operation for Conv2dInputGrad {
    type Sizes = Dims;

    fn name(&self) -> &'static str {
        "conv2d_input_grad"
    }

    fn settings(&self) -> String {
        settings(&self.conv)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Dims>, String> {
        let [weight, dy] = arity(inputs)?;
        let d = self.dims(weight, dy)?;
        Ok(d.prepared([d.n, d.c, d.h, d.w]).rows(&[1]))
    }

    fn reference<T: Real>(&self, d: &Dims, inputs: &[&[T]], output: &mut [T]) {
        reference::input_grad(d, inputs[0], inputs[1], output);
    }

    fn cpu(&self, d: &Dims, _: Option<usize>) -> CpuKernel {
        cpu::input_grad(d)
    }

    fn gpu(&self, d: &Dims, _: Option<usize>) -> GpuKernel {
        gpu::input_grad(d)
    }

    fn gpu_mixed(&self, d: &Dims, mixed: Mixed) -> Option<GpuKernel> {
        gpu_mixed::kernel(Kind::InputGrad, d, mixed)
    }
}

impl Operation for Conv2dWeightGrad {
    type Sizes = Dims;

    fn name(&self) -> &'static str {
        "conv2d_weight_grad"
    }

    fn settings(&self) -> String {
        settings(&self.conv)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Dims>, String> {
        let [x, dy] = arity(inputs)?;
        let d = self.dims(x, dy)?;
        Ok(d.prepared([d.k, d.group_c(), d.r, d.s]).sum(&[0, 1]))
    }

    fn reference<T: Real>(&self, d: &Dims, inputs: &[&[T]], output: &mut [T]) {
        reference::weight_grad(d, inputs[0], inputs[1], output);
    }

    fn cpu(&self, d: &Dims, _: Option<usize>) -> CpuKernel {
        cpu_weight_grad::weight_grad(d)
    }

    fn gpu(&self, d: &Dims, _: Option<usize>) -> GpuKernel {
        gpu::weight_grad(d)
    }

    fn gpu_mixed(&self, d: &Dims, mixed: Mixed) -> Option<GpuKernel> {
        gpu_mixed::kernel(Kind::WeightGrad, d, mixed)
    }
}
