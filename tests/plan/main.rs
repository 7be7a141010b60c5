//! What the plan may change is speed and memory, never a result: against the graph evaluated node by node.

use crate::common;
mod split;

use std::collections::HashMap;
use std::sync::Arc;

use genre_recognizer::device::{Device, Executable, LoadOptions, cpu::Cpu, reference};
use genre_recognizer::graph::{GraphOp, NodeId, Shape};
use genre_recognizer::ops::activation::{LeakyRelu, LeakyReluGrad};
use genre_recognizer::ops::batch_norm::{BatchNorm, BatchStats};
use genre_recognizer::ops::elementwise::Binary::Add;
use genre_recognizer::ops::kernel::Kernel;
use genre_recognizer::ops::log::{Decibel, Ln};
use genre_recognizer::ops::mel::{Mel, MelScale, MelSpec};
use genre_recognizer::ops::prepared::PreparedOp;
use genre_recognizer::ops::source::{Input, Variable};
use genre_recognizer::ops::stft::PowerStft;
use genre_recognizer::ops::view::{Pack, View};
use genre_recognizer::ops::{Graph, Op};
use genre_recognizer::plan::{Program, Request, Target, Work, plan};
use genre_recognizer::rng::Rng;

type Values = HashMap<NodeId, Vec<f32>>;

/// The CPU device with the alignment of a GPU.
struct Aligned;

impl Target for Aligned {
    fn compile(&self, op: &PreparedOp, in_place: Option<usize>) -> Kernel {
        Cpu.compile(op, in_place)
    }
    fn alignment(&self) -> usize {
        64
    }
}

/// What a GPU demands: no step reads a buffer that it writes, unless it was given that input in place.
fn check_steps(program: &Program) {
    for step in &program.steps {
        let output = step.output.1;
        let (in_place, workspace) = match step.work {
            Work::Run { in_place, workspace, .. } => (in_place, workspace),
            Work::Copy => (None, None),
        };
        for (i, (_, input)) in step.inputs.iter().enumerate() {
            match in_place == Some(i) {
                true => assert_eq!(*input, output, "{program}"),
                false => assert_ne!(input.buffer, output.buffer, "{}:\n{program}", step.name),
            }
            assert!(workspace.is_none_or(|w| w.buffer != input.buffer && w.buffer != output.buffer));
        }
    }
}

fn load(graph: &Graph, request: &Request, target: &dyn Target, device: &dyn Device) -> Box<dyn Executable> {
    let program = plan(graph, request, target).unwrap();
    check_steps(&program);
    let planned = program.memory();
    let loaded = device.load(Arc::new(program), LoadOptions { poison: true, profile: false }).unwrap();
    assert_eq!(loaded.allocated(), planned);
    loaded
}

/// Two runs on the device against two evaluations of the graph with the updates between: outputs and
/// variables.
fn check_runs(graph: &Graph, request: &Request, target: &dyn Target, device: &dyn Device, given: &Values) {
    let mut loaded = load(graph, request, target, device);
    let mut given = given.clone();
    for (&node, data) in &given {
        let _ = loaded.write(node, data); // what the program does not read is not visible
    }
    let new: Vec<NodeId> = request.updates.iter().map(|&(_, value)| value).collect();
    for _ in 0..2 {
        loaded.run().unwrap();
        let outputs = loaded.outputs().unwrap();
        assert_eq!(outputs, reference::evaluate(graph, &given, &request.outputs));
        let values = reference::evaluate(graph, &given, &new);
        for (&(variable, _), value) in request.updates.iter().zip(values) {
            assert_eq!(loaded.read(variable).unwrap(), value, "variable {}", variable.index());
            given.insert(variable, value);
        }
    }
}

/// As [`check_runs`] on the CPU device, planned for both alignments, fused and not, and on the GPU.
fn check(graph: &Graph, outputs: &[NodeId], updates: &[(NodeId, NodeId)], given: &Values) {
    for fuse in [false, true] {
        let request = Request { outputs: outputs.to_vec(), updates: updates.to_vec(), fuse };
        check_runs(graph, &request, &Cpu, &Cpu, given);
        check_runs(graph, &request, &Aligned, &Cpu, given);
    }
    if let Some(gpu) = common::gpu() {
        let request = Request { outputs: outputs.to_vec(), updates: updates.to_vec(), fuse: true };
        check_runs(graph, &request, gpu.as_ref(), gpu.as_ref(), given);
    }
}

struct Builder {
    graph: Graph,
    given: Values,
    rng: Rng,
}

impl Builder {
    fn new(seed: u64) -> Self {
        Self { graph: Graph::new(), given: Values::new(), rng: Rng::new(seed) }
    }

    fn leaf(&mut self, op: Op) -> NodeId {
        let id = self.add(op, &[]);
        let data = (0..self.graph.shape(id).elements()).map(|_| self.rng.normal()).collect();
        self.given.insert(id, data);
        id
    }

    fn input(&mut self, shape: impl Into<Shape>) -> NodeId {
        self.leaf(Input { shape: shape.into() }.into())
    }

    fn variable(&mut self, shape: impl Into<Shape>) -> NodeId {
        self.leaf(Variable { shape: shape.into() }.into())
    }

    fn add(&mut self, op: impl Into<Op>, inputs: &[NodeId]) -> NodeId {
        self.graph.add(op.into(), inputs).unwrap()
    }

    fn leaky(&mut self, x: NodeId) -> NodeId {
        self.add(LeakyRelu { slope: 0.25 }, &[x])
    }

    fn norm(&mut self, x: NodeId, affine: NodeId) -> NodeId {
        let stats = self.add(BatchStats, &[x]);
        self.add(BatchNorm { training: true, slope: None, epsilon: 0.1 }, &[x, stats, affine])
    }

    fn check(&self, outputs: &[NodeId], updates: &[(NodeId, NodeId)]) {
        check(&self.graph, outputs, updates, &self.given);
    }
}

/// Fused and unfused programs on every device against the f64 reference; returns the names of the operations
/// that the fused one runs.
fn check_fused(b: &Builder, outputs: &[NodeId]) -> Vec<&'static str> {
    let given = b.given.iter().map(|(&id, v)| (id, v.iter().map(|&v| f64::from(v)).collect())).collect();
    let expected = reference::evaluate::<f64>(&b.graph, &given, outputs);
    let devices: Vec<Arc<dyn Device>> =
        [Arc::new(Cpu) as Arc<dyn Device>].into_iter().chain(common::gpu()).collect();
    for device in &devices {
        let run = |fuse| {
            let request = Request { outputs: outputs.to_vec(), updates: vec![], fuse };
            let mut loaded = load(&b.graph, &request, device.as_ref(), device.as_ref());
            for (&node, data) in &b.given {
                let _ = loaded.write(node, data); // as above
            }
            loaded.run().unwrap();
            loaded.outputs().unwrap()
        };
        for outputs in [run(false), run(true)] {
            for (expected, actual) in expected.iter().zip(outputs) {
                let power = expected.iter().map(|r| r * r).sum::<f64>();
                let error = expected.iter().zip(actual).map(|(r, g)| (r - f64::from(g)).powi(2)).sum::<f64>();
                assert!(error <= 1e-10 * power, "on {}: {error:e} of {power:e}", device.describe());
            }
        }
    }
    let request = Request { outputs: outputs.to_vec(), updates: vec![], fuse: true };
    let program = plan(&b.graph, &request, &Cpu).unwrap();
    let name = |work: &Work| match work {
        Work::Run { op, .. } => op.name(),
        Work::Copy => "copy",
    };
    program.steps.iter().map(|step| name(&step.work)).collect()
}

/// `build(x, affine, r)` gives y; checks y and its gradients to all three.
fn check_fusion(build: impl Fn(&mut Builder, NodeId, NodeId, NodeId) -> NodeId) -> Vec<&'static str> {
    let mut b = Builder::new(11);
    let shape = [3, 5, 7, 3];
    let (x, affine, r) = (b.input(shape), b.variable([2, 5]), b.input(shape));
    let y = build(&mut b, x, affine, r);
    let dy = b.input(shape);
    let mut wrt = vec![x, affine];
    let with_r = b.graph.clone().gradients(y, dy, &[r]).is_ok();
    wrt.extend(with_r.then_some(r));
    let gradients = b.graph.gradients(y, dy, &wrt).unwrap();
    check_fused(&b, &[&[y], &gradients[..]].concat())
}

#[test]
fn fused_programs_equal_unfused_ones() {
    let steps = check_fusion(|b, x, affine, _| {
        let z = b.norm(x, affine);
        b.leaky(z)
    });
    assert_eq!(steps, ["batch_stats", "batch_norm", "batch_norm_sums", "batch_norm_input_grad"]);

    let steps = check_fusion(|b, x, affine, r| {
        let z = b.norm(x, affine);
        let sum = b.add(Add, &[r, z]);
        b.leaky(sum)
    });
    // r's gradient is the masked one, which is needed as a tensor: only the forward pass is fused.
    let forward =
        ["batch_stats", "batch_norm", "leaky_relu_grad", "batch_norm_sums", "batch_norm_input_grad"];
    assert_eq!(steps, forward);

    let steps = check_fusion(|b, x, affine, r| {
        let z = b.norm(x, affine);
        b.add(Add, &[z, r])
    });
    assert_eq!(steps, ["batch_stats", "batch_norm", "batch_norm_sums", "batch_norm_input_grad"]);

    // Two norms, as in a block with a projection: one carries the sum, the other stays.
    let steps = check_fusion(|b, x, affine, r| {
        let (a, c) = (b.norm(x, affine), b.norm(r, affine));
        let sum = b.add(Add, &[a, c]);
        b.leaky(sum)
    });
    assert_eq!(steps.iter().filter(|&&name| name == "batch_norm").count(), 2);
    assert!(!steps.contains(&"leaky_relu") && !steps.contains(&"leaky_relu_grad"));

    // The same norm twice, and a norm that another node reads: nothing may be fused away.
    let steps = check_fusion(|b, x, affine, _| {
        let z = b.norm(x, affine);
        b.add(Add, &[z, z])
    });
    assert!(steps.contains(&"add"));
    let steps = check_fusion(|b, x, affine, r| {
        let z = b.norm(x, affine);
        let y = b.leaky(z);
        let sum = b.add(Add, &[y, r]);
        b.add(Add, &[sum, z])
    });
    assert!(steps.contains(&"leaky_relu"));
}

#[test]
fn an_output_is_not_fused_away() {
    let mut b = Builder::new(12);
    let (x, affine) = (b.input([3, 5, 7]), b.variable([2, 5]));
    let z = b.norm(x, affine);
    let y = b.leaky(z);
    assert_eq!(check_fused(&b, &[z, y]), ["batch_stats", "batch_norm", "leaky_relu"]);
    assert_eq!(check_fused(&b, &[y]), ["batch_stats", "batch_norm"]);
}

/// The spectrogram of two signals of two channels, its mel power, and the logarithm of that.
fn features(b: &mut Builder) -> [NodeId; 4] {
    let audio = b.input([2, 2, 777]);
    let power = b.add(PowerStft { n_fft: 128, hop: 37, centred: true }, &[audio]);
    let spec =
        MelSpec { sample_rate: 8_000, n_fft: 128, mels: 11, low: 30.0, high: 3_900.0, scale: MelScale::Htk };
    let mel = b.add(Mel::new(spec).unwrap(), &[power]);
    let ln = b.add(Ln { floor: 1e-5 }, &[mel]);
    [audio, power, mel, ln]
}

#[test]
fn a_spectrogram_that_nobody_else_reads_is_not_stored() {
    let mut b = Builder::new(18);
    let [audio, power, mel, ln] = features(&mut b);
    let decibel = b.add(Decibel { range: 80.0 }, &[mel]);
    assert_eq!(check_fused(&b, &[ln]), ["log_mel"]);
    assert_eq!(check_fused(&b, &[decibel]), ["mel_power", "decibel"]);
    assert_eq!(check_fused(&b, &[mel, ln]), ["mel_power", "ln"]);
    assert_eq!(check_fused(&b, &[ln, decibel]), ["mel_power", "ln", "decibel"]);
    assert_eq!(check_fused(&b, &[ln, power]), ["stft", "mel", "ln"]);
    // The gradient of the logarithm reads the mel power; nothing reads the spectrogram.
    let dy = b.input(b.graph.shape(ln).clone());
    let gradient = b.graph.gradients(ln, dy, &[audio]).unwrap();
    let steps = check_fused(&b, &[ln, gradient[0]]);
    assert_eq!(steps, ["mel_power", "ln", "ln_grad", "mel_grad", "stft_grad"]);
    // Fusion stops at the logarithm: its gradient does not need the way to it.
    let gradient = b.graph.gradients(ln, dy, &[ln]).unwrap();
    assert_eq!(check_fused(&b, &[ln, gradient[0]]), ["log_mel"]);
}

#[test]
fn what_is_read_later_is_not_overwritten() {
    let mut b = Builder::new(13);
    let x = b.input([70]);
    let a = b.add(Add, &[x, x]);
    let y = b.leaky(a); // a is read again: not in place
    let z = b.leaky(y); // y is an output
    let part = b.add(View { offset: 64, shape: [6].into() }, &[a]);
    let part = b.leaky(part);
    let sum = b.add(Add, &[a, z]);
    b.check(&[sum, y, part], &[]);
    b.check(&[x, y], &[]);
}

#[test]
fn packs() {
    let mut b = Builder::new(14);
    let x = b.input([10]);
    let v = b.variable([10]);
    let parts: Vec<NodeId> = [x, v].into_iter().map(|leaf| b.leaky(leaf)).collect();
    // Aligned to 64 and not, with gaps, with a leaf, with one node twice, with a view.
    let view = b.add(View { offset: 3, shape: [4].into() }, &[parts[1]]);
    let inputs = [parts[0], parts[1], v, parts[0], view];
    let pack = b.add(Pack { offsets: vec![3, 64, 80, 128, 150], len: 160 }, &inputs);
    let head = b.add(View { offset: 0, shape: [64].into() }, &[pack]);
    let tail = b.add(View { offset: 64, shape: [8, 8].into() }, &[pack]);
    let (head, tail) = (b.leaky(head), b.leaky(tail));
    // A packed node that others read as well, one of them into the same pack.
    let again = b.leaky(parts[1]);
    let other = b.add(Pack { offsets: vec![0, 64], len: 80 }, &[parts[1], again]);
    let whole = b.leaky(other);
    b.check(&[head, tail, whole], &[]);
    b.check(&[pack, other, view, parts[0]], &[]);
    // A pack updates a variable, of which packs are made.
    let state = b.variable([160]);
    let next = b.add(Add, &[state, pack]);
    b.check(&[head], &[(state, next)]);
    b.check(&[next], &[(state, pack)]);
}

#[test]
fn updates_happen_at_once() {
    let mut b = Builder::new(15);
    let (p, q, r) = (b.variable([64]), b.variable([64]), b.variable([64]));
    let next_p = b.leaky(p);
    let next_q = b.add(Add, &[q, next_p]);
    let late = b.add(Add, &[p, next_p]); // reads p with its new value at hand
    b.check(&[], &[(p, next_p)]);
    b.check(&[p], &[(p, next_p)]); // the value before
    b.check(&[next_p, p], &[(p, next_p), (q, next_q)]);
    b.check(&[late], &[(p, next_p), (q, next_q)]);
    b.check(&[p, q], &[(p, q), (q, p)]); // a swap
    b.check(&[], &[(p, q), (q, r), (r, p)]);
    b.check(&[r], &[(q, p), (p, next_p)]);
    b.check(&[r], &[(p, next_p), (q, p)]);
    b.check(&[], &[(p, next_p), (q, next_p), (r, next_p)]);
    b.check(&[p], &[(p, p)]);
    let half = b.add(View { offset: 0, shape: [8].into() }, &[p]);
    let whole = b.add(View::reshape([64]), &[q]);
    b.check(&[half, whole], &[(p, next_p), (q, p), (r, whole)]);
    // New values wait for the end of the run while others are computed.
    let (s, t) = (b.add(Add, &[p, q]), b.add(Add, &[q, r]));
    let (u, v) = (b.leaky(s), b.add(Add, &[t, s]));
    b.check(&[u], &[(p, s), (q, t), (r, v)]);
}

#[test]
fn updates_that_make_no_sense_are_refused() {
    let mut b = Builder::new(16);
    let (x, v, w) = (b.input([4]), b.variable([4]), b.variable([5]));
    let refusal = |updates: &[(NodeId, NodeId)]| {
        let request = Request { updates: updates.to_vec(), ..Request::default() };
        plan(&b.graph, &request, &Cpu).unwrap_err().to_string()
    };
    assert!(refusal(&[(x, v)]).contains("only a variable"));
    assert!(refusal(&[(w, v)]).contains("[4]"));
    assert!(refusal(&[(v, x), (v, v)]).contains("once"));
}

/// Small graphs of everything that shares memory, at random.
#[test]
fn random_graphs() {
    for seed in 0..400 {
        let mut b = Builder::new(1000 + seed);
        let lengths = [7, 64, 65, 128];
        let mut nodes = Vec::new();
        let mut variables = Vec::new();
        for length in lengths {
            nodes.push(b.input([length]));
            variables.extend([b.variable([length]), b.variable([length])]);
        }
        nodes.extend(&variables);
        let mut rng = Rng::new(seed);
        for _ in 0..12 {
            let pick = |rng: &mut Rng, from: &[NodeId]| from[rng.below(from.len())];
            let first = pick(&mut rng, &nodes);
            let alike: Vec<NodeId> = {
                let shape = b.graph.shape(first).clone();
                nodes.iter().copied().filter(|&id| *b.graph.shape(id) == shape).collect()
            };
            let second = pick(&mut rng, &alike);
            let length = b.graph.shape(first).elements();
            nodes.push(match rng.below(5) {
                0 => b.add(Add, &[first, second]),
                1 => b.leaky(first),
                2 => b.add(LeakyReluGrad(LeakyRelu { slope: 0.5 }), &[first, second]),
                3 => {
                    let fitting: Vec<usize> = lengths.into_iter().filter(|&l| l <= length).collect();
                    let shorter = fitting[rng.below(fitting.len())];
                    let spare = length - shorter;
                    let offset = if rng.below(2) == 0 { spare / 64 * 64 } else { spare };
                    b.add(View { offset, shape: [shorter].into() }, &[first])
                }
                _ => {
                    let other = pick(&mut rng, &nodes);
                    let (gap, end) = (rng.below(2), b.graph.shape(other).elements());
                    let offset = (length + gap).next_multiple_of(if rng.below(2) == 0 { 64 } else { 1 });
                    let pack = Pack { offsets: vec![0, offset], len: offset + end + gap };
                    b.add(pack, &[first, other])
                }
            });
        }
        let count = 1 + rng.below(3);
        let outputs: Vec<NodeId> = (0..count).map(|_| nodes[rng.below(nodes.len())]).collect();
        let mut updates = Vec::new();
        for &variable in &variables {
            let alike: Vec<NodeId> = {
                let shape = b.graph.shape(variable);
                nodes.iter().copied().filter(|&id| b.graph.shape(id) == shape).collect()
            };
            if rng.below(2) == 0 {
                updates.push((variable, alike[rng.below(alike.len())]));
            }
        }
        b.check(&outputs, &updates);
    }
}

#[test]
fn memory_is_shared() {
    let mut b = Builder::new(17);
    let shape = [4, 3, 5, 7];
    let (mut y, affine) = (b.input(shape), b.variable([2, 3]));
    for _ in 0..6 {
        let z = b.norm(y, affine);
        y = b.leaky(z);
    }
    let request = Request { outputs: vec![y], updates: vec![], fuse: false };
    let tensor = 4 * shape.iter().product::<usize>() as u64;
    let program = plan(&b.graph, &request, &Cpu).unwrap();
    // The input, one tensor that everything is computed in place of, and small change.
    assert!(program.memory() < 3 * tensor, "{} bytes of {tensor} each", program.memory());
    assert!(program.memory_unshared() > 12 * tensor);
    // Backward, every norm's input and output is read again; gradients still share.
    let dy = b.input(shape);
    let gradient = b.graph.gradients(y, dy, &[affine]).unwrap()[0];
    let request = Request { outputs: vec![gradient], updates: vec![], fuse: true };
    let program = plan(&b.graph, &request, &Cpu).unwrap();
    assert!(program.memory() < program.memory_unshared() * 3 / 4);
}
