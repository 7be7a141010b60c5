//! Batch normalisation over [N, C, ...]: statistics, application with a fused epilogue, gradients, and running
//! statistics (Ioffe and Szegedy 2015).
//!
//! Statistics, scale and shift, and their gradients are tensors [2, C]: mean and variance; scale and shift.
//! The variance is the biased one (divided by the count), found in two passes or by merging deviations, never as
//! E\[x²\] − E\[x\]², which cancels.

mod cpu;
mod gpu;
mod planes;
mod reference;

use super::bias::channels;
use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::{Join, Split};
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

/// Added to the variance before the square root is taken.
pub const EPSILON: f64 = 1e-5;

/// x [N, C, ...] → batch statistics [2, C]: mean and biased variance of every channel.
///
/// It has no gradient rule of its own: [`BatchNorm`] in training carries the gradient through the statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchStats;

/// (x [N, C, ...], statistics [2, C], scale and shift [2, C], residual like x, if any) →
/// `y = f(scale·(x − mean)/√(variance + EPSILON) + shift + residual)`, f the leaky ReLU of `slope`, or nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Whether the statistics are those of x itself, so that the gradient flows through them too.
    pub training: bool,
    pub slope: Option<f32>,
}

/// (x, statistics, dy[, y]) → [2, C]: the gradients to scale, `Σ dz·x̂`, and to shift, `Σ dz`, x̂ the normalised x;
/// dz is dy, or where `slope` is given dy times the slope of the leaky ReLU whose output is y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormSums {
    pub slope: Option<f32>,
}

/// (x, statistics, scale and shift, sums, dy[, y]) → gradient to x:
/// in training `scale/σ·(dz − (Σ dz + x̂·Σ dz·x̂)/count)`, else `scale/σ·dz`; dz as in [`BatchNormSums`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormInputGrad {
    /// In training, how many elements of a channel statistics and sums were taken over: those of the whole batch, of
    /// which x may be a slice.
    pub count: Option<usize>,
    pub slope: Option<f32>,
}

/// (statistics [2, C] of one part of a batch, statistics [2, C] of another) → statistics [2, C] of both, by merging
/// deviations about the means (Chan, Golub and LeVeque 1983): with shares `s = countᵢ/Σ count` and `d` the difference
/// of the means, `mean = mean₀ + s₁·d`, `variance = s₀·variance₀ + s₁·variance₁ + s₀·s₁·d²`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MergeStats {
    /// How many elements of a channel, or in any other unit, each part has.
    pub counts: [usize; 2],
}

/// (running [2, C], batch statistics [2, C]) → new running statistics,
/// `running + momentum·(batch − running)`, the batch's variance made unbiased by `count/(count − 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunningStats {
    pub momentum: f32,
    /// How many elements of a channel the batch statistics were taken over.
    pub count: usize,
}

impl MergeStats {
    /// The second part's share of the whole.
    fn share(&self) -> f64 {
        self.counts[1] as f64 / (self.counts[0] + self.counts[1]) as f64
    }
}

impl BatchNormInputGrad {
    /// What the gradient through the statistics is multiplied by: 1/count, or 0.
    fn through(&self) -> f64 {
        self.count.map_or(0.0, |count| (count as f64).recip())
    }
}

impl RunningStats {
    /// What makes a biased variance unbiased.
    fn unbiased(&self) -> f64 {
        self.count as f64 / (self.count - 1) as f64
    }
}

/// The slope of the leaky ReLU as a factor of the gradient, from the sign of its output.
pub(crate) fn masked<T: Real>(dy: T, y: Option<T>, slope: Option<f32>) -> T {
    match (slope, y) {
        (Some(slope), Some(y)) if y <= T::zero() => dy * T::of(f64::from(slope)),
        _ => dy,
    }
}

fn per_channel(x: &Shape, what: &[(&Shape, &str)]) -> Result<(), String> {
    let (_, c, _) = channels(x)?;
    for (shape, name) in what {
        if ***shape != [2, c] {
            return Err(format!("{name} of {c} channels must be [2, {c}], not {shape}"));
        }
    }
    Ok(())
}

fn epilogue(slope: Option<f32>) -> String {
    slope.map_or(String::new(), |slope| format!("leaky ReLU {slope}"))
}

impl Operation for BatchStats {
    fn name(&self) -> &'static str {
        "batch_stats"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = arity(inputs)?;
        let (n, c, size) = channels(x)?;
        if n * size < 2 {
            return Err(format!("{x} has one element a channel, which has no variance"));
        }
        Ok(Shape::from([2, c]))
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        reference::statistics(inputs[0], output);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::statistics(io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::statistics(io)
    }

    fn split(&self) -> Option<Split> {
        Some(Split { sliced: &[0], join: Join::Parts(|rows| MergeStats { counts: rows }.into()) })
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        4 * io.inputs[0].elements() as u64
    }
}

impl Operation for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn settings(&self) -> String {
        epilogue(self.slope)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let (x, stats, affine) = match *inputs {
            [x, stats, affine] => (x, stats, affine),
            [x, stats, affine, residual] => {
                same(x, residual, "x and the residual")?;
                (x, stats, affine)
            }
            _ => return Err(format!("3 or 4 inputs wanted, {} given", inputs.len())),
        };
        per_channel(x, &[(stats, "the statistics"), (affine, "scale and shift")])?;
        Ok(x.clone())
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        // The epilogue comes from fusion, after differentiation.
        if self.slope.is_some() || backward.inputs() == 4 {
            return (0..backward.inputs())
                .map(|i| backward.refuse(i, "a fused batch norm is made after differentiation"))
                .collect();
        }
        let (x, stats, affine) = (backward.input(0), backward.input(1), backward.input(2));
        let dy = backward.upstream();
        let sums = BatchNormSums { slope: None };
        let sums = if backward.needs(2) || (backward.needs(0) && self.training) {
            Some(backward.add(sums.into(), &[x, stats, dy])?)
        } else {
            None
        };
        let x_shape = backward.input_shape(0);
        let count = self.training.then(|| x_shape.elements() / x_shape[1]);
        let grad = BatchNormInputGrad { count, slope: None };
        let dx = match sums {
            Some(sums) if self.training => backward.add_for(0, grad.into(), &[x, stats, affine, sums, dy])?,
            // Without gradient through the statistics, the sums are not read: any [2, C] will do.
            _ => backward.add_for(0, grad.into(), &[x, stats, affine, affine, dy])?,
        };
        // In training dx is the whole derivative to x, through the statistics as well.
        let dstats =
            if self.training { None } else { backward.refuse(1, "statistics are constants in inference")? };
        Ok(vec![dx, dstats, sums.filter(|_| backward.needs(2))])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        reference::apply(self, inputs, output);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::apply(self, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::apply(self, io)
    }

    /// The statistics are given: those of the whole batch, in training too.
    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 3])
    }

    /// In inference x is dead after it; in training the backward pass reads x again, and the plan knows.
    fn cpu_in_place(&self) -> Option<usize> {
        Some(0)
    }

    fn gpu_in_place(&self) -> Option<usize> {
        Some(0)
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        let epilogue = usize::from(self.slope.is_some()) + usize::from(io.inputs.len() == 4);
        ((2 + epilogue) * io.output.elements()) as u64
    }
}

impl Operation for BatchNormSums {
    fn name(&self) -> &'static str {
        "batch_norm_sums"
    }

    fn settings(&self) -> String {
        epilogue(self.slope)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let wanted = 3 + usize::from(self.slope.is_some());
        if inputs.len() != wanted {
            return Err(format!("{wanted} inputs wanted, {} given", inputs.len()));
        }
        per_channel(inputs[0], &[(inputs[1], "the statistics")])?;
        for other in &inputs[2..] {
            same(inputs[0], other, "x, dy and y")?;
        }
        Ok(inputs[1].clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        reference::sums(self, inputs, output);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::sums(self, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::sums(self, io)
    }

    fn split(&self) -> Option<Split> {
        Split::sum(&[0, 2, 3])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        5 * io.inputs[0].elements() as u64
    }
}

impl Operation for BatchNormInputGrad {
    fn name(&self) -> &'static str {
        "batch_norm_input_grad"
    }

    fn settings(&self) -> String {
        epilogue(self.slope)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let wanted = 5 + usize::from(self.slope.is_some());
        if inputs.len() != wanted {
            return Err(format!("{wanted} inputs wanted, {} given", inputs.len()));
        }
        let rows = [(inputs[1], "the statistics"), (inputs[2], "scale and shift"), (inputs[3], "the sums")];
        per_channel(inputs[0], &rows)?;
        for other in &inputs[4..] {
            same(inputs[0], other, "x, dy and y")?;
        }
        Ok(inputs[0].clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        reference::input_grad(self, inputs, output);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::input_grad(self, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::input_grad(self, io)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 4, 5])
    }

    /// In dy.
    fn cpu_in_place(&self) -> Option<usize> {
        Some(4)
    }

    fn gpu_in_place(&self) -> Option<usize> {
        Some(4)
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        6 * io.output.elements() as u64
    }
}

impl Operation for MergeStats {
    fn name(&self) -> &'static str {
        "merge_stats"
    }

    fn settings(&self) -> String {
        format!("{} and {}", self.counts[0], self.counts[1])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [first, second] = arity(inputs)?;
        same(first, second, "the statistics of both parts")?;
        let [2, _] = first.dims("statistics [2, C]")? else {
            return Err(format!("statistics must be [2, C], not {first}"));
        };
        if self.counts.contains(&0) {
            return Err("a part of no elements has no statistics".into());
        }
        Ok((*first).clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::merge(self, inputs, output, shape[1]);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::merge(self, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::merge(self, io)
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        4 * io.output.elements() as u64
    }
}

impl Operation for RunningStats {
    fn name(&self) -> &'static str {
        "running_stats"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [running, batch] = arity(inputs)?;
        same(running, batch, "running and batch statistics")?;
        let [2, _] = running.dims("statistics [2, C]")? else {
            return Err(format!("statistics must be [2, C], not {running}"));
        };
        if self.count < 2 {
            return Err("one element has no unbiased variance".into());
        }
        Ok((*running).clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        let momentum = T::of(f64::from(self.momentum));
        for (i, new) in output.iter_mut().enumerate() {
            let (running, batch) = (inputs[0].data[i], inputs[1].data[i]);
            let batch = if i < shape[1] { batch } else { batch * T::of(self.unbiased()) };
            *new = running + momentum * (batch - running);
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::running(self, io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::running(self, io)
    }

    /// The running statistics are a variable that is updated where it lies.
    fn cpu_in_place(&self) -> Option<usize> {
        Some(0)
    }

    fn gpu_in_place(&self) -> Option<usize> {
        Some(0)
    }
}
