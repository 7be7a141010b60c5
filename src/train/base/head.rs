use std::sync::Arc;

use super::Embeddings;
use crate::audio::Song;
use crate::device::{Device, Executable};
use crate::engine;
use crate::graph::NodeId;
use crate::model::{HEAD_BIAS, HEAD_WEIGHT, Labels, ModelError, Tensor, Weights};
use crate::ops::Graph;
use crate::ops::bias::Bias;
use crate::ops::dense::{Form, Matmul};
use crate::ops::elementwise::Unary;
use crate::ops::loss::Softmax;
use crate::recognize::{Classify, Embedded, Frame, RecognizeError};

/// Frames that are classified at a time.
const BATCH: usize = 256;

/// A last layer, which gives frames that a base has heard their probabilities.
pub struct HeadClassifier {
    embeddings: Arc<Embeddings>,
    program: Box<dyn Executable>,
    /// Embeddings [BATCH, E], weight [labels, E], bias \[labels\].
    inputs: [NodeId; 3],
    labels: usize,
}

impl HeadClassifier {
    /// A layer of so many labels; it knows nothing until it is given weights.
    ///
    /// # Errors
    /// [`RecognizeError::Device`].
    pub fn new(
        embeddings: Arc<Embeddings>,
        labels: usize,
        kind: Labels,
        device: &dyn Device,
    ) -> Result<Self, RecognizeError> {
        let mut graph = Graph::new();
        let fail = |error| RecognizeError::from(ModelError::Graph(error));
        let width = embeddings.width;
        let x = graph.input("embedding", [BATCH, width]).map_err(fail)?;
        let weight = graph.input(HEAD_WEIGHT, [labels, width]).map_err(fail)?;
        let bias = graph.input(HEAD_BIAS, [labels]).map_err(fail)?;
        let y = graph.apply(Matmul { form: Form::TransposeB }, &[x, weight]).map_err(fail)?;
        let y = graph.apply(Bias, &[y, bias]).map_err(fail)?;
        let probabilities = match kind {
            Labels::Genres => graph.apply(Softmax, &[y]),
            Labels::Tags => graph.apply(Unary::Sigmoid, &[y]),
        };
        let request = engine::Request::outputs(&[probabilities.map_err(fail)?]);
        let program = engine::compile(&graph, &request, device)?;
        Ok(Self { embeddings, program, inputs: [x, weight, bias], labels })
    }

    /// Of frames of one song.
    fn classify(&mut self, embedded: &Embedded) -> Result<Vec<Frame>, RecognizeError> {
        let width = self.embeddings.width;
        let mut frames = Vec::with_capacity(embedded.starts.len());
        let mut batch = vec![0.0; BATCH * width];
        for (starts, values) in embedded.starts.chunks(BATCH).zip(embedded.values.chunks(BATCH * width)) {
            batch[..values.len()].copy_from_slice(values);
            self.program.write(self.inputs[0], &batch)?;
            self.program.run()?;
            let probabilities = self.program.outputs()?.swap_remove(0);
            let rows = probabilities.chunks_exact(self.labels);
            frames.extend(
                starts.iter().zip(rows).map(|(&start, row)| Frame { start, probabilities: row.to_vec() }),
            );
        }
        Ok(frames)
    }
}

impl Classify for HeadClassifier {
    fn set_weights(&mut self, weights: &Weights) -> Result<(), RecognizeError> {
        let names = [HEAD_WEIGHT, HEAD_BIAS];
        for (name, node) in names.into_iter().zip(&self.inputs[1..]) {
            let missing = || ModelError::Weights(format!("`{name}` is missing"));
            let Tensor { data, .. } = weights.0.get(name).ok_or_else(missing)?;
            self.program.write(*node, data)?;
        }
        Ok(())
    }

    /// Songs that were not heard have no frames.
    fn frames(&mut self, songs: &[&Song]) -> Result<Vec<Vec<Frame>>, RecognizeError> {
        let embeddings = self.embeddings.clone();
        let heard = songs.iter().map(|song| embeddings.of(song));
        heard.map(|embedded| embedded.map_or(Ok(Vec::new()), |embedded| self.classify(embedded))).collect()
    }
}
