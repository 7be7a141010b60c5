//! Batches that do not fit. An operation on a tensor larger than the device can bind is replaced by the same
//! operation on slices of the batch: slices of its inputs are views, and its results are packed into one
//! tensor where they are rows of it, or joined one by one where each is a part of the whole.

use std::collections::HashMap;

use super::{Program, Request, Target};
use crate::graph::{GraphError, GraphOp, Node, NodeId, Shape};
use crate::ops::kernel::Kernel;
use crate::ops::prepared::PreparedOp;
use crate::ops::slicing::{Join, Slicing};
use crate::ops::view::{Pack, View};
use crate::ops::{Graph, Op};

/// A graph whose operations the device can bind, as far as they can be sliced.
pub struct Sliced {
    pub graph: Graph,
    pub request: Request,
    /// The kernels that were compiled to learn whether their workspace fits, none of them in place.
    pub kernels: HashMap<NodeId, Kernel>,
    before: Before,
}

/// Which node of the graph before a node has the value of.
pub struct Before(pub HashMap<NodeId, NodeId>);

/// Slices what is too large for the target.
///
/// # Errors
/// None that a valid graph can bring about.
pub fn slice(graph: &Graph, request: &Request, target: &dyn Target) -> Result<Sliced, GraphError> {
    let mut sliced_graph = Graph::new();
    let mut nodes: Vec<NodeId> = Vec::with_capacity(graph.len());
    let mut kernels = HashMap::new();
    for (_, node) in graph.nodes() {
        let inputs: Vec<NodeId> = node.inputs.iter().map(|input| nodes[input.index()]).collect();
        nodes.push(match Cut::of(graph, node, target) {
            Cut::Slices(slices) => slices.add(&mut sliced_graph, node, &inputs)?,
            Cut::Whole(kernel) => {
                let id = sliced_graph.add_named(&node.name, node.op.clone(), &inputs)?;
                kernels.extend(kernel.map(|kernel| (id, kernel)));
                id
            }
        });
    }
    let now = |id: &NodeId| nodes[id.index()];
    let request = Request {
        outputs: request.outputs.iter().map(now).collect(),
        updates: request.updates.iter().map(|(variable, value)| (now(variable), now(value))).collect(),
        fuse: request.fuse,
    };
    let before = graph.nodes().map(|(id, _)| (now(&id), id)).collect();
    Ok(Sliced { graph: sliced_graph, request, kernels, before: Before(before) })
}

impl Sliced {
    /// See [`Before::restore`].
    pub fn restore(&self, program: Program) -> Program {
        self.before.restore(program)
    }
}

impl Before {
    /// The same program, with all that the host sees of it named by the nodes of the graph before.
    pub fn restore(&self, program: Program) -> Program {
        let Self(before) = self;
        Program {
            outputs: program.outputs.iter().map(|id| before[id]).collect(),
            visible: program.visible.iter().map(|(id, &place)| (before[id], place)).collect(),
            names: program.names.into_iter().map(|(id, name)| (before[&id], name)).collect(),
            ..program
        }
    }
}

/// What becomes of one operation.
enum Cut {
    /// It need not be cut, or cannot be; with its kernel, where that was compiled.
    Whole(Option<Kernel>),
    Slices(Slices),
}

/// How one operation is cut.
struct Slices {
    slicing: Slicing,
    /// The length of the batch.
    batch: usize,
    /// Of every slice but the last, which may be shorter.
    rows: usize,
}

impl Cut {
    fn of(graph: &Graph, node: &Node<Op>, target: &dyn Target) -> Self {
        let (Some(limits), Some(slicing)) = (target.limits(), node.prepared.slicing) else {
            return Self::Whole(None);
        };
        let inputs: Vec<&Shape> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
        // Slices lie in one buffer.
        if inputs.iter().copied().chain([&node.shape]).any(|shape| shape.elements() > limits.buffer) {
            return Self::Whole(None);
        }
        match fitting(&node.prepared, &inputs, target) {
            Some(kernel) => Self::Whole(Some(kernel)),
            None => Slices::of(node, &inputs, slicing, target).map_or(Self::Whole(None), Self::Slices),
        }
    }
}

impl Slices {
    /// How a node must be cut; None where no slice fits.
    fn of(node: &Node<Op>, inputs: &[&Shape], slicing: Slicing, target: &dyn Target) -> Option<Self> {
        let batch = *inputs.get(*slicing.sliced.first()?)?.first()?;
        let slice = |rows: usize| -> Vec<Shape> {
            let cut = |(i, shape): (usize, &&Shape)| match slicing.sliced.contains(&i) {
                true => with_rows(shape, rows),
                false => (*shape).clone(),
            };
            inputs.iter().enumerate().map(cut).collect()
        };
        let fits = |rows: usize| {
            let inputs = slice(rows);
            let inputs: Vec<&Shape> = inputs.iter().collect();
            // A slice may be too small for the operation.
            node.op.prepare(&inputs).is_ok_and(|prepared| fitting(&prepared, &inputs, target).is_some())
        };
        let (mut most, mut too_many) = (0, batch);
        while too_many - most > 1 {
            let rows = most.midpoint(too_many);
            if fits(rows) { most = rows } else { too_many = rows }
        }
        if most == 0 {
            return None;
        }
        // What does not begin where the device wants a tensor to begin is copied.
        let output = matches!(slicing.join, Join::Rows).then_some(&node.shape);
        let sliced =
            inputs.iter().enumerate().filter(|(i, _)| slicing.sliced.contains(i)).map(|(_, &shape)| shape);
        let sliced: Vec<usize> = sliced.chain(output).map(|shape| shape.elements() / batch).collect();
        let copied = |rows: usize| -> usize {
            sliced.iter().filter(|&&row| !(rows * row).is_multiple_of(target.alignment())).sum()
        };
        // Copy as little as possible, then few slices, then even ones.
        let rows = (most / 2 + 1..=most).min_by_key(|&rows| (copied(rows), batch.div_ceil(rows), rows))?;
        let last = batch - (batch - 1) / rows * rows;
        (fits(rows) && fits(last)).then_some(Self { slicing, batch, rows })
    }

    /// Appends the slices of a node, and what joins them.
    fn add(&self, graph: &mut Graph, node: &Node<Op>, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        let row = node.shape.elements() / self.batch;
        let mut offsets = Vec::new();
        let mut parts: Vec<NodeId> = Vec::new();
        for start in (0..self.batch).step_by(self.rows) {
            let end = self.batch.min(start + self.rows);
            let named = |name: &str| format!("{name}[{start}..{end}]");
            let mut operands = inputs.to_vec();
            for &i in self.slicing.sliced {
                let Some(operand) = operands.get_mut(i) else { continue };
                let shape = with_rows(graph.shape(*operand), end - start);
                let view = View { offset: shape.elements() / (end - start) * start, shape };
                let name = named(&graph.node(*operand).name);
                *operand = graph.add_named(&name, view.into(), &[*operand])?;
            }
            let name = named(&node.name);
            match self.slicing.join {
                Join::Rows => {
                    offsets.push(row * start);
                    parts.push(graph.add_named(&name, node.op.slice(row * start), &operands)?);
                }
                Join::Sum | Join::Merge(_) => {
                    let part = graph.add_named(&name, node.op.clone(), &operands)?;
                    let join = match self.slicing.join {
                        Join::Merge(merge) => merge([start, end - start]),
                        _ => Op::addition(),
                    };
                    // At once, so that only one part waits for the next.
                    parts = vec![match parts[..] {
                        [joined] => graph.add_named(&node.name, join, &[joined, part])?,
                        _ => part,
                    }];
                }
            }
        }
        match self.slicing.join {
            Join::Rows => {
                let pack = Pack { offsets, len: node.shape.elements() };
                let name = format!("{}:pack", node.name);
                let packed = graph.add_named(&name, pack.into(), &parts)?;
                graph.add_named(&node.name, View::reshape(node.shape.clone()).into(), &[packed])
            }
            Join::Sum | Join::Merge(_) => Ok(parts[0]),
        }
    }
}

pub(super) fn with_rows(shape: &Shape, rows: usize) -> Shape {
    let rest = shape.get(1..).unwrap_or_default();
    Shape::from(&[&[rows], rest].concat()[..])
}

/// The kernel, not in place, where the device can be given it and all its tensors.
fn fitting(op: &PreparedOp, inputs: &[&Shape], target: &dyn Target) -> Option<Kernel> {
    let limits = target.limits()?;
    if inputs.iter().copied().chain([&op.output]).any(|shape| shape.elements() > limits.binding) {
        return None;
    }
    Some(target.compile(op, None)).filter(|kernel| kernel.workspace() <= limits.workspace)
}
