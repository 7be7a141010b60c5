//! Updates all happen at once, at the end of a run: whoever asks for a variable's value gets the one before
//! it.

use std::collections::{HashMap, HashSet};

use super::Request;
use crate::graph::{GraphError, NodeId};
use crate::ops::view::Pack;
use crate::ops::{Graph, Op};

/// The request with updates checked, and with a copy in the place of every output and every new value that
/// lies in the memory of a variable that is itself updated (as when two variables swap).
///
/// # Errors
/// [`GraphError::Shape`] where the updated node is no variable, is updated twice, or its value has another
/// shape.
pub fn separate(graph: &mut Graph, request: &Request) -> Result<Request, GraphError> {
    let mut updated = HashSet::new();
    let mut request = request.clone();
    for &(variable, value) in &request.updates {
        check(graph, variable, value, updated.insert(variable))?;
    }
    request.updates.iter().filter(|(variable, value)| variable == value).for_each(|(variable, _)| {
        updated.remove(variable); // it stays what it is
    });
    let mut copies: HashMap<NodeId, NodeId> = HashMap::new();
    let values = request.updates.iter_mut().map(|(_, value)| value);
    for id in request.outputs.iter_mut().chain(values) {
        if !updated.contains(&owner(graph, *id)) {
            continue;
        }
        let copy = match copies.get(id) {
            Some(&copy) => copy,
            None => {
                let name = format!("{}:before", graph.node(*id).name);
                let pack = Pack { offsets: vec![0], len: graph.shape(*id).elements() };
                graph.add_named(&name, pack.into(), &[*id])?
            }
        };
        copies.insert(*id, copy);
        *id = copy;
    }
    Ok(request)
}

/// The node in whose memory a view lies.
fn owner(graph: &Graph, mut id: NodeId) -> NodeId {
    while let Op::View(_) = graph.node(id).op {
        id = graph.node(id).inputs[0];
    }
    id
}

fn check(graph: &Graph, variable: NodeId, value: NodeId, first: bool) -> Result<(), GraphError> {
    let reason = if !matches!(graph.node(variable).op, Op::Variable(_)) {
        "only a variable can be updated".to_string()
    } else if graph.shape(variable) != graph.shape(value) {
        format!("the new value has shape {}", graph.shape(value))
    } else if !first {
        "a variable can be updated once in a run".to_string()
    } else {
        return Ok(());
    };
    Err(GraphError::Shape {
        op: "update",
        node: graph.node(variable).name.clone(),
        inputs: format!("{} {}", graph.node(value).name, graph.shape(value)),
        reason,
    })
}
