//! Batches that do not fit. An operation on a tensor larger than the device can bind is replaced by the same operation
//! on slices of the batch: slices of its inputs are views, and its results are packed into one tensor where they are
//! rows of it, or joined one by one where each is a part of the whole.

use std::collections::HashMap;

use super::{Limits, Program, Request, Target};
use crate::graph::{GraphError, GraphOp, Node, NodeId, Shape};
use crate::ops::kernel::Io;
use crate::ops::split::{Join, Split};
use crate::ops::view::{Pack, View};
use crate::ops::{Graph, Op};

/// A graph whose operations the device can bind, as far as they can be split.
pub struct Pieces {
    pub graph: Graph,
    pub request: Request,
    /// Which node of the graph before a node has the value of.
    before: HashMap<NodeId, NodeId>,
}

/// Splits what is too large for the target.
///
/// # Errors
/// None that a valid graph can bring about.
pub fn split(graph: &Graph, request: &Request, target: &dyn Target) -> Result<Pieces, GraphError> {
    let mut pieces = Graph::new();
    let mut nodes: Vec<NodeId> = Vec::with_capacity(graph.len());
    for (_, node) in graph.nodes() {
        let inputs: Vec<NodeId> = node.inputs.iter().map(|input| nodes[input.index()]).collect();
        nodes.push(match Slices::of(graph, node, target) {
            Some(slices) => slices.add(&mut pieces, node, &inputs)?,
            None => pieces.add_named(&node.name, node.op.clone(), &inputs)?,
        });
    }
    let now = |id: &NodeId| nodes[id.index()];
    let request = Request {
        outputs: request.outputs.iter().map(now).collect(),
        updates: request.updates.iter().map(|(variable, value)| (now(variable), now(value))).collect(),
        fuse: request.fuse,
    };
    let before = graph.nodes().map(|(id, _)| (now(&id), id)).collect();
    Ok(Pieces { graph: pieces, request, before })
}

impl Pieces {
    /// A program of the pieces, with all that the host sees of it named by the nodes of the graph before.
    pub fn restore(&self, program: Program) -> Program {
        Program {
            outputs: program.outputs.iter().map(|id| self.before[id]).collect(),
            visible: program.visible.iter().map(|(id, &place)| (self.before[id], place)).collect(),
            names: program.names.into_iter().map(|(id, name)| (self.before[&id], name)).collect(),
            ..program
        }
    }
}

/// How one operation is cut.
struct Slices {
    split: Split,
    /// The length of the batch.
    batch: usize,
    /// Of every slice but the last, which may be shorter.
    rows: usize,
}

impl Slices {
    /// How a node must be cut; None where it need not be, or cannot be.
    fn of(graph: &Graph, node: &Node<Op>, target: &dyn Target) -> Option<Self> {
        let limits = target.limits()?;
        let split = node.op.split()?;
        let inputs: Vec<&Shape> = node.inputs.iter().map(|&input| graph.shape(input)).collect();
        // Slices lie in one buffer.
        let lies = inputs.iter().copied().chain([&node.shape]).all(|shape| shape.elements() <= limits.buffer);
        if !lies || fits(&node.op, &inputs, target, limits) {
            return None;
        }
        let batch = *inputs.get(*split.sliced.first()?)?.first()?;
        let slice = |rows: usize| -> Vec<Shape> {
            let cut = |(i, shape): (usize, &&Shape)| match split.sliced.contains(&i) {
                true => with_rows(shape, rows),
                false => (*shape).clone(),
            };
            inputs.iter().enumerate().map(cut).collect()
        };
        let fits = |rows: usize| {
            let inputs = slice(rows);
            fits(&node.op, &inputs.iter().collect::<Vec<_>>(), target, limits)
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
        let output = matches!(split.join, Join::Rows).then_some(&node.shape);
        let sliced =
            inputs.iter().enumerate().filter(|(i, _)| split.sliced.contains(i)).map(|(_, &shape)| shape);
        let sliced: Vec<usize> = sliced.chain(output).map(|shape| shape.elements() / batch).collect();
        let copied = |rows: usize| -> usize {
            sliced.iter().filter(|&&row| !(rows * row).is_multiple_of(target.alignment())).sum()
        };
        // Copy as little as possible, then few slices, then even ones.
        let rows = (most / 2 + 1..=most).min_by_key(|&rows| (copied(rows), batch.div_ceil(rows), rows))?;
        let last = batch - (batch - 1) / rows * rows;
        (fits(rows) && fits(last)).then_some(Self { split, batch, rows })
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
            for &i in self.split.sliced {
                let Some(operand) = operands.get_mut(i) else { continue };
                let shape = with_rows(graph.shape(*operand), end - start);
                let view = View { offset: shape.elements() / (end - start) * start, shape };
                let name = named(&graph.node(*operand).name);
                *operand = graph.add_named(&name, view.into(), &[*operand])?;
            }
            let name = named(&node.name);
            match self.split.join {
                Join::Rows => {
                    offsets.push(row * start);
                    parts.push(graph.add_named(&name, node.op.slice(row * start), &operands)?);
                }
                Join::Parts(join) => {
                    let part = graph.add_named(&name, node.op.clone(), &operands)?;
                    // At once, so that only one part waits for the next.
                    parts = vec![match parts[..] {
                        [sum] => graph.add_named(&node.name, join([start, end - start]), &[sum, part])?,
                        _ => part,
                    }];
                }
            }
        }
        match self.split.join {
            Join::Rows => {
                let pack = Pack { offsets, len: node.shape.elements() };
                let name = format!("{}:pack", node.name);
                let packed = graph.add_named(&name, pack.into(), &parts)?;
                graph.add_named(&node.name, View::reshape(node.shape.clone()).into(), &[packed])
            }
            Join::Parts(_) => Ok(parts[0]),
        }
    }
}

fn with_rows(shape: &Shape, rows: usize) -> Shape {
    let rest = shape.get(1..).unwrap_or_default();
    Shape::from(&[&[rows], rest].concat()[..])
}

/// Whether the operation takes inputs of these shapes, and the device everything that the kernel is given.
fn fits(op: &Op, inputs: &[&Shape], target: &dyn Target, limits: Limits) -> bool {
    let Ok(output) = GraphOp::shape(op, inputs) else { return false };
    let tensors = inputs.iter().copied().chain([&output]).all(|shape| shape.elements() <= limits.binding);
    tensors && target.workspace(op, &Io { inputs, output: &output, in_place: false }) <= limits.workspace
}
