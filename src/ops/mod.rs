//! The operations. Everything about one stands in its folder: shape rule, gradient rule, textbook reference,
//! fast CPU kernel and GPU dispatch; its hand-written WGSL is the file of the same name under `shaders/`.
//!
//! To add an operation, add a folder with a type that implements [`Operation`] and a line in [`Op`]; the compiler
//! names what is missing.

pub mod activation;
pub mod batch_norm;
pub mod bias;
pub mod conv2d;
pub mod dense;
pub mod dropout;
pub mod kernel;
pub mod log;
pub mod log_mel;
pub mod loss;
pub mod mask;
pub mod mel;
pub mod optimizer;
pub mod pool;
mod reduce;
pub mod residual_add;
pub mod source;
pub mod split;
pub mod stft;
mod vector;
pub mod view;

use crate::graph::{self, GraphError, GraphOp, NodeId, Shape};
use kernel::{CpuKernel, GpuKernel, Io, Mixed, Operand, Real};
use split::Split;

/// A graph of this module's operations.
pub type Graph = graph::Graph<Op>;
/// What a gradient rule sees; see [`graph::Backward`].
pub type Backward<'a> = graph::Backward<'a, Op>;

/// Everything that the engine must know of one operation.
pub trait Operation: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// The name in errors, tables and profiles.
    fn name(&self) -> &'static str;

    /// The settings for people, such as `stride 2×2`; empty where there are none.
    fn settings(&self) -> String {
        String::new()
    }

    /// The shape of the output, or in words why the inputs do not fit.
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String>;

    /// The gradient rule; see [`GraphOp::gradient`]. Without one, every wanted gradient is refused.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        (0..backward.inputs()).map(|i| backward.refuse(i, "there is no rule for this operation")).collect()
    }

    /// The definition, as loops in the order of the formula; `output` has `shape` and may hold anything before.
    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape);

    /// The kernel of the CPU device; the reference in f32 where that is fast enough.
    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        let _ = io;
        CpuKernel::from_reference(self.clone(), io)
    }

    /// The kernel of the GPU device.
    fn gpu(&self, io: &Io<'_>) -> GpuKernel;

    /// The kernel of the GPU device in mixed precision: for sums of products, operands rounded to f16 and sums in f32.
    /// Whatever else there is, is computed in f32.
    fn gpu_mixed(&self, io: &Io<'_>, mixed: Mixed) -> GpuKernel {
        let _ = mixed;
        self.gpu(io)
    }

    /// The input whose memory the CPU kernel may use for its output (see [`Io::in_place`]).
    fn cpu_in_place(&self) -> Option<usize> {
        None
    }

    /// The input whose memory the GPU kernel may use for its output (see [`Io::in_place`]).
    fn gpu_in_place(&self) -> Option<usize> {
        None
    }

    /// How the operation is computed on slices of its batch where a tensor is larger than the device can bind. Without
    /// it such a tensor is refused.
    fn split(&self) -> Option<Split> {
        None
    }

    /// The operation on a slice whose output begins with element `first` of the whole output; itself, unless it depends
    /// on where an element lies.
    fn slice(&self, first: usize) -> Self {
        let _ = first;
        self.clone()
    }

    /// How many floating-point operations the formula takes, for profiles (a multiply-add counts two).
    fn operations(&self, io: &Io<'_>) -> u64 {
        io.output.elements() as u64
    }
}

macro_rules! operations {
    ($($variant:ident($kind:ty)),* $(,)?) => {
        /// Every operation there is.
        #[derive(Clone, Debug)]
        pub enum Op { $(#[doc = concat!("[`", stringify!($kind), "`]")] $variant($kind)),* }

        $(impl From<$kind> for Op {
            fn from(op: $kind) -> Self {
                Op::$variant(op)
            }
        })*

        macro_rules! each {
            ($self:expr, $op:ident => $body:expr) => {
                match $self { $(Op::$variant($op) => $body),* }
            };
        }
    };
}

operations! {
    Input(source::Input),
    Variable(source::Variable),
    View(view::View),
    Pack(view::Pack),
    PowerStft(stft::PowerStft),
    PowerStftGrad(stft::PowerStftGrad),
    Mel(mel::Mel),
    LogMel(log_mel::LogMel),
    Ln(log::Ln),
    LnGrad(log::LnGrad),
    Decibel(log::Decibel),
    DecibelGrad(log::DecibelGrad),
    Conv2d(conv2d::Conv2d),
    Conv2dInputGrad(conv2d::Conv2dInputGrad),
    Conv2dWeightGrad(conv2d::Conv2dWeightGrad),
    Bias(bias::Bias),
    BiasGrad(bias::BiasGrad),
    BatchStats(batch_norm::BatchStats),
    BatchNorm(batch_norm::BatchNorm),
    BatchNormSums(batch_norm::BatchNormSums),
    BatchNormInputGrad(batch_norm::BatchNormInputGrad),
    MergeStats(batch_norm::MergeStats),
    RunningStats(batch_norm::RunningStats),
    LeakyRelu(activation::LeakyRelu),
    LeakyReluGrad(activation::LeakyReluGrad),
    Add(residual_add::Add),
    MaxPool(pool::MaxPool),
    MaxPoolGrad(pool::MaxPoolGrad),
    AveragePool(pool::AveragePool),
    AveragePoolGrad(pool::AveragePoolGrad),
    Matmul(dense::Matmul),
    Dropout(dropout::Dropout),
    Mask(mask::Mask),
    Softmax(loss::Softmax),
    SoftmaxGrad(loss::SoftmaxGrad),
    CrossEntropy(loss::CrossEntropy),
    CrossEntropyGrad(loss::CrossEntropyGrad),
    GlobalNorm(optimizer::GlobalNorm),
    Sgd(optimizer::Sgd),
    Adam(optimizer::Adam),
}

impl GraphOp for Op {
    fn name(&self) -> &'static str {
        each!(self, op => op.name())
    }

    fn settings(&self) -> String {
        each!(self, op => op.settings())
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        each!(self, op => op.shape(inputs))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        each!(self, op => op.gradient(backward))
    }

    fn addition() -> Self {
        residual_add::Add.into()
    }
}

impl Op {
    /// See [`Operation::reference`].
    pub fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        each!(self, op => op.reference(inputs, output, shape))
    }

    /// See [`Operation::cpu`].
    pub fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        each!(self, op => op.cpu(io))
    }

    /// See [`Operation::gpu`].
    pub fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        each!(self, op => op.gpu(io))
    }

    /// See [`Operation::gpu_mixed`].
    pub fn gpu_mixed(&self, io: &Io<'_>, mixed: Mixed) -> GpuKernel {
        each!(self, op => op.gpu_mixed(io, mixed))
    }

    /// See [`Operation::cpu_in_place`].
    pub fn cpu_in_place(&self) -> Option<usize> {
        each!(self, op => op.cpu_in_place())
    }

    /// See [`Operation::gpu_in_place`].
    pub fn gpu_in_place(&self) -> Option<usize> {
        each!(self, op => op.gpu_in_place())
    }

    /// See [`Operation::split`].
    pub fn split(&self) -> Option<Split> {
        each!(self, op => op.split())
    }

    /// See [`Operation::slice`].
    pub fn slice(&self, first: usize) -> Self {
        each!(self, op => op.slice(first).into())
    }

    /// See [`Operation::operations`].
    pub fn operations(&self, io: &Io<'_>) -> u64 {
        each!(self, op => op.operations(io))
    }
}

/// The inputs as exactly `I` shapes, or in words how many were wanted.
pub(crate) fn arity<'a, const I: usize>(inputs: &[&'a Shape]) -> Result<[&'a Shape; I], String> {
    <[&Shape; I]>::try_from(inputs).map_err(|_| format!("{I} inputs wanted, {} given", inputs.len()))
}

/// Nothing where the two shapes are one, else in words which two differ.
pub(crate) fn same(a: &Shape, b: &Shape, what: &str) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("{what} must have one shape, not {a} and {b}")) }
}
