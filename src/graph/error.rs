use super::Shape;

/// Why a graph could not be built or differentiated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// The inputs' shapes do not fit the operation.
    #[error("{op} `{node}` does not fit its inputs ({inputs}): {reason}")]
    Shape { op: &'static str, node: String, inputs: String, reason: String },
    /// An operation on the way has no gradient rule for an input that needs one.
    #[error(
        "{op} `{node}` has no gradient to its input {input} (`{input_name}`): {reason}; \
         take a parameter that does not lie behind it"
    )]
    NoGradient { op: &'static str, node: String, input: usize, input_name: String, reason: &'static str },
    /// The upstream gradient must have the shape of the output that it belongs to.
    #[error("the upstream gradient of `{output}` has shape {upstream}, but its output has {shape}")]
    Upstream { output: String, shape: Shape, upstream: Shape },
    /// A gradient was asked for a node that the output does not depend on.
    #[error("`{output}` does not depend on `{node}`, so there is no gradient to it")]
    Independent { output: String, node: String },
    /// The id belongs to another graph.
    #[error("node {node} is not of this graph, which has {nodes} nodes")]
    UnknownNode { node: usize, nodes: usize },
}
