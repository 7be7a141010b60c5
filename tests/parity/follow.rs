//! Steps of the CPU device that take a convolution's output part by part compute what they compute of it whole, to the bit.

use std::sync::Arc;

use genre_recognizer::device::{Device, LoadOptions, cpu::Cpu};
use genre_recognizer::graph::{NodeId, Shape};
use genre_recognizer::ops::batch_norm::{BatchNorm, BatchStats};
use genre_recognizer::ops::conv2d::Conv2d;
use genre_recognizer::ops::source::Input;
use genre_recognizer::ops::{Graph, Op};
use genre_recognizer::plan::{Request, plan};
use genre_recognizer::rng::Rng;

use super::harness::{normal, uniform};

type Data = (Shape, Vec<f32>);

const NORM: BatchNorm = BatchNorm { training: false, slope: Some(0.3), epsilon: 1e-5 };

/// The output of some operations, each of which reads the output of the one before and further inputs, and the seconds of
/// every step.
fn run(first: &Data, operations: &[(Op, &[Data])]) -> (Data, Vec<f64>) {
    let mut graph = Graph::new();
    let mut written: Vec<(NodeId, &[f32])> = Vec::new();
    let input =
        |graph: &mut Graph, shape: &Shape| graph.add(Input { shape: shape.clone() }.into(), &[]).unwrap();
    let mut node = input(&mut graph, &first.0);
    written.push((node, &first.1));
    for (op, others) in operations {
        let mut inputs = vec![node];
        for other in *others {
            let id = input(&mut graph, &other.0);
            written.push((id, &other.1));
            inputs.push(id);
        }
        node = graph.add(op.clone(), &inputs).unwrap();
    }
    let request = Request { outputs: vec![node], updates: vec![], fuse: false };
    let program = plan(&graph, &request, &Cpu).unwrap();
    let mut loaded = Cpu.load(Arc::new(program), LoadOptions { poison: true, profile: true }).unwrap();
    for (id, data) in written {
        loaded.write(id, data).unwrap();
    }
    loaded.run().unwrap();
    let output = loaded.outputs().unwrap().remove(0);
    ((graph.shape(node).clone(), output), loaded.timings().unwrap())
}

/// Products by Winograd and plain ones; samples side by side and a rest, one sample divided by its channels, strides.
#[test]
fn what_follows_a_convolution_is_what_it_is_alone() {
    let mut rng = Rng::new(9);
    let same = |side: usize| Conv2d::same([side; 2]);
    let strided = Conv2d { stride: [2, 2], pad: [2, 2], groups: 1 };
    for (shape, k, side, conv) in [
        ([11, 16, 8, 6], 24, 3, same(3)),
        ([1, 16, 12, 20], 64, 3, same(3)),
        ([3, 16, 8, 7], 8, 1, same(1)),
        ([1, 4, 9, 9], 64, 1, same(1)),
        ([2, 1, 21, 17], 16, 5, strided),
    ] {
        let (x, weight) = (normal(&mut rng, shape, 1.0), normal(&mut rng, [k, shape[1], side, side], 0.2));
        let (stats, affine) = (uniform(&mut rng, [2, k], 0.5, 2.0), normal(&mut rng, [2, k], 1.0));
        let conv: Op = conv.into();
        let convolution = (conv, &[weight][..]);
        let (y, _) = run(&x, std::slice::from_ref(&convolution));
        for followed in [(BatchStats.into(), &[][..]), (NORM.into(), &[stats.clone(), affine.clone()][..])] {
            let is_norm = !followed.1.is_empty();
            let (whole, _) = run(&y, std::slice::from_ref(&followed));
            let (in_parts, seconds) = run(&x, &[convolution.clone(), followed]);
            let bits = |(_, data): &Data| data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&whole), bits(&in_parts), "{:?}", y.0);
            // A step that is run with the one before takes no time of its own.
            assert!(!is_norm || seconds[1] == 0.0, "{:?}: {seconds:?}", y.0);
        }
    }
}
