//! The graph evaluated node by node with the reference kernels: no plan, no fusion, no shared memory. In f64 it is
//! what everything else is proven against.

use std::collections::HashMap;

use crate::graph::NodeId;
use crate::ops::kernel::Real;
use crate::ops::{Graph, Op};

/// The values of `wanted`, from the values of inputs and variables (zero where not given).
pub fn evaluate<T: Real>(graph: &Graph, given: &HashMap<NodeId, Vec<T>>, wanted: &[NodeId]) -> Vec<Vec<T>> {
    let mut needed = vec![false; graph.len()];
    wanted.iter().for_each(|id| needed[id.index()] = true);
    for (id, node) in graph.nodes().rev() {
        if needed[id.index()] {
            node.inputs.iter().for_each(|input| needed[input.index()] = true);
        }
    }
    let mut values: Vec<Vec<T>> = vec![Vec::new(); graph.len()];
    for (id, node) in graph.nodes().filter(|(id, _)| needed[id.index()]) {
        let mut value = vec![T::zero(); node.shape.elements()];
        match &node.op {
            Op::Input(_) | Op::Variable(_) => {
                if let Some(given) = given.get(&id) {
                    value.copy_from_slice(given);
                }
            }
            _ => {
                let inputs: Vec<&[T]> = node.inputs.iter().map(|input| &values[input.index()][..]).collect();
                value.fill(T::nan());
                node.prepared.reference(&inputs, &mut value);
            }
        }
        values[id.index()] = value;
    }
    wanted.iter().map(|id| values[id.index()].clone()).collect()
}
