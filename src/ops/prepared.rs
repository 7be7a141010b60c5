//! An operation on inputs of known shapes: validated once, with all that follows from the shapes.

use std::fmt::Debug;
use std::sync::Arc;

use super::Operation;
use super::kernel::{CpuKernel, GpuKernel, Mixed, Real};
use super::slicing::{Join, Slicing};
use crate::graph::Shape;

/// What follows from an operation and its inputs' shapes.
#[derive(Clone, Debug)]
pub struct Prepared<S> {
    /// The shape of the output.
    pub output: Shape,
    /// What the definition and the kernels are made for.
    pub sizes: S,
    /// How many floating-point operations the formula takes, for profiles (a multiply-add counts two).
    pub flops: u64,
    /// The input in whose memory the output may be computed.
    pub in_place: Option<usize>,
    /// How the operation is computed on slices of its batch where a tensor is larger than the device can
    /// bind. Without it such a tensor is refused.
    pub slicing: Option<Slicing>,
}

/// [`Prepared`] with its operation, whichever that is.
pub type PreparedOp = Prepared<Arc<dyn Kernels>>;

impl<S> Prepared<S> {
    /// One floating-point operation per element of the output; not in place, not sliced.
    pub fn new(output: Shape, sizes: S) -> Self {
        let flops = output.elements() as u64;
        Self { output, sizes, flops, in_place: None, slicing: None }
    }

    /// With this many floating-point operations.
    pub fn flops(self, flops: usize) -> Self {
        Self { flops: flops as u64, ..self }
    }

    /// With the output in the place of this input, where nobody else reads that input.
    pub fn in_place(self, input: usize) -> Self {
        Self { in_place: Some(input), ..self }
    }

    /// Sliced into rows of the output, each computed from the same rows of these inputs.
    pub fn rows(self, sliced: &'static [usize]) -> Self {
        self.slicing(sliced, Join::Rows)
    }

    /// Sliced into terms of a sum over the rows of these inputs.
    pub fn sum(self, sliced: &'static [usize]) -> Self {
        self.slicing(sliced, Join::Sum)
    }

    /// Sliced along the rows of these inputs; see [`Join`].
    pub fn slicing(self, sliced: &'static [usize], join: Join) -> Self {
        Self { slicing: Some(Slicing { sliced, join }), ..self }
    }

    /// The same with other sizes.
    pub fn map<R>(self, sizes: impl FnOnce(S) -> R) -> Prepared<R> {
        let Self { output, sizes: own, flops, in_place, slicing } = self;
        Prepared { output, sizes: sizes(own), flops, in_place, slicing }
    }
}

impl Prepared<usize> {
    /// An output of the shape of `x`, for which only the number of elements counts.
    pub fn like(x: &Shape) -> Self {
        Self::new(x.clone(), x.elements())
    }
}

impl<S> AsRef<Shape> for Prepared<S> {
    fn as_ref(&self) -> &Shape {
        &self.output
    }
}

/// The definition and the kernels of a prepared operation.
pub trait Kernels: Debug + Send + Sync {
    /// See [`Operation::cpu`].
    fn cpu(&self, in_place: Option<usize>) -> CpuKernel;

    /// See [`Operation::gpu`] and [`Operation::gpu_mixed`], which is asked where the device has mixed
    /// precision.
    fn gpu(&self, in_place: Option<usize>, mixed: Option<Mixed>) -> GpuKernel;

    /// See [`Operation::reference`].
    fn reference_f32(&self, inputs: &[&[f32]], output: &mut [f32]);

    /// See [`Operation::reference`].
    fn reference_f64(&self, inputs: &[&[f64]], output: &mut [f64]);
}

#[derive(Debug)]
struct Bound<O: Operation> {
    op: O,
    sizes: O::Sizes,
}

impl<O: Operation> Kernels for Bound<O> {
    fn cpu(&self, in_place: Option<usize>) -> CpuKernel {
        self.op.cpu(&self.sizes, in_place)
    }

    fn gpu(&self, in_place: Option<usize>, mixed: Option<Mixed>) -> GpuKernel {
        let mixed = mixed.and_then(|mixed| self.op.gpu_mixed(&self.sizes, mixed));
        mixed.unwrap_or_else(|| self.op.gpu(&self.sizes, in_place))
    }

    fn reference_f32(&self, inputs: &[&[f32]], output: &mut [f32]) {
        self.op.reference(&self.sizes, inputs, output);
    }

    fn reference_f64(&self, inputs: &[&[f64]], output: &mut [f64]) {
        self.op.reference(&self.sizes, inputs, output);
    }
}

impl PreparedOp {
    /// Validates an operation's inputs.
    ///
    /// # Errors
    /// In words, where they do not fit.
    pub(super) fn of(op: &impl Operation, inputs: &[&Shape]) -> Result<Self, String> {
        Ok(op.prepare(inputs)?.map(|sizes| Arc::new(Bound { op: op.clone(), sizes }) as Arc<dyn Kernels>))
    }

    /// See [`Operation::cpu`].
    pub fn cpu(&self, in_place: Option<usize>) -> CpuKernel {
        self.sizes.cpu(in_place)
    }

    /// See [`Kernels::gpu`].
    pub fn gpu(&self, in_place: Option<usize>, mixed: Option<Mixed>) -> GpuKernel {
        self.sizes.gpu(in_place, mixed)
    }

    /// See [`Operation::reference`].
    pub fn reference<T: Real>(&self, inputs: &[&[T]], output: &mut [T]) {
        T::reference(&*self.sizes, inputs, output);
    }
}
