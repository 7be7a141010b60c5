//! What `gradients` promises besides being right: it refuses by name, and appends no more than is needed.

use std::collections::HashMap;

use genre_recognizer::device::reference::evaluate;
use genre_recognizer::graph::{GraphError, NodeId, Shape};
use genre_recognizer::ops::activation::LeakyRelu;
use genre_recognizer::ops::batch_norm::{BatchNorm, BatchStats, MergeStats, RunningStats};
use genre_recognizer::ops::bias::Bias;
use genre_recognizer::ops::conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad};
use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::ops::dropout::Dropout;
use genre_recognizer::ops::elementwise::Binary::Add;
use genre_recognizer::ops::log::{Ln, LnGrad};
use genre_recognizer::ops::log_mel::LogMel;
use genre_recognizer::ops::loss::{BinaryCrossEntropy, CrossEntropy};
use genre_recognizer::ops::mask::Mask;
use genre_recognizer::ops::mel::{Mel, MelScale, MelSpec};
use genre_recognizer::ops::optimizer::GlobalNorm;
use genre_recognizer::ops::source::Input;
use genre_recognizer::ops::stft::PowerStft;
use genre_recognizer::ops::{Graph, Op};

fn input(graph: &mut Graph, name: &str, shape: impl Into<Shape>) -> NodeId {
    graph.add_named(name, Input { shape: shape.into() }.into(), &[]).unwrap()
}

/// The error of asking for the gradient to input `wrt` of an operation on leaves `input 0`, `input 1` ...
fn refusal(op: impl Into<Op>, shapes: &[&[usize]], wrt: usize) -> GraphError {
    let mut graph = Graph::new();
    let inputs: Vec<NodeId> = shapes
        .iter()
        .enumerate()
        .map(|(i, &shape)| input(&mut graph, &format!("input {i}"), shape))
        .collect();
    let output = graph.add(op.into(), &inputs).unwrap();
    let shape = graph.shape(output).clone();
    let upstream = input(&mut graph, "upstream", shape);
    graph.gradients(output, upstream, &[inputs[wrt]]).unwrap_err()
}

#[test]
fn refuses_by_name_where_there_is_no_rule() {
    let map = &[2, 3][..];
    let fused = BatchNorm { training: true, slope: Some(0.3), epsilon: BatchNorm::EPSILON };
    let inference = BatchNorm { training: false, slope: None, epsilon: BatchNorm::EPSILON };
    let ln = Ln { floor: 1e-5 };
    let stft = PowerStft { n_fft: 64, hop: 16, centred: true };
    let mel = Mel::new(MelSpec {
        sample_rate: 8_000,
        n_fft: 64,
        mels: 5,
        low: 0.0,
        high: 4_000.0,
        scale: MelScale::Htk,
    })
    .unwrap();
    let cases: Vec<(&str, usize, GraphError)> = vec![
        ("batch_stats", 0, refusal(BatchStats, &[map], 0)),
        ("merge_stats", 0, refusal(MergeStats { counts: [1, 2] }, &[map, map], 0)),
        ("running_stats", 1, refusal(RunningStats { momentum: 0.1, count: 2 }, &[map, map], 1)),
        ("batch_norm", 0, refusal(fused, &[map, map, map], 0)),
        ("batch_norm", 1, refusal(inference, &[map, map, map], 1)),
        ("batch_norm", 3, refusal(inference, &[map, map, map, map], 3)),
        ("cross_entropy", 1, refusal(CrossEntropy { smoothing: 0.0 }, &[map, map, &[3]], 1)),
        ("cross_entropy", 2, refusal(CrossEntropy { smoothing: 0.0 }, &[map, map, &[3]], 2)),
        ("binary_cross_entropy", 1, refusal(BinaryCrossEntropy, &[map, map, &[3]], 1)),
        ("binary_cross_entropy", 2, refusal(BinaryCrossEntropy, &[map, map, &[3]], 2)),
        ("dropout", 1, refusal(Dropout { rate: 0.5, layer: 0, first: 0 }, &[map, &[2]], 1)),
        ("mask", 1, refusal(Mask, &[&[2, 3, 4, 5], &[2, 4], &[2, 5]], 1)),
        ("mask", 2, refusal(Mask, &[&[2, 3, 4, 5], &[2, 4], &[2, 5]], 2)),
        ("mel_power", 0, refusal(LogMel { stft, mel: mel.clone(), ln: None }, &[&[1, 1, 99]], 0)),
        ("log_mel", 0, refusal(LogMel { stft, mel, ln: Some(ln) }, &[&[1, 1, 99]], 0)),
        ("ln_grad", 1, refusal(LnGrad(ln), &[map, map], 1)),
        ("global_norm", 0, refusal(GlobalNorm, &[&[5]], 0)),
    ];
    for (name, wanted, error) in cases {
        match &error {
            GraphError::NoGradient { op, input, input_name, .. } => {
                assert_eq!((*op, *input, input_name), (name, wanted, &format!("input {wanted}")));
            }
            other => panic!("{name}: {other}"),
        }
        let message = error.to_string();
        assert!(message.contains(name) && message.contains(&format!("`input {wanted}`")), "{message}");
    }
}

/// An operation without a rule does no harm where its gradient is not asked for.
#[test]
fn refuses_only_what_is_wanted() {
    let mut graph = Graph::new();
    let [logits, labels] = ["logits", "labels"].map(|name| input(&mut graph, name, [2, 3]));
    let weights = input(&mut graph, "weights", [3]);
    let loss = graph.add(CrossEntropy { smoothing: 0.0 }.into(), &[logits, labels, weights]).unwrap();
    let upstream = input(&mut graph, "upstream", [1]);
    assert!(graph.gradients(loss, upstream, &[logits]).is_ok());
}

#[test]
fn refuses_an_upstream_of_another_shape() {
    let mut graph = Graph::new();
    let x = input(&mut graph, "x", [2, 3]);
    let y = graph.add_named("y", LeakyRelu { slope: 0.3 }.into(), &[x]).unwrap();
    let upstream = input(&mut graph, "upstream", [3, 2]);
    let error = graph.gradients(y, upstream, &[x]).unwrap_err();
    let wanted = GraphError::Upstream { output: "y".into(), shape: [2, 3].into(), upstream: [3, 2].into() };
    assert_eq!(error, wanted);
}

#[test]
fn refuses_what_the_output_does_not_depend_on() {
    let mut graph = Graph::new();
    let [x, other] = ["x", "other"].map(|name| input(&mut graph, name, [2, 3]));
    let y = graph.add_named("y", LeakyRelu { slope: 0.3 }.into(), &[x]).unwrap();
    let upstream = input(&mut graph, "upstream", [2, 3]);
    // Behind the output, and before it but on no way to it.
    let later = graph.add_named("later", LeakyRelu { slope: 0.3 }.into(), &[y]).unwrap();
    for (node, name) in [(other, "other"), (later, "later")] {
        let error = graph.gradients(y, upstream, &[x, node]).unwrap_err();
        assert_eq!(error, GraphError::Independent { output: "y".into(), node: name.into() });
    }
}

/// How many nodes of each operation stand behind `before`.
fn appended(graph: &Graph, before: usize) -> Vec<&'static str> {
    use genre_recognizer::graph::GraphOp;
    graph.nodes().filter(|(id, _)| id.index() >= before).map(|(_, node)| node.op.name()).collect()
}

#[test]
fn appends_only_what_is_needed() {
    let mut graph = Graph::new();
    let x = input(&mut graph, "x", [2, 3, 5, 5]);
    let w = input(&mut graph, "w", [4, 3, 3, 3]);
    let b = input(&mut graph, "b", [4]);
    let conv = Conv2d::same([3, 3]);
    let y = graph.add(conv.into(), &[x, w]).unwrap();
    let y = graph.add(Bias.into(), &[y, b]).unwrap();
    let upstream = input(&mut graph, "upstream", [2, 4, 5, 5]);
    for (wrt, wanted) in [
        (vec![w], vec!["conv2d_weight_grad"]),
        (vec![x], vec!["conv2d_input_grad"]),
        (vec![b], vec!["bias_grad"]),
        (vec![b, w], vec!["bias_grad", "conv2d_weight_grad"]),
        (vec![y], vec![]),
    ] {
        let before = graph.len();
        let gradients = graph.gradients(y, upstream, &wrt).unwrap();
        assert_eq!(appended(&graph, before), wanted);
        assert!(wrt != [y] || gradients == [upstream]);
    }
    // The operations carry what the shapes alone do not tell.
    for (_, node) in graph.nodes() {
        match &node.op {
            Op::Conv2dInputGrad(op) => assert_eq!(*op, Conv2dInputGrad { conv, input: [5, 5] }),
            Op::Conv2dWeightGrad(op) => assert_eq!(*op, Conv2dWeightGrad { conv, kernel: [3, 3] }),
            _ => {}
        }
    }
}

/// Inference-mode batch norm needs no sums for the gradient to x, and training none twice.
#[test]
fn batch_norm_appends_sums_once_or_not_at_all() {
    for (training, wrt_affine, wanted) in [
        (true, false, vec!["batch_norm_sums", "batch_norm_input_grad"]),
        (true, true, vec!["batch_norm_sums", "batch_norm_input_grad"]),
        (false, false, vec!["batch_norm_input_grad"]),
        (false, true, vec!["batch_norm_sums", "batch_norm_input_grad"]),
    ] {
        let mut graph = Graph::new();
        let x = input(&mut graph, "x", [3, 2]);
        let affine = input(&mut graph, "affine", [2, 2]);
        let stats = if training {
            graph.add(BatchStats.into(), &[x]).unwrap()
        } else {
            input(&mut graph, "running", [2, 2])
        };
        let norm = BatchNorm { training, slope: None, epsilon: BatchNorm::EPSILON };
        let y = graph.add(norm.into(), &[x, stats, affine]).unwrap();
        let upstream = input(&mut graph, "upstream", [3, 2]);
        let before = graph.len();
        let wrt = if wrt_affine { vec![x, affine] } else { vec![x] };
        graph.gradients(y, upstream, &wrt).unwrap();
        assert_eq!(appended(&graph, before), wanted, "training {training}, affine {wrt_affine}");
    }
}

/// A tensor that needs no gradient gets none, however many read it.
#[test]
fn appends_no_sum_for_what_needs_no_gradient() {
    let mut graph = Graph::new();
    let x = input(&mut graph, "x", [2, 3]);
    let [b, c] = ["b", "c"].map(|name| input(&mut graph, name, [3]));
    let [y, z] = [b, c].map(|bias| graph.add(Bias.into(), &[x, bias]).unwrap());
    let sum = graph.add(Add.into(), &[y, z]).unwrap();
    let upstream = input(&mut graph, "upstream", [2, 3]);
    let before = graph.len();
    graph.gradients(sum, upstream, &[b, c]).unwrap();
    assert_eq!(appended(&graph, before), ["bias_grad", "bias_grad"]);
}

#[test]
fn sums_over_fan_out() {
    let mut graph = Graph::new();
    let x = input(&mut graph, "x", [2, 2]);
    let weights = [0, 1, 2].map(|i| input(&mut graph, &format!("w{i}"), [2, 2]));
    let terms = weights.map(|w| graph.add(Matmul { form: Form::Plain }.into(), &[x, w]).unwrap());
    let y = graph.add(Add.into(), &[terms[0], terms[1]]).unwrap();
    let y = graph.add(Add.into(), &[y, terms[2]]).unwrap();
    let upstream = input(&mut graph, "upstream", [2, 2]);
    let before = graph.len();
    let gradient = graph.gradients(y, upstream, &[x]).unwrap();
    // One product a consumer, and one addition less.
    assert_eq!(appended(&graph, before), ["matmul", "matmul", "add", "matmul", "add"]);
    assert_eq!(graph.node(gradient[0]).name, "x:sum");

    let identity = vec![1.0, 0.0, 0.0, 1.0];
    let given = HashMap::from([
        (weights[0], vec![1.0, 2.0, 3.0, 4.0]),
        (weights[1], vec![10.0, 20.0, 30.0, 40.0]),
        (weights[2], vec![100.0, 200.0, 300.0, 400.0]),
        (upstream, identity),
    ]);
    // Σ (dy·wᵀ) with dy the identity.
    assert_eq!(evaluate::<f64>(&graph, &given, &gradient)[0], [111.0, 333.0, 222.0, 444.0]);
}
