//! Central differences in f64 against the gradients that the graph appends.
//!
//! Every case is checked three times, with a random upstream gradient each time: the operation alone; in the
//! middle of a graph, with something nonlinear before each input and behind the output; and with every input
//! consumed several times. Constants are added before each kink so that values stand where they were put, far
//! away from it.

use std::collections::HashMap;

use genre_recognizer::device::reference::evaluate;
use genre_recognizer::graph::{NodeId, Shape};
use genre_recognizer::ops::activation::LeakyRelu;
use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::ops::elementwise::Binary::Add;
use genre_recognizer::ops::loss::Softmax;
use genre_recognizer::ops::source::Input;
use genre_recognizer::ops::view::View;
use genre_recognizer::ops::{Graph, Op};
use genre_recognizer::rng::Rng;

/// Step of the central difference and tolerances: those of PyTorch's `gradcheck`, made for f64.
const STEP: f64 = 1e-6;
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-5;

/// A gradient whose root mean square is smaller would pass by the absolute tolerance, whatever the rule.
const TELLING: f64 = 100.0 * ABSOLUTE;

/// What a softmax's derivatives are multiplied by, to be far above the absolute tolerance.
const TAIL_SCALE: f64 = 100.0;

/// A shape and its data.
pub type Tensor = (Shape, Vec<f64>);

type Build = Box<dyn Fn(&mut Graph, &[NodeId]) -> NodeId>;

/// An operation, or a few that belong together, on given inputs.
pub struct Case {
    pub name: &'static str,
    pub inputs: Vec<Tensor>,
    /// The inputs that have a gradient.
    pub wrt: Vec<usize>,
    pub build: Build,
}

/// Adds an operation to the inputs.
pub fn op(op: impl Into<Op>) -> Build {
    let op = op.into();
    Box::new(move |graph, inputs| graph.add(op.clone(), inputs).unwrap())
}

/// Random numbers from `draw`.
pub fn tensor(rng: &mut Rng, shape: impl Into<Shape>, draw: impl Fn(&mut Rng) -> f64) -> Tensor {
    let shape = shape.into();
    let data = (0..shape.elements()).map(|_| draw(rng)).collect();
    (shape, data)
}

/// Random numbers of both signs, away from 0.
pub fn signed(rng: &mut Rng, shape: impl Into<Shape>) -> Tensor {
    tensor(rng, shape, |rng| {
        let size = 0.3 + rng.uniform_f64();
        if rng.uniform() < 0.5 { -size } else { size }
    })
}

/// Random numbers from `low` to `high`.
pub fn uniform(rng: &mut Rng, shape: impl Into<Shape>, low: f64, high: f64) -> Tensor {
    tensor(rng, shape, |rng| low + (high - low) * rng.uniform_f64())
}

/// Numbers of both signs in random order, of which no two are nearer than 0.03.
pub fn distinct(rng: &mut Rng, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let count = shape.elements();
    let mut order: Vec<usize> = (0..count).collect();
    rng.shuffle(&mut order);
    let data = order.iter().map(|&i| 0.05 * (i as f64 - count as f64 / 2.0) + 0.02 * rng.uniform_f64());
    (shape, data.collect())
}

/// A graph with the values of its leaves.
struct Wired {
    graph: Graph,
    given: HashMap<NodeId, Vec<f64>>,
    rng: Rng,
}

impl Wired {
    fn input(&mut self, (shape, data): Tensor) -> NodeId {
        let id = self.graph.add(Input { shape }.into(), &[]).unwrap();
        self.given.insert(id, data);
        id
    }

    fn add(&mut self, op: impl Into<Op>, inputs: &[NodeId]) -> NodeId {
        self.graph.add(op.into(), inputs).unwrap()
    }

    fn value(&self, node: NodeId) -> Vec<f64> {
        evaluate(&self.graph, &self.given, &[node]).remove(0)
    }

    /// `x` plus a constant, so that the sum has the value `wanted`.
    fn moved(&mut self, x: NodeId, wanted: &Tensor) -> NodeId {
        let data = wanted.1.iter().zip(self.value(x)).map(|(w, x)| w - x).collect();
        let constant = self.input((wanted.0.clone(), data));
        self.add(Add, &[x, constant])
    }

    /// A leaf, then a leaky ReLU on values of both signs, moved to `wanted`; the leaf and the result.
    fn head(&mut self, wanted: &Tensor) -> (NodeId, NodeId) {
        let leaf = signed(&mut self.rng, wanted.0.clone());
        let leaf = self.input(leaf);
        let bent = self.add(LeakyRelu { slope: 0.3 }, &[leaf]);
        (leaf, self.moved(bent, wanted))
    }

    /// softmax(W·leaky(y + constant)), [1, 5]: nonlinear in y, and every element of y matters.
    fn tail(&mut self, y: NodeId) -> NodeId {
        let shape = self.graph.shape(y).clone();
        let elements = shape.elements();
        let wanted = signed(&mut self.rng, shape);
        let y = self.moved(y, &wanted);
        let y = self.add(LeakyRelu { slope: 0.3 }, &[y]);
        let y = self.add(View::reshape([1, elements]), &[y]);
        let scale = 3.0 / (elements as f64).sqrt();
        let weights = uniform(&mut self.rng, [5, elements], -scale, scale);
        let weights = self.input(weights);
        let y = self.add(Matmul { form: Form::TransposeB }, &[y, weights]);
        self.add(Softmax, &[y])
    }

    /// Checks the gradients of `output` to all of `wrt`, element by element, for an upstream gradient of
    /// `scale`; gives the worst error, relative to the larger of the element and the tensor's root mean
    /// square.
    fn check(&mut self, what: &str, output: NodeId, scale: f64, wrt: &[NodeId]) -> f64 {
        let (shape, mut weights) = signed(&mut self.rng, self.graph.shape(output).clone());
        weights.iter_mut().for_each(|weight| *weight *= scale);
        let upstream = self.input((shape, weights.clone()));
        let before = self.graph.len();
        let gradients = self.graph.gradients(output, upstream, wrt).unwrap();
        self.assert_all_read(what, before, &gradients);
        let values = evaluate(&self.graph, &self.given, &gradients);

        let (mut compared, mut worst) = (0, 0.0);
        for ((&leaf, &gradient), analytic) in wrt.iter().zip(&gradients).zip(&values) {
            assert_eq!(self.graph.shape(leaf), self.graph.shape(gradient), "{what}");
            let x = self.given[&leaf].clone();
            let numeric: Vec<f64> = (0..x.len())
                .map(|i| {
                    let mut loss = |value: f64| -> f64 {
                        self.given.get_mut(&leaf).unwrap()[i] = value;
                        self.value(output).iter().zip(&weights).map(|(y, w)| y * w).sum()
                    };
                    let difference = loss(x[i] + STEP) - loss(x[i] - STEP);
                    self.given.get_mut(&leaf).unwrap()[i] = x[i];
                    difference / (2.0 * STEP)
                })
                .collect();
            let rms = (numeric.iter().map(|n| n * n).sum::<f64>() / numeric.len() as f64).sqrt();
            assert!(rms > TELLING, "{what}: a gradient of {rms:e} tells nothing");
            for (i, (a, n)) in analytic.iter().zip(&numeric).enumerate() {
                let error = (a - n).abs();
                // Fails for NaN, too.
                assert!(
                    error <= ABSOLUTE + RELATIVE * n.abs(),
                    "{what}, input {leaf:?}, element {i}: {a} by the rule, {n} by differences"
                );
                worst = f64::max(worst, error / n.abs().max(rms));
                compared += 1;
            }
        }
        assert!(compared > 0, "{what}: nothing was compared");
        worst
    }

    /// Every node appended since `before` must be there for one of `gradients`.
    fn assert_all_read(&self, what: &str, before: usize, gradients: &[NodeId]) {
        let mut read = vec![false; self.graph.len()];
        gradients.iter().for_each(|id| read[id.index()] = true);
        for (id, node) in self.graph.nodes().rev() {
            if read[id.index()] {
                node.inputs.iter().for_each(|input| read[input.index()] = true);
            } else {
                assert!(id.index() < before, "{what}: `{}` was appended for nothing", node.name);
            }
        }
    }
}

impl Case {
    /// A case of one operation.
    pub fn of(kind: impl Into<Op>, inputs: Vec<Tensor>, wrt: &[usize]) -> Self {
        let kind = kind.into();
        let name = genre_recognizer::graph::GraphOp::name(&kind);
        Self { name, inputs, wrt: wrt.to_vec(), build: op(kind) }
    }

    /// Checks the case alone, each wanted input by itself too; in the middle of a graph; and with fan-out.
    pub fn check(&self) {
        let mut worst = self.alone(&self.wrt);
        if self.wrt.len() > 1 {
            for &input in &self.wrt {
                worst = worst.max(self.alone(&[input]));
            }
        }
        worst = worst.max(self.in_the_middle()).max(self.fanned_out());
        if std::env::var("GRADIENT_TABLE").is_ok_and(|value| value == "1") {
            println!("GRADIENT\t{}\t{worst:.1e}", self.name);
        }
    }

    fn wired(&self, stream: u64) -> Wired {
        let rng = Rng::new(stream).split_str(self.name);
        Wired { graph: Graph::new(), given: HashMap::new(), rng }
    }

    fn what(&self, variant: &str) -> String {
        let shapes: Vec<String> = self.inputs.iter().map(|(shape, _)| shape.to_string()).collect();
        format!("{} on {}, {variant}", self.name, shapes.join(", "))
    }

    fn alone(&self, wrt: &[usize]) -> f64 {
        let mut wired = self.wired(1);
        let leaves: Vec<NodeId> = self.inputs.iter().map(|input| wired.input(input.clone())).collect();
        let output = (self.build)(&mut wired.graph, &leaves);
        let wrt: Vec<NodeId> = wrt.iter().map(|&i| leaves[i]).collect();
        wired.check(&self.what("alone"), output, 1.0, &wrt)
    }

    /// Leaves and operands: what has a gradient comes out of a leaky ReLU, the rest is given.
    fn heads(&self, wired: &mut Wired) -> (Vec<NodeId>, Vec<NodeId>) {
        let (mut leaves, mut operands) = (Vec::new(), Vec::new());
        for (i, input) in self.inputs.iter().enumerate() {
            if self.wrt.contains(&i) {
                let (leaf, operand) = wired.head(input);
                leaves.push(leaf);
                operands.push(operand);
            } else {
                operands.push(wired.input(input.clone()));
            }
        }
        (leaves, operands)
    }

    fn in_the_middle(&self) -> f64 {
        let mut wired = self.wired(2);
        let (leaves, operands) = self.heads(&mut wired);
        let y = (self.build)(&mut wired.graph, &operands);
        let output = wired.tail(y);
        wired.check(&self.what("in the middle"), output, TAIL_SCALE, &leaves)
    }

    /// Two of the operation read the same tensors, and so does something else.
    fn fanned_out(&self) -> f64 {
        let mut wired = self.wired(3);
        let (leaves, operands) = self.heads(&mut wired);
        let mut output = None;
        for branch in 0..2 + self.wrt.len() {
            let y = match branch.checked_sub(2) {
                None => (self.build)(&mut wired.graph, &operands),
                Some(i) => operands[self.wrt[i]],
            };
            let y = wired.tail(y);
            output = Some(output.map_or(y, |sum| wired.add(Add, &[sum, y])));
        }
        wired.check(&self.what("with fan-out"), output.unwrap(), TAIL_SCALE, &leaves)
    }
}
