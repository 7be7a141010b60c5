//! Functions of one element.

use super::{Binary, Expand, SHADER};
use crate::graph::{GraphError, NodeId, Shape};
use crate::ops::kernel::{CpuKernel, GpuKernel, Real, constants};
use crate::ops::map::{GpuMap, entries, map};
use crate::ops::prepared::Prepared;
use crate::ops::{Backward, Operation, arity};

/// `y = x²` or `y = 1/(1 + e⁻ˣ)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `x²`
    Square,
    /// `1/(1 + e⁻ˣ)`
    Sigmoid,
}

/// From e^−|x|, which does not overflow.
#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    let e = (-x.abs()).exp();
    if x < T::zero() { e / (T::one() + e) } else { T::one() / (T::one() + e) }
}

impl Operation for Unary {
    type Sizes = usize;

    fn name(&self) -> &'static str {
        match self {
            Self::Square => "square",
            Self::Sigmoid => "sigmoid",
        }
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [x] = arity(inputs)?;
        let flops = match self {
            Self::Square => 1,
            Self::Sigmoid => 3,
        };
        Ok(Prepared::like(x).flops(flops * x.elements()).in_place(0).rows(&[0]))
    }

    /// Of the square 2·x·dy, of the sigmoid (y − y²)·dy.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if !backward.needs(0) {
            return Ok(vec![None]);
        }
        let dy = backward.upstream();
        let dx = match self {
            Self::Square => {
                let product = backward.add(Binary::Mul.into(), &[backward.input(0), dy])?;
                backward.add(Expand::scale(2.0).into(), &[product])?
            }
            Self::Sigmoid => {
                let y = backward.output();
                let square = backward.add(Self::Square.into(), &[y])?;
                let slope = backward.add(Binary::Sub.into(), &[y, square])?;
                backward.add(Binary::Mul.into(), &[slope, dy])?
            }
        };
        Ok(vec![Some(dx)])
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        for (y, &x) in output.iter_mut().zip(inputs[0]) {
            *y = match self {
                Self::Square => x * x,
                Self::Sigmoid => sigmoid(x),
            };
        }
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        // Each a loop of its own.
        match self {
            Self::Square => map(
                0,
                in_place,
                1,
                #[inline(always)]
                |_, _, y| y.iter_mut().for_each(|y| *y *= *y),
            ),
            Self::Sigmoid => map(
                0,
                in_place,
                1,
                #[inline(always)]
                |_, _, y| y.iter_mut().for_each(|y| *y = sigmoid(*y)),
            ),
        }
    }

    fn gpu(&self, &len: &usize, in_place: Option<usize>) -> GpuKernel {
        let constants = constants([("LEN", len), ("OPERATION", *self as usize)]);
        SHADER.map(len, GpuMap { entries: entries!("unary"), constants, inputs: 1, in_place, len })
    }
}
