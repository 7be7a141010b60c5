//! The whole default network against PyTorch's float64 values (`make.py`): in f64 by the references, in f32 on every
//! device, fused and unfused; and its gradient against the loss itself.

mod musicnn;

use crate::common;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use genre_recognizer::device::{Device, LoadOptions, cpu::Cpu, reference::evaluate};
use genre_recognizer::graph::{NodeId, Shape};
use genre_recognizer::model::{ModelConfig, Network, OptimizerConfig, TrainingConfig, TrainingGraph};
use genre_recognizer::ops::source::Input;
use genre_recognizer::plan::{Request, plan};
use genre_recognizer::rng::Rng;
use safetensors::{Dtype, SafeTensors};

/// The node that the features come out of.
const FEATURES: &str = "ln";

/// The tensors of the file, in f64.
struct Golden(BTreeMap<String, (Shape, Vec<f64>)>);

impl Golden {
    fn read() -> Self {
        let bytes = include_bytes!("genre_net.safetensors");
        let file = SafeTensors::deserialize(bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, view)| {
            let values = match view.dtype() {
                Dtype::F32 => {
                    view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect()
                }
                Dtype::F64 => view.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
                other => panic!("{name} is {other:?}"),
            };
            (name, (Shape::from(view.shape()), values))
        });
        Self(tensors.collect())
    }

    fn get(&self, name: &str) -> &[f64] {
        &self.0[name].1
    }

    /// The parameters of `prefix`, laid out as in a row of the state.
    fn row(&self, net: &TrainingGraph, prefix: &str) -> Vec<f64> {
        let mut row = vec![0.0; net.layout.len];
        for parameter in &net.layout.parameters {
            let (shape, values) = &self.0[&format!("{prefix}/{}", parameter.name)];
            assert_eq!(*shape, parameter.shape, "{}", parameter.name);
            row[parameter.offset..][..values.len()].copy_from_slice(values);
        }
        row
    }

    /// The values of the network's leaves before the step.
    fn leaves(&self, net: &TrainingGraph) -> HashMap<NodeId, Vec<f64>> {
        let mut state = self.row(net, "parameters");
        state.resize(3 * state.len(), 0.0);
        let (beta1, beta2) = OptimizerConfig::BETAS;
        let mut leaves = HashMap::from([
            (net.audio, self.get("audio").to_vec()),
            (net.labels, self.get("labels").to_vec()),
            (net.class_weights, self.get("class_weights").to_vec()),
            (net.counter.unwrap(), self.get("counter").to_vec()),
            (net.loss_gradient, vec![1.0]),
            (net.schedule, vec![1e-3, 1.0 - f64::from(beta1), 1.0 - f64::from(beta2), 1.0]),
            (net.state, state),
        ]);
        for running in &net.running {
            leaves.insert(running.node, self.get(&format!("running/{}", running.name)).to_vec());
        }
        leaves
    }
}

/// The default network with the file's channels.
fn network() -> TrainingGraph {
    let config =
        ModelConfig { filters: vec![4, 4, 8, 8], dense: vec![16], dropout: 0.25, ..ModelConfig::default() };
    let training = TrainingConfig {
        batch: 2,
        smoothing: 0.1,
        masks: false,
        norms: true,
        optimizer: OptimizerConfig::default(),
    };
    Network::new(config, 10).unwrap().training(&training).unwrap()
}

/// The node of a name.
fn named(net: &TrainingGraph, name: &str) -> NodeId {
    net.graph.nodes().find(|(_, node)| node.name == name).unwrap().0
}

/// The node of a variable's new value.
fn updated(net: &TrainingGraph, variable: NodeId) -> NodeId {
    net.request(false).updates.iter().find(|update| update.0 == variable).unwrap().1
}

/// Fails unless every element of `actual` is within `tolerance` of the expected one, relative to the larger of it and
/// the tensor's root mean square. Gives the worst such error.
fn assert_close(what: &str, actual: &[f64], expected: &[f64], tolerance: f64) -> f64 {
    assert_eq!(actual.len(), expected.len(), "{what}");
    assert!(!expected.is_empty(), "{what}");
    let rms = (expected.iter().map(|e| e * e).sum::<f64>() / expected.len() as f64).sqrt();
    assert!(rms > 0.0, "{what} is all zeros");
    let mut worst = 0.0;
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let error = (a - e).abs() / e.abs().max(rms);
        // Fails for NaN, too.
        assert!(
            error <= tolerance,
            "{what}[{i}]: {a}, PyTorch {e}, relative error {error:e} above {tolerance:e}"
        );
        worst = f64::max(worst, error);
    }
    worst
}

/// Every parameter's part of a row of the state.
fn parts<'a>(net: &'a TrainingGraph, row: &'a [f64]) -> impl Iterator<Item = (&'a str, &'a [f64])> {
    let parameters = net.layout.parameters.iter();
    parameters.map(move |p| (p.name.as_str(), &row[p.offset..][..p.shape.elements()]))
}

#[test]
fn reference_gives_pytorchs_values() {
    const TOLERANCE: f64 = 1e-9;
    let golden = Golden::read();
    let net = network();
    let stepped = updated(&net, net.state);
    let mut wanted = vec![named(&net, FEATURES), net.logits, net.loss, net.gradients, stepped];
    wanted.extend(net.running.iter().map(|running| updated(&net, running.node)));
    let values = evaluate(&net.graph, &golden.leaves(&net), &wanted);

    assert_close("features", &values[0], golden.get("features"), TOLERANCE);
    assert_close("logits", &values[1], golden.get("logits"), TOLERANCE);
    assert_close("loss", &values[2], golden.get("loss"), TOLERANCE);
    for (prefix, row) in [("gradients", &values[3]), ("stepped", &values[4])] {
        for (name, part) in parts(&net, row) {
            let what = format!("{prefix}/{name}");
            assert_close(&what, part, golden.get(&what), TOLERANCE);
        }
    }
    for (running, value) in net.running.iter().zip(&values[5..]) {
        let what = format!("updated/{}", running.name);
        assert_close(&what, value, golden.get(&what), TOLERANCE);
    }
    // Nothing of the file was left out.
    let compared = 7 + 3 * net.layout.parameters.len() + 2 * net.running.len();
    assert_eq!(compared, golden.0.len());
}

/// (L(θ + εv) − L(θ − εv)) / 2ε = gᵀv for random directions v, in f64.
#[test]
fn gradient_is_the_slope_of_the_loss() {
    const STEP: f64 = 1e-6;
    let golden = Golden::read();
    let mut net = network();
    let mut leaves = golden.leaves(&net);
    // The features do not depend on the parameters: they need not be computed for every loss.
    let features = named(&net, FEATURES);
    let leaf = Input { shape: net.graph.shape(features).clone() };
    net.graph.replace(features, leaf.into(), &[]).unwrap();
    leaves.insert(features, golden.get("features").to_vec());
    let parameters = golden.row(&net, "parameters");
    let gradient = evaluate(&net.graph, &leaves, &[net.gradients]).remove(0);
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let mut rng = Rng::new(90);
    for direction in 0..5 {
        // The first direction is the gradient's own; the others are random, on the unit sphere.
        let mut v: Vec<f64> = match direction {
            0 => gradient.clone(),
            _ => gradient.iter().map(|_| f64::from(rng.normal())).collect(),
        };
        let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
        v.iter_mut().for_each(|v| *v /= length);
        let mut loss = |step: f64| {
            let state = leaves.get_mut(&net.state).unwrap();
            for ((theta, v), &start) in state.iter_mut().zip(&v).zip(&parameters) {
                *theta = start + step * v;
            }
            evaluate(&net.graph, &leaves, &[net.loss])[0][0]
        };
        let numeric = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
        let analytic: f64 = gradient.iter().zip(&v).map(|(g, v)| g * v).sum();
        let error = (numeric - analytic).abs();
        assert!(
            error <= 1e-6 * norm,
            "direction {direction}: {analytic} by gradient, {numeric} by differences"
        );
    }
}

/// One step in f32 on a device, from poisoned memory.
///
/// PyTorch's own float32 is up to 2.7e-5 away from its float64 here (`make.py` prints it): rounding errors of some 60
/// operations in a row, which the batch norm over two samples amplifies. About four times that is allowed; a wrong
/// kernel is off by far more.
fn device_gives_pytorchs_values(device: &dyn Device, fuse: bool) {
    const TOLERANCE: f64 = 1e-4;
    let golden = Golden::read();
    let net = network();
    let request = Request { outputs: vec![net.logits, net.loss, net.gradients], ..net.request(fuse) };
    let program = Arc::new(plan(&net.graph, &request, device).unwrap());
    let mut loaded = device.load(program, LoadOptions { poison: true, profile: false }).unwrap();
    let leaves = golden.leaves(&net);
    for (&node, values) in &leaves {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        loaded.write(node, &values).unwrap();
    }
    loaded.run().unwrap();
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let outputs: Vec<Vec<f64>> = loaded.outputs().unwrap().into_iter().map(wide).collect();

    let mut worst = assert_close("logits", &outputs[0], golden.get("logits"), TOLERANCE);
    worst = worst.max(assert_close("loss", &outputs[1], golden.get("loss"), TOLERANCE));
    for (name, part) in parts(&net, &outputs[2]) {
        let what = format!("gradients/{name}");
        worst = worst.max(assert_close(&what, part, golden.get(&what), TOLERANCE));
    }
    for running in &net.running {
        let what = format!("updated/{}", running.name);
        let value = wide(loaded.read(running.node).unwrap());
        worst = worst.max(assert_close(&what, &value, golden.get(&what), TOLERANCE));
    }
    // The first step of Adam goes by the gradient's sign alone, which rounding can turn where the gradient is nearly
    // 0; so the step is compared with the reference's step from the device's own gradients.
    let state = wide(loaded.read(net.state).unwrap());
    let mut by_reference = net.graph.clone();
    let leaf = Input { shape: net.graph.shape(net.gradients).clone() };
    by_reference.replace(net.gradients, leaf.into(), &[]).unwrap();
    let mut given = leaves;
    given.insert(net.gradients, outputs[2].clone());
    let expected = evaluate(&by_reference, &given, &[updated(&net, net.state)]).remove(0);
    let p = outputs[2].len();
    for (row, name) in ["parameters", "first moments", "second moments"].iter().enumerate() {
        let range = row * p..(row + 1) * p;
        worst = worst.max(assert_close(name, &state[range.clone()], &expected[range], 1e-5));
    }
    if std::env::var("PARITY_TABLE").is_ok_and(|value| value == "1") {
        println!("GOLDEN\t{}\t{}\t{worst:.1e}", device.describe(), if fuse { "fused" } else { "unfused" });
    }
}

#[test]
fn cpu_gives_pytorchs_values() {
    for fuse in [false, true] {
        device_gives_pytorchs_values(&Cpu, fuse);
    }
}

#[test]
fn gpu_gives_pytorchs_values() {
    let Some(gpu) = common::gpu() else { return };
    for fuse in [false, true] {
        device_gives_pytorchs_values(gpu.as_ref(), fuse);
    }
}
