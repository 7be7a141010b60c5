//! Multinomial logistic regression on standardised features: `Σ_songs w·(−ln p)/Σw + (penalty/(2·songs))·Σ weight²` is
//! minimised, by a graph of this engine and its gradients.

use super::layer::{Data, Layer};
use super::lbfgs::minimise;
use crate::device::{Device, Executable};
use crate::engine;
use crate::graph::{GraphError, NodeId};
use crate::model::ModelError;
use crate::ops::Graph;
use crate::ops::bias::Bias;
use crate::ops::dense::{Form, Matmul};
use crate::ops::elementwise::{Axes, Binary, Expand, Reduce, Unary};
use crate::ops::loss::CrossEntropy;
use crate::recognize::RecognizeError;
use crate::train::TrainError;

/// Where the search for a minimum ends.
const TOLERANCE: f64 = 1e-5;
const STEPS: usize = 200;

/// The layer of the least loss on some songs, under a penalty.
///
/// # Errors
/// [`TrainError`] where the device fails.
pub fn fit(data: &Data<'_>, songs: &[usize], penalty: f64, device: &dyn Device) -> Result<Layer, TrainError> {
    let mut layer = Layer::unknowing(data, songs);
    let (width, genres) = (layer.width(), layer.genres());
    let mut problem = Problem::new(songs.len(), width, genres, device)?;
    let rows: Vec<f32> =
        songs.iter().flat_map(|&song| layer.standardised(&data.means[song]).map(|v| v as f32)).collect();
    let mut labels = vec![0.0; songs.len() * genres];
    for (row, &song) in labels.chunks_exact_mut(genres).zip(songs) {
        row[data.genres[song]] = 1.0;
    }
    problem.write(&rows, &labels, data.class_weights, (penalty / songs.len() as f64) as f32)?;
    let mut weight = minimise(vec![0.0; (width + 1) * genres], TOLERANCE, STEPS, |x| problem.evaluate(x))?;
    layer.bias = weight.split_off(width * genres);
    layer.weight = weight;
    Ok(layer)
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
