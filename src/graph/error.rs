use super::Shape;

/// Why a graph could not be built or differentiated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// The inputs' shapes do not fit the operation.
    #[error("{op} `{node}` does not fit its inputs ({inputs}): {reason}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The node's name.
        node: String,
        /// Its inputs and their shapes.
        inputs: String,
        /// What does not fit.
        reason: String,
    },
    /// An operation on the way has no gradient rule for an input that needs one.
    #[error(
        "{op} `{node}` has no gradient to its input {input} (`{input_name}`): {reason}; \
         take a parameter that does not lie behind it"
    )]
    NoGradient {
        /// The operation.
        op: &'static str,
        /// The node's name.
        node: String,
        /// The number of the input.
        input: usize,
        /// Its name.
        input_name: String,
        /// Why there is none.
        reason: &'static str,
    },
    /// The upstream gradient must have the shape of the output that it belongs to.
    #[error("the upstream gradient of `{output}` has shape {upstream}, but its output has {shape}")]
    Upstream {
        /// The output's name.
        output: String,
        /// The output's shape.
        shape: Shape,
        /// The shape of the gradient given.
        upstream: Shape,
    },
    /// A gradient was asked for a node that the output does not depend on.
    #[error("`{output}` does not depend on `{node}`, so there is no gradient to it")]
    Independent {
        /// The output's name.
        output: String,
        /// The node's name.
        node: String,
    },
    /// The id belongs to another graph.
    #[error("node {node} is not of this graph, which has {nodes} nodes")]
    UnknownNode {
        /// The node's number.
        node: usize,
        /// How many nodes the graph has.
        nodes: usize,
    },
}
