//! A tensor repeated along axes of length 1, times a constant.

use rayon::prelude::*;

use super::SHADER;
use super::{Axes, Broadcast, Reduce};
use crate::graph::{GraphError, NodeId, Shape};
use crate::ops::kernel::{CpuKernel, GpuKernel, Real, constants};
use crate::ops::map::{GpuMap, TASK, entries, map};
use crate::ops::prepared::Prepared;
use crate::ops::{Backward, Operation, arity};
use crate::simd;

/// `y = factor·x`, x repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Expand {
    /// What every element is multiplied by.
    pub factor: f32,
    /// How often x is repeated along each axis; more than once only where its length is 1. Axes that are left
    /// out are not repeated.
    pub repeats: Vec<usize>,
}

impl Expand {
    /// `factor·x`.
    pub fn scale(factor: f32) -> Self {
        Self { factor, repeats: Vec::new() }
    }

    /// Undoes the summing of `x` over `axes`, each of length 1 then.
    pub fn over(x: &Shape, axes: &[usize], factor: f32) -> Self {
        let repeats = (0..x.len()).map(|axis| if axes.contains(&axis) { x[axis] } else { 1 });
        Self { factor, repeats: repeats.collect() }
    }

    fn repeats(&self, axis: usize) -> usize {
        self.repeats.get(axis).copied().unwrap_or(1)
    }
}

impl Operation for Expand {
    type Sizes = Broadcast;

    fn name(&self) -> &'static str {
        "expand"
    }

    fn settings(&self) -> String {
        format!("factor {}", self.factor)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Broadcast>, String> {
        let [x] = arity(inputs)?;
        if self.repeats.len() > x.len() {
            return Err(format!("{x} has no {} axes to repeat", self.repeats.len()));
        }
        let lengths: Vec<usize> = (0..x.len()).map(|axis| x[axis] * self.repeats(axis)).collect();
        if let Some(axis) = (0..x.len()).find(|&axis| x[axis] != 1 && self.repeats(axis) != 1) {
            return Err(format!("only an axis of length 1 can be repeated, not axis {axis} of {x}"));
        }
        let output = Shape::from(&lengths[..]);
        let sizes = Broadcast::new(&output, [x, x])?;
        let in_place = (*x == output).then_some(0);
        let prepared = Prepared { in_place, ..Prepared::new(output, sizes) };
        Ok(if self.repeats(0) == 1 { prepared.rows(&[0]) } else { prepared })
    }

    /// dx is the sum of factor·dy over the axes along which x was repeated.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if !backward.needs(0) {
            return Ok(vec![None]);
        }
        let axes: Vec<usize> = (0..self.repeats.len()).filter(|&axis| self.repeats[axis] != 1).collect();
        let mut dx = backward.upstream();
        if !axes.is_empty() {
            dx = backward.add(Reduce::sum(Axes::These(axes)).into(), &[dx])?;
        }
        if self.factor != 1.0 {
            dx = backward.add(Self::scale(self.factor).into(), &[dx])?;
        }
        Ok(vec![Some(dx)])
    }

    fn reference<T: Real>(&self, sizes: &Broadcast, inputs: &[&[T]], output: &mut [T]) {
        for (i, y) in output.iter_mut().enumerate() {
            *y = T::of(f64::from(self.factor)) * inputs[0][sizes.index(0, i)];
        }
    }

    fn cpu(&self, &sizes: &Broadcast, in_place: Option<usize>) -> CpuKernel {
        let factor = self.factor;
        if sizes.is_plain() {
            return map(
                0,
                in_place,
                1,
                #[inline(always)]
                move |_, _, y| y.iter_mut().for_each(|y| *y *= factor),
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
                            sizes.read(0, i, inputs[0], y);
                            y.iter_mut().for_each(|y| *y *= factor);
                        }
                    },
                );
            });
        })
    }

    fn gpu(&self, sizes: &Broadcast, in_place: Option<usize>) -> GpuKernel {
        let len = sizes.elements();
        let own = [constants([("LEN", len)]), vec![("FACTOR", f64::from(self.factor))]].concat();
        let map = |entries, constants| GpuMap { entries, constants, inputs: 1, in_place, len };
        if sizes.is_plain() {
            return SHADER.map(len, map(entries!("scale"), own));
        }
        map(entries!("expand"), [own, sizes.constants()].concat()).kernel(SHADER.one, 1)
    }
}
