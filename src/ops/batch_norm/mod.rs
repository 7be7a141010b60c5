//! Batch normalisation over [N, C, ...]: statistics, application with a fused epilogue, gradients, and
//! running statistics (Ioffe and Szegedy 2015).
//!
//! Statistics, scale and shift, and their gradients are tensors [2, C]: mean and variance; scale and shift.
//! The variance is the biased one (divided by the count), found in two passes or by merging deviations, never
//! as E\[x²\] − E\[x\]², which cancels.

mod cpu;
mod gpu;
mod planes;
mod reference;

use super::channels::Channels;
use super::kernel::{CpuKernel, GpuKernel, Real};
use super::prepared::Prepared;
use super::slicing::Join;
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

/// x [N, C, ...] → batch statistics [2, C]: mean and biased variance of every channel.
///
/// It has no gradient rule of its own: [`BatchNorm`] in training carries the gradient through the statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchStats;

/// (x [N, C, ...], statistics [2, C], scale and shift [2, C], residual like x, if any) → `y = f(scale·(x −
/// mean)/√(variance + epsilon) + shift + residual)`, f the leaky ReLU of `slope`, or nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Whether the statistics are those of x itself, so that the gradient flows through them too.
    pub training: bool,
    /// Of the leaky ReLU; none for none.
    pub slope: Option<f32>,
    /// Added to the variance before the square root is taken; positive.
    pub epsilon: f64,
}

/// (x, statistics, dy[, y]) → [2, C]: the gradients to scale, `Σ dz·x̂`, and to shift, `Σ dz`, x̂ the
/// normalised x; dz is dy, or where `slope` is given dy times the slope of the leaky ReLU whose output is y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormSums {
    pub slope: Option<f32>,
    /// The batch norm's.
    pub epsilon: f64,
}

/// (x, statistics, scale and shift, sums, dy[, y]) → gradient to x:
/// in training `scale/σ·(dz − (Σ dz + x̂·Σ dz·x̂)/count)`, else `scale/σ·dz`; dz as in [`BatchNormSums`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormInputGrad {
    /// In training, how many elements of a channel statistics and sums were taken over: those of the whole
    /// batch, of which x may be a slice.
    pub count: Option<usize>,
    pub slope: Option<f32>,
    /// The batch norm's.
    pub epsilon: f64,
}

/// (statistics [2, C] of one part of a batch, statistics [2, C] of another) → statistics [2, C] of both, by
/// merging deviations about the means (Chan, Golub and LeVeque 1983): with shares `s = countᵢ/Σ count` and
/// `d` the difference of the means, `mean = mean₀ + s₁·d`, `variance = s₀·variance₀ + s₁·variance₁ +
/// s₀·s₁·d²`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MergeStats {
    /// How many elements of a channel, or in any other unit, each part has.
    pub counts: [usize; 2],
}

/// (running [2, C], batch statistics [2, C]) → new running statistics,
/// `running + momentum·(batch − running)`, the batch's variance made unbiased by `count/(count − 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunningStats {
    /// How much of the batch's statistics goes into the running ones.
    pub momentum: f32,
    /// How many elements of a channel the batch statistics were taken over.
    pub count: usize,
}

impl BatchNorm {
    /// What is added to the variance where nothing else is wanted.
    pub const EPSILON: f64 = 1e-5;
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

/// The sizes of x, with which tensors of [2, C] are given.
fn per_channel(x: &Shape, what: &[(&Shape, &str)]) -> Result<Channels, String> {
    let channels = Channels::of(x)?;
    let c = channels.c;
    for (shape, name) in what {
        if ***shape != [2, c] {
            return Err(format!("{name} of {c} channels must be [2, {c}], not {shape}"));
        }
    }
    Ok(channels)
}

/// Two tensors of statistics, in and out; the number of their channels.
fn statistics(first: &Shape, second: &Shape, what: &str) -> Result<Prepared<usize>, String> {
    same(first, second, what)?;
    let [2, c] = first.dims("statistics [2, C]")? else {
        return Err(format!("statistics must be [2, C], not {first}"));
    };
    Ok(Prepared::new(first.clone(), c))
}

/// What differs from the default.
fn settings(epsilon: f64, slope: Option<f32>) -> String {
    let epsilon = (epsilon != BatchNorm::EPSILON).then(|| format!("epsilon {epsilon:e}"));
    let epilogue = slope.map(|slope| format!("leaky ReLU {slope}"));
    epsilon.into_iter().chain(epilogue).collect::<Vec<_>>().join(", ")
}

fn check_epsilon(epsilon: f64) -> Result<(), String> {
    // What a GPU adds is its f32.
    if epsilon as f32 > 0.0 && (epsilon as f32).is_finite() {
        return Ok(());
    }
    Err(format!("epsilon must be positive and finite, not {epsilon:e}"))
}

/// Whether a residual is added.
#[derive(Clone, Copy, Debug)]
pub struct Residual(bool);

impl Operation for BatchStats {
    type Sizes = Channels;

    fn name(&self) -> &'static str {
        "batch_stats"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Channels>, String> {
        let [x] = arity(inputs)?;
        let channels = Channels::of(x)?;
        if channels.count() < 2 {
            return Err(format!("{x} has one element a channel, which has no variance"));
        }
        let merge = Join::Merge(|rows| MergeStats { counts: rows }.into());
        let prepared = Prepared::new(Shape::from([2, channels.c]), channels);
        Ok(prepared.flops(4 * x.elements()).slicing(&[0], merge))
    }

    fn reference<T: Real>(&self, channels: &Channels, inputs: &[&[T]], output: &mut [T]) {
        reference::statistics(*channels, inputs[0], output);
    }

    fn cpu(&self, channels: &Channels, _: Option<usize>) -> CpuKernel {
        cpu::statistics(*channels)
    }

    fn gpu(&self, channels: &Channels, _: Option<usize>) -> GpuKernel {
        gpu::statistics(*channels)
    }
}

impl Operation for BatchNorm {
    type Sizes = (Channels, Residual);

    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn settings(&self) -> String {
        settings(self.epsilon, self.slope)
    }

    /// Sliced by rows: the statistics are given, those of the whole batch in training too. In place of x: in
    /// inference it is dead after it; in training the backward pass reads it again, and the plan knows.
    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<(Channels, Residual)>, String> {
        let (x, stats, affine) = match *inputs {
            [x, stats, affine] => (x, stats, affine),
            [x, stats, affine, residual] => {
                same(x, residual, "x and the residual")?;
                (x, stats, affine)
            }
            _ => return Err(format!("3 or 4 inputs wanted, {} given", inputs.len())),
        };
        check_epsilon(self.epsilon)?;
        let channels = per_channel(x, &[(stats, "the statistics"), (affine, "scale and shift")])?;
        let residual = Residual(inputs.len() == 4);
        let epilogue = usize::from(self.slope.is_some()) + usize::from(residual.0);
        let prepared = Prepared::new(x.clone(), (channels, residual)).flops((2 + epilogue) * x.elements());
        Ok(prepared.in_place(0).rows(&[0, 3]))
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
        let epsilon = self.epsilon;
        let sums = BatchNormSums { slope: None, epsilon };
        let sums = if backward.needs(2) || (backward.needs(0) && self.training) {
            Some(backward.add(sums.into(), &[x, stats, dy])?)
        } else {
            None
        };
        let x_shape = backward.input_shape(0);
        let count = self.training.then(|| x_shape.elements() / x_shape[1]);
        let grad = BatchNormInputGrad { count, slope: None, epsilon };
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

    fn reference<T: Real>(&self, (channels, _): &(Channels, Residual), inputs: &[&[T]], output: &mut [T]) {
        reference::apply(self, *channels, inputs, output);
    }

    fn cpu(&self, &(channels, residual): &(Channels, Residual), in_place: Option<usize>) -> CpuKernel {
        cpu::apply(self, channels, residual, in_place)
    }

    fn gpu(&self, &(channels, residual): &(Channels, Residual), in_place: Option<usize>) -> GpuKernel {
        gpu::apply(self, channels, residual, in_place)
    }
}

impl Operation for BatchNormSums {
    type Sizes = Channels;

    fn name(&self) -> &'static str {
        "batch_norm_sums"
    }

    fn settings(&self) -> String {
        settings(self.epsilon, self.slope)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Channels>, String> {
        let wanted = 3 + usize::from(self.slope.is_some());
        if inputs.len() != wanted {
            return Err(format!("{wanted} inputs wanted, {} given", inputs.len()));
        }
        check_epsilon(self.epsilon)?;
        let channels = per_channel(inputs[0], &[(inputs[1], "the statistics")])?;
        for other in &inputs[2..] {
            same(inputs[0], other, "x, dy and y")?;
        }
        let prepared = Prepared::new(inputs[1].clone(), channels).flops(5 * channels.elements());
        Ok(prepared.sum(&[0, 2, 3]))
    }

    fn reference<T: Real>(&self, channels: &Channels, inputs: &[&[T]], output: &mut [T]) {
        reference::sums(self, *channels, inputs, output);
    }

    fn cpu(&self, channels: &Channels, _: Option<usize>) -> CpuKernel {
        cpu::sums(self, *channels)
    }

    fn gpu(&self, channels: &Channels, _: Option<usize>) -> GpuKernel {
        gpu::sums(self, *channels)
    }
}

impl Operation for BatchNormInputGrad {
    type Sizes = Channels;

    fn name(&self) -> &'static str {
        "batch_norm_input_grad"
    }

    fn settings(&self) -> String {
        settings(self.epsilon, self.slope)
    }

    /// In place of dy.
    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Channels>, String> {
        let wanted = 5 + usize::from(self.slope.is_some());
        if inputs.len() != wanted {
            return Err(format!("{wanted} inputs wanted, {} given", inputs.len()));
        }
        let rows = [(inputs[1], "the statistics"), (inputs[2], "scale and shift"), (inputs[3], "the sums")];
        check_epsilon(self.epsilon)?;
        let channels = per_channel(inputs[0], &rows)?;
        for other in &inputs[4..] {
            same(inputs[0], other, "x, dy and y")?;
        }
        let prepared = Prepared::new(inputs[0].clone(), channels).flops(6 * channels.elements());
        Ok(prepared.in_place(4).rows(&[0, 4, 5]))
    }

    fn reference<T: Real>(&self, channels: &Channels, inputs: &[&[T]], output: &mut [T]) {
        reference::input_grad(self, *channels, inputs, output);
    }

    fn cpu(&self, channels: &Channels, in_place: Option<usize>) -> CpuKernel {
        cpu::input_grad(self, *channels, in_place)
    }

    fn gpu(&self, channels: &Channels, in_place: Option<usize>) -> GpuKernel {
        gpu::input_grad(self, *channels, in_place)
    }
}

impl Operation for MergeStats {
    /// C.
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "merge_stats"
    }

    fn settings(&self) -> String {
        format!("{} and {}", self.counts[0], self.counts[1])
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [first, second] = arity(inputs)?;
        if self.counts.contains(&0) {
            return Err("a part of no elements has no statistics".into());
        }
        Ok(statistics(first, second, "the statistics of both parts")?.flops(4 * first.elements()))
    }

    fn reference<T: Real>(&self, &c: &usize, inputs: &[&[T]], output: &mut [T]) {
        reference::merge(self, inputs, output, c);
    }

    fn cpu(&self, &c: &usize, _: Option<usize>) -> CpuKernel {
        cpu::merge(self, c)
    }

    fn gpu(&self, &c: &usize, _: Option<usize>) -> GpuKernel {
        gpu::merge(self, c)
    }
}

impl Operation for RunningStats {
    /// C.
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "running_stats"
    }

    /// In place: the running statistics are a variable that is updated where it lies.
    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [running, batch] = arity(inputs)?;
        if self.count < 2 {
            return Err("one element has no unbiased variance".into());
        }
        Ok(statistics(running, batch, "running and batch statistics")?.in_place(0))
    }

    fn reference<T: Real>(&self, &c: &usize, inputs: &[&[T]], output: &mut [T]) {
        let momentum = T::of(f64::from(self.momentum));
        for (i, new) in output.iter_mut().enumerate() {
            let (running, batch) = (inputs[0][i], inputs[1][i]);
            let batch = if i < c { batch } else { batch * T::of(self.unbiased()) };
            *new = running + momentum * (batch - running);
        }
    }

    fn cpu(&self, &c: &usize, in_place: Option<usize>) -> CpuKernel {
        cpu::running(self, c, in_place)
    }

    fn gpu(&self, &c: &usize, in_place: Option<usize>) -> GpuKernel {
        gpu::running(self, c, in_place)
    }
}
