//! Every variant of `Op`: each input has a gradient that differences confirm, or a refusal that names it; and
//! the page of the rules says which.

use genre_recognizer::graph::{GraphError, GraphOp, NodeId};
use genre_recognizer::ops::Graph;
use genre_recognizer::ops::source::Input;

use super::harness::Case;
use crate::operations::{Example, examples};

/// Whether input `i` of an example has a gradient.
fn has_gradient(example: &Example, i: usize) -> bool {
    let mut graph = Graph::new();
    let mut leaf = |shape| graph.add(Input { shape }.into(), &[]).unwrap();
    let inputs: Vec<NodeId> = example.inputs.iter().map(|(shape, _)| leaf(shape.clone())).collect();
    let output = graph.add(example.op.clone(), &inputs).unwrap();
    let shape = graph.shape(output).clone();
    let upstream = graph.add(Input { shape }.into(), &[]).unwrap();
    match graph.gradients(output, upstream, &[inputs[i]]) {
        Ok(_) => true,
        Err(GraphError::NoGradient { op, input, .. }) => {
            assert_eq!((op, input), (example.op.name(), i));
            false
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_operation() {
    let page = std::fs::read_to_string("docs/gradients.md").unwrap();
    let (rules, _) = page.split_once("## Worst error of each kernel").unwrap();
    let (rules, refusals) = rules.split_once("The following have no rule").unwrap();
    for example in examples() {
        let name = example.op.name();
        let wrt: Vec<usize> = (0..example.inputs.len()).filter(|&i| has_gradient(&example, i)).collect();
        if wrt.is_empty() {
            let leaf = example.inputs.is_empty();
            assert!(
                leaf || refusals.contains(&format!("`{name}`")),
                "docs/gradients.md does not refuse {name}"
            );
            continue;
        }
        let row = [format!("\n| {name} |"), format!("\n| {name} (")].iter().any(|row| rules.contains(row));
        assert!(row, "docs/gradients.md has no rule of {name}");
        Case::of(example.op, example.inputs, &wrt).check();
    }
}
