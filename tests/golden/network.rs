//! The default network as a graph with its loss, gradients and one AdamW step, written out operation by operation.

use std::collections::BTreeMap;

use genre_recognizer::graph::{NodeId, Shape};
use genre_recognizer::ops::activation::LeakyRelu;
use genre_recognizer::ops::batch_norm::{BatchNorm, BatchStats, RunningStats};
use genre_recognizer::ops::bias::Bias;
use genre_recognizer::ops::conv2d::Conv2d;
use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::ops::dropout::Dropout;
use genre_recognizer::ops::log::Ln;
use genre_recognizer::ops::loss::CrossEntropy;
use genre_recognizer::ops::mel::{Mel, MelSpec};
use genre_recognizer::ops::optimizer::{Adam, Common, GlobalNorm};
use genre_recognizer::ops::pool::{MaxPool, Window, global_average_pool};
use genre_recognizer::ops::residual_add::Add;
use genre_recognizer::ops::source::{Input, Variable};
use genre_recognizer::ops::stft::PowerStft;
use genre_recognizer::ops::view::{Pack, View};
use genre_recognizer::ops::{Graph, Op};

/// The settings of `make.py`.
const SLOPE: f32 = 0.3;
const MOMENTUM: f32 = 0.1;
const DROPOUT: f32 = 0.25;
const SMOOTHING: f32 = 0.1;

/// A running statistic: the variable, and the node of its new value.
pub struct Running {
    pub name: String,
    pub variable: NodeId,
    pub updated: NodeId,
}

/// What the tests read and write.
pub struct Network {
    pub graph: Graph,
    /// Audio [N, 1, L], or features where the network begins with them.
    pub input: NodeId,
    pub labels: NodeId,
    pub class_weights: NodeId,
    pub counter: NodeId,
    /// The gradient to the loss.
    pub one: NodeId,
    pub schedule: NodeId,
    /// Parameters and moments [3, P].
    pub state: NodeId,
    /// Names, shapes and places in a row of the state.
    pub parameters: Vec<(String, Shape, usize)>,
    pub running: Vec<Running>,
    pub features: NodeId,
    pub logits: NodeId,
    pub loss: NodeId,
    /// Gradients [P], laid out as the parameters.
    pub gradients: NodeId,
    pub stepped: NodeId,
}

/// How many parameters there are.
fn total(parameters: &[(String, Shape, usize)]) -> usize {
    parameters.iter().map(|(_, shape, _)| shape.elements()).sum()
}

struct Builder {
    graph: Graph,
    parameters: BTreeMap<String, NodeId>,
    running: Vec<Running>,
}

impl Builder {
    fn add(&mut self, op: impl Into<Op>, inputs: &[NodeId]) -> NodeId {
        self.graph.add(op.into(), inputs).unwrap()
    }

    fn input(&mut self, name: &str, shape: impl Into<Shape>) -> NodeId {
        self.graph.add_named(name, Input { shape: shape.into() }.into(), &[]).unwrap()
    }

    fn leaky(&mut self, x: NodeId) -> NodeId {
        self.add(LeakyRelu { slope: SLOPE }, &[x])
    }

    fn norm(&mut self, x: NodeId, name: &str) -> NodeId {
        let shape = self.graph.shape(x).clone();
        let stats = self.add(BatchStats, &[x]);
        let variable = Variable { shape: [2, shape[1]].into() };
        let variable = self.graph.add_named(&format!("{name}.running"), variable.into(), &[]).unwrap();
        let count = shape.elements() / shape[1];
        let updated = self.add(RunningStats { momentum: MOMENTUM, count }, &[variable, stats]);
        self.running.push(Running { name: name.into(), variable, updated });
        self.add(BatchNorm { training: true, slope: None }, &[x, stats, self.parameters[name]])
    }

    fn conv_norm(&mut self, x: NodeId, name: &str, stride: usize) -> NodeId {
        let weight = self.parameters[&format!("{name}.conv")];
        let kernel = [self.graph.shape(weight)[2], self.graph.shape(weight)[3]];
        let conv = Conv2d { stride: [stride; 2], ..Conv2d::same(kernel) };
        let y = self.add(conv, &[x, weight]);
        self.norm(y, &format!("{name}.norm"))
    }

    fn dense(&mut self, x: NodeId, name: &str) -> NodeId {
        self.add(Matmul { form: Form::TransposeB }, &[x, self.parameters[name]])
    }
}

/// Log-mel features of audio [N, 1, L].
fn features(b: &mut Builder, audio: NodeId) -> NodeId {
    let power = b.add(PowerStft { n_fft: 2048, hop: 512, centred: true }, &[audio]);
    let spec = MelSpec { sample_rate: 44_100, n_fft: 2048, mels: 128, low: 30.0, high: 16_000.0 };
    let mel = b.add(Mel::new(spec).unwrap(), &[power]);
    b.add(Ln { floor: 1e-5 }, &[mel])
}

impl Network {
    /// The network for parameters of these names and shapes; `input` is audio [N, 1, L] or features [N, 1, H, T].
    pub fn new(input: &[usize], shapes: &BTreeMap<String, Shape>) -> Self {
        let mut b = Builder { graph: Graph::new(), parameters: BTreeMap::new(), running: Vec::new() };
        let mut offset = 0;
        let mut parameters = Vec::new();
        for (name, shape) in shapes {
            parameters.push((name.clone(), shape.clone(), offset));
            offset += shape.elements();
        }
        let p = total(&parameters);
        let state = b.graph.add_named("state", Variable { shape: [3, p].into() }.into(), &[]).unwrap();
        for (name, shape, offset) in &parameters {
            let view = View { offset: *offset, shape: shape.clone() };
            let id = b.graph.add_named(name, view.into(), &[state]).unwrap();
            b.parameters.insert(name.clone(), id);
        }
        let classes = shapes["head.bias"].elements();
        let input_node = b.input("input", input);
        let labels = b.input("labels", [input[0], classes]);
        let class_weights = b.input("class_weights", [classes]);
        let counter = b.input("counter", [2]);
        let one = b.input("one", [1]);
        let schedule = b.input("schedule", [3]);

        let features = if input.len() == 3 { features(&mut b, input_node) } else { input_node };
        let logits = Self::layers(&mut b, features, counter);
        let loss = b.add(CrossEntropy { smoothing: SMOOTHING }, &[logits, labels, class_weights]);

        let wrt: Vec<NodeId> = parameters.iter().map(|(name, _, _)| b.parameters[name]).collect();
        let gradients = b.graph.gradients(loss, one, &wrt).unwrap();
        let offsets = parameters.iter().map(|&(_, _, offset)| offset).collect();
        let gradients = b.add(Pack { offsets, len: p }, &gradients);
        let norm = b.add(GlobalNorm, &[gradients]);
        let adam = Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            decoupled: true,
            common: Common { max_norm: f32::INFINITY, weight_decay: 0.01, decayed: p },
        };
        let stepped = b.add(adam, &[state, gradients, norm, schedule]);
        Self {
            graph: b.graph,
            input: input_node,
            labels,
            class_weights,
            counter,
            one,
            schedule,
            state,
            parameters,
            running: b.running,
            features,
            logits,
            loss,
            gradients,
            stepped,
        }
    }

    fn layers(b: &mut Builder, features: NodeId, counter: NodeId) -> NodeId {
        let x = b.norm(features, "norm");
        let x = b.conv_norm(x, "stem", 2);
        let mut x = b.leaky(x);
        for i in
            (0..).take_while(|i| b.parameters.contains_key(&format!("block{i}.a.conv"))).collect::<Vec<_>>()
        {
            let y = b.conv_norm(x, &format!("block{i}.a"), 1);
            let y = b.leaky(y);
            let y = b.conv_norm(y, &format!("block{i}.b"), 1);
            let skip = b.conv_norm(x, &format!("block{i}.skip"), 1);
            let sum = b.add(Add, &[y, skip]);
            let sum = b.leaky(sum);
            x = b.add(MaxPool(Window::tiles([2, 2])), &[sum]);
        }
        let x = global_average_pool(&mut b.graph, x).unwrap();
        let x = b.dense(x, "dense.weight");
        let x = b.norm(x, "dense.norm");
        let x = b.leaky(x);
        let x = b.add(Dropout { rate: DROPOUT, layer: 0 }, &[x, counter]);
        let x = b.dense(x, "head.weight");
        b.add(Bias, &[x, b.parameters["head.bias"]])
    }
}
