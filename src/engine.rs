//! Graphs of one's own: build one, differentiate it, and run it on a device.
//!
//! A [`Graph`] holds operations on f32 tensors. Nodes are added in topological order, and shapes are checked as they
//! are. [`Graph::gradients`] appends the nodes of the backward pass. [`compile`] plans a graph for one [`Device`] and loads
//! it there; the [`Executable`] that it gives is written to, run and read as often as is wanted.
//!
//! [`Executable::write`] sets inputs and variables. [`Executable::run`] starts a run, and [`Executable::outputs`] waits for
//! the earliest run whose outputs were not taken yet: take them once per run. [`Executable::read`] gives the value that an
//! input, a variable or an output has now. Constants are inputs.
//!
//! To train, push pairs (variable, new value) to [`Request::updates`]: the new values are ordinary nodes of the variables'
//! shapes, and take their places at the end of every run. `examples/linear_regression.rs` does so. The optimizers `Sgd` and
//! `Adam` want all parameters packed in one state; for a few parameters plain arithmetic is simpler.

use std::sync::Arc;

pub use crate::device::{Device, DeviceChoice, DeviceError, Executable, LoadOptions, Precision, open};
pub use crate::graph::{GraphError, NodeId, Shape};
pub use crate::ops::{Graph, Op};
pub use crate::plan::Request;

/// The operations. Arithmetic broadcasts between tensors of equally many axes: an axis of length 1 is repeated. No axes are
/// added.
pub mod ops {
    pub use crate::ops::activation::LeakyRelu;
    pub use crate::ops::batch_norm::{BatchNorm, BatchStats, RunningStats};
    pub use crate::ops::bias::Bias;
    pub use crate::ops::concat::{Concat, Pad, Slice};
    pub use crate::ops::conv2d::Conv2d;
    pub use crate::ops::dense::{Form, Matmul};
    pub use crate::ops::dropout::Dropout;
    pub use crate::ops::elementwise::Binary::{Add, Mul, Sub};
    pub use crate::ops::elementwise::Unary::{Sigmoid, Square};
    pub use crate::ops::elementwise::{Axes, Binary, Expand, Reduce, Unary};
    pub use crate::ops::log::{Compress, Decibel, Ln};
    pub use crate::ops::loss::{BinaryCrossEntropy, CrossEntropy, Softmax};
    pub use crate::ops::mask::Mask;
    pub use crate::ops::mel::{Mel, MelScale, MelSpec};
    pub use crate::ops::optimizer::{Adam, GlobalNorm, Sgd, UpdateSettings};
    pub use crate::ops::pool::{AveragePool, MaxPool, Window, global_average_pool};
    pub use crate::ops::source::{Input, Variable};
    pub use crate::ops::stft::PowerStft;
    pub use crate::ops::view::{Pack, View};
}

use crate::ops::source::{Input, Variable};
use crate::plan::plan;

/// Why a graph could not be compiled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// The graph, or what is asked of it, does not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The device cannot hold or run it.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// Plans what `request` asks of a graph for a device, and loads it there. Variables are 0 until they are written.
///
/// # Errors
/// [`EngineError::Graph`] where the request does not fit the graph; [`EngineError::Device`] where memory or a limit of the
/// device is exceeded.
pub fn compile(
    graph: &Graph,
    request: &Request,
    device: &dyn Device,
) -> Result<Box<dyn Executable>, EngineError> {
    let program = plan(graph, request, device)?;
    Ok(device.load(Arc::new(program), LoadOptions::default())?)
}

impl Request {
    /// Asks for these nodes and updates nothing; push (variable, new value) to `updates` for a step of training.
    pub fn outputs(nodes: &[NodeId]) -> Self {
        Self { outputs: nodes.to_vec(), updates: Vec::new(), fuse: true }
    }
}

impl Graph {
    /// Adds a tensor that the host writes before a run; it keeps its value until it is written again.
    ///
    /// # Errors
    /// [`GraphError::Shape`] where the shape has no element.
    pub fn input(&mut self, name: &str, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        self.add_named(name, Input { shape: shape.into() }.into(), &[])
    }

    /// Adds a tensor that lives from run to run, such as weights; see [`Request::updates`].
    ///
    /// # Errors
    /// [`GraphError::Shape`] where the shape has no element.
    pub fn variable(&mut self, name: &str, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        self.add_named(name, Variable { shape: shape.into() }.into(), &[])
    }

    /// Adds an operation on nodes of this graph.
    ///
    /// # Errors
    /// [`GraphError::Shape`] where the inputs' shapes do not fit it, [`GraphError::UnknownNode`] where one is of another
    /// graph.
    pub fn apply(&mut self, op: impl Into<Op>, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        self.add(op.into(), inputs)
    }
}
