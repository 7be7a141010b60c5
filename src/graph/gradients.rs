//! Reverse-mode automatic differentiation as a transformation of the graph: every rule appends ordinary
//! nodes.

use super::{Graph, GraphError, GraphOp, NodeId, Shape};

/// What a gradient rule sees of the node that it differentiates.
pub struct Backward<'a, O: GraphOp> {
    graph: &'a mut Graph<O>,
    node: NodeId,
    upstream: NodeId,
    needed: &'a [bool],
}

impl<O: GraphOp> Backward<'_, O> {
    /// The node's `i`-th input.
    pub fn input(&self, i: usize) -> NodeId {
        self.graph.node(self.node).inputs[i]
    }

    /// The shape of the node's `i`-th input.
    pub fn input_shape(&self, i: usize) -> Shape {
        self.graph.shape(self.input(i)).clone()
    }

    /// The shape of any node, as of one that the rule has added.
    pub fn shape(&self, node: NodeId) -> Shape {
        self.graph.shape(node).clone()
    }

    /// How many inputs the node has.
    pub fn inputs(&self) -> usize {
        self.graph.node(self.node).inputs.len()
    }

    /// The node's output.
    pub fn output(&self) -> NodeId {
        self.node
    }

    /// The gradient to the node's output.
    pub fn upstream(&self) -> NodeId {
        self.upstream
    }

    /// Whether the gradient to the `i`-th input is wanted.
    pub fn needs(&self, i: usize) -> bool {
        self.needed[self.input(i).index()]
    }

    /// Appends a backward node.
    pub fn add(&mut self, op: O, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        let name = format!("{}:{}", self.graph.node(self.node).name, op.name());
        self.graph.add_named(&name, op, inputs)
    }

    /// Appends the backward node of input `i`, if that gradient is wanted.
    pub fn add_for(&mut self, i: usize, op: O, inputs: &[NodeId]) -> Result<Option<NodeId>, GraphError> {
        if self.needs(i) { self.add(op, inputs).map(Some) } else { Ok(None) }
    }

    /// The error of a rule that cannot give the gradient to input `i`, if that gradient is wanted.
    pub fn refuse(&self, i: usize, reason: &'static str) -> Result<Option<NodeId>, GraphError> {
        if !self.needs(i) {
            return Ok(None);
        }
        let node = self.graph.node(self.node);
        Err(GraphError::NoGradient {
            op: node.op.name(),
            node: node.name.clone(),
            input: i,
            input_name: self.graph.node(node.inputs[i]).name.clone(),
            reason,
        })
    }
}

impl<O: GraphOp> Graph<O> {
    /// Appends the nodes that carry `upstream`, the gradient to `output`, back to each of `wrt`, and returns
    /// those gradients in the order of `wrt`. Only what lies between is computed; gradients from several
    /// consumers add up in the consumers' reverse order.
    ///
    /// # Errors
    /// [`GraphError::Upstream`] where the shapes differ, [`GraphError::Independent`] where `output` does not
    /// depend on a node of `wrt`, and [`GraphError::NoGradient`] where an operation between has no rule.
    pub fn gradients(
        &mut self,
        output: NodeId,
        upstream: NodeId,
        wrt: &[NodeId],
    ) -> Result<Vec<NodeId>, GraphError> {
        if self.shape(output) != self.shape(upstream) {
            return Err(GraphError::Upstream {
                output: self.node(output).name.clone(),
                shape: self.shape(output).clone(),
                upstream: self.shape(upstream).clone(),
            });
        }
        let needed = self.dependents(wrt);
        let mut gradients: Vec<Option<NodeId>> = vec![None; output.index() + 1];
        gradients[output.index()] = Some(upstream);
        for index in (0..=output.index()).rev() {
            let node = NodeId(index as u32);
            let (Some(upstream), true) = (gradients[index], needed[index]) else { continue };
            if self.node(node).inputs.iter().all(|i| !needed[i.index()]) {
                continue; // a leaf of `wrt`
            }
            let op = self.node(node).op.clone();
            let mut backward = Backward { graph: self, node, upstream, needed: &needed };
            let contributions = op.gradient(&mut backward)?;
            for (i, contribution) in contributions.into_iter().enumerate() {
                let input = self.node(node).inputs[i];
                let (Some(contribution), true) = (contribution, needed[input.index()]) else { continue };
                let slot = gradients[input.index()];
                gradients[input.index()] = Some(match slot {
                    None => contribution,
                    Some(sum) => {
                        let name = format!("{}:sum", self.node(input).name);
                        self.add_named(&name, O::addition(), &[sum, contribution])?
                    }
                });
            }
        }
        wrt.iter()
            .map(|&node| {
                gradients.get(node.index()).copied().flatten().ok_or_else(|| GraphError::Independent {
                    output: self.node(output).name.clone(),
                    node: self.node(node).name.clone(),
                })
            })
            .collect()
    }

    /// For every node, whether it is one of `wrt` or depends on one.
    fn dependents(&self, wrt: &[NodeId]) -> Vec<bool> {
        let mut depends = vec![false; self.nodes.len()];
        for node in wrt {
            depends[node.index()] = true;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            depends[index] |= node.inputs.iter().any(|input| depends[input.index()]);
        }
        depends
    }
}
