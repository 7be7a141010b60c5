//! The network's graphs: masks over the features, the gradient that explains a verdict, and which tensor of a step was the
//! first that is not finite.

use crate::common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use genre_recognizer::audio::Song;
use genre_recognizer::device::{
    Device, DeviceError, Executable, LoadOptions, Precision, cpu::Cpu, reference,
};
use genre_recognizer::graph::{GraphOp, NodeId};
use genre_recognizer::model::{
    ExplanationGraph, Features, Labels, ModelConfig, Network, OptimizerConfig, TrainingConfig, TrainingGraph,
    Weights,
};
use genre_recognizer::ops::Graph;
use genre_recognizer::ops::kernel::Kernel;
use genre_recognizer::ops::prepared::PreparedOp;
use genre_recognizer::ops::source::Input;
use genre_recognizer::plan::{Program, Request, Target, Work, plan};
use genre_recognizer::recognize::{Classify, Explainer, FrameClassifier};
use genre_recognizer::rng::Rng;
use genre_recognizer::train::{Diagnosis, diagnose};

const BATCH: usize = 3;
const GENRES: usize = 4;

/// A small network of short frames: features of 16×9.
fn network() -> Network {
    let config = ModelConfig {
        sample_rate: 4000,
        frame_seconds: 0.25,
        n_fft: 256,
        hop: 125,
        mels: 16,
        low: 30.0,
        high: 2000.0,
        filters: vec![4, 6],
        dense: vec![8],
        dropout: 0.0,
        ..ModelConfig::default()
    };
    Network::new(config, GENRES).unwrap()
}

fn training(network: &Network, masks: bool) -> TrainingGraph {
    let optimizer = OptimizerConfig::default();
    network.training(&TrainingConfig { batch: BATCH, smoothing: 0.1, masks, norms: true, optimizer }).unwrap()
}

fn normal(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| 0.3 * rng.normal()).collect()
}

/// Values for the leaves of a training graph but the masks, without audio.
fn leaves(network: &Network, net: &TrainingGraph) -> HashMap<NodeId, Vec<f32>> {
    let mut state = net.layout.initialise(3);
    state.resize(3 * state.len(), 0.0);
    let labels = (0..BATCH * GENRES).map(|i| f32::from(u8::from(i % GENRES == i / GENRES))).collect();
    let mut leaves = HashMap::from([
        (net.audio, normal(1, BATCH * network.config.frame_length())),
        (net.labels, labels),
        (net.class_weights, vec![1.0; GENRES]),
        (net.loss_gradient, vec![1.0]),
        (net.schedule, OptimizerConfig::default().schedule(0.01, 1, 1.0).to_vec()),
        (net.state, state),
    ]);
    for running in &net.running {
        leaves.insert(running.node, [vec![0.0; running.channels], vec![1.0; running.channels]].concat());
    }
    leaves
}

/// One training step: the outputs, and the state behind it.
fn step(net: &TrainingGraph, device: &dyn Device, leaves: &HashMap<NodeId, Vec<f32>>) -> Vec<Vec<f32>> {
    let program = plan(&net.graph, &net.request(true), device).unwrap();
    let mut loaded = device.load(Arc::new(program), LoadOptions { poison: true, profile: false }).unwrap();
    for (&node, values) in leaves {
        loaded.write(node, values).unwrap();
    }
    loaded.run().unwrap();
    let mut results = loaded.outputs().unwrap();
    results.push(loaded.read(net.state).unwrap());
    results
}

fn bits(results: &[Vec<f32>]) -> Vec<Vec<u32>> {
    results.iter().map(|values| values.iter().map(|v| v.to_bits()).collect()).collect()
}

fn devices() -> Vec<Arc<dyn Device>> {
    [Arc::new(Cpu) as Arc<dyn Device>].into_iter().chain(common::gpu()).collect()
}

/// A training step with the factors `rows` and `columns`, or of the network without masks.
fn masked(device: &dyn Device, factors: Option<[Vec<f32>; 2]>) -> Vec<Vec<f32>> {
    let network = network();
    let net = training(&network, factors.is_some());
    let mut leaves = leaves(&network, &net);
    if let (Some(masks), Some(factors)) = (net.masks, factors) {
        leaves.extend(masks.into_iter().zip(factors));
    }
    step(&net, device, &leaves)
}

/// Masks of 1 leave every bit; without masks there is no trace of them; and what is masked does not matter.
#[test]
fn masks_cut_out_stripes_and_nothing_else() {
    let (h, w) = network().feature_size();
    assert_eq!((h, w), (16, 9));
    let ones = |size: usize| vec![1.0; BATCH * size];
    for device in devices() {
        let without = masked(device.as_ref(), None);
        assert!(without.iter().flatten().all(|v| v.is_finite()));
        let whole = masked(device.as_ref(), Some([ones(h), ones(w)]));
        assert_eq!(bits(&whole), bits(&without), "{}", device.describe());
        let (mut rows, mut columns) = (ones(h), ones(w));
        rows[h..h + 3].fill(0.0);
        columns[..2].fill(0.0);
        let cut = masked(device.as_ref(), Some([rows, columns]));
        assert_ne!(bits(&cut)[..2], bits(&without)[..2], "{}", device.describe());
        // Nothing is left to tell the samples apart by.
        let blind = masked(device.as_ref(), Some([vec![0.0; BATCH * h], ones(w)]));
        let alike = |row: &[f32]| row.iter().zip(&blind[1]).all(|(a, b)| (a - b).abs() <= 1e-5);
        assert!(blind[1].chunks(GENRES).all(alike), "{}: {:?}", device.describe(), blind[1]);
        assert!(!without[1].chunks(GENRES).all(|row| row[0] == without[1][0]));
    }
}

#[test]
fn without_masks_the_graph_has_none() {
    let net = training(&network(), false);
    assert_eq!(net.masks, None);
    assert!(net.graph.nodes().all(|(_, node)| !node.name.contains("mask") && node.op.name() != "mask"));
    let with = training(&network(), true);
    // The mask, its two inputs, and its gradient.
    assert_eq!(with.graph.len(), net.graph.len() + 4);
    let inference = network().inference(BATCH).unwrap();
    assert!(inference.graph.nodes().all(|(_, node)| node.op.name() != "mask"));
}

/// All is fused that was fused, and both masks work in place.
#[test]
fn masks_break_no_fusion() {
    let kinds = |masks| -> Vec<String> {
        let net = training(&network(), masks);
        let program = plan(&net.graph, &net.request(true), &Cpu).unwrap();
        let kind = |work: &Work| match work {
            Work::Run { op, in_place, .. } => format!("{} {} {in_place:?}", op.name(), op.settings()),
            Work::Copy => "copy".into(),
        };
        program.steps.iter().map(|step| kind(&step.work)).collect()
    };
    let (without, with) = (kinds(false), kinds(true));
    let (masks, others): (Vec<String>, Vec<String>) =
        with.into_iter().partition(|kind| kind.starts_with("mask"));
    assert_eq!(masks, ["mask  Some(0)", "mask  Some(0)"]);
    assert_eq!(others, without);
}

/// The size of the features is what the graph has, whatever they are.
#[test]
fn feature_size_is_that_of_the_graph() {
    for features in [Features::LogMel, Features::MelDecibel, Features::Power, Features::Decibel] {
        for (channels, frame_seconds, hop) in [(1, 0.25, 125), (2, 0.1, 77), (1, 0.333, 1000)] {
            let config = ModelConfig { features, channels, frame_seconds, hop, ..network().config };
            let network = Network::new(config, GENRES).unwrap();
            let net = training(&network, true);
            let (h, w) = network.feature_size();
            let [rows, columns] = net.masks.unwrap().map(|id| net.graph.shape(id).to_vec());
            assert_eq!((rows, columns), (vec![BATCH, h], vec![BATCH, w]));
        }
    }
}

/// Weights that are all random: scales, shifts and running statistics, too.
fn weights(network: &Network) -> Weights {
    let mut weights = network.initialise(8).unwrap();
    let mut rng = Rng::new(9);
    for (name, tensor) in &mut weights.0 {
        let channels = tensor.data.len() / 2;
        for (i, value) in tensor.data.iter_mut().enumerate() {
            match name {
                name if name.ends_with("running") && i < channels => *value = rng.normal(),
                name if name.ends_with("running") => *value = rng.range(0.3, 3.0),
                _ => *value += 0.1 * rng.normal(),
            }
        }
    }
    weights
}

/// The leaves of an explanation of this audio, in f64.
fn explained(
    net: &ExplanationGraph,
    weights: &Weights,
    audio: &[f32],
    selector: &[f32],
) -> HashMap<NodeId, Vec<f64>> {
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let (flat, running) = weights.scatter(&net.layout, &net.running).unwrap();
    let statistics = net.running.iter().zip(&running).map(|(r, values)| (r.node, wide(values)));
    let mut leaves: HashMap<_, _> = statistics.collect();
    leaves.extend([(net.audio, wide(audio)), (net.selector, wide(selector)), (net.state, wide(&flat))]);
    leaves
}

fn named(graph: &Graph, name: &str) -> NodeId {
    graph.nodes().find(|(_, node)| node.name == name).unwrap().0
}

/// Networks of all features and both kinds of convolution, mono and stereo.
fn networks() -> Vec<Network> {
    let settings = [
        (Features::LogMel, 1),
        (Features::CompressedMel, 1),
        (Features::MelDecibel, 2),
        (Features::Power, 1),
        (Features::Decibel, 2),
    ];
    let networks = settings.into_iter().map(|(features, channels)| {
        let config = ModelConfig { features, channels, filters: vec![3, 5], ..network().config };
        Network::new(config, GENRES).unwrap()
    });
    networks.collect()
}

/// Central differences of Σ selector·logits at the features, in f64: step, tolerances as for every gradient rule.
#[test]
fn explanations_are_the_slope_of_the_logits() {
    const STEP: f64 = 1e-6;
    for network in networks() {
        let weights = weights(&network);
        let net = network.explanation(2).unwrap();
        let size = network.config.channels * network.config.frame_length();
        // Of the second sample, the sum of two logits.
        let selector = [0.0, 1.0, 0.0, 0.0, -0.7, 0.0, 0.0, 1.3];
        let mut leaves = explained(&net, &weights, &normal(2, 2 * size), &selector);
        let logits = named(&net.graph, "head.logits");
        let [features, gradient] = <[Vec<f64>; 2]>::try_from(reference::evaluate(
            &net.graph,
            &leaves,
            &[net.features, net.gradient],
        ))
        .unwrap();
        let mut graph = net.graph.clone();
        let leaf = Input { shape: graph.shape(net.features).clone() };
        graph.replace(net.features, leaf.into(), &[]).unwrap();
        let rms = (gradient.iter().map(|g| g * g).sum::<f64>() / gradient.len() as f64).sqrt();
        let mut value = |features: Vec<f64>| -> f64 {
            leaves.insert(net.features, features);
            let logits = reference::evaluate(&graph, &leaves, &[logits]).remove(0);
            logits.iter().zip(selector).map(|(logit, weight)| logit * f64::from(weight)).sum()
        };
        let mut rng = Rng::new(4);
        for _ in 0..60 {
            let i = rng.below(features.len());
            let mut moved = |by: f64| {
                let mut features = features.clone();
                features[i] += by;
                value(features)
            };
            let numeric = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let error = (numeric - gradient[i]).abs();
            assert!(
                error <= 1e-3 * numeric.abs() + 1e-5 * rms.max(1e-3),
                "{:?}, element {i}: {} by the graph, {numeric} by differences",
                network.config.features,
                gradient[i]
            );
        }
        assert!(rms > 1e-3, "{:?}: a gradient of {rms:e} tells nothing", network.config.features);
    }
}

fn assert_close(what: &str, actual: &[f32], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let rms = (expected.iter().map(|e| e * e).sum::<f64>() / expected.len() as f64).sqrt();
    for (i, (&a, e)) in actual.iter().zip(expected).enumerate() {
        // Fails for NaN, too.
        assert!((f64::from(a) - e).abs() <= 2e-4 * (rms + e.abs()), "{what}, element {i}: {a}, not {e}");
    }
}

/// From a song to its pictures on every device, against the f64 reference.
#[test]
fn songs_are_explained() {
    for network in networks() {
        let ModelConfig { channels, features, .. } = network.config;
        let length = network.config.frame_length();
        // Five frames, in batches of two.
        let planes: Vec<Vec<f32>> = (0..channels).map(|c| normal(20 + c as u64, 5 * length + 17)).collect();
        let song = Song::from_samples(&planes, network.config.sample_rate);
        let weights = weights(&network);
        let net = network.explanation(1).unwrap();
        let (height, width) = network.feature_size();
        let genre = 2;
        for device in devices() {
            let what = format!("{features:?} on {}", device.describe());
            let mut explainer = Explainer::new(&network, &weights, device.as_ref(), 2).unwrap();
            let mut classifier = FrameClassifier::new(&network, device.as_ref(), 2).unwrap();
            classifier.set_weights(&weights).unwrap();
            let recognised = classifier.frames(&[&song]).unwrap().remove(0);
            let mut count = 0;
            explainer
                .explain(&song, genre, &mut |frame| {
                    assert_eq!(frame.start, count * length);
                    assert_eq!(frame.start, recognised[count].start);
                    let mut audio = vec![0.0; channels * length];
                    song.write_frame(frame.start, &mut audio).unwrap();
                    let leaves = explained(&net, &weights, &audio, &[0.0, 0.0, 1.0, 0.0]);
                    let outputs = [net.probabilities, net.features, net.gradient];
                    let expected = reference::evaluate(&net.graph, &leaves, &outputs);
                    assert_close(&format!("{what}, probabilities"), frame.probabilities, &expected[0]);
                    let again: Vec<f64> = recognised[count].probabilities.iter().map(|&p| p.into()).collect();
                    assert_close(&format!("{what}, probabilities again"), frame.probabilities, &again);
                    let (mut power, mut gradient) = (vec![0.0; height * width], vec![0.0; height * width]);
                    for (i, (value, slope)) in expected[1].iter().zip(&expected[2]).enumerate() {
                        let (log, factor) = match features {
                            Features::LogMel => (*value, 1.0),
                            Features::Power => (value.ln(), *value),
                            Features::CompressedMel => {
                                let gained = 10f64.powf(*value) - 1.0;
                                ((gained / 1e4).ln(), gained / ((1.0 + gained) * 10f64.ln()))
                            }
                            _ => (value * 10f64.ln() / 10.0, 10.0 / 10f64.ln()),
                        };
                        power[i % (height * width)] += log / channels as f64;
                        gradient[i % (height * width)] += slope * factor;
                    }
                    assert_close(&format!("{what}, power"), frame.power, &power);
                    assert_close(&format!("{what}, gradient"), frame.gradient, &gradient);
                    assert!(gradient.iter().any(|g| g.abs() > 1e-4), "{what}: no gradient");
                    count += 1;
                })
                .unwrap();
            assert_eq!(count, recognised.len(), "{what}");
            assert_eq!(count, 5);
            let error = explainer.explain(&song, GENRES, &mut |_| {}).unwrap_err().to_string();
            assert!(error.contains("there are 4"), "{error}");
        }
    }
}

/// The CPU with a limit on a program's memory, and the memory of every program that was loaded.
struct Small {
    limit: u64,
    loaded: Mutex<Vec<u64>>,
}

impl Target for Small {
    fn compile(&self, op: &PreparedOp, in_place: Option<usize>) -> Kernel {
        Cpu.compile(op, in_place)
    }
    fn alignment(&self) -> usize {
        Cpu.alignment()
    }
}

impl Device for Small {
    fn describe(&self) -> String {
        "a small device".into()
    }

    fn load(&self, program: Arc<Program>, options: LoadOptions) -> Result<Box<dyn Executable>, DeviceError> {
        self.loaded.lock().unwrap().push(program.memory());
        if program.memory() > self.limit {
            let (adapter, what) = (self.describe(), "a buffer".into());
            return Err(DeviceError::OutOfMemory { adapter, what, program: program.memory() });
        }
        Cpu.load(program, options)
    }

    fn at(&self, precision: Precision) -> Result<Arc<dyn Device>, DeviceError> {
        Cpu.at(precision)
    }
}

type Leaves = HashMap<NodeId, Vec<f32>>;

/// What is found in a step whose leaves were changed, and the memory of its program; the leaves stay as they are.
fn diagnosed(device: &dyn Device, change: impl FnOnce(&TrainingGraph, &mut Leaves)) -> (Diagnosis, u64) {
    let network = network();
    let net = training(&network, false);
    let mut leaves = leaves(&network, &net);
    change(&net, &mut leaves);
    let program = plan(&net.graph, &net.request(true), &Cpu).unwrap();
    let mut loaded = Cpu.load(Arc::new(program), LoadOptions::default()).unwrap();
    for (&node, values) in &leaves {
        loaded.write(node, values).unwrap();
    }
    let songs = ["b.wav", "c.wav", "a.wav"].map(String::from);
    let found = diagnose(device, &net, loaded.as_mut(), &songs);
    for (&node, values) in &leaves {
        assert_eq!(bits(&[loaded.read(node).unwrap()]), bits(std::slice::from_ref(values)));
    }
    (found, loaded.allocated())
}

/// The part of a row of the state where a parameter lies.
fn parameter<'a>(net: &TrainingGraph, leaves: &'a mut Leaves, row: usize, name: &str) -> &'a mut [f32] {
    let parameter = net.layout.parameters.iter().find(|p| p.name == name).unwrap();
    let start = row * net.layout.len + parameter.offset;
    &mut leaves.get_mut(&net.state).unwrap()[start..][..parameter.shape.elements()]
}

#[test]
fn the_first_tensor_that_is_not_finite_is_found() {
    for device in devices() {
        let device = device.as_ref();
        let found = |change: fn(&TrainingGraph, &mut Leaves)| diagnosed(device, change).0;
        assert_eq!(found(|_, _| {}), Diagnosis::NotRepeated);

        let weights = found(|net, leaves| {
            parameter(net, leaves, 0, "block2.conv1.conv.weight")[3..5].fill(f32::NAN);
            // Further on in the network, and in the gradients' moments.
            parameter(net, leaves, 0, "head.bias").fill(f32::NAN);
            parameter(net, leaves, 1, "stem.conv.weight").fill(f32::NAN);
        });
        let name = "block2.conv1.conv.weight".to_string();
        assert_eq!(weights, Diagnosis::Weights { name, broken: 2, of: 6 * 4 * 9 });

        let moments = found(|net, leaves| parameter(net, leaves, 2, "head.bias")[1] = f32::INFINITY);
        assert_eq!(moments, Diagnosis::Moments { name: "head.bias".into(), broken: 1, of: GENRES });

        let audio = found(|net, leaves| {
            let audio = leaves.get_mut(&net.audio).unwrap();
            let frame = audio.len() / BATCH;
            audio[frame - 1] = f32::NAN;
            audio[2 * frame] = f32::INFINITY;
        });
        assert_eq!(audio, Diagnosis::Audio { songs: ["a.wav", "b.wav"].map(String::from).to_vec() });

        let labels = found(|net, leaves| leaves.get_mut(&net.labels).unwrap()[2] = f32::NEG_INFINITY);
        assert_eq!(labels, Diagnosis::Input { name: "labels".into(), broken: 1, of: BATCH * GENRES });

        // Finite weights that overflow: what comes before is finite, what comes after is not looked at.
        let overflow = found(|net, leaves| {
            parameter(net, leaves, 0, "block1.conv2.conv.weight").fill(3e38);
            parameter(net, leaves, 0, "block2.conv1.conv.weight").fill(3e38);
        });
        let Diagnosis::Result { name, op, broken, of } = &overflow else { panic!("{overflow:?}") };
        assert_eq!((name.as_str(), *op, *of), ("block1.conv2.conv", "conv2d", BATCH * 4 * 8 * 5));
        assert!((1..=*of).contains(broken));
        let message = overflow.to_string();
        assert!(message.contains("block1.conv2.conv (conv2d), "), "{message}");

        // Only the backward pass.
        let backward = found(|net, leaves| {
            leaves.get_mut(&net.loss_gradient).unwrap()[0] = 3e38;
            parameter(net, leaves, 0, "head.weight").iter_mut().for_each(|weight| *weight *= 1e3);
        });
        let Diagnosis::Result { name, .. } = &backward else { panic!("{backward:?}") };
        assert!(name.contains(':'), "{backward:?}");

        // Running statistics are not the step's business.
        let running = found(|net, leaves| leaves.get_mut(&net.running[1].node).unwrap().fill(f32::NAN));
        assert_eq!(running, Diagnosis::NotRepeated);
    }
}

/// Few tensors are kept at a time; where the device cannot hold even that, it is said.
#[test]
fn a_step_is_run_again_in_pieces() {
    // The workspace of a kernel on the CPU grows with its threads.
    let two = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    two.install(run_again_in_pieces);
}

fn run_again_in_pieces() {
    let small = |limit| Small { limit, loaded: Mutex::default() };
    let device = small(u64::MAX);
    let (found, training_memory) = diagnosed(&device, |_, _| {});
    assert_eq!(found, Diagnosis::NotRepeated);
    let loaded = device.loaded.into_inner().unwrap();
    let largest = *loaded.iter().max().unwrap();
    assert!(loaded.len() > 2, "{loaded:?}");
    assert!(largest <= 2 * training_memory, "{loaded:?}, training {training_memory}");
    let net = training(&network(), false);
    let outputs = net.graph.nodes().map(|(id, _)| id).collect();
    let whole = plan(&net.graph, &Request { outputs, updates: vec![], fuse: false }, &Cpu).unwrap().memory();
    assert!(largest < whole, "{loaded:?}, at once {whole}");

    let (found, _) = diagnosed(&small(largest - 1), |_, _| {});
    let message = found.to_string();
    assert!(
        matches!(found, Diagnosis::Failed { .. }) && message.contains("a small device is out of memory"),
        "{message}"
    );
    // What is in the inputs is seen all the same.
    let (found, _) =
        diagnosed(&small(0), |net, leaves| parameter(net, leaves, 0, "head.bias").fill(f32::NAN));
    assert!(matches!(found, Diagnosis::Weights { .. }), "{found}");
}

/// The loss of a lesson is what its definition says of the network's outputs, on every device, and steps lower it.
#[test]
fn a_lesson_is_the_cross_entropy_of_tags_and_the_error_of_the_embedding() {
    const WIDTH: usize = 5;
    let small = network().config;
    let config = ModelConfig { labels: Labels::Tags, embedding: Some(WIDTH), ..small };
    let network = Network::new(config, GENRES).unwrap();
    let optimizer = OptimizerConfig::default();
    // On running statistics, as in inference.
    let training = TrainingConfig { batch: BATCH, smoothing: 0.1, masks: false, norms: false, optimizer };
    let net = network.lesson(&training).unwrap();
    let inference = network.inference(BATCH).unwrap();
    let (tags, heard) = (normal(5, BATCH * GENRES), normal(6, BATCH * WIDTH));
    let tags: Vec<f32> = tags.iter().map(|t| 1.0 / (1.0 + (-8.0 * t).exp())).collect();
    let mut leaves = leaves(&network, &net);
    leaves.insert(net.labels, tags.clone());
    leaves.insert(net.schedule, optimizer.schedule(1e-3, 1, 1.0).to_vec());
    leaves.insert(net.lesson.unwrap().embedding, heard.clone());
    for device in devices() {
        let request = Request {
            outputs: vec![inference.embedding, inference.probabilities],
            updates: vec![],
            fuse: true,
        };
        let program = plan(&inference.graph, &request, device.as_ref()).unwrap();
        let mut loaded = device.load(Arc::new(program), LoadOptions::default()).unwrap();
        loaded.write(inference.audio, &leaves[&net.audio]).unwrap();
        loaded.write(inference.state, &leaves[&net.state][..inference.layout.len]).unwrap();
        for (a, b) in inference.running.iter().zip(&net.running) {
            loaded.write(a.node, &leaves[&b.node]).unwrap();
        }
        loaded.run().unwrap();
        let outputs = loaded.outputs().unwrap();
        let error =
            outputs[0].iter().zip(&heard).map(|(x, y)| (x - y).powi(2)).sum::<f32>() / heard.len() as f32;
        let entropy = outputs[1].iter().zip(&tags).map(|(p, y)| -y * p.ln() - (1.0 - y) * (1.0 - p).ln());
        let entropy = entropy.sum::<f32>() / tags.len() as f32;
        let results = step(&net, device.as_ref(), &leaves);
        let near = |a: f32, b: f32| assert!((a - b).abs() <= 1e-4 * b, "{}: {a} {b}", device.describe());
        near(results[1][0], error);
        near(results[0][0], error + entropy);
        // Again from the state behind the step.
        let mut after = leaves.clone();
        after.insert(net.state, results[3].clone());
        let next = step(&net, device.as_ref(), &after);
        assert!(next[0][0] < results[0][0] && next[1][0] < results[1][0], "{}", device.describe());
    }
}
