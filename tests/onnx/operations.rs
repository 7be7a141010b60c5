//! Every operation by itself: what can be exported computes the same, everything else is refused by name.

use std::collections::HashMap;

use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::engine::{Request, compile};
use genre_recognizer::export::ExportError;
use genre_recognizer::export::onnx::Part;
use genre_recognizer::graph::{GraphOp, NodeId};
use genre_recognizer::ops::source::Input;
use genre_recognizer::ops::{Graph, Op};

use super::{File, Frontend, Runtime};
use crate::operations::{Example, examples};

/// What no network's inference has: gradients, training, what fusion makes.
const REFUSED: &[&str] = &[
    "Adam",
    "AveragePoolGrad",
    "BatchNormInputGrad",
    "BatchNormSums",
    "BatchStats",
    "BiasGrad",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyGrad",
    "CompressGrad",
    "Conv2dInputGrad",
    "Conv2dWeightGrad",
    "CrossEntropy",
    "CrossEntropyGrad",
    "DecibelGrad",
    "Dropout",
    "Exchange",
    "GlobalNorm",
    "LeakyReluGrad",
    "LnGrad",
    "LogMel",
    "Mask",
    "MaxPoolGrad",
    "MergeStats",
    "Pack",
    "PowerStftGrad",
    "RunningStats",
    "Sgd",
    "SoftmaxGrad",
    // A part of a tensor; networks' views of what they compute are of the whole.
    "View",
];

/// The operation in a graph of its own: graph, inputs, output.
fn alone(example: &Example) -> (Graph, Vec<NodeId>, NodeId) {
    let mut graph = Graph::new();
    let inputs: Vec<NodeId> = example
        .inputs
        .iter()
        .enumerate()
        .map(|(i, (shape, _))| {
            let op = Input { shape: shape.clone() };
            graph.add_named(&format!("input{i}"), op.into(), &[]).unwrap()
        })
        .collect();
    let output = graph.add(example.op.clone(), &inputs).unwrap();
    (graph, inputs, output)
}

#[test]
fn every_operation_computes_the_same_or_is_refused() {
    let mut runtime = Runtime::new();
    let leaf = |op: &Op| matches!(op, Op::Input(_) | Op::Variable(_));
    for example in examples().into_iter().filter(|example| !leaf(&example.op)) {
        let (variant, name) = (example.op.variant(), example.op.name());
        let (graph, inputs, output) = alone(&example);
        let values: Vec<Vec<f32>> =
            example.inputs.iter().map(|(_, data)| data.iter().map(|&x| x as f32).collect()).collect();
        for frontend in [Frontend::Stft, Frontend::Conv] {
            let leaves: HashMap<_, _> = inputs.iter().copied().zip(values.clone()).skip(1).collect();
            let part = Part { graph: &graph, leaves, input: (inputs[0], "x"), output, frontend };
            let bytes = match part.write("", &[]) {
                Ok(bytes) => bytes,
                Err(ExportError::Operation { op, node, format: "ONNX" }) => {
                    assert_eq!((op, node), (name, graph.node(output).name.clone()));
                    assert!(
                        REFUSED.contains(&variant),
                        "{variant} is not exported to ONNX: see src/export/onnx"
                    );
                    continue;
                }
                Err(error) => panic!("{variant}: {error}"),
            };
            assert!(!REFUSED.contains(&variant), "{variant} is exported");
            File::read(&bytes).check(name);
            let mut program = compile(&graph, &Request::outputs(&[output]), &Cpu).unwrap();
            for (&input, values) in inputs.iter().zip(&values) {
                program.write(input, values).unwrap();
            }
            program.run().unwrap();
            let wanted = program.outputs().unwrap().swap_remove(0);
            let shapes = [inputs[0], output].map(|node| graph.shape(node).to_vec());
            let what = format!("{name} {}, {frontend:?}", example.op.settings());
            runtime.add(&what, &bytes, ("x", (&shapes[0], &values[0])), (&shapes[1], &wanted), false);
        }
    }
    runtime.run();
}
