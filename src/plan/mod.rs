//! From a graph to a program: what is needed, in which order, fused where it is safe, split where it is too large, and in
//! which memory.
//!
//! All shapes are known, so all memory is planned once: tensors get whole buffers by their lifetimes, views and
//! packed tensors share memory, and an operation writes into its input's memory where nobody reads that input again.

mod fusion;
mod memory;
mod order;
mod program;
mod split;
mod updates;

pub use program::{Buffer, Contents, Place, Program, Step, Work};

use crate::graph::{GraphError, NodeId};
use crate::ops::kernel::Io;
use crate::ops::{Graph, Op};

/// What a plan must know of the device that will run it.
pub trait Target {
    /// How many f32 of scratch memory the operation's kernel needs.
    fn workspace(&self, op: &Op, io: &Io<'_>) -> usize;

    /// How many f32 of constant data the operation's kernel keeps in the device's memory.
    fn tables(&self, op: &Op, io: &Io<'_>) -> usize {
        let _ = (op, io);
        0
    }

    /// The input whose memory the operation's kernel may use for its output.
    fn in_place(&self, op: &Op) -> Option<usize>;

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
    /// The largest tensor that a kernel can be given. Operations on larger ones are split.
    pub binding: usize,
    /// The largest workspace. Operations that need a larger one are split.
    pub workspace: usize,
    /// The largest buffer, and with it the largest tensor that slices can lie in. A device refuses larger ones.
    pub buffer: usize,
}

/// What a program shall compute.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What the host reads after a run. A variable here gives its value before the run's updates.
    pub outputs: Vec<NodeId>,
    /// Variables and the nodes whose values replace theirs at the end of a run, all at once: a variable that is
    /// another's new value gives the value it had before.
    pub updates: Vec<(NodeId, NodeId)>,
    /// Whether operations are fused; results are the same up to rounding.
    pub fuse: bool,
}

/// Plans a program.
///
/// # Errors
/// [`GraphError`] where an update's variable is no variable or updated twice, or its value has another shape.
pub fn plan(graph: &Graph, request: &Request, target: &dyn Target) -> Result<Program, GraphError> {
    let mut graph = graph.clone();
    let request = updates::separate(&mut graph, request)?;
    if request.fuse {
        fusion::fuse(&mut graph, &request)?;
    }
    let pieces = split::split(&graph, &request, target)?;
    let order = order::schedule(&pieces.graph, &pieces.request);
    Ok(pieces.restore(memory::assign(&pieces.graph, &pieces.request, &order, target)))
}
