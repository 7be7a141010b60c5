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

pub use builder::Running;
pub use config::{Convolution, Features, ModelConfig};
pub use explanation::Explanation;
pub use file::{CrossValidation, FORMAT, Model, ModelCard, Provenance};
pub use network::{Inference, Layer, Network, Training, TrainingConfig};
pub use optimizer::{OptimizerConfig, OptimizerKind};
pub use parameters::{Initial, Layout, Parameter};
pub use tensors::FileError;
pub use weights::{Tensor, Weights};

/// Why a model could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A setting is out of range.
    #[error("{setting} is {value}, but {wanted}")]
    Setting { setting: &'static str, value: String, wanted: String },
    /// The settings do not fit each other.
    #[error(transparent)]
    Graph(#[from] crate::graph::GraphError),
    /// The weights are not those of the network.
    #[error("weights do not fit the network: {0}")]
    Weights(String),
}
