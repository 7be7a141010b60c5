//! A batch in parts. Every operation on rows of the batch is computed part by part, and what belongs to the whole batch
//! (statistics, sums over it, the rows that the loss reads) is joined in the order of the parts. Where other processes
//! compute some of the parts, an [`Exchange`] stands before what joins them. So the bytes do not depend on who computes
//! which part.
//!
//! Unlike slices (`super::slicing`), which are as large as a device allows, parts are what the caller says, and an
//! operation's parts stay apart until somebody reads the whole.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::slicing::{Before, with_rows};
use super::{Request, order};
use crate::graph::{GraphError, GraphOp, Node, NodeId};
use crate::ops::exchange::{Exchange, Joined};
use crate::ops::slicing::Join;
use crate::ops::source::Input;
use crate::ops::view::{Pack, View};
use crate::ops::{Graph, Op};

/// Sums that nobody reads yet are exchanged together as soon as they are so many numbers, so that messages are few and what
/// waits for them takes little memory.
const TOGETHER: usize = 1 << 18;

/// How a batch is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The inputs whose first axis is the batch. The host writes the rows of this process's parts.
    pub inputs: Vec<NodeId>,
    /// The rows of every part; together, the batch.
    pub parts: Vec<Range<usize>>,
    /// Of every process, the parts that it computes; together, all parts.
    pub owners: Vec<Range<usize>>,
    /// The number of this process.
    pub rank: usize,
}

impl Split {
    /// A batch in `parts` parts, and these in shares for `count` processes, both as even as can be.
    pub fn even(inputs: Vec<NodeId>, batch: usize, parts: usize, (rank, count): (usize, usize)) -> Self {
        Self { inputs, parts: evenly(batch, parts), owners: evenly(parts, count), rank }
    }

    /// The rows that this process computes.
    pub fn rows(&self) -> Range<usize> {
        let own = self.own();
        own.first().map_or(0, |part| part.start)..own.last().map_or(0, |part| part.end)
    }

    fn own(&self) -> &[Range<usize>] {
        &self.parts[self.owners[self.rank].clone()]
    }

    fn batch(&self) -> usize {
        self.parts.last().map_or(0, |part| part.end)
    }

    /// Whether other processes compute parts.
    fn is_shared(&self) -> bool {
        self.owners.len() > 1
    }
}

fn evenly(count: usize, shares: usize) -> Vec<Range<usize>> {
    (0..shares).map(|i| i * count / shares..(i + 1) * count / shares).collect()
}

/// A graph that computes a batch in parts.
pub struct Parts {
    pub graph: Graph,
    pub request: Request,
    pub names: Before,
}

/// What there is of a node of the graph before.
#[derive(Default)]
struct Value {
    whole: Option<NodeId>,
    /// The rows of this process's parts.
    rows: Option<Vec<NodeId>>,
    /// This process's terms of the whole.
    terms: Option<(Vec<NodeId>, Join)>,
    /// Whether the first axis is the batch.
    batched: bool,
}

struct Splitter<'a> {
    before: &'a Graph,
    split: &'a Split,
    graph: Graph,
    values: Vec<Value>,
    /// Nodes whose terms of a sum wait for each other.
    waiting: Vec<NodeId>,
}

/// Divides the computation of a batch.
///
/// # Errors
/// [`GraphError`] where a part is too small for an operation.
pub fn split(graph: &Graph, request: &Request, split: &Split) -> Result<Parts, GraphError> {
    let mut parts =
        Splitter { before: graph, split, graph: Graph::new(), values: Vec::new(), waiting: Vec::new() };
    let mut before = HashMap::new();
    // What fusion has left over must not be exchanged.
    let needed: HashSet<NodeId> = order::schedule(graph, request).into_iter().collect();
    for (id, node) in graph.nodes() {
        if !needed.contains(&id) {
            parts.values.push(Value::default());
            continue;
        }
        let value = parts.node(id, node)?;
        parts.values.push(value);
        if matches!(node.op, Op::Input(_) | Op::Variable(_)) {
            before.extend(parts.source(id).map(|now| (now, id)));
        }
        parts.flush_full()?;
    }
    let mut whole = |id: &NodeId| {
        let now = parts.whole(*id)?;
        before.entry(now).or_insert(*id);
        Ok(now)
    };
    let outputs = request.outputs.iter().map(&mut whole).collect::<Result<_, GraphError>>()?;
    let updates = request.updates.iter().map(|(variable, value)| Ok((whole(variable)?, whole(value)?)));
    let updates = updates.collect::<Result<_, GraphError>>()?;
    let request = Request { outputs, updates, fuse: request.fuse };
    Ok(Parts { graph: parts.graph, request, names: Before(before) })
}

impl Splitter<'_> {
    /// What becomes of one node.
    fn node(&mut self, id: NodeId, node: &Node<Op>) -> Result<Value, GraphError> {
        let batch = self.split.batch();
        let first = node.shape.first() == Some(&batch);
        let batched = |input: &NodeId| self.values[input.index()].batched;
        match &node.op {
            Op::Input(_) if self.split.inputs.contains(&id) => return self.input(node),
            Op::View(view) => {
                let input = node.inputs[0];
                let whole = view.offset == 0 && self.before.shape(input).elements() == node.shape.elements();
                if whole && first && batched(&input) {
                    let parts = self.rows(input)?.into_iter().zip(self.split.own().to_vec());
                    let view = |(part, rows): (NodeId, Range<usize>)| {
                        let view = View::reshape(with_rows(&node.shape, rows.len()));
                        self.graph.add_named(&named(&node.name, &rows), view.into(), &[part])
                    };
                    let rows = parts.map(view).collect::<Result<_, _>>()?;
                    return Ok(Value { rows: Some(rows), batched: true, ..Value::default() });
                }
            }
            _ => {}
        }
        if let Some(slicing) = node.prepared.slicing {
            let sliced = |i: &usize| node.inputs.get(*i);
            let rows = slicing
                .sliced
                .iter()
                .filter_map(sliced)
                .all(|&input| self.before.shape(input).first() == Some(&batch));
            if rows && slicing.sliced.iter().filter_map(sliced).any(batched) {
                return self.in_parts(id, node, slicing.sliced, slicing.join);
            }
        }
        // Read before the inputs are joined, in which the values change.
        let batched = first && node.inputs.iter().any(batched);
        let together: Vec<NodeId> =
            self.waiting.iter().copied().filter(|id| node.inputs.contains(id)).collect();
        if !together.is_empty() {
            self.summed(&together)?;
        }
        let inputs = node.inputs.iter().map(|&input| self.whole(input)).collect::<Result<Vec<_>, _>>()?;
        let whole = self.graph.add_named(&node.name, node.op.clone(), &inputs)?;
        Ok(Value { whole: Some(whole), batched, ..Value::default() })
    }

    /// An input of which this process has the rows of its parts.
    fn input(&mut self, node: &Node<Op>) -> Result<Value, GraphError> {
        let own = self.split.rows();
        let shape = with_rows(&node.shape, own.len());
        let input = self.graph.add_named(&node.name, Input { shape }.into(), &[])?;
        let rows = self.cut(input, own.start)?;
        let whole = (!self.split.is_shared()).then_some(input);
        Ok(Value { rows: Some(rows), whole, batched: true, ..Value::default() })
    }

    /// The node that the host writes or reads in place of an input or a variable.
    fn source(&self, id: NodeId) -> Option<NodeId> {
        let value = &self.values[id.index()];
        let part =
            || value.rows.as_ref().and_then(|rows| self.graph.node(*rows.first()?).inputs.first().copied());
        value.whole.or_else(part)
    }

    /// An operation on this process's parts of the batch.
    fn in_parts(
        &mut self,
        id: NodeId,
        node: &Node<Op>,
        sliced: &[usize],
        join: Join,
    ) -> Result<Value, GraphError> {
        let own = self.split.own().to_vec();
        let mut operands: Vec<Vec<NodeId>> = Vec::new();
        for (i, &input) in node.inputs.iter().enumerate() {
            operands.push(match sliced.contains(&i) {
                true => self.rows(input)?,
                false => vec![self.whole(input)?; own.len()],
            });
        }
        let row = node.shape.elements() / self.split.batch();
        let mut parts = Vec::new();
        for (part, rows) in own.iter().enumerate() {
            let inputs: Vec<NodeId> = operands.iter().map(|operand| operand[part]).collect();
            let op = match join {
                Join::Rows => node.op.slice(row * rows.start),
                Join::Sum | Join::Merge(_) => node.op.clone(),
            };
            parts.push(self.graph.add_named(&named(&node.name, rows), op, &inputs)?);
        }
        if matches!(join, Join::Rows) {
            return Ok(Value { rows: Some(parts), batched: true, ..Value::default() });
        }
        if self.split.is_shared() {
            if matches!(join, Join::Sum) {
                self.waiting.push(id);
            }
            return Ok(Value { terms: Some((parts, join)), ..Value::default() });
        }
        let whole = self.join(&node.name, &parts, join)?;
        Ok(Value { whole: Some(whole), ..Value::default() })
    }

    /// Joins all parts, in their order.
    fn join(&mut self, name: &str, parts: &[NodeId], join: Join) -> Result<NodeId, GraphError> {
        let mut joined = parts[0];
        for (&part, rows) in parts.iter().zip(&self.split.parts).skip(1) {
            let op = match join {
                Join::Merge(merge) => merge([rows.start, rows.len()]),
                Join::Sum | Join::Rows => Op::addition(),
            };
            joined = self.graph.add_named(name, op, &[joined, part])?;
        }
        Ok(joined)
    }

    /// The views of this process's parts in a tensor whose first row is row `start` of the batch.
    fn cut(&mut self, of: NodeId, start: usize) -> Result<Vec<NodeId>, GraphError> {
        let (shape, name) = (self.graph.shape(of).clone(), self.graph.node(of).name.clone());
        let row = shape.get(1..).unwrap_or_default().iter().product::<usize>();
        let own = self.split.own().to_vec();
        let view = |rows: Range<usize>| {
            let view = View { offset: (rows.start - start) * row, shape: with_rows(&shape, rows.len()) };
            self.graph.add_named(&named(&name, &rows), view.into(), &[of])
        };
        own.into_iter().map(view).collect()
    }

    /// The rows of this process's parts.
    fn rows(&mut self, id: NodeId) -> Result<Vec<NodeId>, GraphError> {
        if let Some(rows) = &self.values[id.index()].rows {
            return Ok(rows.clone());
        }
        let whole = self.whole(id)?;
        let rows = self.cut(whole, 0)?;
        self.values[id.index()].rows = Some(rows.clone());
        Ok(rows)
    }

    /// The whole of a node.
    fn whole(&mut self, id: NodeId) -> Result<NodeId, GraphError> {
        let value = &self.values[id.index()];
        if let Some(whole) = value.whole {
            return Ok(whole);
        }
        let whole = match (value.terms.clone(), value.rows.clone()) {
            (Some((terms, join @ Join::Merge(_))), _) => self.merged(id, &terms, join)?,
            // The other sums that wait are not read yet.
            (Some(_), _) => return self.summed(&[id]).map(|whole| whole[0]),
            (None, rows) => self.packed(id, &rows.unwrap_or_default())?,
        };
        self.values[id.index()].whole = Some(whole);
        Ok(whole)
    }

    /// All rows of the batch.
    fn packed(&mut self, id: NodeId, rows: &[NodeId]) -> Result<NodeId, GraphError> {
        let (name, shape) = (self.before.node(id).name.clone(), self.before.shape(id).clone());
        let row = shape.elements() / self.split.batch();
        let joined = |own: &[Range<usize>]| own.iter().map(|rows| rows.len() * row).collect();
        let flat = self.flat(&name, rows)?;
        let all = self.exchange(&name, flat, Joined::Rows, joined)?;
        self.graph.add_named(&name, View::reshape(shape).into(), &[all])
    }

    /// The whole of what is merged.
    fn merged(&mut self, id: NodeId, terms: &[NodeId], join: Join) -> Result<NodeId, GraphError> {
        let (name, shape) = (self.before.node(id).name.clone(), self.before.shape(id).clone());
        let len = shape.elements();
        let flat = self.flat(&name, terms)?;
        let all = self.exchange(&name, flat, Joined::Rows, |own| vec![len; own.len()])?;
        let parts = (0..self.split.parts.len()).map(|part| {
            let view = View { offset: part * len, shape: shape.clone() };
            self.graph.add_named(&name, view.into(), &[all])
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        self.join(&name, &parts, join)
    }

    /// The sums of several nodes' terms, exchanged together.
    fn summed(&mut self, ids: &[NodeId]) -> Result<Vec<NodeId>, GraphError> {
        self.waiting.retain(|id| !ids.contains(id));
        let name = match ids {
            [id] => self.before.node(*id).name.clone(),
            _ => "gradients".to_owned(),
        };
        let terms = |id: &NodeId| self.values[id.index()].terms.clone().map(|(terms, _)| terms);
        let terms: Vec<Vec<NodeId>> = ids.iter().filter_map(terms).collect();
        // Part by part, of each part the nodes.
        let parts: Vec<NodeId> =
            (0..self.split.own().len()).flat_map(|part| terms.iter().map(move |terms| terms[part])).collect();
        let len: usize = ids.iter().map(|id| self.before.shape(*id).elements()).sum();
        let flat = self.flat(&name, &parts)?;
        let sum = self.exchange(&name, flat, Joined::Sum, |own| vec![len; own.len()])?;
        let mut offset = 0;
        let mut wholes = Vec::new();
        for id in ids {
            let node = self.before.node(*id);
            let view = View { offset, shape: node.shape.clone() };
            offset += node.shape.elements();
            let whole = self.graph.add_named(&node.name, view.into(), &[sum])?;
            self.values[id.index()].whole = Some(whole);
            wholes.push(whole);
        }
        Ok(wholes)
    }

    /// Tensors one behind the other.
    fn flat(&mut self, name: &str, parts: &[NodeId]) -> Result<NodeId, GraphError> {
        let mut len = 0;
        let offsets = parts.iter().map(|&part| {
            len += self.graph.shape(part).elements();
            len - self.graph.shape(part).elements()
        });
        let offsets = offsets.collect();
        self.graph.add_named(&format!("{name}:pack"), Pack { offsets, len }.into(), parts)
    }

    /// Everybody's parts, which have the lengths that `lengths` says; `flat` holds this process's.
    fn exchange(
        &mut self,
        name: &str,
        flat: NodeId,
        joined: Joined,
        lengths: impl Fn(&[Range<usize>]) -> Vec<usize>,
    ) -> Result<NodeId, GraphError> {
        let Split { parts, owners, rank, .. } = self.split;
        if !self.split.is_shared() && joined == Joined::Rows {
            return Ok(flat);
        }
        let parts = owners.iter().map(|own| lengths(&parts[own.clone()])).collect();
        let exchange = Exchange { parts, rank: *rank, joined };
        self.graph.add_named(&format!("{name}:exchange"), exchange.into(), &[flat])
    }

    /// Exchanges the sums that wait, where they are many.
    fn flush_full(&mut self) -> Result<(), GraphError> {
        let len: usize = self.waiting.iter().map(|id| self.before.shape(*id).elements()).sum();
        if len < TOGETHER {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.summed(&waiting).map(|_| ())
    }
}

fn named(name: &str, rows: &Range<usize>) -> String {
    format!("{name}[{}..{}]", rows.start, rows.end)
}
