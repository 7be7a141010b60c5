//! Sums and means over axes.

use rayon::prelude::*;

use super::{Expand, REDUCE, Reduction};
use crate::graph::{GraphError, NodeId, Shape};
use crate::ops::kernel::{Binding, CpuKernel, GpuKernel, Launch, Real, constants, grid};
use crate::ops::prepared::Prepared;
use crate::ops::view::View;
use crate::ops::{Backward, Operation, arity, reduce};
use crate::simd;

/// The sum of x over axes, or the mean, in an order that does not depend on the device's threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// Whether sums are divided by the number of their terms.
    pub mean: bool,
    /// What is summed.
    pub axes: Axes,
}

/// What is summed.
#[derive(Clone, Debug, PartialEq)]
pub enum Axes {
    /// Everything, to a tensor \[1\].
    All,
    /// These axes, which stay with length 1.
    These(Vec<usize>),
}

/// Terms of a sum that one workgroup adds.
const CHUNK: usize = 4096;
/// Terms up to which an invocation adds a sum of its own.
const FEW: usize = 64;
/// Outputs side by side from which invocations next to each other read elements next to each other.
const WIDE: usize = 64;
/// Columns that a task of the CPU device sums side by side.
const COLUMNS: usize = 64;

impl Reduce {
    /// The sum.
    pub fn sum(axes: Axes) -> Self {
        Self { mean: false, axes }
    }

    /// The mean.
    pub fn mean(axes: Axes) -> Self {
        Self { mean: true, axes }
    }

    /// What a sum of so many terms is multiplied by.
    fn factor(&self, terms: usize) -> f64 {
        if self.mean { (terms as f64).recip() } else { 1.0 }
    }

    fn axes(&self, x: &Shape) -> Vec<usize> {
        match &self.axes {
            Axes::All => (0..x.len()).collect(),
            Axes::These(axes) => axes.clone(),
        }
    }
}

impl Operation for Reduce {
    type Sizes = Reduction;

    fn name(&self) -> &'static str {
        if self.mean { "mean" } else { "sum" }
    }

    fn settings(&self) -> String {
        match &self.axes {
            Axes::All => String::new(),
            Axes::These(axes) => format!("axes {axes:?}"),
        }
    }

    /// A mean over the batch is not sliced: its parts do not know how long the batch is.
    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Reduction>, String> {
        let [x] = arity(inputs)?;
        let axes = self.axes(x);
        let sizes = Reduction::new(x, &axes)?;
        if sizes.terms() == 0 {
            return Err(format!("{x} has nothing to sum over the axes {axes:?}"));
        }
        let kept: Vec<usize> =
            (0..x.len()).map(|axis| if axes.contains(&axis) { 1 } else { x[axis] }).collect();
        let output = if self.axes == Axes::All { Shape::from([1]) } else { Shape::from(&kept[..]) };
        let prepared = Prepared::new(output, sizes).flops(x.elements());
        Ok(match (axes.contains(&0), self.mean) {
            (false, _) => prepared.rows(&[0]),
            (true, false) => prepared.sum(&[0]),
            (true, true) => prepared,
        })
    }

    /// dx is dy repeated, divided by the number of terms for a mean.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if !backward.needs(0) {
            return Ok(vec![None]);
        }
        let x = backward.input_shape(0);
        let axes = self.axes(&x);
        let terms = axes.iter().map(|&axis| x[axis]).product();
        let mut dy = backward.upstream();
        if self.axes == Axes::All {
            dy = backward.add(View::reshape(&vec![1; x.len()][..]).into(), &[dy])?;
        }
        let expand = Expand::over(&x, &axes, self.factor(terms) as f32);
        Ok(vec![Some(backward.add(expand.into(), &[dy])?)])
    }

    fn reference<T: Real>(&self, sizes: &Reduction, inputs: &[&[T]], output: &mut [T]) {
        let count = T::of(if self.mean { sizes.terms() as f64 } else { 1.0 });
        for (o, y) in output.iter_mut().enumerate() {
            *y = (0..sizes.terms()).map(|t| inputs[0][sizes.index(o, t)]).sum::<T>() / count;
        }
    }

    fn cpu(&self, &sizes: &Reduction, _: Option<usize>) -> CpuKernel {
        let factor = self.factor(sizes.terms());
        let ([_, _, k2], [r0, r1]) = (sizes.kept, sizes.summed);
        if k2 == 1 {
            // Runs of r1 elements.
            return CpuKernel::new(move |inputs, y| {
                y.par_iter_mut().enumerate().for_each(|(o, y)| {
                    simd::vectorised(
                        simd::arch(),
                        #[inline(always)]
                        || {
                            let runs = (0..r0).map(|r| &inputs[0][sizes.index(o, r * r1)..][..r1]);
                            let chunks = runs.flat_map(|run| run.chunks(CHUNK));
                            let sum: f64 = chunks.map(|chunk| f64::from(reduce::sum(chunk))).sum();
                            *y = (factor * sum) as f32;
                        },
                    );
                });
            });
        }
        // Columns side by side.
        let parts = k2.div_ceil(COLUMNS);
        CpuKernel::new(move |inputs, y| {
            y.par_chunks_mut(k2).enumerate().for_each(|(row, y)| {
                y.par_chunks_mut(COLUMNS).with_min_len(parts.min(4)).enumerate().for_each(|(part, y)| {
                    let mut sums = [0.0; COLUMNS];
                    for t in 0..r0 * r1 {
                        let x = &inputs[0][sizes.index(row * k2, t) + part * COLUMNS..][..y.len()];
                        sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(x));
                    }
                    y.iter_mut().zip(sums).for_each(|(y, sum)| *y = (factor * sum) as f32);
                });
            });
        })
    }

    fn gpu(&self, sizes: &Reduction, _: Option<usize>) -> GpuKernel {
        let ([_, k1, k2], [r0, r1]) = (sizes.kept, sizes.summed);
        let (outputs, terms) = (sizes.outputs(), sizes.terms());
        let chunks = terms.div_ceil(CHUNK);
        let launch = |entry, factor, bindings, groups| Launch {
            shader: REDUCE,
            entry,
            constants: [
                constants([("OUTPUTS", outputs), ("K1", k1), ("K2", k2), ("R0", r0), ("R1", r1)]),
                constants([("CHUNK", CHUNK), ("CHUNKS", chunks)]),
                vec![("FACTOR", factor)],
            ]
            .concat(),
            bindings,
            workgroups: grid(groups),
        };
        let factor = self.factor(terms);
        let whole = Binding::all(1, None);
        if terms <= FEW || k2 >= WIDE {
            return launch("each", factor, whole, outputs.div_ceil(256)).into();
        }
        if chunks == 1 {
            return launch("chunks", factor, whole, outputs).into();
        }
        let workspace = outputs * chunks;
        let partials = Binding::Workspace(0..workspace);
        let launches = vec![
            launch("chunks", 1.0, vec![Binding::Input(0), partials.clone()], workspace),
            launch("total", factor, vec![partials, Binding::Output], outputs),
        ];
        GpuKernel { workspace, launches, ..GpuKernel::default() }
    }
}
