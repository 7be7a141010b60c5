//! Every kernel of every device against the f64 reference.
//!
//! A case is one operation on random inputs. It runs alone, and in the middle of a graph on temporary
//! tensors, where the plan may compute in place. Memory is poisoned with NaN before every run, and every run
//! is repeated: the bytes must be equal.

use std::collections::HashMap;
use std::sync::Arc;

use genre_recognizer::device::{Device, LoadOptions, cpu::Cpu, reference};
use genre_recognizer::graph::{GraphOp, NodeId, Shape};
use genre_recognizer::ops::elementwise::Binary::Add;
use genre_recognizer::ops::kernel::{Cooperative, Mixed};
use genre_recognizer::ops::source::{Input, Variable};
use genre_recognizer::ops::{Graph, Op};
use genre_recognizer::plan::{Request, plan};
use genre_recognizer::rng::Rng;

use super::launches;
pub(crate) use crate::common;

/// An operation on given data.
pub struct Case {
    pub op: Op,
    pub inputs: Vec<(Shape, Vec<f32>)>,
    /// K, the length of the longest sum that an output element is made of.
    pub reduction: usize,
    /// Whether the operation is of the backward pass, where the mean error may be larger.
    pub backward: bool,
}

/// Normal random numbers of standard deviation `scale`.
pub fn normal(rng: &mut Rng, shape: impl Into<Shape>, scale: f32) -> (Shape, Vec<f32>) {
    let shape = shape.into();
    let data = (0..shape.elements()).map(|_| scale * rng.normal()).collect();
    (shape, data)
}

/// Uniform random numbers in [low, high).
#[allow(dead_code)]
pub fn uniform(rng: &mut Rng, shape: impl Into<Shape>, low: f32, high: f32) -> (Shape, Vec<f32>) {
    let shape = shape.into();
    let data = (0..shape.elements()).map(|_| rng.range(low, high)).collect();
    (shape, data)
}

/// The devices to test: the CPU, and a GPU adapter if there is one; see [`common::gpu`].
pub fn devices() -> Vec<Arc<dyn Device>> {
    [Arc::new(Cpu) as Arc<dyn Device>].into_iter().chain(common::gpu()).collect()
}

/// Those of them that are no software adapter, which takes up to ten seconds for a pipeline of `stft.wgsl`.
pub fn hardware() -> Vec<Arc<dyn Device>> {
    devices().into_iter().filter(|device| !device.describe().contains("software")).collect()
}

impl Case {
    /// Runs the case on every device and compares.
    pub fn check(&self) {
        self.check_on(&devices());
    }

    pub fn check_on(&self, devices: &[Arc<dyn Device>]) {
        self.check_launches();
        self.compare_on(devices);
    }

    /// As [`Case::check_on`], of what may have no kernel.
    pub fn compare_on(&self, devices: &[Arc<dyn Device>]) {
        for in_the_middle in [false, true] {
            let (graph, inputs, zero, output) = self.graph(in_the_middle);
            let given: HashMap<NodeId, Vec<f64>> = inputs
                .iter()
                .zip(&self.inputs)
                .map(|(&id, (_, data))| (id, data.iter().map(|&v| f64::from(v)).collect()))
                .collect();
            let expected = reference::evaluate(&graph, &given, &[output]).remove(0);
            for device in devices {
                let actual = self.run(device.as_ref(), &graph, &inputs, &zero, output);
                self.compare(&device.describe(), &expected, &actual);
            }
        }
    }

    /// The GPU's launches are valid, in place too; an adapter is not needed.
    fn check_launches(&self) {
        let shapes: Vec<&Shape> = self.inputs.iter().map(|(shape, _)| shape).collect();
        let op = self.op.prepare(&shapes).unwrap();
        let in_place = op.in_place.map(Some);
        for in_place in [None].into_iter().chain(in_place) {
            launches::check(&format!("{:?}", self.op), &op.gpu(in_place, None));
            let units = |side, subgroup| Some(Cooperative { side, subgroup });
            for cooperative in [None, units(8, [32, 32]), units(16, [32, 32]), units(16, [32, 64])] {
                let mixed = Mixed { cooperative };
                launches::check(&format!("{:?}, {mixed:?}", self.op), &op.gpu(in_place, Some(mixed)));
            }
        }
    }

    /// What the operation's first launch has for these constants, 0 where it has none of the name.
    pub fn constants<const N: usize>(&self, names: [&str; N]) -> [usize; N] {
        let shapes: Vec<&Shape> = self.inputs.iter().map(|(shape, _)| shape).collect();
        let kernel = self.op.prepare(&shapes).unwrap().gpu(None, None);
        let constants = &kernel.launches[0].constants;
        names.map(|name| {
            constants.iter().find(|(known, _)| *known == name).map_or(0, |&(_, value)| value as usize)
        })
    }

    /// The graph, its inputs, the zeros that are added to them, and its output.
    pub fn graph(&self, in_the_middle: bool) -> (Graph, Vec<NodeId>, Vec<NodeId>, NodeId) {
        let mut graph = Graph::new();
        let (mut inputs, mut operands, mut zeros) = (Vec::new(), Vec::new(), Vec::new());
        for (shape, _) in &self.inputs {
            let input = graph.add(Input { shape: shape.clone() }.into(), &[]).unwrap();
            inputs.push(input);
            if in_the_middle {
                let zero = graph.add(Input { shape: shape.clone() }.into(), &[]).unwrap();
                operands.push(graph.add(Add.into(), &[input, zero]).unwrap());
                zeros.push(zero);
            } else {
                operands.push(input);
            }
        }
        let mut output = graph.add(self.op.clone(), &operands).unwrap();
        if in_the_middle {
            let shape = graph.shape(output).clone();
            let zero = graph.add(Variable { shape }.into(), &[]).unwrap();
            // A sum lies in the place of its first term, if anywhere: not in that of the output, which is poisoned then.
            output = graph.add(Add.into(), &[zero, output]).unwrap();
        }
        (graph, inputs, zeros, output)
    }

    pub fn run(
        &self,
        device: &dyn Device,
        graph: &Graph,
        inputs: &[NodeId],
        zeros: &[NodeId],
        output: NodeId,
    ) -> Vec<f32> {
        let request = Request { outputs: vec![output], updates: vec![], fuse: false };
        let program = plan(graph, &request, device).unwrap();
        let planned = program.memory();
        let options = LoadOptions { poison: true, profile: false };
        let mut loaded = device.load(Arc::new(program), options).unwrap();
        assert_eq!(loaded.allocated(), planned);
        for (&id, (_, data)) in inputs.iter().zip(&self.inputs) {
            // An operation need not read all its inputs: what is not read is not visible.
            let _ = loaded.write(id, data);
        }
        for &id in zeros {
            let _ = loaded.write(id, &vec![0.0; graph.shape(id).elements()]);
        }
        let mut run = || {
            loaded.run().unwrap();
            loaded.outputs().unwrap().remove(0)
        };
        let (first, second) = (run(), run());
        let bits = |data: &[f32]| data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&first), bits(&second), "{:?}: two runs differ", self.op);
        first
    }

    pub fn compare(&self, device: &str, expected: &[f64], actual: &[f32]) {
        assert_eq!(expected.len(), actual.len());
        let count = expected.len() as f64;
        let power = expected.iter().map(|r| r * r).sum::<f64>() / count;
        let p = f64::max(1e-5, 4.0 * 2f64.powi(-24) * (self.reduction as f64).sqrt());
        let a = p * power.sqrt();
        let (mut error, mut worst) = (0.0, 0.0);
        for (i, (&r, &g)) in expected.iter().zip(actual).enumerate() {
            let difference = (f64::from(g) - r).abs();
            assert!(
                difference <= a + p * r.abs(),
                "{:?} on {device}: element {i} is {g}, not {r} (allowed {:e}); inputs {:?}",
                self.op,
                a + p * r.abs(),
                self.inputs.iter().map(|(shape, _)| shape).collect::<Vec<_>>(),
            );
            error += difference * difference / count;
            worst = f64::max(worst, difference / power.sqrt().max(f64::MIN_POSITIVE));
        }
        let allowed = if self.backward { 1e-9 } else { 1e-10 };
        let mean = if power > 0.0 { error / power } else { error };
        assert!(mean <= allowed, "{:?} on {device}: normalised mean squared error {mean:e}", self.op);
        if std::env::var_os("PARITY_TABLE").is_some() {
            let name = genre_recognizer::graph::GraphOp::name(&self.op);
            println!("PARITY\t{name}\t{device}\t{worst:e}\t{mean:e}");
        }
    }
}
