//! Max and average pooling over H and W, unpadded.

mod cpu;
mod gpu;
mod reference;

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
use super::{Backward, Graph, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

/// A pooling window and its steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub size: [usize; 2],
    pub stride: [usize; 2],
}

/// x [N, C, H, W] → [N, C, H', W'], `H' = (H − size₀)/stride₀ + 1`: the largest value of every window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPool(pub Window);

/// (x, dy) → gradient to x: every window's dy goes to its first maximum in row-major order, found again from x
/// rather than kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPoolGrad(pub Window);

/// x [N, C, H, W] → [N, C, H', W']: the mean of every window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePool(pub Window);

/// dy [N, C, H', W'] → gradient to x, whose height and width are `input`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePoolGrad {
    pub window: Window,
    pub input: [usize; 2],
}

impl Window {
    /// Windows that lie side by side.
    pub fn tiles(size: [usize; 2]) -> Self {
        Self { size, stride: size }
    }

    fn shape(&self, x: &Shape) -> Result<Shape, String> {
        let [n, c, h, w] = x.dims("x [N, C, H, W]")?;
        if self.size.contains(&0) || self.stride.contains(&0) {
            return Err("window and stride must be at least 1".into());
        }
        let side = |length: usize, axis: usize| {
            length
                .checked_sub(self.size[axis])
                .map(|rest| rest / self.stride[axis] + 1)
                .ok_or_else(|| format!("a window of {} does not fit {length}", self.size[axis]))
        };
        Ok(Shape::from([n, c, side(h, 0)?, side(w, 1)?]))
    }

    fn settings(&self) -> String {
        let Window { size: [h, w], stride: [sh, sw] } = self;
        let stride = if self.size == self.stride { String::new() } else { format!(", stride {sh}×{sw}") };
        format!("{h}×{w}{stride}")
    }

    fn operations(&self, pooled: &Shape) -> u64 {
        (pooled.elements() * self.size[0] * self.size[1]) as u64
    }
}

/// Adds global average pooling: x [N, C, H, W] → [N, C], an [`AveragePool`] whose window is the whole plane.
///
/// # Errors
/// [`GraphError::Shape`] where x has not four axes.
pub fn global_average_pool(graph: &mut Graph, x: NodeId) -> Result<NodeId, GraphError> {
    let shape = graph.shape(x).clone();
    let size = if let [_, _, h, w] = shape[..] { [h, w] } else { [0, 0] };
    let pooled = graph.add_named("global_pool", AveragePool(Window::tiles(size)).into(), &[x])?;
    let flat = [shape[0], shape[1]];
    graph.add_named("flatten", super::view::View::reshape(flat).into(), &[pooled])
}

impl Operation for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = arity(inputs)?;
        self.0.shape(x)
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.input(0), backward.upstream()];
        Ok(vec![backward.add_for(0, MaxPoolGrad(self.0).into(), &inputs)?])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::max(&self.0, inputs[0], output, shape);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::max(self.0, io.inputs[0], io.output)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::kernel("max_pool", self.0, io.inputs[0], io.output, io.output, 1)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        self.0.operations(io.output)
    }
}

impl Operation for MaxPoolGrad {
    fn name(&self) -> &'static str {
        "max_pool_grad"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x, dy] = arity(inputs)?;
        super::same(&self.0.shape(x)?, dy, "the pooled tensor and its gradient")?;
        Ok(x.clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        reference::max_grad(&self.0, inputs[0], inputs[1], output);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::max_grad(self.0, io.inputs[0], io.inputs[1])
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::max_pool_grad(self.0, io.output, io.inputs[1])
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 1])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        self.0.operations(io.inputs[1])
    }
}

impl Operation for AveragePool {
    fn name(&self) -> &'static str {
        "average_pool"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = arity(inputs)?;
        self.0.shape(x)
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let shape = backward.input_shape(0);
        let op = AveragePoolGrad { window: self.0, input: [shape[2], shape[3]] };
        let dy = backward.upstream();
        Ok(vec![backward.add_for(0, op.into(), &[dy])?])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::average(&self.0, inputs[0], output, shape);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::average(self.0, io.inputs[0], io.output)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::kernel("average_pool", self.0, io.inputs[0], io.output, io.output, 1)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        self.0.operations(io.output)
    }
}

impl Operation for AveragePoolGrad {
    fn name(&self) -> &'static str {
        "average_pool_grad"
    }

    fn settings(&self) -> String {
        self.window.settings()
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [dy] = arity(inputs)?;
        let [n, c, _, _] = dy.dims("dy [N, C, H', W']")?;
        let x = Shape::from([n, c, self.input[0], self.input[1]]);
        super::same(&self.window.shape(&x)?, dy, "the pooled tensor and its gradient")?;
        Ok(x)
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::average_grad(&self.window, inputs[0], output, shape);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::average_grad(self.window, io.inputs[0], io.output)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::kernel("average_pool_grad", self.window, io.output, io.inputs[0], io.output, 1)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        self.window.operations(io.inputs[0])
    }
}
