//! Layers: what adds nodes together with their parameters and running statistics.

use super::ModelError;
use super::parameters::{Initial, Parameter, ParameterLayout};
use crate::graph::{GraphError, NodeId, Shape};
use crate::ops::activation::LeakyRelu;
use crate::ops::batch_norm::{BatchNorm, BatchStats, RunningStats};
use crate::ops::conv2d::Conv2d;
use crate::ops::dense::{Form, Matmul};
use crate::ops::dropout::Dropout;
use crate::ops::mask::Mask;
use crate::ops::source::{Input, Variable};
use crate::ops::view::View;
use crate::ops::{Graph, Op};

/// How much of a new batch's statistics goes into the running ones.
const MOMENTUM: f32 = 0.1;

/// Running statistics of a batch norm, [2, C].
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    pub name: String,
    pub node: NodeId,
    pub channels: usize,
}

/// What a network is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Inference,
    /// With masks over the features, or without.
    Training {
        masks: bool,
        /// Whether batch norms go by the batch's statistics; else by the running ones, which stay.
        norms: bool,
    },
}

/// A network while it is built.
pub(super) struct Builder {
    pub(super) graph: Graph,
    pub(super) purpose: Purpose,
    pub(super) layout: ParameterLayout,
    pub(super) state: NodeId,
    /// The parameters found so far, and their views.
    pub(super) found: Vec<Parameter>,
    pub(super) views: Vec<NodeId>,
    pub(super) running: Vec<Running>,
    pub(super) updates: Vec<(NodeId, NodeId)>,
    pub(super) counter: Option<NodeId>,
    pub(super) masks: Option<[NodeId; 2]>,
    pub(super) dropouts: u32,
    /// What batch norms add to a variance.
    pub(super) epsilon: f64,
}

/// An input of a shape.
pub(super) fn input(shape: impl Into<Shape>) -> Op {
    Input { shape: shape.into() }.into()
}

impl Builder {
    pub(super) fn new(
        purpose: Purpose,
        layout: ParameterLayout,
        rows: usize,
        epsilon: f64,
    ) -> Result<Self, GraphError> {
        let mut graph = Graph::new();
        let shape = Shape::from([rows, layout.len.max(1)]);
        let state = graph.add_named("state", Variable { shape }.into(), &[])?;
        Ok(Self {
            graph,
            purpose,
            layout,
            state,
            found: Vec::new(),
            views: Vec::new(),
            running: Vec::new(),
            updates: Vec::new(),
            counter: None,
            masks: None,
            dropouts: 0,
            epsilon,
        })
    }

    pub(super) fn scoped(
        &mut self,
        name: &str,
        build: impl FnOnce(&mut Self) -> Result<NodeId, ModelError>,
    ) -> Result<NodeId, ModelError> {
        self.graph.enter(name);
        let result = build(self);
        self.graph.leave();
        result
    }

    /// A parameter as a view of the state, or while the parameters are not known yet as an input in its place.
    pub(super) fn parameter(
        &mut self,
        name: &str,
        shape: Shape,
        initial: Initial,
    ) -> Result<NodeId, GraphError> {
        let known = self.layout.parameters.get(self.found.len()).map(|p| p.offset);
        let node = match known {
            Some(offset) => {
                let view = View { offset, shape: shape.clone() };
                self.graph.add_named(name, view.into(), &[self.state])?
            }
            None => self.graph.add_named(name, input(shape.clone()), &[])?,
        };
        let offset = known.unwrap_or(0);
        let name = self.graph.node(node).name.clone();
        self.found.push(Parameter { name, shape, initial, offset });
        self.views.push(node);
        Ok(node)
    }

    pub(super) fn conv(
        &mut self,
        name: &str,
        x: NodeId,
        filters: usize,
        kernel: [usize; 2],
        conv: Conv2d,
        slope: f32,
    ) -> Result<NodeId, ModelError> {
        let channels = self.graph.shape(x)[1] / conv.groups;
        let [r, s] = kernel;
        let fan_in = channels * r * s;
        let shape = Shape::from([filters, channels, r, s]);
        let weight = self.parameter(&format!("{name}.weight"), shape, Initial::He { fan_in, slope })?;
        Ok(self.graph.add_named(name, conv.into(), &[x, weight])?)
    }

    pub(super) fn dense(&mut self, x: NodeId, units: usize, initial: Initial) -> Result<NodeId, ModelError> {
        let shape = Shape::from([units, self.graph.shape(x)[1]]);
        let weight = self.parameter("weight", shape, initial)?;
        Ok(self.graph.add_named("matmul", Matmul { form: Form::TransposeB }.into(), &[x, weight])?)
    }

    /// Batch norm: on the batch's statistics in training, which also updates the running ones; else, or where these are
    /// to stay, on those.
    pub(super) fn norm(&mut self, x: NodeId) -> Result<NodeId, ModelError> {
        let shape = self.graph.shape(x).clone();
        let channels = shape[1];
        let pair = Shape::from([2, channels]);
        let affine = self.parameter("norm.scale_shift", pair.clone(), Initial::ScaleShift)?;
        let running = self.graph.add_named("norm.running", Variable { shape: pair }.into(), &[])?;
        let name = self.graph.node(running).name.clone();
        self.running.push(Running { name, node: running, channels });
        let training = matches!(self.purpose, Purpose::Training { norms: true, .. });
        let stats = if training {
            let stats = self.graph.add_named("norm.stats", BatchStats.into(), &[x])?;
            let count = shape.elements() / channels;
            let update = RunningStats { momentum: MOMENTUM, count };
            let next = self.graph.add_named("norm.update", update.into(), &[running, stats])?;
            self.updates.push((running, next));
            stats
        } else {
            running
        };
        let op = BatchNorm { training, slope: None, epsilon: self.epsilon };
        Ok(self.graph.add_named("norm", op.into(), &[x, stats, affine])?)
    }

    pub(super) fn leaky(&mut self, x: NodeId, slope: f32) -> Result<NodeId, ModelError> {
        let op = LeakyRelu { slope };
        Ok(self.graph.add_named("leaky", op.into(), &[x])?)
    }

    pub(super) fn dropout(&mut self, x: NodeId, rate: f32) -> Result<NodeId, ModelError> {
        if self.purpose == Purpose::Inference || rate == 0.0 {
            return Ok(x);
        }
        let counter = match self.counter {
            Some(counter) => counter,
            None => self.graph.add_named("counter", input([2]), &[])?,
        };
        self.counter = Some(counter);
        self.dropouts += 1;
        let op = Dropout { rate, layer: self.dropouts, first: 0 };
        Ok(self.graph.add_named("dropout", op.into(), &[x, counter])?)
    }

    /// Masks over the rows and columns of images, given from outside; in training with masks only.
    pub(super) fn mask(&mut self, x: NodeId) -> Result<NodeId, ModelError> {
        if !matches!(self.purpose, Purpose::Training { masks: true, .. }) {
            return Ok(x);
        }
        let [n, h, w] = [0, 2, 3].map(|axis| self.graph.shape(x)[axis]);
        let rows = self.graph.add_named("mask.rows", input([n, h]), &[])?;
        let columns = self.graph.add_named("mask.columns", input([n, w]), &[])?;
        self.masks = Some([rows, columns]);
        Ok(self.graph.add_named("mask", Mask.into(), &[x, rows, columns])?)
    }
}
