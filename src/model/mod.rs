//! The network as a graph, its configuration, its parameters and its file.

mod architecture;
mod builder;
mod config;
mod explanation;
mod file;
mod network;
mod optimizer;
mod parameters;
pub mod tensors;
mod weights;

pub use architecture::{HEAD_BIAS, HEAD_WEIGHT};
pub use builder::Running;
pub use config::{Architecture, Branch, Convolution, Features, Labels, ModelConfig, Musicnn};
pub use explanation::ExplanationGraph;
pub use file::{Ancestor, CrossValidation, FORMAT, Heard, Model, ModelCard, Provenance, Source, Taught};
pub use network::{InferenceGraph, Layer, LessonNodes, Network, TrainingConfig, TrainingGraph};
pub use optimizer::{OptimizerConfig, OptimizerKind};
pub use parameters::{Initial, Parameter, ParameterLayout};
pub use tensors::FileError;
pub use weights::{Tensor, Weights};

/// Why a model could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A setting is out of range.
    #[error("{setting} is {value}, but {wanted}")]
    Setting {
        /// The field's name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is possible.
        wanted: String,
    },
    /// The settings do not fit each other.
    #[error(transparent)]
    Graph(#[from] crate::graph::GraphError),
    /// The weights are not those of the network.
    #[error("weights do not fit the network: {0}")]
    Weights(String),
}
