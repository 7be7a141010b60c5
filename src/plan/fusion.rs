//! Fusions. A node is given the operation that does its work and its producers' too; producers that nobody
//! else reads are then no longer needed and fall out of the order.

use std::collections::{HashMap, HashSet};

use super::{Request, order};
use crate::graph::{GraphError, NodeId};
use crate::ops::activation::{LeakyRelu, LeakyReluGrad};
use crate::ops::batch_norm::{BatchNorm, BatchNormInputGrad, BatchNormSums};
use crate::ops::elementwise::Binary;
use crate::ops::log::Ln;
use crate::ops::log_mel::LogMel;
use crate::ops::mel::Mel;
use crate::ops::{Graph, Op};

pub fn fuse(graph: &mut Graph, request: &Request) -> Result<(), GraphError> {
    let uses = Uses::new(graph, request);
    for id in order::schedule(graph, request) {
        match graph.node(id).op.clone() {
            Op::LeakyRelu(activation) => norm_and_activation(graph, &uses, id, activation)?,
            Op::Mel(mel) => power_and_mel(graph, &uses, id, mel)?,
            Op::Ln(ln) => mel_and_ln(graph, &uses, id, ln)?,
            Op::LeakyReluGrad(gradient) => masked_gradient(graph, &uses, id, gradient)?,
            _ => {}
        }
    }
    // What is left over: additions to a batch norm that no activation follows.
    for id in order::schedule(graph, request) {
        if is_addition(graph, id) {
            norm_and_addition(graph, &uses, id, None)?;
        }
    }
    Ok(())
}

/// Who reads each node, before anything was fused.
struct Uses {
    readers: HashMap<NodeId, Vec<NodeId>>,
    kept: HashSet<NodeId>,
}

impl Uses {
    fn new(graph: &Graph, request: &Request) -> Self {
        let mut readers: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for id in order::schedule(graph, request) {
            for &input in &graph.node(id).inputs {
                readers.entry(input).or_default().push(id);
            }
        }
        let values = request.updates.iter().map(|&(_, value)| value);
        Self { readers, kept: request.outputs.iter().copied().chain(values).collect() }
    }

    fn readers(&self, id: NodeId) -> &[NodeId] {
        self.readers.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Whether the node is read once, and only on the device.
    fn once(&self, id: NodeId) -> bool {
        self.readers(id).len() == 1 && !self.kept.contains(&id)
    }
}

/// Whether the node adds two tensors of one shape.
fn is_addition(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    let alike = || node.inputs.iter().all(|&input| *graph.shape(input) == node.shape);
    matches!(node.op, Op::Binary(Binary::Add)) && alike()
}

/// The plain batch norm that `id` is, if it can be fused into its only reader.
fn plain_norm(graph: &Graph, uses: &Uses, id: NodeId) -> Option<BatchNorm> {
    match &graph.node(id).op {
        Op::BatchNorm(norm) if norm.slope.is_none() && graph.node(id).inputs.len() == 3 && uses.once(id) => {
            Some(*norm)
        }
        _ => None,
    }
}

/// leaky(norm(x)) and leaky(norm(x) + residual).
fn norm_and_activation(
    graph: &mut Graph,
    uses: &Uses,
    id: NodeId,
    LeakyRelu { slope }: LeakyRelu,
) -> Result<(), GraphError> {
    let source = graph.node(id).inputs[0];
    if let Some(norm) = plain_norm(graph, uses, source) {
        let inputs = graph.node(source).inputs.clone();
        return graph.replace(id, BatchNorm { slope: Some(slope), ..norm }.into(), &inputs);
    }
    if is_addition(graph, source) && uses.once(source) {
        let terms = graph.node(source).inputs.clone();
        if let Some((norm, inputs)) = norm_of_sum(graph, uses, &terms) {
            return graph.replace(id, BatchNorm { slope: Some(slope), ..norm }.into(), &inputs);
        }
    }
    Ok(())
}

/// norm(x) + residual.
fn norm_and_addition(
    graph: &mut Graph,
    uses: &Uses,
    id: NodeId,
    slope: Option<f32>,
) -> Result<(), GraphError> {
    let terms = graph.node(id).inputs.clone();
    match norm_of_sum(graph, uses, &terms) {
        Some((norm, inputs)) => graph.replace(id, BatchNorm { slope, ..norm }.into(), &inputs),
        None => Ok(()),
    }
}

/// The batch norm among two terms, with the other term as the fourth input.
fn norm_of_sum(graph: &Graph, uses: &Uses, terms: &[NodeId]) -> Option<(BatchNorm, Vec<NodeId>)> {
    [(terms[0], terms[1]), (terms[1], terms[0])].into_iter().find_map(|(term, other)| {
        let norm = plain_norm(graph, uses, term)?;
        let inputs = [&graph.node(term).inputs[..], &[other]].concat();
        Some((norm, inputs))
    })
}

/// mel(stft(x))
fn power_and_mel(graph: &mut Graph, uses: &Uses, id: NodeId, mel: Mel) -> Result<(), GraphError> {
    let source = graph.node(id).inputs[0];
    match graph.node(source).op {
        Op::PowerStft(stft) if !mel.transposed && uses.once(source) => {
            let audio = graph.node(source).inputs.clone();
            graph.replace(id, LogMel { stft, mel, ln: None }.into(), &audio)
        }
        _ => Ok(()),
    }
}

/// ln(mel(stft(x))), whose first part was fused before.
fn mel_and_ln(graph: &mut Graph, uses: &Uses, id: NodeId, ln: Ln) -> Result<(), GraphError> {
    let source = graph.node(id).inputs[0];
    match graph.node(source).op.clone() {
        Op::LogMel(mel) if mel.ln.is_none() && uses.once(source) => {
            let audio = graph.node(source).inputs.clone();
            graph.replace(id, LogMel { ln: Some(ln), ..mel }.into(), &audio)
        }
        _ => Ok(()),
    }
}

/// A leaky ReLU's gradient that only gradients of batch norms read is applied by them as they read.
fn masked_gradient(
    graph: &mut Graph,
    uses: &Uses,
    id: NodeId,
    LeakyReluGrad(LeakyRelu { slope }): LeakyReluGrad,
) -> Result<(), GraphError> {
    let (y, dy) = (graph.node(id).inputs[0], graph.node(id).inputs[1]);
    let slope = Some(slope);
    let masked = |reader: NodeId| -> Option<(Op, Vec<NodeId>)> {
        let mut inputs = graph.node(reader).inputs.clone();
        let op: Op = match graph.node(reader).op {
            Op::BatchNormSums(sums @ BatchNormSums { slope: None, .. }) => {
                BatchNormSums { slope, ..sums }.into()
            }
            Op::BatchNormInputGrad(grad @ BatchNormInputGrad { slope: None, .. }) => {
                BatchNormInputGrad { slope, ..grad }.into()
            }
            _ => return None,
        };
        let gradient = inputs.pop().filter(|&gradient| gradient == id)?;
        (!inputs.contains(&gradient)).then(|| {
            inputs.extend([dy, y]);
            (op, inputs)
        })
    };
    if uses.kept.contains(&id) {
        return Ok(());
    }
    let replacements: Option<Vec<_>> = uses
        .readers(id)
        .iter()
        .map(|&reader| masked(reader).map(|(op, inputs)| (reader, op, inputs)))
        .collect();
    for (reader, op, inputs) in replacements.unwrap_or_default() {
        graph.replace(reader, op, &inputs)?;
    }
    Ok(())
}
