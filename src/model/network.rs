//! The network, written once: training and inference build it with the same code.

use serde::{Deserialize, Serialize};

use super::config::{Convolution, Features, ModelConfig};
use super::parameters::{Initial, Layout, Parameter};
use super::{ModelError, Weights};
use crate::graph::{GraphError, GraphOp, NodeId, Shape};
use crate::ops::batch_norm::{BatchNorm, BatchStats, RunningStats};
use crate::ops::bias::Bias;
use crate::ops::conv2d::Conv2d;
use crate::ops::dense::{Form, Matmul};
use crate::ops::dropout::Dropout;
use crate::ops::kernel::Io;
use crate::ops::log::{Decibel, Ln};
use crate::ops::loss::{CrossEntropy, Softmax};
use crate::ops::mel::{Mel, MelSpec};
use crate::ops::optimizer::{Adam, Common, GlobalNorm, Sgd};
use crate::ops::pool::{MaxPool, Window, global_average_pool};
use crate::ops::residual_add::Add;
use crate::ops::source::{Input, Variable};
use crate::ops::stft::PowerStft;
use crate::ops::view::{Pack, View};
use crate::ops::{Graph, Op};
use crate::plan::Request;

/// Added to mel power before the logarithm is taken.
const LOG_FLOOR: f32 = 1e-5;
/// The range of the decibel scale.
const DECIBEL_RANGE: f32 = 80.0;
/// How much of a new batch's statistics goes into the running ones.
const MOMENTUM: f32 = 0.1;
/// Side and stride of the stem's convolution.
const STEM: (usize, usize) = (5, 2);

/// An update rule for the parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    #[default]
    Adamw,
    Adam,
    Sgd,
}

/// The update rule with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimizerConfig {
    pub kind: OptimizerKind,
    pub weight_decay: f32,
    /// Gradients are scaled down to this norm; infinite for no clipping.
    pub max_norm: f32,
    /// Of SGD.
    pub momentum: f32,
    /// Whether scales, shifts and biases decay too.
    pub decay_all: bool,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adamw,
            weight_decay: 0.01,
            max_norm: f32::INFINITY,
            momentum: 0.9,
            decay_all: false,
        }
    }
}

impl OptimizerConfig {
    /// Decay rates of Adam's moments.
    pub const BETAS: (f32, f32) = (0.9, 0.999);
    const EPSILON: f32 = 1e-8;

    /// Rows of the optimizer's state: parameters and moments.
    pub fn rows(&self) -> usize {
        if self.kind == OptimizerKind::Sgd { 2 } else { 3 }
    }

    fn op(&self, layout: &Layout) -> Op {
        let decayed = if self.decay_all { layout.len } else { layout.decayed };
        let common = Common { max_norm: self.max_norm, weight_decay: self.weight_decay, decayed };
        match self.kind {
            OptimizerKind::Sgd => Sgd { momentum: self.momentum, common }.into(),
            kind => Adam {
                beta1: Self::BETAS.0,
                beta2: Self::BETAS.1,
                epsilon: Self::EPSILON,
                decoupled: kind == OptimizerKind::Adamw,
                common,
            }
            .into(),
        }
    }

    /// What the optimizer's `schedule` input holds at a step (counted from 1).
    pub fn schedule(&self, rate: f32, step: u64) -> [f32; 3] {
        let correction = |beta: f32| (1.0 - f64::from(beta).powf(step as f64)) as f32;
        [rate, correction(Self::BETAS.0), correction(Self::BETAS.1)]
    }
}

/// What a training graph needs besides the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingConfig {
    /// Frames a batch.
    pub batch: usize,
    /// Label smoothing.
    pub smoothing: f32,
    pub optimizer: OptimizerConfig,
}

/// A network for a number of genres.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub config: ModelConfig,
    pub genres: usize,
}

/// Running statistics of a batch norm, [2, C].
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    pub name: String,
    pub node: NodeId,
    pub channels: usize,
}

/// The graph of a training step.
#[derive(Clone, Debug)]
pub struct Training {
    pub graph: Graph,
    pub layout: Layout,
    pub running: Vec<Running>,
    /// Input [N, channels, samples].
    pub audio: NodeId,
    /// Input [N, genres]: distributions over the genres.
    pub labels: NodeId,
    /// Input [genres].
    pub class_weights: NodeId,
    /// Input [2]: dropout's seed and step; present where there is dropout.
    pub counter: Option<NodeId>,
    /// Input [3]; see [`OptimizerConfig::schedule`].
    pub schedule: NodeId,
    /// Variable [rows, P]: parameters and moments.
    pub state: NodeId,
    /// Output [1].
    pub loss: NodeId,
    /// Output [N, genres].
    pub logits: NodeId,
    /// Output [2]: the gradients' norm and how many are not finite.
    pub norm: NodeId,
    /// Input [1]: the gradient to the loss, 1.
    pub loss_gradient: NodeId,
    /// [P]: the gradients in the layout of the parameters.
    pub gradients: NodeId,
    updates: Vec<(NodeId, NodeId)>,
}

/// The graph of inference.
#[derive(Clone, Debug)]
pub struct Inference {
    pub graph: Graph,
    pub layout: Layout,
    pub running: Vec<Running>,
    /// Input [N, channels, samples].
    pub audio: NodeId,
    /// Variable [1, P].
    pub state: NodeId,
    /// Output [N, genres].
    pub probabilities: NodeId,
}

/// A row of a network's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    pub name: String,
    pub op: String,
    pub shape: Shape,
    pub parameters: usize,
    /// Floating-point operations of a frame.
    pub operations: u64,
}

impl Network {
    /// # Errors
    /// [`ModelError::Setting`] where a setting is out of range.
    pub fn new(config: ModelConfig, genres: usize) -> Result<Self, ModelError> {
        config.check()?;
        if !(2..=10_000).contains(&genres) {
            return Err(ModelError::Setting {
                setting: "number of genres",
                value: genres.to_string(),
                wanted: "2 to 10000 are possible".into(),
            });
        }
        Ok(Self { config, genres })
    }

    /// The graph of a training step: loss, gradients, optimizer, running statistics.
    ///
    /// # Errors
    /// [`ModelError`] where the settings do not fit each other.
    pub fn training(&self, training: &TrainingConfig) -> Result<Training, ModelError> {
        let rows = training.optimizer.rows();
        let (mut body, parts) = self.build(training.batch, rows, true)?;
        let graph = &mut body.graph;
        let labels = graph.add_named("labels", input([training.batch, self.genres]), &[])?;
        let class_weights = graph.add_named("class_weights", input([self.genres]), &[])?;
        let entropy = CrossEntropy { smoothing: training.smoothing };
        let loss = graph.add_named("loss", entropy.into(), &[parts.logits, labels, class_weights])?;
        let seed = graph.add_named("loss_gradient", input([1]), &[])?;
        let gradients = graph.gradients(loss, seed, &body.views)?;
        let packed = pack(graph, &body.layout, &gradients)?;
        let norm = graph.add_named("gradient_norm", GlobalNorm.into(), &[packed])?;
        let schedule = graph.add_named("schedule", input([3]), &[])?;
        let step = training.optimizer.op(&body.layout);
        let next = graph.add_named("optimizer", step, &[body.state, packed, norm, schedule])?;
        let mut updates = vec![(body.state, next)];
        updates.append(&mut body.updates);
        Ok(Training {
            graph: body.graph,
            layout: body.layout,
            running: body.running,
            audio: parts.audio,
            labels,
            class_weights,
            counter: body.counter,
            schedule,
            state: body.state,
            loss,
            logits: parts.logits,
            norm,
            loss_gradient: seed,
            gradients: packed,
            updates,
        })
    }

    /// The graph of inference on batches of `batch` frames.
    ///
    /// # Errors
    /// [`ModelError`] where the settings do not fit each other.
    pub fn inference(&self, batch: usize) -> Result<Inference, ModelError> {
        let (mut body, parts) = self.build(batch, 1, false)?;
        let probabilities = body.graph.add_named("probabilities", Softmax.into(), &[parts.logits])?;
        Ok(Inference {
            graph: body.graph,
            layout: body.layout,
            running: body.running,
            audio: parts.audio,
            state: body.state,
            probabilities,
        })
    }

    /// The table of the layers: shapes and operations are those of one frame.
    ///
    /// # Errors
    /// As [`Network::inference`].
    pub fn table(&self) -> Result<Vec<Layer>, ModelError> {
        let inference = self.inference(1)?;
        let graph = &inference.graph;
        let computed = |op: &Op| !matches!(op, Op::Input(_) | Op::Variable(_) | Op::View(_));
        let rows = graph.nodes().filter(|(_, node)| computed(&node.op)).map(|(_, node)| {
            let inputs: Vec<&Shape> = node.inputs.iter().map(|&id| graph.shape(id)).collect();
            let io = Io { inputs: &inputs, output: &node.shape, in_place: false };
            let parameter = |id: &&NodeId| graph.node(**id).inputs.first() == Some(&inference.state);
            let parameters = node.inputs.iter().filter(parameter).map(|&id| graph.shape(id).elements());
            Layer {
                name: node.name.clone(),
                op: format!("{} {}", node.op.name(), node.op.settings()).trim_end().to_string(),
                shape: node.shape.clone(),
                parameters: parameters.sum(),
                operations: node.op.operations(&io),
            }
        });
        Ok(rows.collect())
    }

    /// Fresh weights from a seed.
    ///
    /// # Errors
    /// As [`Network::inference`].
    pub fn initialise(&self, seed: u64) -> Result<Weights, ModelError> {
        let inference = self.inference(1)?;
        let flat = inference.layout.initialise(seed);
        let running: Vec<Vec<f32>> = inference
            .running
            .iter()
            .map(|r| [vec![0.0; r.channels], vec![1.0; r.channels]].concat())
            .collect();
        Ok(Weights::gather(&inference.layout, &flat, &inference.running, &running))
    }

    /// Builds the network twice: once to learn which parameters there are, once with all of them as views of one
    /// variable.
    fn build(&self, batch: usize, rows: usize, training: bool) -> Result<(Body, Parts), ModelError> {
        let mut survey = Body::new(training, Layout::default(), 1)?;
        self.body(&mut survey, batch)?;
        let layout = Layout::new(survey.found);
        let mut body = Body::new(training, layout, rows)?;
        let parts = self.body(&mut body, batch)?;
        Ok((body, parts))
    }

    fn body(&self, b: &mut Body, batch: usize) -> Result<Parts, ModelError> {
        let config = &self.config;
        let audio =
            b.graph.add_named("audio", input([batch, config.channels, config.frame_length()]), &[])?;
        let mut x = self.features(b, audio)?;
        x = b.scoped("features", |b| b.norm(x))?;
        if config.stem {
            x = b.scoped("stem", |b| {
                let (kernel, stride) = STEM;
                let conv = Conv2d { stride: [stride; 2], pad: [kernel / 2; 2], groups: 1 };
                let x = b.conv("conv", x, config.filters[0], kernel, conv, config.slope)?;
                let x = b.norm(x)?;
                b.leaky(x, config.slope)
            })?;
        }
        for (i, &filters) in config.filters.iter().enumerate() {
            x = b.scoped(&format!("block{}", i + 1), |b| self.block(b, x, filters))?;
        }
        x = global_average_pool(&mut b.graph, x)?;
        for (i, &units) in config.dense.iter().enumerate() {
            x = b.scoped(&format!("dense{}", i + 1), |b| {
                let fan_in = b.graph.shape(x)[1];
                let initial = Initial::He { fan_in, slope: config.slope };
                let x = b.dense(x, units, initial)?;
                let x = b.norm(x)?;
                let x = b.leaky(x, config.slope)?;
                b.dropout(x, config.dropout)
            })?;
        }
        let logits = b.scoped("head", |b| {
            let fan_in = b.graph.shape(x)[1];
            let x = b.dense(x, self.genres, Initial::Uniform { fan_in })?;
            let bias = b.parameter("bias", [self.genres].into(), Initial::Zero)?;
            Ok(b.graph.add_named("logits", Bias.into(), &[x, bias])?)
        })?;
        Ok(Parts { audio, logits })
    }

    fn features(&self, b: &mut Body, audio: NodeId) -> Result<NodeId, ModelError> {
        let config = &self.config;
        let stft = PowerStft { n_fft: config.n_fft, hop: config.hop, centred: true };
        let mut x = b.graph.add_named("stft", stft.into(), &[audio])?;
        if config.uses_mels() {
            let ModelConfig { sample_rate, n_fft, mels, low, high, .. } = *config;
            let mel = Mel::new(MelSpec { sample_rate, n_fft, mels, low, high });
            let mel = mel.map_err(|wanted| ModelError::Setting {
                setting: "mel filters",
                value: mels.to_string(),
                wanted,
            })?;
            x = b.graph.add_named("mel", mel.into(), &[x])?;
        }
        Ok(match config.features {
            Features::Power => x,
            Features::LogMel => b.graph.add_named("ln", Ln { floor: LOG_FLOOR }.into(), &[x])?,
            Features::MelDecibel | Features::Decibel => {
                b.graph.add_named("decibel", Decibel { range: DECIBEL_RANGE }.into(), &[x])?
            }
        })
    }

    /// `leaky(norm(conv(… leaky(norm(conv(x))))) + norm(conv1×1(x)))`, then max pooling.
    fn block(&self, b: &mut Body, x: NodeId, filters: usize) -> Result<NodeId, ModelError> {
        let config = &self.config;
        let mut y = x;
        for i in 1..=config.convolutions {
            y = b.scoped(&format!("conv{i}"), |b| {
                let y = self.convolution(b, y, filters, config.kernel)?;
                let y = b.norm(y)?;
                if i < config.convolutions { b.leaky(y, config.slope) } else { Ok(y) }
            })?;
        }
        let projected = b.scoped("projection", |b| {
            let x = self.convolution(b, x, filters, 1)?;
            b.norm(x)
        })?;
        let sum = b.graph.add_named("add", Add.into(), &[y, projected])?;
        let y = b.leaky(sum, config.slope)?;
        let [h, w] = [b.graph.shape(y)[2], b.graph.shape(y)[3]];
        if config.pool == 1 || h < config.pool || w < config.pool {
            return Ok(y);
        }
        Ok(b.graph.add_named("pool", MaxPool(Window::tiles([config.pool; 2])).into(), &[y])?)
    }

    /// A convolution of stride 1 that keeps height and width, standard or separable.
    fn convolution(
        &self,
        b: &mut Body,
        x: NodeId,
        filters: usize,
        kernel: usize,
    ) -> Result<NodeId, ModelError> {
        let same = Conv2d::same([kernel; 2]);
        let slope = self.config.slope;
        match self.config.convolution {
            Convolution::Standard => b.conv("conv", x, filters, kernel, same, slope),
            Convolution::Separable => {
                let channels = b.graph.shape(x)[1];
                let depthwise = Conv2d { groups: channels, ..same };
                let x = b.conv("depthwise", x, channels, kernel, depthwise, slope)?;
                b.conv("pointwise", x, filters, 1, Conv2d::same([1; 2]), slope)
            }
        }
    }
}

impl Training {
    /// What a training program computes.
    pub fn request(&self, fuse: bool) -> Request {
        let outputs = vec![self.loss, self.logits, self.norm];
        Request { outputs, updates: self.updates.clone(), fuse }
    }
}

impl Inference {
    /// What an inference program computes.
    pub fn request(&self, fuse: bool) -> Request {
        Request { outputs: vec![self.probabilities], updates: vec![], fuse }
    }
}

struct Parts {
    audio: NodeId,
    logits: NodeId,
}

/// A network while it is built.
struct Body {
    graph: Graph,
    training: bool,
    layout: Layout,
    state: NodeId,
    /// The parameters found so far, and their views.
    found: Vec<Parameter>,
    views: Vec<NodeId>,
    running: Vec<Running>,
    updates: Vec<(NodeId, NodeId)>,
    counter: Option<NodeId>,
    dropouts: u32,
}

fn input(shape: impl Into<Shape>) -> Op {
    Input { shape: shape.into() }.into()
}

fn pack(graph: &mut Graph, layout: &Layout, gradients: &[NodeId]) -> Result<NodeId, GraphError> {
    let mut parts: Vec<(usize, NodeId)> =
        layout.parameters.iter().map(|p| p.offset).zip(gradients.iter().copied()).collect();
    parts.sort_unstable();
    let (offsets, nodes): (Vec<usize>, Vec<NodeId>) = parts.into_iter().unzip();
    graph.add_named("gradients", Pack { offsets, len: layout.len }.into(), &nodes)
}

impl Body {
    fn new(training: bool, layout: Layout, rows: usize) -> Result<Self, GraphError> {
        let mut graph = Graph::new();
        let shape = Shape::from([rows, layout.len.max(1)]);
        let state = graph.add_named("state", Variable { shape }.into(), &[])?;
        Ok(Self {
            graph,
            training,
            layout,
            state,
            found: Vec::new(),
            views: Vec::new(),
            running: Vec::new(),
            updates: Vec::new(),
            counter: None,
            dropouts: 0,
        })
    }

    fn scoped(
        &mut self,
        name: &str,
        build: impl FnOnce(&mut Self) -> Result<NodeId, ModelError>,
    ) -> Result<NodeId, ModelError> {
        self.graph.enter(name);
        let result = build(self);
        self.graph.leave();
        result
    }

    /// A parameter as a view of the state, or while the parameters are not known yet as an input in its place.
    fn parameter(&mut self, name: &str, shape: Shape, initial: Initial) -> Result<NodeId, GraphError> {
        let known = self.layout.parameters.get(self.found.len()).map(|p| p.offset);
        let node = match known {
            Some(offset) => {
                let view = View { offset, shape: shape.clone() };
                self.graph.add_named(name, view.into(), &[self.state])?
            }
            None => self.graph.add_named(name, input(shape.clone()), &[])?,
        };
        let offset = known.unwrap_or(0);
        let name = self.graph.node(node).name.clone();
        self.found.push(Parameter { name, shape, initial, offset });
        self.views.push(node);
        Ok(node)
    }

    fn conv(
        &mut self,
        name: &str,
        x: NodeId,
        filters: usize,
        kernel: usize,
        conv: Conv2d,
        slope: f32,
    ) -> Result<NodeId, ModelError> {
        let channels = self.graph.shape(x)[1] / conv.groups;
        let fan_in = channels * kernel * kernel;
        let shape = Shape::from([filters, channels, kernel, kernel]);
        let weight = self.parameter(&format!("{name}.weight"), shape, Initial::He { fan_in, slope })?;
        Ok(self.graph.add_named(name, conv.into(), &[x, weight])?)
    }

    fn dense(&mut self, x: NodeId, units: usize, initial: Initial) -> Result<NodeId, ModelError> {
        let shape = Shape::from([units, self.graph.shape(x)[1]]);
        let weight = self.parameter("weight", shape, initial)?;
        Ok(self.graph.add_named("matmul", Matmul { form: Form::TransposeB }.into(), &[x, weight])?)
    }

    /// Batch norm: on the batch's statistics in training, which also updates the running ones; else on those.
    fn norm(&mut self, x: NodeId) -> Result<NodeId, ModelError> {
        let shape = self.graph.shape(x).clone();
        let channels = shape[1];
        let pair = Shape::from([2, channels]);
        let affine = self.parameter("norm.scale_shift", pair.clone(), Initial::ScaleShift)?;
        let running = self.graph.add_named("norm.running", Variable { shape: pair }.into(), &[])?;
        let name = self.graph.node(running).name.clone();
        self.running.push(Running { name, node: running, channels });
        let stats = if self.training {
            let stats = self.graph.add_named("norm.stats", BatchStats.into(), &[x])?;
            let count = shape.elements() / channels;
            let update = RunningStats { momentum: MOMENTUM, count };
            let next = self.graph.add_named("norm.update", update.into(), &[running, stats])?;
            self.updates.push((running, next));
            stats
        } else {
            running
        };
        let op = BatchNorm { training: self.training, slope: None };
        Ok(self.graph.add_named("norm", op.into(), &[x, stats, affine])?)
    }

    fn leaky(&mut self, x: NodeId, slope: f32) -> Result<NodeId, ModelError> {
        let op = crate::ops::activation::LeakyRelu { slope };
        Ok(self.graph.add_named("leaky", op.into(), &[x])?)
    }

    fn dropout(&mut self, x: NodeId, rate: f32) -> Result<NodeId, ModelError> {
        if !self.training || rate == 0.0 {
            return Ok(x);
        }
        let counter = match self.counter {
            Some(counter) => counter,
            None => self.graph.add_named("counter", input([2]), &[])?,
        };
        self.counter = Some(counter);
        self.dropouts += 1;
        let op = Dropout { rate, layer: self.dropouts };
        Ok(self.graph.add_named("dropout", op.into(), &[x, counter])?)
    }
}
