//! Max and average pooling over H and W, unpadded.

mod cpu;
mod gpu;
mod reference;

use super::kernel::{CpuKernel, GpuKernel, Real};
use super::prepared::Prepared;
use super::{Backward, Graph, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

/// A pooling window and its steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Height and width.
    pub size: [usize; 2],
    /// Steps along H and W.
    pub stride: [usize; 2],
    /// Whether what is left at an edge gets a window that is cut off there, instead of none.
    pub ceil: bool,
}

/// x [N, C, H, W] → [N, C, H', W']: the largest value of every window. `H' = (H − size₀)/stride₀ + 1`, rounded down,
/// or up where [`Window::ceil`] says so and the last window begins inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPool(pub Window);

/// (x, dy) → gradient to x: every window's dy goes to its first maximum in row-major order, found again from
/// x rather than kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPoolGrad(pub Window);

/// x [N, C, H, W] → [N, C, H', W'], as [`MaxPool`]: the mean of what every window holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePool(pub Window);

/// dy [N, C, H', W'] → gradient to x, whose height and width are `input`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePoolGrad {
    pub window: Window,
    pub input: [usize; 2],
}

impl Window {
    /// Windows that lie side by side, as many as fit: `H' = ⌊H/size₀⌋`.
    pub fn tiles(size: [usize; 2]) -> Self {
        Self { size, stride: size, ceil: false }
    }

    /// Windows that lie side by side over all of a plane, the last ones cut off at its edges: `H' = ⌈H/size₀⌉`.
    pub fn covering(size: [usize; 2]) -> Self {
        Self { ceil: true, ..Self::tiles(size) }
    }

    /// The sizes of pooling x.
    ///
    /// # Errors
    /// In words, where the window does not fit.
    pub fn dims(&self, x: &Shape) -> Result<PoolDims, String> {
        let [n, c, h, w] = x.dims("x [N, C, H, W]")?;
        if self.size.contains(&0) || self.stride.contains(&0) {
            return Err("window and stride must be at least 1".into());
        }
        let side = |length: usize, axis: usize| {
            let (size, stride) = (self.size[axis], self.stride[axis]);
            if self.ceil {
                // A window begins inside.
                return Ok((length.saturating_sub(size).div_ceil(stride) + 1).min(length.div_ceil(stride)));
            }
            let rest = length.checked_sub(size);
            rest.map(|rest| rest / stride + 1)
                .ok_or_else(|| format!("a window of {size} does not fit {length}"))
        };
        Ok(PoolDims { window: *self, count: n * c, h, w, p: side(h, 0)?, q: side(w, 1)? })
    }

    fn settings(&self) -> String {
        let Window { size: [h, w], stride: [sh, sw], ceil } = self;
        let stride = if self.size == self.stride { String::new() } else { format!(", stride {sh}×{sw}") };
        format!("{h}×{w}{stride}{}", if *ceil { ", to the edge" } else { "" })
    }
}

/// The sizes of pooling plane by plane.
#[derive(Clone, Copy, Debug)]
pub struct PoolDims {
    pub window: Window,
    /// N·C.
    pub count: usize,
    pub h: usize,
    pub w: usize,
    /// H'.
    pub p: usize,
    /// W'.
    pub q: usize,
}

impl PoolDims {
    /// Elements of a plane before pooling.
    pub fn full(&self) -> usize {
        self.h * self.w
    }

    /// Elements of a plane after pooling.
    pub fn pooled(&self) -> usize {
        self.p * self.q
    }

    /// The rows of the windows of row `p` of the pooled plane: fewer than the window's where the edge cuts them off.
    pub fn rows_at(&self, p: usize) -> usize {
        self.window.size[0].min(self.h - p * self.window.stride[0])
    }

    /// As [`Self::rows_at`], the columns of windows of column `q`.
    pub fn columns_at(&self, q: usize) -> usize {
        self.window.size[1].min(self.w - q * self.window.stride[1])
    }

    /// The shape of the pooled tensor, of an x of this shape.
    fn pooled_shape(&self, x: &Shape) -> Shape {
        Shape::from([x[0], x[1], self.p, self.q])
    }

    fn flops(&self) -> usize {
        self.count * self.pooled() * self.window.size[0] * self.window.size[1]
    }

    /// Pooling of x.
    fn forward(self, x: &Shape) -> Prepared<Self> {
        Prepared::new(self.pooled_shape(x), self).flops(self.flops()).rows(&[0])
    }

    /// The gradient to x.
    fn backward(self, x: Shape, dy: &Shape) -> Result<Prepared<Self>, String> {
        same(&self.pooled_shape(&x), dy, "the pooled tensor and its gradient")?;
        Ok(Prepared::new(x, self).flops(self.flops()))
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
    type Sizes = PoolDims;

    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<PoolDims>, String> {
        let [x] = arity(inputs)?;
        Ok(self.0.dims(x)?.forward(x))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.input(0), backward.upstream()];
        Ok(vec![backward.add_for(0, MaxPoolGrad(self.0).into(), &inputs)?])
    }

    fn reference<T: Real>(&self, planes: &PoolDims, inputs: &[&[T]], output: &mut [T]) {
        reference::max(planes, inputs[0], output);
    }

    fn cpu(&self, planes: &PoolDims, _: Option<usize>) -> CpuKernel {
        cpu::max(*planes)
    }

    fn gpu(&self, planes: &PoolDims, _: Option<usize>) -> GpuKernel {
        gpu::kernel("max_pool", planes, 1, planes.count * planes.pooled())
    }
}

impl Operation for MaxPoolGrad {
    type Sizes = PoolDims;

    fn name(&self) -> &'static str {
        "max_pool_grad"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<PoolDims>, String> {
        let [x, dy] = arity(inputs)?;
        Ok(self.0.dims(x)?.backward(x.clone(), dy)?.rows(&[0, 1]))
    }

    fn reference<T: Real>(&self, planes: &PoolDims, inputs: &[&[T]], output: &mut [T]) {
        reference::max_grad(planes, inputs[0], inputs[1], output);
    }

    fn cpu(&self, planes: &PoolDims, _: Option<usize>) -> CpuKernel {
        cpu::max_grad(*planes)
    }

    fn gpu(&self, planes: &PoolDims, _: Option<usize>) -> GpuKernel {
        gpu::max_pool_grad(planes)
    }
}

impl Operation for AveragePool {
    type Sizes = PoolDims;

    fn name(&self) -> &'static str {
        "average_pool"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<PoolDims>, String> {
        let [x] = arity(inputs)?;
        Ok(self.0.dims(x)?.forward(x))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let shape = backward.input_shape(0);
        let op = AveragePoolGrad { window: self.0, input: [shape[2], shape[3]] };
        let dy = backward.upstream();
        Ok(vec![backward.add_for(0, op.into(), &[dy])?])
    }

    fn reference<T: Real>(&self, planes: &PoolDims, inputs: &[&[T]], output: &mut [T]) {
        reference::average(planes, inputs[0], output);
    }

    fn cpu(&self, planes: &PoolDims, _: Option<usize>) -> CpuKernel {
        cpu::average(*planes)
    }

    fn gpu(&self, planes: &PoolDims, _: Option<usize>) -> GpuKernel {
        gpu::kernel("average_pool", planes, 1, planes.count * planes.pooled())
    }
}

impl Operation for AveragePoolGrad {
    type Sizes = PoolDims;

    fn name(&self) -> &'static str {
        "average_pool_grad"
    }

    fn settings(&self) -> String {
        self.window.settings()
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<PoolDims>, String> {
        let [dy] = arity(inputs)?;
        let [n, c, _, _] = dy.dims("dy [N, C, H', W']")?;
        let x = Shape::from([n, c, self.input[0], self.input[1]]);
        Ok(self.window.dims(&x)?.backward(x, dy)?.rows(&[0]))
    }

    fn reference<T: Real>(&self, planes: &PoolDims, inputs: &[&[T]], output: &mut [T]) {
        reference::average_grad(planes, inputs[0], output);
    }

    fn cpu(&self, planes: &PoolDims, _: Option<usize>) -> CpuKernel {
        cpu::average_grad(*planes)
    }

    fn gpu(&self, planes: &PoolDims, _: Option<usize>) -> GpuKernel {
        gpu::kernel("average_pool_grad", planes, 1, planes.count * planes.full())
    }
}
