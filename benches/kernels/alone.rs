//! One step of a program as a program of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use genre_recognizer::device::{Device, Executable, LoadOptions};
use genre_recognizer::graph::{GraphOp, NodeId};
use genre_recognizer::ops::Graph;
use genre_recognizer::ops::source::Input;
use genre_recognizer::plan::{Buffer, Contents, Place, Program, Step, Work};

use super::flush::Flush;
use crate::common::{Outcome, uniform};

/// A step loaded on a device, with random inputs.
pub struct Alone {
    loaded: Box<dyn Executable>,
    /// The input that a run overwrites, if any. It is written anew before every run, else it would drift to zero
    /// or to infinity, and denormal numbers are slow.
    overwritten: Option<(NodeId, Vec<f32>)>,
}

impl Alone {
    pub fn load(device: &dyn Device, step: &Step) -> Outcome<Self> {
        let (program, inputs) = cut(step)?;
        let overwritten = match step.work {
            Work::Run { in_place: Some(i), .. } => Some(inputs[i]),
            _ => None,
        };
        let mut loaded = device.load(Arc::new(program), LoadOptions { poison: false, profile: true })?;
        let mut kept = None;
        for (seed, &input) in (1u64..).zip(&inputs) {
            let values = values(step, seed);
            loaded.write(input, &values)?;
            if overwritten == Some(input) {
                kept = Some((input, values));
            }
        }
        // Some drivers compile at the first run.
        let mut alone = Self { loaded, overwritten: kept };
        alone.run(1)?;
        Ok(alone)
    }

    /// The time of `runs` runs.
    pub fn run(&mut self, runs: u64) -> Outcome<Duration> {
        self.timed(runs, || ())
    }

    /// The time of a run that finds nothing in the processor's caches. Emptying them takes far longer than most kernels;
    /// it is not counted.
    pub fn run_cold(&mut self, flush: &Flush) -> Outcome<Duration> {
        self.timed(1, || flush.run())
    }

    fn timed(&mut self, runs: u64, before_each: impl Fn()) -> Outcome<Duration> {
        let before: f64 = self.loaded.timings()?.iter().sum();
        for _ in 0..runs {
            if let Some((input, values)) = &self.overwritten {
                self.loaded.write(*input, values)?;
            }
            before_each();
            self.loaded.run()?;
            self.loaded.outputs()?;
        }
        let after: f64 = self.loaded.timings()?.iter().sum();
        // Criterion divides by times; a clock may be too coarse to see one run.
        Ok(Duration::from_secs_f64(after - before).max(Duration::from_nanos(runs)))
    }
}

/// Random values for input number `seed` (from 1) of a step: the statistics of a batch norm and what a logarithm is
/// taken of are positive, and an optimizer is told that no gradient is infinite, else it would do nothing.
fn values(step: &Step, seed: u64) -> Vec<f32> {
    let (shape, place) = &step.inputs[seed as usize - 1];
    let op = match &step.work {
        Work::Run { op, .. } => op.name(),
        Work::Copy => "copy",
    };
    if ["adam", "adamw", "sgd"].contains(&op) && seed == 3 {
        return vec![1.0, 0.0];
    }
    let logarithm = ["ln", "ln_grad", "decibel", "decibel_grad"].contains(&op);
    let low = if shape.len() <= 2 || logarithm { 0.1 } else { -1.0 };
    uniform(seed, place.len, low, 1.0)
}

/// The program of one step, and its inputs. Every tensor has a buffer of its own, except that tensors that share
/// memory go on doing so. Nothing is read back.
fn cut(step: &Step) -> Outcome<(Program, Vec<NodeId>)> {
    let mut step = step.clone();
    let mut buffers: Vec<Buffer> = Vec::new();
    let mut moved: Vec<(Place, Place)> = Vec::new();
    let mut settle = |place: &mut Place| {
        let known = moved.iter().find(|(from, _)| from == place).map(|&(_, to)| to);
        let to = known.unwrap_or_else(|| {
            buffers.push(Buffer { len: place.len, contents: Contents::Zeros });
            let to = Place { buffer: buffers.len() - 1, offset: 0, len: place.len };
            moved.push((*place, to));
            to
        });
        *place = to;
    };
    settle(&mut step.output.1);
    step.inputs.iter_mut().for_each(|(_, place)| settle(place));
    if let Work::Run { workspace, .. } = &mut step.work {
        workspace.iter_mut().for_each(settle);
    }
    let mut graph = Graph::new();
    let (mut visible, mut names, mut inputs) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (shape, place) in &step.inputs {
        let input = graph.add(Input { shape: shape.clone() }.into(), &[])?;
        visible.insert(input, *place);
        names.insert(input, graph.node(input).name.clone());
        inputs.push(input);
    }
    let program = Program { steps: vec![step], buffers, outputs: vec![], visible, names };
    Ok((program, inputs))
}
