//! From a graph to a program: what is needed, in which order, fused where it is safe, sliced where it is too
//! large, and in which memory.
//!
//! All shapes are known, so all memory is planned once: tensors get whole buffers by their lifetimes, views
//! and packed tensors share memory, and an operation writes into its input's memory where nobody reads that
//! input again.

mod fusion;
mod memory;
mod order;
mod program;
mod slicing;
mod split;
mod updates;

pub use program::{Buffer, Contents, Place, Program, Step, Work};
pub use split::Split;

use crate::graph::{GraphError, NodeId};
use crate::ops::Graph;
use crate::ops::kernel::Kernel;
use crate::ops::prepared::PreparedOp;

/// What a plan must know of the device that will run it.
pub trait Target {
    /// The device's kernel of an operation, whose output lies in the place of the input `in_place`, if any.
    /// The plan reads off it how much workspace and constant data it needs; the program carries it to the
    /// device.
    fn compile(&self, op: &PreparedOp, in_place: Option<usize>) -> Kernel;

    /// The multiple of f32 at which a tensor within a buffer must begin.
    fn alignment(&self) -> usize;

    /// The sizes that the device allows; None where memory is the only limit.
    fn limits(&self) -> Option<Limits> {
        None
    }
}

/// The sizes that a device allows, in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest tensor that a kernel can be given. Operations on larger ones are sliced.
    pub binding: usize,
    /// The largest workspace. Operations that need a larger one are sliced.
    pub workspace: usize,
    /// The largest buffer, and with it the largest tensor that slices can lie in. A device refuses larger
    /// ones.
    pub buffer: usize,
}

/// What a program shall compute.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What the host reads after a run. A variable here gives its value before the run's updates.
    pub outputs: Vec<NodeId>,
    /// Variables and the nodes whose values replace theirs at the end of a run, all at once: a variable that
    /// is another's new value gives the value it had before.
    pub updates: Vec<(NodeId, NodeId)>,
    /// Whether operations are fused; results are the same up to rounding.
    pub fuse: bool,
}

/// Plans a program.
///
/// # Errors
/// [`GraphError`] where an update's variable is no variable or updated twice, or its value has another shape.
pub fn plan(graph: &Graph, request: &Request, target: &dyn Target) -> Result<Program, GraphError> {
    plan_split(graph, request, None, target)
}

/// Plans a program that computes a batch in parts; see [`Split`].
///
/// # Errors
/// As [`plan`], and where a part is too small for an operation.
pub fn plan_split(
    graph: &Graph,
    request: &Request,
    split: Option<&Split>,
    target: &dyn Target,
) -> Result<Program, GraphError> {
    let mut graph = graph.clone();
    let request = updates::separate(&mut graph, request)?;
    if request.fuse {
        fusion::fuse(&mut graph, &request)?;
    }
    let parts = split.map(|split| split::split(&graph, &request, split)).transpose()?;
    let (graph, request) = parts.as_ref().map_or((&graph, &request), |parts| (&parts.graph, &parts.request));
    let sliced = slicing::slice(graph, request, target)?;
    let order = order::schedule(&sliced.graph, &sliced.request);
    let program = memory::assign(&sliced.graph, &sliced.request, &order, target, &sliced.kernels);
    let program = sliced.restore(program);
    Ok(match &parts {
        Some(parts) => parts.names.restore(program),
        None => program,
    })
}
