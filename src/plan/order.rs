use super::Request;
use crate::graph::NodeId;
use crate::ops::Graph;

/// The nodes that outputs and updates need, in an order in which they can run: as they were added, but with
/// the updates (and what depends on them) last, so that nobody reads a variable after it was updated in
/// place.
pub fn schedule(graph: &Graph, request: &Request) -> Vec<NodeId> {
    let mut needed = vec![false; graph.len()];
    let updates = request.updates.iter().flat_map(|&(variable, value)| [variable, value]);
    for node in request.outputs.iter().copied().chain(updates) {
        needed[node.index()] = true;
    }
    for (id, node) in graph.nodes().rev() {
        if needed[id.index()] {
            node.inputs.iter().for_each(|input| needed[input.index()] = true);
        }
    }
    let mut late = vec![false; graph.len()];
    for &(_, value) in &request.updates {
        late[value.index()] = true;
    }
    for (id, node) in graph.nodes() {
        late[id.index()] |= node.inputs.iter().any(|input| late[input.index()]);
    }
    let of = |when: bool| {
        let wanted = |id: &NodeId| needed[id.index()] && late[id.index()] == when;
        graph.nodes().map(|(id, _)| id).filter(wanted).collect::<Vec<_>>()
    };
    [of(false), of(true)].concat()
}
