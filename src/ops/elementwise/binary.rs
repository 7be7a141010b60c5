//! Arithmetic of two tensors, element by element.

use rayon::prelude::*;

use super::SHADER;
use super::axes::{Broadcast, broadcast_shape, repeated};
use super::{Axes, Expand, Reduce};
use crate::graph::{GraphError, NodeId, Shape};
use crate::ops::kernel::{CpuKernel, GpuKernel, Real, constants};
use crate::ops::map::{GpuMap, TASK, entries, map};
use crate::ops::prepared::Prepared;
use crate::ops::{Backward, Operation, arity};
use crate::simd;

/// `y = a + b`, `a − b` or `a·b`.
///
/// Both tensors have as many axes. Along an axis where one has length 1 and the other not, the one is
/// repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a − b`
    Sub,
    /// `a·b`
    Mul,
}

impl Binary {
    fn gradient_to(self, i: usize, backward: &mut Backward<'_>) -> Result<Option<NodeId>, GraphError> {
        if !backward.needs(i) {
            return Ok(None);
        }
        let mut gradient = backward.upstream();
        if self == Self::Mul {
            gradient = backward.add(Self::Mul.into(), &[gradient, backward.input(1 - i)])?;
        }
        let axes = repeated(&backward.input_shape(i), &backward.shape(gradient));
        if !axes.is_empty() {
            gradient = backward.add(Reduce::sum(Axes::These(axes)).into(), &[gradient])?;
        }
        if (self, i) == (Self::Sub, 1) {
            gradient = backward.add(Expand::scale(-1.0).into(), &[gradient])?;
        }
        Ok(Some(gradient))
    }

    #[inline(always)]
    fn of<T: Real>(self, a: T, b: T) -> T {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
        }
    }
}

impl Operation for Binary {
    type Sizes = Broadcast;

    fn name(&self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
        }
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Broadcast>, String> {
        let [a, b] = arity(inputs)?;
        let output = broadcast_shape(a, b)?;
        let sizes = Broadcast::new(&output, [a, b])?;
        let in_place = (*a == output).then_some(0);
        let rows = output.first().copied();
        let prepared = Prepared { in_place, ..Prepared::new(output, sizes) };
        // An operand of one row is read by every slice.
        Ok(match [a, b].map(|operand| operand.first().copied() == rows) {
            [true, true] => prepared.rows(&[0, 1]),
            [true, false] => prepared.rows(&[0]),
            _ => prepared.rows(&[1]),
        })
    }

    /// da = dy, or dy·b; db = dy, −dy, or dy·a; each summed over the axes along which the input was repeated.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        [0, 1].into_iter().map(|i| self.gradient_to(i, backward)).collect()
    }

    fn reference<T: Real>(&self, sizes: &Broadcast, inputs: &[&[T]], output: &mut [T]) {
        for (i, y) in output.iter_mut().enumerate() {
            *y = self.of(inputs[0][sizes.index(0, i)], inputs[1][sizes.index(1, i)]);
        }
    }

    fn cpu(&self, sizes: &Broadcast, in_place: Option<usize>) -> CpuKernel {
        // Each a loop of its own.
        match self {
            Self::Add => kernel(
                *sizes,
                in_place,
                #[inline(always)]
                |a, b| a + b,
            ),
            Self::Sub => kernel(
                *sizes,
                in_place,
                #[inline(always)]
                |a, b| a - b,
            ),
            Self::Mul => kernel(
                *sizes,
                in_place,
                #[inline(always)]
                |a, b| a * b,
            ),
        }
    }

    fn gpu(&self, sizes: &Broadcast, in_place: Option<usize>) -> GpuKernel {
        let len = sizes.elements();
        let own = constants([("LEN", len), ("OPERATION", *self as usize)]);
        let map = |entries, constants| GpuMap { entries, constants, inputs: 2, in_place, len };
        if sizes.is_plain() {
            return SHADER.map(len, map(entries!("binary"), own));
        }
        let constants = [own, sizes.constants()].concat();
        map(entries!("broadcast"), constants).kernel(SHADER.one, 1)
    }
}

fn kernel(
    sizes: Broadcast,
    in_place: Option<usize>,
    f: impl Fn(f32, f32) -> f32 + Copy + Send + Sync + 'static,
) -> CpuKernel {
    if sizes.is_plain() {
        return map(
            0,
            in_place,
            1,
            #[inline(always)]
            move |first, inputs, y| y.iter_mut().zip(&inputs[1][first..]).for_each(|(y, &b)| *y = f(*y, b)),
        );
    }
    let row = sizes.row();
    let rows = TASK.div_ceil(row.max(1));
    CpuKernel::new(move |inputs, y| {
        y.par_chunks_mut((rows * row).max(1)).enumerate().for_each(|(task, y)| {
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || {
                    for (i, y) in (task * rows..).zip(y.chunks_exact_mut(row)) {
                        if in_place.is_none() {
                            sizes.read(0, i, inputs[0], y);
                        }
                        let b = &inputs[1][sizes.index(1, i * row)..];
                        if sizes.reads_rows(1) {
                            y.iter_mut().zip(b).for_each(|(y, &b)| *y = f(*y, b));
                        } else {
                            let b = b[0];
                            y.iter_mut().for_each(|y| *y = f(*y, b));
                        }
                    }
                },
            );
        });
    })
}
