//! The last layer, fitted to the means of what a base hears in songs: multinomial logistic regression.
//!
//! With the features standardised over the songs, `Σ_songs w·(−ln p)/Σw + (penalty/(2·songs))·Σ weight²` is minimised. The
//! penalty is chosen among [`PENALTIES`] by folds of the songs trained on, artists apart, as is the rule for all splits.

use super::Embeddings;
use super::lbfgs::minimise;
use crate::dataset::{self, Dataset, Library};
use crate::device::{self, Device, DeviceChoice, Executable};
use crate::engine;
use crate::graph::{GraphError, NodeId};
use crate::model::{HEAD_BIAS, HEAD_WEIGHT, ModelError, Tensor};
use crate::ops::Graph;
use crate::ops::bias::Bias;
use crate::ops::dense::{Form, Matmul};
use crate::ops::elementwise::{Axes, Binary, Expand, Reduce, Unary};
use crate::ops::loss::CrossEntropy;
use crate::recognize::{RecognizeError, argmax};
use crate::train::TrainError;

/// From little to much; songs are worth one each.
const PENALTIES: [f64; 7] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];
/// Where the songs cannot be dealt to folds.
const USUAL: f64 = 100.0;
const FOLDS: usize = 3;
/// Where the search for a minimum ends.
const TOLERANCE: f64 = 1e-5;
const STEPS: usize = 200;

/// A last layer that was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// [genres, E].
    weight: Vec<f32>,
    /// \[genres\].
    bias: Vec<f32>,
    /// Of the songs fitted to: the mean of −ln p, and the share of right ones.
    pub loss: f64,
    pub accuracy: f64,
}

impl Fitted {
    /// As a network's parameters.
    pub fn tensors(&self, genres: usize) -> [(String, Tensor); 2] {
        let width = self.weight.len() / genres.max(1);
        let weight = Tensor { shape: [genres, width].into(), data: self.weight.clone() };
        let bias = Tensor { shape: [genres].into(), data: self.bias.clone() };
        [(HEAD_WEIGHT.into(), weight), (HEAD_BIAS.into(), bias)]
    }
}

/// Fits a last layer for the library's genres to some of its songs, whose genres have these weights.
///
/// # Errors
/// [`TrainError`] where the CPU device fails.
pub fn fit_head(
    embeddings: &Embeddings,
    library: &Library,
    songs: &[usize],
    class_weights: &[f32],
    seed: u64,
) -> Result<Fitted, TrainError> {
    // Of a song without frames nothing can be learnt.
    let heard: Vec<(usize, Vec<f32>)> = songs
        .iter()
        .filter_map(|&song| embeddings.mean(&library.songs[song]).map(|mean| (song, mean)))
        .collect();
    if heard.is_empty() {
        return Err(TrainError::NoTrainingSongs);
    }
    // The few numbers of a last layer are no work for a GPU, and come out alike wherever the rest is computed.
    let device = device::open(DeviceChoice::Cpu)?;
    let (songs, means): (Vec<usize>, Vec<Vec<f32>>) = heard.into_iter().unzip();
    let genres: Vec<usize> = songs.iter().map(|&song| library.dataset.songs[song].genre).collect();
    let data = Data { means: &means, genres: &genres, class_weights };
    let penalty = choose(&data, &library.dataset, &songs, seed, device.as_ref())?;
    let all: Vec<usize> = (0..songs.len()).collect();
    let layer = Layer::fit(&data, &all, penalty, device.as_ref())?;
    let (loss, accuracy) = layer.judge(&data, &all);
    let (weight, bias) = layer.plain();
    Ok(Fitted { weight, bias, loss, accuracy })
}

/// Songs: the means of their frames' embeddings, and their genres.
struct Data<'a> {
    means: &'a [Vec<f32>],
    genres: &'a [usize],
    class_weights: &'a [f32],
}

/// The penalty under which layers fitted to two of three folds say most of the third.
fn choose(
    data: &Data<'_>,
    dataset: &Dataset,
    songs: &[usize],
    seed: u64,
    device: &dyn Device,
) -> Result<f64, TrainError> {
    let part = dataset.part(songs);
    let Ok(folds) = dataset::folds(&part, FOLDS, seed) else { return Ok(USUAL) };
    if folds.iter().any(|fold| fold.train.is_empty() || fold.validation.is_empty()) {
        return Ok(USUAL);
    }
    let mut best = (f64::INFINITY, USUAL);
    for penalty in PENALTIES {
        let mut loss = 0.0;
        for fold in &folds {
            let layer = Layer::fit(data, &fold.train, penalty, device)?;
            loss += layer.judge(data, &fold.validation).0 * fold.validation.len() as f64;
        }
        if loss < best.0 {
            best = (loss, penalty);
        }
    }
    Ok(best.1)
}

/// A layer on standardised embeddings.
struct Layer {
    mean: Vec<f64>,
    /// 1/standard deviation.
    scale: Vec<f64>,
    /// [genres, E], then the biases.
    parameters: Vec<f64>,
}

impl Layer {
    fn fit(data: &Data<'_>, songs: &[usize], penalty: f64, device: &dyn Device) -> Result<Self, TrainError> {
        let (mean, scale) = standard(data, songs);
        let (width, genres) = (mean.len(), data.class_weights.len());
        let mut layer = Self { mean, scale, parameters: Vec::new() };
        let mut problem = Problem::new(songs.len(), width, genres, device)?;
        let rows: Vec<f32> =
            songs.iter().flat_map(|&song| layer.standardised(&data.means[song]).map(|v| v as f32)).collect();
        let mut labels = vec![0.0; songs.len() * genres];
        for (row, &song) in labels.chunks_exact_mut(genres).zip(songs) {
            row[data.genres[song]] = 1.0;
        }
        problem.write(&rows, &labels, data.class_weights, (penalty / songs.len() as f64) as f32)?;
        let start = vec![0.0; (width + 1) * genres];
        layer.parameters = minimise(start, TOLERANCE, STEPS, |x| problem.evaluate(x))?;
        Ok(layer)
    }

    fn standardised<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        values.iter().zip(&self.mean).zip(&self.scale).map(|((&v, m), s)| (f64::from(v) - m) * s)
    }

    fn genres(&self) -> usize {
        self.parameters.len() / (self.mean.len() + 1)
    }

    /// The mean of −ln p of songs' genres, and the share of right ones.
    fn judge(&self, data: &Data<'_>, songs: &[usize]) -> (f64, f64) {
        let (width, genres) = (self.mean.len(), self.genres());
        let (weight, bias) = self.parameters.split_at(width * genres);
        let (mut loss, mut right) = (0.0, 0);
        for &song in songs {
            let x: Vec<f64> = self.standardised(&data.means[song]).collect();
            let logits: Vec<f64> = weight
                .chunks_exact(width)
                .zip(bias)
                .map(|(row, b)| b + row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>())
                .collect();
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|logit| (logit - top).exp()).sum();
            let genre = data.genres[song];
            loss += top + sum.ln() - logits[genre];
            let narrow: Vec<f32> = logits.iter().map(|&logit| logit as f32).collect();
            right += usize::from(argmax(&narrow) == genre);
        }
        let count = songs.len().max(1) as f64;
        (loss / count, right as f64 / count)
    }

    /// Weight [genres, E] and bias of the same layer on embeddings as they are.
    fn plain(&self) -> (Vec<f32>, Vec<f32>) {
        let width = self.mean.len();
        let (weight, bias) = self.parameters.split_at(width * self.genres());
        let rows = weight.chunks_exact(width);
        let scaled = rows.clone().flat_map(|row| row.iter().zip(&self.scale).map(|(w, s)| (w * s) as f32));
        let shift = |row: &[f64]| -> f64 {
            row.iter().zip(&self.scale).zip(&self.mean).map(|((w, s), m)| w * s * m).sum()
        };
        let biases = rows.clone().zip(bias).map(|(row, b)| (b - shift(row)) as f32);
        (scaled.collect(), biases.collect())
    }
}

/// Mean and 1/standard deviation of every feature over songs; a feature that does not vary is left out (0).
fn standard(data: &Data<'_>, songs: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let (width, count) = (data.means[songs[0]].len(), songs.len() as f64);
    let mut mean = vec![0.0; width];
    for &song in songs {
        mean.iter_mut().zip(&data.means[song]).for_each(|(m, &v)| *m += f64::from(v) / count);
    }
    let mut variance = vec![0.0; width];
    for &song in songs {
        let terms = data.means[song].iter().zip(&mean).map(|(&v, m)| (f64::from(v) - m).powi(2) / count);
        variance.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }
    let scale = variance.iter().map(|v| if *v > 1e-12 { v.sqrt().recip() } else { 0.0 }).collect();
    (mean, scale)
}

/// What is minimised, as a program that gives its value and its gradients to weight and bias.
struct Problem {
    program: Box<dyn Executable>,
    nodes: Nodes,
    /// Numbers of the weight.
    weights: usize,
}

/// The graph's inputs.
struct Nodes {
    /// Songs [M, E], and which genre each is [M, genres].
    x: NodeId,
    labels: NodeId,
    /// \[genres\].
    class_weights: NodeId,
    /// penalty/M, [1, 1].
    penalty: NodeId,
    /// 1, the gradient of what is minimised to itself.
    upstream: NodeId,
    /// [genres, E].
    weight: NodeId,
    /// \[genres\].
    bias: NodeId,
}

impl Problem {
    fn new(songs: usize, width: usize, genres: usize, device: &dyn Device) -> Result<Self, TrainError> {
        let mut graph = Graph::new();
        let (nodes, outputs) = build(&mut graph, songs, width, genres).map_err(ModelError::from)?;
        let program = engine::compile(&graph, &engine::Request::outputs(&outputs), device)
            .map_err(RecognizeError::from)?;
        Ok(Self { program, nodes, weights: width * genres })
    }

    fn write(
        &mut self,
        rows: &[f32],
        labels: &[f32],
        class_weights: &[f32],
        penalty: f32,
    ) -> Result<(), TrainError> {
        let Nodes { x, labels: l, class_weights: c, penalty: p, upstream, .. } = self.nodes;
        for (node, values) in
            [(x, rows), (l, labels), (c, class_weights), (p, &[penalty]), (upstream, &[1.0])]
        {
            self.program.write(node, values)?;
        }
        Ok(())
    }

    fn evaluate(&mut self, parameters: &[f64]) -> Result<(f64, Vec<f64>), TrainError> {
        let narrow: Vec<f32> = parameters.iter().map(|&p| p as f32).collect();
        let (weight, bias) = narrow.split_at(self.weights);
        self.program.write(self.nodes.weight, weight)?;
        self.program.write(self.nodes.bias, bias)?;
        self.program.run()?;
        let outputs = self.program.outputs()?;
        let gradient = outputs[1].iter().chain(&outputs[2]).map(|&g| f64::from(g)).collect();
        Ok((f64::from(outputs[0][0]), gradient))
    }
}

fn build(
    graph: &mut Graph,
    songs: usize,
    width: usize,
    genres: usize,
) -> Result<(Nodes, [NodeId; 3]), GraphError> {
    let nodes = Nodes {
        x: graph.input("x", [songs, width])?,
        labels: graph.input("labels", [songs, genres])?,
        class_weights: graph.input("class_weights", [genres])?,
        penalty: graph.input("penalty", [1])?,
        upstream: graph.input("upstream", [1])?,
        weight: graph.input("weight", [genres, width])?,
        bias: graph.input("bias", [genres])?,
    };
    let logits = graph.apply(Matmul { form: Form::TransposeB }, &[nodes.x, nodes.weight])?;
    let logits = graph.apply(Bias, &[logits, nodes.bias])?;
    let entropy =
        graph.apply(CrossEntropy { smoothing: 0.0 }, &[logits, nodes.labels, nodes.class_weights])?;
    let squares = graph.apply(Unary::Square, &[nodes.weight])?;
    let squares = graph.apply(Reduce::sum(Axes::All), &[squares])?;
    let half = graph.apply(Expand::scale(0.5), &[squares])?;
    let penalty = graph.apply(Binary::Mul, &[half, nodes.penalty])?;
    let loss = graph.apply(Binary::Add, &[entropy, penalty])?;
    let gradients = graph.gradients(loss, nodes.upstream, &[nodes.weight, nodes.bias])?;
    Ok((nodes, [loss, gradients[0], gradients[1]]))
}
