//! The sum of two tensors of one shape: residual connections, and gradients from several consumers.

use super::kernel::{CpuKernel, GpuKernel, Real, constants};
use super::map::{GpuMap, Lanes, entries, lanes, map};
use super::prepared::Prepared;
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

const SHADER: Lanes = lanes!("residual_add");

/// `y = a + b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Add;

impl Operation for Add {
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "add"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [a, b] = arity(inputs)?;
        same(a, b, "the terms")?;
        Ok(Prepared::like(a).in_place(0).rows(&[0, 1]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Ok((0..2).map(|i| backward.needs(i).then(|| backward.upstream())).collect())
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        for ((y, &a), &b) in output.iter_mut().zip(inputs[0]).zip(inputs[1]) {
            *y = a + b;
        }
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        map(
            0,
            in_place,
            1,
            #[inline(always)]
            |first, inputs, y| y.iter_mut().zip(&inputs[1][first..]).for_each(|(y, &b)| *y += b),
        )
    }

    fn gpu(&self, &len: &usize, in_place: Option<usize>) -> GpuKernel {
        let constants = constants([("LEN", len)]);
        SHADER.map(len, GpuMap { entries: entries!("add"), constants, inputs: 2, in_place, len })
    }
}
