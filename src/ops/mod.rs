//! The operations. Everything about one stands in its folder: shape rule, gradient rule, textbook reference,
//! fast CPU kernel and GPU dispatch; its hand-written WGSL is the file of the same name under `shaders/`.
//!
//! To add an operation, add a folder with a type that implements [`Operation`], a line in [`Op`], and an
//! example in `tests/common/operations.rs`. The compiler names what is missing of the first two, and the tests
//! `every` of parity and gradients what is missing of the kernels, the launches, the gradient and the docs.

pub mod activation;
pub mod batch_norm;
pub mod bias;
mod channels;
pub mod concat;
pub mod conv2d;
pub mod dense;
pub mod dropout;
pub mod elementwise;
pub mod exchange;
pub mod kernel;
pub mod log;
pub mod log_mel;
pub mod loss;
mod map;
pub mod mask;
pub mod mel;
pub mod optimizer;
pub mod pool;
pub mod prepared;
mod reduce;
pub mod slicing;
pub mod source;
pub mod stft;
pub mod view;

use crate::graph::{self, GraphError, GraphOp, NodeId, Shape};
use kernel::{CpuKernel, GpuKernel, Mixed, Real};
use prepared::{Prepared, PreparedOp};

/// A graph of this module's operations.
pub type Graph = graph::Graph<Op>;
/// What a gradient rule sees; see [`graph::Backward`].
pub type Backward<'a> = graph::Backward<'a, Op>;

/// Everything that the engine must know of one operation.
///
/// [`Operation::prepare`] alone sees shapes. What it finds, `Sizes`, is what definition and kernels are made
/// for.
pub trait Operation: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// What the definition and the kernels must know of the inputs' shapes.
    type Sizes: Clone + std::fmt::Debug + Send + Sync + 'static;

    /// The name in errors, tables and profiles.
    fn name(&self) -> &'static str;

    /// The settings for people, such as `stride 2×2`; empty where there are none.
    fn settings(&self) -> String {
        String::new()
    }

    /// Validates the inputs' shapes and draws every conclusion from them, or says in words why they do not
    /// fit.
    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Self::Sizes>, String>;

    /// The gradient rule; see [`GraphOp::gradient`]. Without one, every wanted gradient is refused.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        (0..backward.inputs()).map(|i| backward.refuse(i, "there is no rule for this operation")).collect()
    }

    /// The definition, as loops in the order of the formula; `output` may hold anything before.
    fn reference<T: Real>(&self, sizes: &Self::Sizes, inputs: &[&[T]], output: &mut [T]);

    /// The kernel of the CPU device; the reference in f32 where that is fast enough. With `in_place`, which
    /// is the [prepared](Prepared::in_place) input or nothing, the output lies in that input's place (see
    /// [`CpuKernel::run`]).
    fn cpu(&self, sizes: &Self::Sizes, in_place: Option<usize>) -> CpuKernel {
        debug_assert!(in_place.is_none(), "{} in place needs a kernel of its own", self.name());
        let (op, sizes) = (self.clone(), sizes.clone());
        CpuKernel::new(move |inputs, output| op.reference(&sizes, inputs, output))
    }

    /// The kernel of the GPU device. It must not bind the input `in_place`.
    fn gpu(&self, sizes: &Self::Sizes, in_place: Option<usize>) -> GpuKernel;

    /// The kernel of the GPU device in mixed precision, for sums of products: operands rounded to f16 and
    /// sums in f32. None where f32 does as well.
    fn gpu_mixed(&self, sizes: &Self::Sizes, mixed: Mixed) -> Option<GpuKernel> {
        let _ = (sizes, mixed);
        None
    }

    /// The operation on a slice whose output begins with element `first` of the whole output; itself, unless
    /// it depends on where an element lies.
    fn slice(&self, first: usize) -> Self {
        let _ = first;
        self.clone()
    }
}

macro_rules! operations {
    ($($variant:ident($kind:ty)),* $(,)?) => {
        /// Every operation there is.
        #[derive(Clone, Debug)]
        pub enum Op { $(#[doc = concat!("[`", stringify!($kind), "`]")] $variant($kind)),* }

        impl Op {
            /// The name of every variant.
            pub const VARIANTS: &[&str] = &[$(stringify!($variant)),*];

            /// The name of the variant.
            pub fn variant(&self) -> &'static str {
                match self { $(Op::$variant(_) => stringify!($variant)),* }
            }
        }

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
    Exchange(exchange::Exchange),
    PowerStft(stft::PowerStft),
    PowerStftGrad(stft::PowerStftGrad),
    Mel(mel::Mel),
    LogMel(log_mel::LogMel),
    Ln(log::Ln),
    LnGrad(log::LnGrad),
    Compress(log::Compress),
    CompressGrad(log::CompressGrad),
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
    Binary(elementwise::Binary),
    Unary(elementwise::Unary),
    Expand(elementwise::Expand),
    Reduce(elementwise::Reduce),
    Concat(concat::Concat),
    Slice(concat::Slice),
    Pad(concat::Pad),
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
    BinaryCrossEntropy(loss::BinaryCrossEntropy),
    BinaryCrossEntropyGrad(loss::BinaryCrossEntropyGrad),
    GlobalNorm(optimizer::GlobalNorm),
    Sgd(optimizer::Sgd),
    Adam(optimizer::Adam),
}

impl GraphOp for Op {
    type Prepared = PreparedOp;

    fn name(&self) -> &'static str {
        each!(self, op => op.name())
    }

    fn settings(&self) -> String {
        each!(self, op => op.settings())
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<PreparedOp, String> {
        each!(self, op => PreparedOp::of(op, inputs))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        each!(self, op => op.gradient(backward))
    }

    fn addition() -> Self {
        elementwise::Binary::Add.into()
    }
}

impl Op {
    /// See [`Operation::slice`].
    pub fn slice(&self, first: usize) -> Self {
        each!(self, op => op.slice(first).into())
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
