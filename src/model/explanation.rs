//! Inference with the gradient of a genre's logit to the features: what of a frame speaks for the genre.

use super::ModelError;
use super::builder::{Purpose, Running, input};
use super::network::Network;
use super::parameters::ParameterLayout;
use crate::graph::NodeId;
use crate::ops::Graph;
use crate::plan::Request;

/// The graph of inference, differentiated to the features (Simonyan et al. 2013, "Deep Inside Convolutional Networks",
/// on the spectrogram).
#[derive(Clone, Debug)]
pub struct ExplanationGraph {
    pub graph: Graph,
    pub layout: ParameterLayout,
    pub running: Vec<Running>,
    /// Input [N, channels, samples].
    pub audio: NodeId,
    /// Variable [1, P].
    pub state: NodeId,
    /// Input [N, genres]: 1 where the genre is that of the question, else 0; any other weights of the logits work too.
    pub selector: NodeId,
    /// Output [N, channels, H, W]: the features as they come from the spectrogram, before they are normalised.
    pub features: NodeId,
    /// Output [N, genres].
    pub probabilities: NodeId,
    /// Output [N, channels, H, W]: the gradient of `Σ_{n, g} selector[n, g]·logits[n, g]` to the features. Frames do not
    /// depend on each other in inference, so each has its own.
    pub gradient: NodeId,
}

impl Network {
    /// The graph of inference and explanation on batches of `batch` frames.
    ///
    /// # Errors
    /// [`ModelError`] where the settings do not fit each other.
    pub fn explanation(&self, batch: usize) -> Result<ExplanationGraph, ModelError> {
        let (mut body, parts) = self.build(batch, 1, Purpose::Inference)?;
        let probabilities = self.probabilities(&mut body.graph, parts.logits)?;
        let graph = &mut body.graph;
        let selector = graph.add_named("selector", input([batch, self.genres]), &[])?;
        // The selector is the gradient of the sum to the logits.
        let gradients = graph.gradients(parts.logits, selector, &[parts.features])?;
        Ok(ExplanationGraph {
            graph: body.graph,
            layout: body.layout,
            running: body.running,
            audio: parts.audio,
            state: body.state,
            selector,
            features: parts.features,
            probabilities,
            gradient: gradients[0],
        })
    }
}

impl ExplanationGraph {
    /// What a program of explanation computes: probabilities, features, gradient.
    pub fn request(&self, fuse: bool) -> Request {
        Request { outputs: vec![self.probabilities, self.features, self.gradient], updates: vec![], fuse }
    }
}
