use crate::graph::GraphError;
use crate::model::ModelError;

/// Why a model could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The network cannot be built, or the weights are another network's.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The format has no form of an operation of the graph.
    #[error("{format} has no form of the operation {op} (`{node}`); src/export must be taught one")]
    Operation {
        /// The operation.
        op: &'static str,
        /// The node's name.
        node: String,
        /// The format.
        format: &'static str,
    },
    /// The network is more than what runs the export may be asked to hold.
    #[error("{what} takes {bytes} bytes, but {limit} is the most that {runs} promises")]
    TooLarge {
        /// A tensor, a buffer or what else is counted.
        what: String,
        /// How many it takes.
        bytes: u64,
        /// How many there may be.
        limit: u64,
        /// What would run it.
        runs: &'static str,
    },
}

impl From<GraphError> for ExportError {
    fn from(error: GraphError) -> Self {
        Self::Model(error.into())
    }
}
