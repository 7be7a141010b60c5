//! Every variant of `Op` on every device: nothing can be added without a kernel that is compared, and
//! launches that fit.

use genre_recognizer::graph::GraphOp;
use genre_recognizer::ops::Op;

use super::harness::{Case, devices};
use crate::operations::examples;

/// The norm of gradients that are all finite, so that optimizers do something.
fn finite_norm(op: &Op, inputs: &mut [(genre_recognizer::graph::Shape, Vec<f32>)]) {
    if matches!(op, Op::Sgd(_) | Op::Adam(_)) {
        inputs[2].1[1] = 0.0;
    }
}

#[test]
fn every_operation() {
    let devices = devices();
    let documented = std::fs::read_to_string("docs/gradients.md").unwrap();
    let (_, errors) = documented.split_once("## Worst error of each kernel").unwrap();
    for example in examples() {
        let name = example.op.name();
        let narrow = |(shape, data): (_, Vec<f64>)| (shape, data.into_iter().map(|x| x as f32).collect());
        let mut inputs: Vec<(_, Vec<f32>)> = example.inputs.into_iter().map(narrow).collect();
        finite_norm(&example.op, &mut inputs);
        // What shares memory has no kernel: the plan places it.
        let placed = matches!(
            example.op,
            Op::Input(_) | Op::Variable(_) | Op::View(_) | Op::Pack(_) | Op::Exchange(_)
        );
        let case = Case { op: example.op, inputs, reduction: 64, backward: true };
        if placed {
            case.compare_on(&devices);
            continue;
        }
        case.check_on(&devices);
        assert!(errors.contains(&format!("\n| {name} |")), "docs/gradients.md has no errors of {name}");
    }
}
