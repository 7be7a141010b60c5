//! Programs of tensors larger than the device binds, against the same programs where nothing is too large.

use std::collections::HashMap;
use std::sync::Arc;

use genre_recognizer::device::{Device, DeviceError, LoadOptions, cpu::Cpu};
use genre_recognizer::graph::{GraphOp, NodeId, Shape};
use genre_recognizer::model::{
    Features, ModelConfig, Network, OptimizerConfig, OptimizerKind, TrainingConfig, TrainingGraph,
};
use genre_recognizer::ops::activation::{LeakyRelu, LeakyReluGrad};
use genre_recognizer::ops::batch_norm::{BatchNorm, BatchNormInputGrad, BatchNormSums, BatchStats};
use genre_recognizer::ops::bias::{Bias, BiasGrad};
use genre_recognizer::ops::concat::{Concat, Pad, Slice};
use genre_recognizer::ops::conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad};
use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::ops::dropout::Dropout;
use genre_recognizer::ops::elementwise::Binary::{Add, Mul, Sub};
use genre_recognizer::ops::elementwise::Unary::{Sigmoid, Square};
use genre_recognizer::ops::elementwise::{Axes, Expand, Reduce};
use genre_recognizer::ops::kernel::Kernel;
use genre_recognizer::ops::log::{Compress, CompressGrad, Decibel, DecibelGrad, Ln, LnGrad};
use genre_recognizer::ops::loss::{CrossEntropy, Softmax, SoftmaxGrad};
use genre_recognizer::ops::mask::Mask;
use genre_recognizer::ops::mel::{Mel, MelScale, MelSpec};
use genre_recognizer::ops::pool::{AveragePool, AveragePoolGrad, MaxPool, MaxPoolGrad, Window};
use genre_recognizer::ops::prepared::PreparedOp;
use genre_recognizer::ops::slicing::Join;
use genre_recognizer::ops::source::{Input, Variable};
use genre_recognizer::ops::stft::{PowerStft, PowerStftGrad};
use genre_recognizer::ops::{Graph, Op};
use genre_recognizer::plan::{Limits, Program, Request, Target, Work, plan};
use genre_recognizer::rng::Rng;
use proptest::prelude::*;

use super::{check_steps, common};

/// A device that binds less than it can.
struct Small {
    device: Arc<dyn Device>,
    alignment: usize,
    limits: Limits,
}

impl Small {
    fn new(device: &Arc<dyn Device>, alignment: usize, binding: usize) -> Self {
        // Workspaces that do not depend on the batch are larger than tensors as small as here.
        let limits = Limits { binding, workspace: usize::MAX, buffer: usize::MAX };
        Self { device: device.clone(), alignment, limits }
    }

    /// Nothing is too large.
    fn unlimited(&self) -> Self {
        Self::new(&self.device, self.alignment, usize::MAX)
    }
}

impl Target for Small {
    fn compile(&self, op: &PreparedOp, in_place: Option<usize>) -> Kernel {
        self.device.compile(op, in_place)
    }
    fn alignment(&self) -> usize {
        self.alignment
    }
    fn limits(&self) -> Option<Limits> {
        Some(self.limits)
    }
}

fn cpu() -> Arc<dyn Device> {
    Arc::new(Cpu)
}

/// The CPU with and without the alignment of a GPU, and the GPU.
fn targets(binding: usize) -> Vec<Small> {
    let mut targets = vec![Small::new(&cpu(), 1, binding), Small::new(&cpu(), 64, binding)];
    targets.extend(common::gpu().map(|gpu| Small::new(&gpu, gpu.alignment(), binding)));
    targets
}

type Values = HashMap<NodeId, Vec<f32>>;

/// Outputs of two runs, and variables behind them.
type Results = Vec<Vec<f32>>;

fn bits(results: &Results) -> Vec<Vec<u32>> {
    results.iter().map(|values| values.iter().map(|v| v.to_bits()).collect()).collect()
}

/// Plans, and checks that no kernel is given more than the target binds.
fn planned(graph: &Graph, request: &Request, target: &Small) -> Program {
    let program = plan(graph, request, target).unwrap();
    check_steps(&program);
    let Limits { binding, workspace, .. } = target.limits;
    for step in &program.steps {
        let Work::Run { workspace: scratch, .. } = &step.work else { continue };
        for (shape, place) in step.inputs.iter().chain([&step.output]) {
            assert!(place.len <= binding, "{} binds {shape}, limit {binding}", step.name);
            assert!(place.offset.is_multiple_of(target.alignment), "{}", step.name);
        }
        assert!(scratch.is_none_or(|place| place.len <= workspace), "{}", step.name);
    }
    program
}

/// Runs the program twice from the values given, on poisoned memory; both must give the same bytes.
fn run(program: &Program, request: &Request, target: &Small, given: &Values) -> Results {
    let options = LoadOptions { poison: true, profile: false };
    let mut loaded = target.device.load(Arc::new(program.clone()), options).unwrap();
    assert_eq!(loaded.allocated(), program.memory());
    let mut once = || {
        for (&node, values) in given {
            let _ = loaded.write(node, values); // what the program does not read is not visible
        }
        let mut results = Results::new();
        for _ in 0..2 {
            loaded.run().unwrap();
            results.extend(loaded.outputs().unwrap());
        }
        results.extend(request.updates.iter().map(|&(variable, _)| loaded.read(variable).unwrap()));
        results
    };
    let first = once();
    assert_eq!(bits(&first), bits(&once()), "two runs differ on {}", target.device.describe());
    first
}

/// How many steps run the operation of this name.
fn count(program: &Program, name: &str) -> usize {
    let runs = |work: &Work| matches!(work, Work::Run { op, .. } if op.name() == name);
    program.steps.iter().filter(|step| runs(&step.work)).count()
}

fn assert_close(what: &str, split: &Results, whole: &Results, tolerance: f32) {
    assert_eq!(split.len(), whole.len());
    for (i, (split, whole)) in split.iter().zip(whole).enumerate() {
        let rms = (whole.iter().map(|v| v * v).sum::<f32>() / whole.len() as f32).sqrt();
        for (j, (s, w)) in split.iter().zip(whole).enumerate() {
            let close = (s - w).abs() <= tolerance * (rms + w.abs()); // fails for NaN, too
            assert!(close, "{what}: result {i}, element {j} of {}: {s}, not {w}", whole.len());
        }
    }
}

struct Case {
    op: Op,
    shapes: Vec<Shape>,
}

/// Every operation that can be split, on a batch of 7.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |op: Op, shapes: &[&[usize]]| {
        cases.push(Case { op, shapes: shapes.iter().map(|&shape| Shape::from(shape)).collect() });
    };
    let (image, row, pair) = (&[7, 3, 6, 9][..], &[7, 20][..], &[2, 3][..]);
    let leaky = LeakyRelu { slope: 0.3 };
    case(leaky.into(), &[row]);
    case(LeakyReluGrad(leaky).into(), &[image, image]);
    for op in [Add, Sub, Mul] {
        case(op.into(), &[image, image]);
        case(op.into(), &[image, &[1, 3, 1, 1]]);
        case(op.into(), &[&[1, 3, 6, 1], image]);
    }
    case(Expand { factor: 2.0, repeats: vec![1, 3] }.into(), &[&[7, 1, 6]]);
    case(Square.into(), &[row]);
    case(Sigmoid.into(), &[row]);
    for mean in [false, true] {
        case(Reduce { mean, axes: Axes::These(vec![1, 3]) }.into(), &[image]);
    }
    case(Reduce::sum(Axes::These(vec![0, 2])).into(), &[image]);
    case(Reduce::sum(Axes::All).into(), &[image]);
    case(Concat { axis: 1 }.into(), &[image, &[7, 2, 6, 9]]);
    case(Slice { axis: 1, start: 1, len: 2 }.into(), &[image]);
    case(Pad { axis: 2, before: 1, behind: 2 }.into(), &[image]);
    case(Bias.into(), &[image, &[3]]);
    case(BiasGrad.into(), &[image]);
    case(BatchStats.into(), &[image]);
    for slope in [None, Some(0.3)] {
        let norm = BatchNorm { training: true, slope, epsilon: BatchNorm::EPSILON };
        case(norm.into(), &[image, pair, pair]);
        case(norm.into(), &[image, pair, pair, image]);
        let masked = usize::from(slope.is_some());
        case(
            BatchNormSums { slope, epsilon: BatchNorm::EPSILON }.into(),
            &[image, pair, image, image][..3 + masked],
        );
        let inputs = &[image, pair, pair, pair, image, image][..5 + masked];
        case(BatchNormInputGrad { count: Some(7 * 54), slope, epsilon: BatchNorm::EPSILON }.into(), inputs);
    }
    let conv = Conv2d { stride: [2, 1], pad: [1, 1], groups: 1 };
    case(conv.into(), &[image, &[4, 3, 3, 3]]);
    let input = [6, 9];
    case(Conv2dInputGrad { conv, input }.into(), &[&[4, 3, 3, 3], &[7, 4, 3, 9]]);
    case(Conv2dWeightGrad { conv, kernel: [3, 3] }.into(), &[image, &[7, 4, 3, 9]]);
    let depthwise = Conv2d { groups: 3, ..Conv2d::same([3, 3]) };
    case(depthwise.into(), &[image, &[3, 1, 3, 3]]);
    case(Matmul { form: Form::Plain }.into(), &[row, &[20, 5]]);
    case(Matmul { form: Form::TransposeB }.into(), &[row, &[5, 20]]);
    case(Matmul { form: Form::TransposeA }.into(), &[row, &[7, 5]]);
    case(Dropout { rate: 0.4, layer: 2, first: 0 }.into(), &[image, &[2]]);
    case(Mask.into(), &[image, &[7, 6], &[7, 9]]);
    case(Softmax.into(), &[row]);
    case(SoftmaxGrad.into(), &[row, row]);
    let ln = Ln { floor: 5.0 };
    case(ln.into(), &[image]);
    case(LnGrad(ln).into(), &[image, image]);
    let compress = Compress { gain: 0.1 };
    case(compress.into(), &[image]);
    case(CompressGrad(compress).into(), &[image, image]);
    let decibel = Decibel { range: 20.0 };
    case(decibel.into(), &[image]);
    case(DecibelGrad(decibel).into(), &[image, image]);
    let window = Window { size: [2, 3], stride: [2, 3], ceil: false };
    let covering = Window::covering([4, 2]);
    case(MaxPool(covering).into(), &[image]);
    case(MaxPoolGrad(covering).into(), &[image, &[7, 3, 2, 5]]);
    case(MaxPool(window).into(), &[image]);
    case(MaxPoolGrad(window).into(), &[image, &[7, 3, 3, 3]]);
    case(AveragePool(window).into(), &[image]);
    case(AveragePoolGrad { window, input }.into(), &[&[7, 3, 3, 3]]);
    let stft = PowerStft { n_fft: 64, hop: 17, centred: true };
    let (bins, frames) = (stft.bins(), stft.frames(150));
    case(stft.into(), &[&[7, 1, 150]]);
    case(PowerStftGrad(stft).into(), &[&[7, 1, 150], &[7, 1, bins, frames]]);
    let spec =
        MelSpec { sample_rate: 4000, n_fft: 64, mels: 7, low: 30.0, high: 2000.0, scale: MelScale::Htk };
    case(Mel::new(spec).unwrap().into(), &[&[7, 1, bins, frames]]);
    cases
}

/// Alone and in the middle of a graph, in slices of three rows, of two, and of one. What works sample by
/// sample gives the same bits on the CPU device, everything else up to the rounding of sums.
#[test]
fn every_operation_in_slices() {
    for (seed, Case { op, shapes }) in cases().into_iter().enumerate() {
        let whole: Vec<&Shape> = shapes.iter().collect();
        let slicing = op.prepare(&whole).unwrap().slicing.unwrap_or_else(|| panic!("{op:?} cannot be split"));
        for in_the_middle in [false, true] {
            let mut rng = Rng::new(100 + seed as u64);
            let (mut graph, mut given) = (Graph::new(), Values::new());
            let mut operands = Vec::new();
            for shape in &shapes {
                let input = graph.add(Input { shape: shape.clone() }.into(), &[]).unwrap();
                // Positive where variances are wanted.
                let value = |rng: &mut Rng| {
                    rng.range(0.5, 2.0) * if shape[0] == 7 { rng.normal().signum() } else { 1.0 }
                };
                given.insert(input, (0..shape.elements()).map(|_| value(&mut rng)).collect());
                let operand = graph.add(LeakyRelu { slope: 0.9 }.into(), &[input]).unwrap();
                operands.push(if in_the_middle { operand } else { input });
            }
            let mut output = graph.add(op.clone(), &operands).unwrap();
            if in_the_middle {
                output = graph.add(LeakyRelu { slope: 0.9 }.into(), &[output]).unwrap();
            }
            let all = || shapes.iter().chain([graph.shape(output)]);
            let row = all().filter(|shape| shape[0] == 7).map(|shape| shape.elements() / 7).max().unwrap();
            let whole_tensors = all().filter(|shape| shape[0] != 7).map(Shape::elements).max();
            let request = Request { outputs: vec![output], updates: vec![], fuse: false };
            for rows in [3, 2, 1] {
                // A little more than so many rows.
                let binding = (rows * row + row / 2).max(whole_tensors.unwrap_or(0));
                for target in targets(binding) {
                    let on_cpu = target.device.describe() == Cpu.describe();
                    if rows < 3 && !on_cpu {
                        continue; // kernels for three rows, and for the one that is left, are enough to compile
                    }
                    let program = planned(&graph, &request, &target);
                    let steps = count(&program, op.name());
                    assert!(steps >= 2, "{op:?} was not split: {program}");
                    let split_results = run(&program, &request, &target, &given);
                    let whole = planned(&graph, &request, &target.unlimited());
                    let whole = run(&whole, &request, &target, &given);
                    let what = format!("{op:?} in {steps} slices on {}", target.device.describe());
                    match slicing.join {
                        Join::Rows if on_cpu => assert_eq!(bits(&split_results), bits(&whole), "{what}"),
                        _ => assert_close(&what, &split_results, &whole, 1e-5),
                    }
                }
            }
        }
    }
}

/// A dense layer whose features are not a multiple of the alignment, so that slices are copied, and one whose
/// are.
#[test]
fn slices_begin_where_tensors_may() {
    let mut graph = Graph::new();
    let mut x = |columns: usize| graph.add(Input { shape: [130, columns].into() }.into(), &[]).unwrap();
    let (odd, even) = (x(37), x(32));
    let mut y = |x| graph.add(LeakyRelu { slope: 0.5 }.into(), &[x]).unwrap();
    let (odd, even) = (y(odd), y(even));
    let program = |output, binding| {
        let request = Request { outputs: vec![output], updates: vec![], fuse: false };
        planned(&graph, &request, &Small::new(&cpu(), 64, binding))
    };
    let rows = |program: &Program| -> Vec<usize> {
        program.steps.iter().filter(|s| matches!(s.work, Work::Run { .. })).map(|s| s.output.0[0]).collect()
    };
    // 64 rows of 37 begin at a multiple of 64; as many as 70 would fit.
    let aligned = program(odd, 70 * 37);
    assert_eq!((rows(&aligned), aligned.steps.len()), (vec![64, 64, 2], 3));
    // No multiple of 64 rows fits: both ends of all slices but the first are copied.
    let copied = program(odd, 44 * 37);
    assert_eq!(rows(&copied), [44, 44, 42]);
    assert_eq!(copied.steps.len(), 3 + 2 + 2);
    // Even slices, as long as they begin at multiples of two rows.
    assert_eq!(rows(&program(even, 100 * 32)), [66, 64]);
}

/// Operations in place need no more memory in slices.
#[test]
fn slices_are_computed_in_place() {
    let shape = Shape::from([8, 4, 5, 16]);
    let mut graph = Graph::new();
    let mut leaf = |shape: &Shape| graph.add(Input { shape: shape.clone() }.into(), &[]).unwrap();
    let (x, r) = (leaf(&shape), leaf(&shape));
    let (stats, affine) = (leaf(&[2, 4].into()), leaf(&[2, 4].into()));
    let mut y = graph.add(Add.into(), &[x, r]).unwrap();
    for _ in 0..3 {
        let norm = BatchNorm { training: false, slope: Some(0.3), epsilon: BatchNorm::EPSILON };
        y = graph.add(norm.into(), &[y, stats, affine, r]).unwrap();
        y = graph.add(LeakyRelu { slope: 0.5 }.into(), &[y]).unwrap();
    }
    let request = Request { outputs: vec![y], updates: vec![], fuse: false };
    let mut rng = Rng::new(5);
    let given: Values = [(x, &shape), (r, &shape), (stats, &[2, 4].into()), (affine, &[2, 4].into())]
        .map(|(id, shape): (NodeId, &Shape)| {
            (id, (0..shape.elements()).map(|_| rng.range(0.5, 2.0)).collect())
        })
        .into();
    for target in targets(3 * 4 * 5 * 16) {
        let program = planned(&graph, &request, &target);
        let whole = planned(&graph, &request, &target.unlimited());
        let in_place = program.steps.iter().filter(|s| matches!(s.work, Work::Run { in_place: Some(_), .. }));
        assert_eq!(in_place.count(), 6 * 3, "{program}");
        assert_eq!(program.memory(), whole.memory());
        let [split, whole] = [&program, &whole].map(|program| run(program, &request, &target, &given));
        assert_close("in place", &split, &whole, 1e-6);
    }
    // What is read later is not overwritten: the last norm, and its activation as an output.
    let norm = graph.node(y).inputs[0];
    let sum = graph.add(Add.into(), &[y, x]).unwrap();
    let last = graph.add(Add.into(), &[sum, norm]).unwrap();
    let request = Request { outputs: vec![last, y], updates: vec![], fuse: false };
    for target in targets(3 * 4 * 5 * 16) {
        let [split, whole] = [&target, &target.unlimited()]
            .map(|target| run(&planned(&graph, &request, target), &request, target, &given));
        assert_close("read later", &split, &whole, 1e-6);
    }
}

/// The default network, shrunk: short frames, features of 16×21.
fn shrunk() -> ModelConfig {
    ModelConfig {
        sample_rate: 4000,
        frame_seconds: 0.25,
        n_fft: 256,
        hop: 50,
        mels: 16,
        low: 30.0,
        high: 2000.0,
        features: Features::LogMel,
        filters: vec![3, 5],
        dense: vec![8],
        dropout: 0.2,
        ..ModelConfig::default()
    }
}

fn network() -> Network {
    Network::new(shrunk(), 4).unwrap()
}

/// The same without kinks. Batch statistics that are merged differ from whole ones by a rounding, and where
/// an activation lies that near to 0, or to its neighbour in a pooling window, the gradient takes another way
/// at the kink: about one draw in fifty has such an element, and then nothing bounds what it changes.
fn smooth_network() -> Network {
    Network::new(ModelConfig { slope: 0.9999, pool: 1, ..shrunk() }, 4).unwrap()
}

fn normal(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| 0.3 * rng.normal()).collect()
}

/// A training graph with values for all its leaves. SGD, because Adam's first steps depend on a gradient's
/// sign alone.
fn training(network: &Network, batch: usize, seed: u64) -> (TrainingGraph, Values) {
    let optimizer = OptimizerConfig { kind: OptimizerKind::Sgd, ..OptimizerConfig::default() };
    let training = network
        .training(&TrainingConfig { batch, smoothing: 0.1, masks: true, norms: true, optimizer })
        .unwrap();
    let mut state = training.layout.initialise(seed);
    state.resize(optimizer.rows() * state.len(), 0.0);
    let labels = (0..batch * 4).map(|i| f32::from(u8::from(i % 4 == i / 4 % 4))).collect();
    let (h, w) = network.feature_size();
    let factors = |seed, size: usize| {
        normal(seed, batch * size).iter().map(|&v| f32::from(u8::from(v > -0.3))).collect()
    };
    let [rows, columns] = training.masks.unwrap();
    let mut values = Values::from([
        (training.audio, normal(seed + 1, batch * network.config.frame_length())),
        (training.labels, labels),
        (training.class_weights, vec![1.0, 0.5, 2.0, 1.0]),
        (training.loss_gradient, vec![1.0]),
        (training.schedule, optimizer.schedule(0.01, 1, 1.0).to_vec()),
        (training.counter.unwrap(), vec![3.0, 7.0]),
        (rows, factors(seed + 2, h)),
        (columns, factors(seed + 3, w)),
        (training.state, state),
    ]);
    for running in &training.running {
        values.insert(running.node, [vec![0.0; running.channels], vec![1.0; running.channels]].concat());
    }
    (training, values)
}

/// The largest tensor of a whole program's operations that can be split, and of those that cannot.
fn largest(graph: &Graph, request: &Request) -> [usize; 2] {
    let program = planned(graph, request, &Small::new(&cpu(), 1, 0).unlimited());
    [true, false].map(|split| {
        let steps = program.steps.iter().filter(|step| match &step.work {
            Work::Run { prepared, .. } => prepared.slicing.is_some() == split,
            Work::Copy => false,
        });
        steps
            .flat_map(|step| step.inputs.iter().chain([&step.output]))
            .map(|(_, place)| place.len)
            .max()
            .unwrap_or(0)
    })
}

const KINDS: [&str; 10] = [
    "log_mel",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "batch_stats",
    "merge_stats",
    "batch_norm",
    "batch_norm_sums",
    "batch_norm_input_grad",
    "add",
];

/// Loss, logits, gradients, and what two steps make of parameters, moments and running statistics. Returns
/// how many more steps each kind of operation takes in slices.
fn check_training(
    network: &Network,
    batch: usize,
    seed: u64,
    target: &Small,
    tolerance: f32,
) -> [(&'static str, usize); 10] {
    let (training, given) = training(network, batch, seed);
    let mut request = training.request(true);
    request.outputs.push(training.gradients);
    let program = planned(&training.graph, &request, target);
    let whole = planned(&training.graph, &request, &target.unlimited());
    assert!(program.steps.len() > whole.steps.len(), "nothing was split");
    let counts = KINDS.map(|op| (op, count(&program, op) - count(&whole, op)));
    let split = run(&program, &request, target, &given);
    let whole = run(&whole, &request, target, &given);
    assert!(split.iter().flatten().any(|&v| v != 0.0));
    let what = format!("batch {batch}, {} on {}", target.limits.binding, target.device.describe());
    assert_close(&what, &split, &whole, tolerance);
    counts
}

#[test]
fn a_training_step_in_slices() {
    let network = network();
    for batch in [48, 37] {
        let (training, _) = training(&network, batch, 1);
        let [most, least] = largest(&training.graph, &training.request(true));
        for target in targets(least.max(most / 40)) {
            let on_cpu = target.device.describe() == Cpu.describe();
            if batch == 37 && !on_cpu {
                continue; // kernels for one batch are enough to compile
            }
            for (op, more) in check_training(&network, batch, 1, &target, 2e-4) {
                assert!(more > 0, "{op} was not split");
            }
        }
    }
}

#[test]
fn inference_in_slices() {
    let network = network();
    for batch in [16, 13] {
        let inference = network.inference(batch).unwrap();
        let request = inference.request(true);
        let mut given = Values::from([
            (inference.audio, normal(1, batch * network.config.frame_length())),
            (inference.state, inference.layout.initialise(2)),
        ]);
        for running in &inference.running {
            let values = [normal(3, running.channels), vec![1.5; running.channels]].concat();
            given.insert(running.node, values);
        }
        let [most, _] = largest(&inference.graph, &request);
        for target in targets(most / 4) {
            let program = planned(&inference.graph, &request, &target);
            let unlimited = planned(&inference.graph, &request, &target.unlimited());
            assert!(program.steps.len() > unlimited.steps.len() + 4, "{program}");
            let [split, whole] =
                [&program, &unlimited].map(|program| run(program, &request, &target, &given));
            if target.device.describe() == Cpu.describe() {
                assert_eq!(bits(&split), bits(&whole));
            }
            assert_close("inference", &split, &whole, 1e-5);
        }
    }
}

/// Of the default network at its own size: little is copied, and slices lie where the whole lay.
#[test]
fn slices_take_little_more_memory() {
    let network = Network::new(ModelConfig::default(), 10).unwrap();
    let (training, _) = training(&network, 256, 1);
    let request = training.request(true);
    let [most, _] = largest(&training.graph, &request);
    let target = Small::new(&cpu(), 64, most / 4);
    let [split, whole] = [&target, &target.unlimited()].map(|target| {
        let program = planned(&training.graph, &request, target);
        let copied = program.steps.iter().filter(|step| matches!(step.work, Work::Copy));
        let copied: u64 = copied.map(|step| 4 * step.output.1.len as u64).sum();
        (program.memory(), copied, program.steps.len())
    });
    println!("memory, bytes copied, steps: {split:?} in slices, {whole:?} whole");
    assert!(split.0 <= whole.0 + whole.0 / 20, "{split:?}, {whole:?}");
    assert!(split.1 <= whole.0 / 100, "{split:?}, {whole:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Limits and batches drawn at random, on the CPU, where a case costs no pipelines.
    #[test]
    fn training_in_random_slices(batch in 16usize..48, share in 0.0..1.0, aligned: bool, seed in 0u64..1000) {
        let network = smooth_network();
        let (graph, _) = training(&network, batch, seed);
        let [most, least] = largest(&graph.graph, &graph.request(true));
        prop_assume!(least < most - 1);
        let binding = least + ((most - 1 - least) as f64 * share) as usize;
        let target = Small::new(&cpu(), if aligned { 64 } else { 1 }, binding);
        check_training(&network, batch, seed, &target, 2e-5);
    }
}

/// Updates of variables by what is computed in slices, and outputs that are variables.
#[test]
fn updates_in_slices() {
    let mut graph = Graph::new();
    let shape = Shape::from([9, 40]);
    let [p, q] = [0, 1].map(|_| graph.add(Variable { shape: shape.clone() }.into(), &[]).unwrap());
    let next_p = graph.add(Add.into(), &[p, q]).unwrap();
    let next_q = graph.add(LeakyRelu { slope: 0.5 }.into(), &[next_p]).unwrap();
    let late = graph.add(Add.into(), &[p, next_q]).unwrap();
    let given = Values::from([(p, normal(1, 360)), (q, normal(2, 360))]);
    for updates in [vec![(p, next_p)], vec![(p, next_p), (q, next_q)], vec![(p, q), (q, p)]] {
        for outputs in [vec![p, late], vec![next_q, next_p], vec![]] {
            let request = Request { outputs, updates: updates.clone(), fuse: false };
            for target in targets(130) {
                let [split, whole] = [&target, &target.unlimited()]
                    .map(|target| run(&planned(&graph, &request, target), &request, target, &given));
                assert_eq!(bits(&split), bits(&whole), "{request:?}");
            }
        }
    }
}

/// A workspace counts as well as a tensor: that of a spectrogram's gradient is twice as large.
#[test]
fn workspaces_are_split() {
    let Some(gpu) = common::gpu() else { return };
    let stft = PowerStft { n_fft: 64, hop: 17, centred: true };
    let frames = stft.frames(300);
    let mut graph = Graph::new();
    let audio = graph.add(Input { shape: [5, 1, 300].into() }.into(), &[]).unwrap();
    let dy = graph.add(Input { shape: [5, 1, stft.bins(), frames].into() }.into(), &[]).unwrap();
    let dx = graph.add(PowerStftGrad(stft).into(), &[audio, dy]).unwrap();
    let request = Request { outputs: vec![dx], updates: vec![], fuse: false };
    let mut target = Small::new(&gpu, gpu.alignment(), usize::MAX);
    target.limits.workspace = 3 * 64 * frames;
    let program = planned(&graph, &request, &target);
    assert_eq!(count(&program, "stft_grad"), 2, "{program}");
    let given = Values::from([(audio, normal(1, 1500)), (dy, normal(2, 5 * stft.bins() * frames))]);
    let whole = planned(&graph, &request, &target.unlimited());
    let [split, whole] = [&program, &whole].map(|program| run(program, &request, &target, &given));
    assert_close("stft_grad", &split, &whole, 1e-5);
}

/// One tensor above what the adapter really binds, an eighth of it a row: batch norm in training with its
/// activation.
#[test]
fn a_tensor_above_the_adapters_own_limit() {
    let Some(gpu) = common::gpu() else { return };
    let limits = gpu.limits().unwrap();
    // A software adapter's is WebGPU's default, 128 MiB.
    if limits.binding > 1 << 28 {
        return common::skip(&format!("the adapter binds {} bytes", 4 * limits.binding as u64));
    }
    let shape = Shape::from([9, 4, limits.binding / 8 / 4 / 64, 64]);
    assert!(shape.elements() > limits.binding);
    let mut graph = Graph::new();
    let x = graph.add(Input { shape: shape.clone() }.into(), &[]).unwrap();
    let affine = graph.add(Input { shape: [2, 4].into() }.into(), &[]).unwrap();
    let stats = graph.add(BatchStats.into(), &[x]).unwrap();
    let norm = graph
        .add(
            BatchNorm { training: true, slope: None, epsilon: BatchNorm::EPSILON }.into(),
            &[x, stats, affine],
        )
        .unwrap();
    let y = graph.add(LeakyRelu { slope: 0.25 }.into(), &[norm]).unwrap();
    let mean = graph.add(BatchStats.into(), &[y]).unwrap();
    let request = Request { outputs: vec![stats, mean, y], updates: vec![], fuse: true };
    let plane = shape[2] * shape[3];
    let value = |i: usize| {
        let noise = (i as u32).wrapping_mul(2_654_435_769) >> 8;
        noise as f32 / (1 << 23) as f32 + (i / plane) as f32 // a mean of its own for every plane
    };
    let given = (0..shape.elements()).map(value).collect::<Vec<f32>>();
    let on = |device: &dyn Device| {
        let program = plan(&graph, &request, device).unwrap();
        let steps = program.steps.len();
        let mut loaded = device.load(Arc::new(program), LoadOptions::default()).unwrap();
        loaded.write(x, &given).unwrap();
        loaded.write(affine, &[1.0, 0.5, 2.0, 1.0, 0.0, -1.0, 1.0, 0.5]).unwrap();
        loaded.run().unwrap();
        (loaded.outputs().unwrap(), steps)
    };
    let ((whole, few), (split, many)) = (on(&Cpu), on(gpu.as_ref()));
    assert!(many > few);
    assert_close("above the limit", &split, &whole, 1e-5);
}

/// What cannot be split is refused with the batch that could be bound; what would be split, with the one that
/// could be allocated.
#[test]
fn what_cannot_be_split_is_refused_with_the_batch_that_fits() {
    let Some(gpu) = common::gpu() else { return };
    let Limits { binding, buffer, .. } = gpu.limits().unwrap();
    let refusal = |rows: usize, build: &dyn Fn(&mut Graph, NodeId) -> NodeId| {
        let mut graph = Graph::new();
        let input = Input { shape: [rows, 1000].into() };
        let logits = graph.add_named("logits", input.into(), &[]).unwrap();
        let output = build(&mut graph, logits);
        let request = Request { outputs: vec![output], updates: vec![], fuse: true };
        let program = plan(&graph, &request, gpu.as_ref()).unwrap();
        match gpu.load(Arc::new(program), LoadOptions::default()).err() {
            Some(DeviceError::TooLarge { tensor, can, batch, .. }) => (tensor, can, batch),
            other => panic!("{other:?}"),
        }
    };
    let loss = |graph: &mut Graph, logits: NodeId| {
        let labels = graph.add(Input { shape: graph.shape(logits).clone() }.into(), &[]).unwrap();
        let weights = graph.add(Input { shape: [1000].into() }.into(), &[]).unwrap();
        graph.add(CrossEntropy { smoothing: 0.0 }.into(), &[logits, labels, weights]).unwrap()
    };
    let batch = Some((4 * binding as u64) / 4000);
    for rows in [binding / 1000 + 1, buffer / 1000 + 1] {
        assert_eq!(refusal(rows, &loss), ("logits".into(), "binds", batch), "{rows} rows");
    }
    let leaky = |graph: &mut Graph, x: NodeId| {
        let y = graph.add_named("y", LeakyRelu { slope: 0.5 }.into(), &[x]).unwrap();
        graph.add_named("z", BatchStats.into(), &[y]).unwrap()
    };
    let batch = Some((4 * buffer as u64) / 4000);
    assert_eq!(refusal(buffer / 1000 + 1, &leaky), ("y".into(), "allocates", batch));
}
