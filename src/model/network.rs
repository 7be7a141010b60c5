//! The network, written once: training and inference build it with the same code.

use super::architecture::{self, Parts, stft};
use super::builder::{Builder, Purpose, Running, input};
use super::config::{Labels, ModelConfig};
use super::optimizer::OptimizerConfig;
use super::parameters::ParameterLayout;
use super::{ModelError, Weights};
use crate::graph::{GraphError, GraphOp, NodeId, Shape};
use crate::ops::elementwise::{Axes, Binary, Reduce, Unary};
use crate::ops::loss::{BinaryCrossEntropy, CrossEntropy, Softmax};
use crate::ops::optimizer::GlobalNorm;
use crate::ops::view::Pack;
use crate::ops::{Graph, Op};
use crate::plan::Request;

/// What a training graph needs besides the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingConfig {
    /// Frames a batch.
    pub batch: usize,
    /// Label smoothing.
    pub smoothing: f32,
    /// Whether rows and columns of the features can be masked; see [`TrainingGraph::masks`].
    pub masks: bool,
    /// Whether batch norms go by a batch's statistics, and their running ones follow; else these stay as they are.
    pub norms: bool,
    pub optimizer: OptimizerConfig,
}

/// A network for a number of genres.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub config: ModelConfig,
    pub genres: usize,
}

/// The graph of a training step.
#[derive(Clone, Debug)]
pub struct TrainingGraph {
    pub graph: Graph,
    pub layout: ParameterLayout,
    pub running: Vec<Running>,
    /// Input [N, channels, samples].
    pub audio: NodeId,
    /// Input [N, genres]: distributions over the genres.
    pub labels: NodeId,
    /// Input \[genres\].
    pub class_weights: NodeId,
    /// Input \[2\]: dropout's seed and step; present where there is dropout.
    pub counter: Option<NodeId>,
    /// Inputs [N, H] and [N, W], where there are masks: what the rows (frequencies) and the columns (times) of the
    /// normalised features are multiplied by, 0 for their mean and 1 to leave them; see [`Network::feature_size`].
    pub masks: Option<[NodeId; 2]>,
    /// Input \[4\]; see [`OptimizerConfig::schedule`].
    pub schedule: NodeId,
    /// Variable [rows, P]: parameters and moments.
    pub state: NodeId,
    /// Output \[1\].
    pub loss: NodeId,
    /// Output [N, genres].
    pub logits: NodeId,
    /// Of a network that is taught.
    pub lesson: Option<LessonNodes>,
    /// Output \[2\]: the norm of the gradients, those of the scaled loss, and how many are not finite.
    pub norm: NodeId,
    /// Input \[1\]: the gradient to the loss: the loss's scale, which is 1 in f32.
    pub loss_gradient: NodeId,
    /// \[P\]: the gradients in the layout of the parameters.
    pub gradients: NodeId,
    updates: Vec<(NodeId, NodeId)>,
}

/// What the graph of a training step has besides where a teacher is imitated.
#[derive(Clone, Copy, Debug)]
pub struct LessonNodes {
    /// Input [N, E]: the teacher's embedding.
    pub embedding: NodeId,
    /// Output \[1\]: the mean squared error of the network's own.
    pub error: NodeId,
}

/// The graph of inference.
#[derive(Clone, Debug)]
pub struct InferenceGraph {
    pub graph: Graph,
    pub layout: ParameterLayout,
    pub running: Vec<Running>,
    /// Input [N, channels, samples].
    pub audio: NodeId,
    /// Variable [1, P].
    pub state: NodeId,
    /// [N, channels, H, W]: the features as they come from the spectrogram, before they are normalised.
    pub features: NodeId,
    /// Output [N, E]: what the last layer sees of a frame.
    pub embedding: NodeId,
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
                setting: "genres",
                value: genres.to_string(),
                wanted: "2 to 10000 are possible".into(),
            });
        }
        Ok(Self { config, genres })
    }

    /// Height H (mel filters or frequency bins) and width W (times) of a frame's features [N, channels, H, W].
    pub fn feature_size(&self) -> (usize, usize) {
        let stft = stft(&self.config);
        let height = if self.config.uses_mels() { self.config.mels } else { stft.bins() };
        (height, stft.frames(self.config.frame_length()))
    }

    /// The graph of a training step: loss, gradients, optimizer, running statistics.
    ///
    /// # Errors
    /// [`ModelError`] where the settings do not fit each other.
    pub fn training(&self, training: &TrainingConfig) -> Result<TrainingGraph, ModelError> {
        self.step(training, false)
    }

    /// The graph of a training step that imitates a teacher: its loss is the binary cross-entropy of labels that are the
    /// teacher's probabilities, and the mean squared error of the embedding.
    ///
    /// # Errors
    /// As [`Network::training`].
    pub fn lesson(&self, training: &TrainingConfig) -> Result<TrainingGraph, ModelError> {
        self.step(training, true)
    }

    fn step(&self, training: &TrainingConfig, taught: bool) -> Result<TrainingGraph, ModelError> {
        let rows = training.optimizer.rows();
        let (mut body, parts) = self.build(
            training.batch,
            rows,
            Purpose::Training { masks: training.masks, norms: training.norms },
        )?;
        let graph = &mut body.graph;
        let labels = graph.add_named("labels", input([training.batch, self.genres]), &[])?;
        let class_weights = graph.add_named("class_weights", input([self.genres]), &[])?;
        let entropy = match self.config.labels {
            Labels::Genres => CrossEntropy { smoothing: training.smoothing }.into(),
            Labels::Tags => BinaryCrossEntropy.into(),
        };
        let mut loss = graph.add_named("loss", entropy, &[parts.logits, labels, class_weights])?;
        let mut lesson = None;
        if taught {
            let shape = graph.shape(parts.embedding).clone();
            let embedding = graph.add_named("teacher", input(shape), &[])?;
            let difference =
                graph.add_named("difference", Binary::Sub.into(), &[parts.embedding, embedding])?;
            let squares = graph.add_named("squares", Unary::Square.into(), &[difference])?;
            let error = graph.add_named("error", Reduce::mean(Axes::All).into(), &[squares])?;
            loss = graph.add_named("both", Binary::Add.into(), &[loss, error])?;
            lesson = Some(LessonNodes { embedding, error });
        }
        let seed = graph.add_named("loss_gradient", input([1]), &[])?;
        let gradients = graph.gradients(loss, seed, &body.views)?;
        let packed = pack(graph, &body.layout, &gradients)?;
        let norm = graph.add_named("gradient_norm", GlobalNorm.into(), &[packed])?;
        let schedule = graph.add_named("schedule", input([4]), &[])?;
        let step = training.optimizer.op(&body.layout);
        let next = graph.add_named("optimizer", step, &[body.state, packed, norm, schedule])?;
        let mut updates = vec![(body.state, next)];
        updates.append(&mut body.updates);
        Ok(TrainingGraph {
            graph: body.graph,
            layout: body.layout,
            running: body.running,
            audio: parts.audio,
            labels,
            class_weights,
            counter: body.counter,
            masks: body.masks,
            schedule,
            state: body.state,
            loss,
            logits: parts.logits,
            lesson,
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
    pub fn inference(&self, batch: usize) -> Result<InferenceGraph, ModelError> {
        let (mut body, parts) = self.build(batch, 1, Purpose::Inference)?;
        let probabilities = self.probabilities(&mut body.graph, parts.logits)?;
        Ok(InferenceGraph {
            graph: body.graph,
            layout: body.layout,
            running: body.running,
            audio: parts.audio,
            state: body.state,
            features: parts.features,
            embedding: parts.embedding,
            probabilities,
        })
    }

    /// Adds what turns logits into probabilities: of each genre against the others, or of each tag by itself.
    pub(super) fn probabilities(&self, graph: &mut Graph, logits: NodeId) -> Result<NodeId, GraphError> {
        let op = match self.config.labels {
            Labels::Genres => Softmax.into(),
            Labels::Tags => Unary::Sigmoid.into(),
        };
        graph.add_named("probabilities", op, &[logits])
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
            let parameter = |id: &&NodeId| graph.node(**id).inputs.first() == Some(&inference.state);
            let parameters = node.inputs.iter().filter(parameter).map(|&id| graph.shape(id).elements());
            Layer {
                name: node.name.clone(),
                op: format!("{} {}", node.op.name(), node.op.settings()).trim_end().to_string(),
                shape: node.shape.clone(),
                parameters: parameters.sum(),
                operations: node.prepared.flops,
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
    pub(super) fn build(
        &self,
        batch: usize,
        rows: usize,
        purpose: Purpose,
    ) -> Result<(Builder, Parts), ModelError> {
        let Self { config, genres } = self;
        let mut survey = Builder::new(purpose, ParameterLayout::default(), 1, config.epsilon)?;
        architecture::build(config, *genres, &mut survey, batch)?;
        let layout = ParameterLayout::new(survey.found);
        let mut body = Builder::new(purpose, layout, rows, config.epsilon)?;
        let parts = architecture::build(config, *genres, &mut body, batch)?;
        Ok((body, parts))
    }
}

impl TrainingGraph {
    /// The inputs whose rows are a batch's frames and that a process need have of its own frames alone. Labels and logits are
    /// few numbers, and the loss reads those of all frames.
    pub fn batched(&self) -> Vec<NodeId> {
        [self.audio].into_iter().chain(self.masks.into_iter().flatten()).collect()
    }

    /// What a training program computes: the loss, the logits (of a network that is taught the error in their place), the
    /// norm.
    pub fn request(&self, fuse: bool) -> Request {
        let told = self.lesson.map_or(self.logits, |lesson| lesson.error);
        let outputs = vec![self.loss, told, self.norm];
        Request { outputs, updates: self.updates.clone(), fuse }
    }
}

impl InferenceGraph {
    /// What an inference program computes.
    pub fn request(&self, fuse: bool) -> Request {
        Request { outputs: vec![self.probabilities], updates: vec![], fuse }
    }
}

fn pack(graph: &mut Graph, layout: &ParameterLayout, gradients: &[NodeId]) -> Result<NodeId, GraphError> {
    let mut parts: Vec<(usize, NodeId)> =
        layout.parameters.iter().map(|p| p.offset).zip(gradients.iter().copied()).collect();
    parts.sort_unstable();
    let (offsets, nodes): (Vec<usize>, Vec<NodeId>) = parts.into_iter().unzip();
    graph.add_named("gradients", Pack { offsets, len: layout.len }.into(), &nodes)
}
