//! The network's graphs: masks over the features.

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use genre_recognizer::device::{Device, LoadOptions, cpu::Cpu};
use genre_recognizer::graph::{GraphOp, NodeId};
use genre_recognizer::model::{Features, ModelConfig, Network, OptimizerConfig, Training, TrainingConfig};
use genre_recognizer::plan::{Work, plan};
use genre_recognizer::rng::Rng;

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

fn training(network: &Network, masks: bool) -> Training {
    let optimizer = OptimizerConfig::default();
    network.training(&TrainingConfig { batch: BATCH, smoothing: 0.1, masks, optimizer }).unwrap()
}

fn normal(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| 0.3 * rng.normal()).collect()
}

/// Values for the leaves of a training graph but the masks, without audio.
fn leaves(network: &Network, net: &Training) -> HashMap<NodeId, Vec<f32>> {
    let mut state = net.layout.initialise(3);
    state.resize(3 * state.len(), 0.0);
    let labels = (0..BATCH * GENRES).map(|i| f32::from(u8::from(i % GENRES == i / GENRES))).collect();
    let mut leaves = HashMap::from([
        (net.audio, normal(1, BATCH * network.config.frame_length())),
        (net.labels, labels),
        (net.class_weights, vec![1.0; GENRES]),
        (net.loss_gradient, vec![1.0]),
        (net.schedule, OptimizerConfig::default().schedule(0.01, 1).to_vec()),
        (net.state, state),
    ]);
    for running in &net.running {
        leaves.insert(running.node, [vec![0.0; running.channels], vec![1.0; running.channels]].concat());
    }
    leaves
}

/// One training step: the outputs, and the state behind it.
fn step(net: &Training, device: &dyn Device, leaves: &HashMap<NodeId, Vec<f32>>) -> Vec<Vec<f32>> {
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
