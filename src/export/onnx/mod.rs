//! ONNX: a network as a graph of standard operators, for the many programs that run such graphs.
//!
//! The file is Protocol Buffers, of which we write what it needs ourselves (`proto.rs`).

mod layers;
mod metadata;
mod nodes;
mod proto;
mod spectrum;
mod translate;

use std::collections::HashMap;

use super::ExportError;
use crate::graph::NodeId;
use crate::model::Model;
use crate::ops::Graph;

/// What an ONNX graph begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frontend {
    /// Audio, [batch, channels, samples], through the operator STFT.
    #[default]
    Stft,
    /// Audio, [batch, channels, samples], through convolutions in place of STFT, which not every runtime has.
    Conv,
    /// Spectrograms, [batch, channels, height, width], log-mel or what else the network sees, made by other means.
    None,
}

impl Frontend {
    /// The name that it has in files.
    fn name(self) -> &'static str {
        match self {
            Self::Stft => "stft",
            Self::Conv => "conv",
            Self::None => "none",
        }
    }
}

/// The largest file of Protocol Buffers.
const LIMIT: u64 = i32::MAX as u64;

/// The model as an ONNX file of opset 17: `audio` [batch, channels, samples of a frame] → `probabilities` [batch, labels], for
/// batches of any size; without a front end `features` [batch, channels, height, width] → `probabilities`. All that recognition
/// needs besides (genres, preprocessing, decision, licence) is in the file's metadata; `docs/export.md` lists it.
///
/// ```
/// use genre_recognizer::export::{Frontend, onnx};
/// use genre_recognizer::{Error, Model};
///
/// fn main() -> Result<(), Error> {
///     let model = Model::load(Model::INCLUDED.as_ref())?;
///     let file = onnx(&model, Frontend::Stft)?; // for std::fs::write("genres.onnx", file)
/// #   assert!(file.len() > 500_000);
///     Ok(())
/// }
/// ```
///
/// # Errors
/// [`ExportError::Model`] where the weights are not those of the network; [`ExportError::TooLarge`] above 2 GiB;
/// [`ExportError::Operation`] where ONNX has no form of an operation, which no architecture of this version uses.
pub fn onnx(model: &Model, frontend: Frontend) -> Result<Vec<u8>, ExportError> {
    let inference = model.network()?.inference(1)?;
    let (state, statistics) = model.weights.scatter(&inference.layout, &inference.running)?;
    let running = inference.running.iter().map(|running| running.node).zip(statistics);
    let input = match frontend {
        Frontend::Stft | Frontend::Conv => (inference.audio, "audio"),
        Frontend::None => (inference.features, "features"),
    };
    let part = Part {
        graph: &inference.graph,
        leaves: running.chain([(inference.state, state)]).collect(),
        input,
        output: inference.probabilities,
        frontend,
    };
    let (about, metadata) = metadata::of(model, frontend);
    let file = part.write(&about, &metadata)?;
    match file.len() as u64 {
        bytes @ LIMIT.. => {
            let what = "the model".to_string();
            Err(ExportError::TooLarge { what, bytes, limit: LIMIT, runs: "Protocol Buffers" })
        }
        _ => Ok(file),
    }
}

/// What of a graph is written: what computes `output` from `input`, whose first axes are the batch.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The whole graph.
    pub graph: &'a Graph,
    /// The values of its variables, and of inputs that are constant.
    pub leaves: HashMap<NodeId, Vec<f32>>,
    /// The node in whose place the file has its input, and what it is called.
    pub input: (NodeId, &'a str),
    /// The node that the file's output is.
    pub output: NodeId,
    /// How spectrograms are computed.
    pub frontend: Frontend,
}

impl Part<'_> {
    /// The file, with what it says about itself.
    ///
    /// # Errors
    /// [`ExportError::Operation`] where an operation has no form in ONNX.
    pub fn write(self, about: &str, metadata: &[(&str, String)]) -> Result<Vec<u8>, ExportError> {
        let Self { graph, input: (input, _), output, .. } = self;
        let (nodes, [from, to]) = translate::translate(self)?;
        let shapes = [(from.as_str(), &graph.shape(input)[..]), (to.as_str(), &graph.shape(output)[..])];
        Ok(nodes.model("recognizer", about, shapes, metadata))
    }
}
