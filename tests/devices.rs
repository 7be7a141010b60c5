//! Whole programs on devices: training on each, what a profile and the memory report say, and what is refused.

#[allow(dead_code)]
use crate::common;

use std::sync::Arc;

use genre_recognizer::device::{
    Device, DeviceChoice, DeviceError, Executable, LoadOptions, cpu::Cpu, open, open_or_fall_back,
};
use genre_recognizer::graph::{GraphError, NodeId, Shape};
use genre_recognizer::ops::bias::Bias;
use genre_recognizer::ops::dropout::Dropout;
use genre_recognizer::ops::elementwise::Binary::Add;
use genre_recognizer::ops::loss::CrossEntropy;
use genre_recognizer::ops::optimizer::{Adam, GlobalNorm, UpdateSettings};
use genre_recognizer::ops::pool::{MaxPool, Window, global_average_pool};
use genre_recognizer::ops::source::{Input, Variable};
use genre_recognizer::ops::view::{Pack, View};
use genre_recognizer::ops::{Graph, Op};
use genre_recognizer::plan::{Program, Request, plan};
use genre_recognizer::rng::Rng;

const N: usize = 6;
const K: usize = 5;
const IMAGE: [usize; 4] = [N, K, 7, 8];
/// Parameters: a bias a channel, and behind it, where memory may begin, a bias a class.
const SECOND: usize = 64;
const P: usize = SECOND + K;

/// Image → bias → max pool → dropout → global average pool → bias → cross-entropy, with its training step by AdamW.
struct Network {
    graph: Graph,
    image: NodeId,
    labels: NodeId,
    weights: NodeId,
    one: NodeId,
    counter: NodeId,
    schedule: NodeId,
    state: NodeId,
    request: Request,
}

fn network() -> Result<Network, GraphError> {
    let mut g = Graph::new();
    let input = |g: &mut Graph, name: &str, shape: &[usize]| {
        g.add_named(name, Input { shape: Shape::from(shape) }.into(), &[])
    };
    let image = input(&mut g, "image", &IMAGE)?;
    let labels = input(&mut g, "labels", &[N, K])?;
    let weights = input(&mut g, "class_weights", &[K])?;
    let one = input(&mut g, "one", &[1])?;
    let counter = input(&mut g, "counter", &[2])?;
    let schedule = input(&mut g, "schedule", &[4])?;
    let state = g.add_named("state", Variable { shape: Shape::from([3, P]) }.into(), &[])?;
    let view = |g: &mut Graph, offset| g.add(View { offset, shape: Shape::from([K]) }.into(), &[state]);
    let (first, second) = (view(&mut g, 0)?, view(&mut g, SECOND)?);
    let x = g.add(Bias.into(), &[image, first])?;
    let x = g.add(MaxPool(Window { size: [2, 2], stride: [2, 2], ceil: false }).into(), &[x])?;
    let x = g.add(Dropout { rate: 0.2, layer: 1, first: 0 }.into(), &[x, counter])?;
    let x = global_average_pool(&mut g, x)?;
    let x = g.add(Bias.into(), &[x, second])?;
    let loss = g.add_named("loss", CrossEntropy { smoothing: 0.1 }.into(), &[x, labels, weights])?;
    let gradients = g.gradients(loss, one, &[first, second])?;
    let flat = g.add(Pack { offsets: vec![0, SECOND], len: P }.into(), &gradients)?;
    let norm = g.add(GlobalNorm.into(), &[flat])?;
    let common = UpdateSettings { max_norm: 1.0, ..UpdateSettings::new(0.01, K) };
    let adam = Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: true, common };
    let new = g.add(adam.into(), &[state, flat, norm, schedule])?;
    let request = Request { outputs: vec![loss, norm], updates: vec![(state, new)], fuse: true };
    Ok(Network { graph: g, image, labels, weights, one, counter, schedule, state, request })
}

struct Run {
    losses: Vec<f32>,
    state: Vec<f32>,
    executable: Box<dyn Executable>,
    program: Arc<Program>,
}

/// 20 steps; outputs are taken two steps late, as a training loop may.
fn train(device: &dyn Device, options: LoadOptions) -> Result<Run, Box<dyn std::error::Error>> {
    let network = network()?;
    let program = Arc::new(plan(&network.graph, &network.request, device)?);
    let mut executable = device.load(program.clone(), options)?;
    let mut rng = Rng::new(11);
    let state: Vec<f32> = (0..3 * P).map(|i| if i < P { 0.1 * rng.normal() } else { 0.0 }).collect();
    executable.write(network.state, &state)?;
    executable.write(network.weights, &[1.0, 0.5, 2.0, 1.0, 1.5])?;
    executable.write(network.one, &[1.0])?;
    let mut losses = Vec::new();
    for step in 1..=20 {
        let image: Vec<f32> = (0..IMAGE.iter().product()).map(|_| rng.normal()).collect();
        let labels: Vec<f32> = (0..N * K).map(|i| f32::from(u8::from(i % K == (i / K) % 2))).collect();
        executable.write(network.image, &image)?;
        executable.write(network.labels, &labels)?;
        executable.write(network.counter, &[3.0, step as f32])?;
        let corrections = [1.0 - 0.9f32.powi(step), 1.0 - 0.999f32.powi(step)];
        executable.write(network.schedule, &[0.05, corrections[0], corrections[1], 1.0])?;
        executable.run()?;
        if executable.pending() > 2 {
            losses.push(executable.outputs()?[0][0]);
        }
    }
    while executable.pending() > 0 {
        losses.push(executable.outputs()?[0][0]);
    }
    assert_eq!(executable.outputs(), Err(DeviceError::NothingPending));
    let state = executable.read(network.state)?;
    Ok(Run { losses, state, executable, program })
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn training_is_repeatable_and_equal_on_all_devices() {
    let plain = LoadOptions::default();
    let cpu = train(&Cpu, plain).unwrap();
    assert_eq!(cpu.losses.len(), 20);
    assert!(cpu.losses[19] < 0.8 * cpu.losses[0], "nothing was learnt: {:?}", cpu.losses);
    let gpu = common::gpu();
    let devices: [Option<&dyn Device>; 2] = [Some(&Cpu), gpu.as_deref().map(|gpu| gpu as &dyn Device)];
    for device in devices.into_iter().flatten() {
        let first = train(device, plain).unwrap();
        let poisoned = train(device, LoadOptions { poison: true, profile: false }).unwrap();
        assert_eq!(bits(&first.losses), bits(&poisoned.losses), "{}", device.describe());
        assert_eq!(bits(&first.state), bits(&poisoned.state), "{}", device.describe());
        for (step, (a, b)) in first.losses.iter().zip(&cpu.losses).enumerate() {
            let close = (a - b).abs() <= 1e-3 * b.abs();
            assert!(close, "step {step}: {a} on {}, {b} on the CPU", device.describe());
        }
    }
}

#[test]
fn reports_are_true() {
    let gpu = common::gpu();
    let devices: [Option<&dyn Device>; 2] = [Some(&Cpu), gpu.as_deref().map(|gpu| gpu as &dyn Device)];
    for device in devices.into_iter().flatten() {
        let mut run = match train(device, LoadOptions { poison: false, profile: true }) {
            Ok(run) => run,
            Err(error) => {
                let error = error.downcast::<DeviceError>().unwrap();
                assert!(matches!(*error, DeviceError::NoTimestamps { .. }), "{error}");
                continue;
            }
        };
        assert_eq!(run.executable.allocated(), run.program.memory(), "{}", device.describe());
        let timings = run.executable.timings().unwrap();
        assert_eq!(timings.len(), run.program.steps.len());
        assert!(timings.iter().all(|&seconds| seconds.is_finite() && seconds >= 0.0), "{timings:?}");
        let total: f64 = timings.iter().sum();
        assert!(total > 0.0 && total < 60.0, "{} took {total} s", device.describe());
    }
}

#[test]
fn a_batch_that_does_not_fit_is_refused_with_the_one_that_would() {
    let Some(gpu) = common::gpu() else { return };
    // 8 TiB: more than any adapter binds.
    let shape = Shape::from([1 << 21, 1 << 20]);
    let mut graph = Graph::new();
    let mut term = |name| graph.add_named(name, Op::from(Input { shape: shape.clone() }), &[]).unwrap();
    let (a, b) = (term("left"), term("right"));
    let sum = graph.add_named("sum", Add.into(), &[a, b]).unwrap();
    let request = Request { outputs: vec![sum], updates: vec![], fuse: false };
    let program = plan(&graph, &request, gpu.as_ref()).unwrap();
    let error = gpu.load(Arc::new(program), LoadOptions::default()).err().unwrap();
    let DeviceError::TooLarge { tensor, bytes, limit, batch, .. } = &error else { panic!("{error}") };
    assert_eq!((tensor.as_str(), *bytes), ("sum", 8 << 40));
    assert_eq!(*batch, Some(limit / (4 << 20)));
    assert!(error.to_string().ends_with("or use the CPU"), "{error}");
}

#[test]
fn foreign_nodes_and_lengths_are_refused() {
    let gpu = common::gpu();
    let devices: [Option<&dyn Device>; 2] = [Some(&Cpu), gpu.as_deref().map(|gpu| gpu as &dyn Device)];
    for device in devices.into_iter().flatten() {
        let network = network().unwrap();
        let request = Request { updates: vec![], ..network.request.clone() };
        let program = Arc::new(plan(&network.graph, &request, device).unwrap());
        let mut executable = device.load(program, LoadOptions::default()).unwrap();
        let error = executable.write(network.schedule, &[0.0; 4]).unwrap_err();
        assert!(matches!(error, DeviceError::NotVisible { .. }), "{error}");
        let error = executable.write(network.labels, &[0.0]).unwrap_err();
        assert_eq!(error, DeviceError::Length { node: "labels".into(), wanted: N * K, given: 1 });
        assert_eq!(executable.outputs(), Err(DeviceError::NothingPending));
    }
}

#[test]
fn the_choice_decides() {
    let (cpu, fallback) = open_or_fall_back(DeviceChoice::Cpu).unwrap();
    assert!(cpu.describe().starts_with("CPU") && fallback.is_none());
    let adapters = genre_recognizer::device::gpu::adapters();
    let (device, fallback) = open_or_fall_back(DeviceChoice::Auto).unwrap();
    match adapters.first() {
        Some(adapter) if adapter.hardware => assert_eq!(device.describe(), adapter.to_string()),
        _ => {
            assert!(device.describe().starts_with("CPU"));
            assert_eq!(fallback.unwrap().to_string().lines().count(), 1);
        }
    }
    match open(DeviceChoice::Gpu) {
        Ok(device) => assert_eq!(device.describe(), adapters[0].to_string()),
        Err(error) => assert_eq!((error, adapters.len()), (DeviceError::NoAdapter, 0)),
    }
}
