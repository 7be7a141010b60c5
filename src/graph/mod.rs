//! A static graph of operations, its shapes and its derivatives.
//!
//! The graph knows nothing of particular operations: it is generic over an operation type that gives its
//! name, its shape rule and its gradient rule ([`GraphOp`]). Nodes are added in topological order, an
//! operation's inputs are checked once, when its node is added, and [`Graph::gradients`] appends ordinary
//! nodes.

mod display;
mod error;
mod gradients;
mod shape;

pub use error::GraphError;
pub use gradients::Backward;
pub use shape::Shape;

/// What a graph must know of the type of its operations.
pub trait GraphOp: Clone {
    /// What an operation says of its inputs when a node is added, the output's shape at the least; the node
    /// keeps it.
    type Prepared: Clone + std::fmt::Debug + AsRef<Shape>;

    /// The operation's name in errors, tables and profiles, such as `conv2d`.
    fn name(&self) -> &'static str;

    /// The operation's settings for tables and errors, such as `stride 2×2`; empty where it has none.
    fn settings(&self) -> String;

    /// Validates the inputs' shapes and infers the output's, or says in words why they do not fit.
    fn prepare(&self, inputs: &[&Shape]) -> Result<Self::Prepared, String>;

    /// Appends the nodes that compute the gradient to each input from the gradient to the output. One entry
    /// an input; `None` where an input receives nothing. Refuses with [`Backward::refuse`] where there is no
    /// rule.
    fn gradient(&self, backward: &mut Backward<'_, Self>) -> Result<Vec<Option<NodeId>>, GraphError>;

    /// The operation that adds two tensors of one shape, for gradients that arrive from several consumers.
    fn addition() -> Self;
}

/// A node of a [`Graph`]; also its position in topological order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The node's position in the graph.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation with its inputs and the shape of its only output.
#[derive(Clone, Debug)]
pub struct Node<O: GraphOp> {
    pub op: O,
    pub prepared: O::Prepared,
    pub inputs: Vec<NodeId>,
    pub shape: Shape,
    pub name: String,
}

/// A directed acyclic graph of operations; every node has one output.
#[derive(Clone, Debug)]
pub struct Graph<O: GraphOp> {
    nodes: Vec<Node<O>>,
    /// Prefix of the names given to new nodes; see [`Graph::enter`].
    scope: Vec<String>,
}

impl<O: GraphOp> Default for Graph<O> {
    fn default() -> Self {
        Self { nodes: Vec::new(), scope: Vec::new() }
    }
}

impl<O: GraphOp> Graph<O> {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node named after its operation and position.
    ///
    /// # Errors
    /// [`GraphError::Shape`] where the inputs' shapes do not fit the operation.
    pub fn add(&mut self, op: O, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        let name = format!("{}.{}", op.name(), self.nodes.len());
        self.add_named(&name, op, inputs)
    }

    /// Adds a node under a name (the current [scope](Graph::enter) is put before it).
    ///
    /// # Errors
    /// As [`Graph::add`].
    pub fn add_named(&mut self, name: &str, op: O, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        if let Some(&foreign) = inputs.iter().find(|id| id.index() >= self.nodes.len()) {
            return Err(GraphError::UnknownNode { node: foreign.index(), nodes: self.nodes.len() });
        }
        let name = match self.scope.join(".") {
            scope if scope.is_empty() => name.to_string(),
            scope => format!("{scope}.{name}"),
        };
        let id = NodeId(self.nodes.len() as u32);
        let node = self.node_of(name, op, inputs, |_| Ok(()))?;
        self.nodes.push(node);
        Ok(id)
    }

    /// Puts another operation with other inputs in the place of a node, for fusion; the shape must stay.
    ///
    /// # Errors
    /// [`GraphError::Shape`] where the inputs do not fit, or do not give the node's shape, and
    /// [`GraphError::UnknownNode`] where an input does not come before the node.
    pub fn replace(&mut self, id: NodeId, op: O, inputs: &[NodeId]) -> Result<(), GraphError> {
        if let Some(&late) = inputs.iter().find(|&&input| input >= id) {
            return Err(GraphError::UnknownNode { node: late.index(), nodes: id.index() });
        }
        let old = self.node(id);
        let node = self.node_of(old.name.clone(), op, inputs, |shape| match &old.shape {
            old if old == shape => Ok(()),
            old => Err(format!("it gives {shape} where {old} stood")),
        })?;
        self.nodes[id.index()] = node;
        Ok(())
    }

    /// A node of an operation whose inputs fit, and whose output `check` accepts.
    fn node_of(
        &self,
        name: String,
        op: O,
        inputs: &[NodeId],
        check: impl FnOnce(&Shape) -> Result<(), String>,
    ) -> Result<Node<O>, GraphError> {
        let shapes: Vec<&Shape> = inputs.iter().map(|&id| self.shape(id)).collect();
        let prepared = op.prepare(&shapes).and_then(|prepared| check(prepared.as_ref()).map(|()| prepared));
        match prepared {
            Ok(prepared) => {
                let shape = prepared.as_ref().clone();
                Ok(Node { op, prepared, inputs: inputs.to_vec(), shape, name })
            }
            Err(reason) => {
                let (op, inputs) = (op.name(), self.describe(inputs));
                Err(GraphError::Shape { op, node: name, inputs, reason })
            }
        }
    }

    /// Puts `name.` before the names of the nodes that are added until [`Graph::leave`].
    pub fn enter(&mut self, name: &str) {
        self.scope.push(name.to_string());
    }

    /// Ends the scope entered last.
    pub fn leave(&mut self) {
        self.scope.pop();
    }

    /// The node's operation, inputs, shape and name.
    ///
    /// # Panics
    /// Where the id is of another, larger graph.
    pub fn node(&self, id: NodeId) -> &Node<O> {
        &self.nodes[id.index()]
    }

    /// The shape of the node's output.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.nodes[id.index()].shape
    }

    /// All nodes in topological order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node<O>)> {
        (0u32..).map(NodeId).zip(&self.nodes).collect::<Vec<_>>().into_iter()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node yet.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn describe(&self, inputs: &[NodeId]) -> String {
        let inputs: Vec<String> =
            inputs.iter().map(|&id| format!("{} {}", self.node(id).name, self.shape(id))).collect();
        inputs.join(", ")
    }
}
