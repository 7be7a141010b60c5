//! Which kernels there are: the launches of the planned programs.

use std::collections::BTreeMap;

use clap::ValueEnum;
use genre_recognizer::graph::GraphOp;
use genre_recognizer::model::Network;
use genre_recognizer::ops::Graph;
use genre_recognizer::ops::kernel::{Binding, GpuKernel, Kernel, Launch, Mixed};
use genre_recognizer::ops::prepared::PreparedOp;
use genre_recognizer::plan::{Limits, Request, Step, Target, Work, plan};
use genre_recognizer::{Architecture, Convolution, Features, ModelConfig, Musicnn, Preset, TrainOptions};
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// Labels of the networks, as many as in `dataset/genres.txt`.
const GENRES: usize = 30;

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Net {
    /// The default.
    Default,
    /// Four times the filters.
    Large,
    /// Tall and wide convolutions.
    Musicnn,
    /// Depthwise convolutions on a power spectrogram.
    Original,
}

impl Net {
    fn network(self) -> Outcome<Network> {
        let config = match self {
            Self::Default => ModelConfig::default(),
            Self::Large => Preset::Large.config().model,
            Self::Musicnn => ModelConfig {
                sample_rate: 16_000,
                frame_seconds: 3.0,
                n_fft: 512,
                hop: 256,
                mels: 96,
                low: 0.0,
                high: 8_000.0,
                features: Features::CompressedMel,
                architecture: Architecture::Musicnn(Musicnn::default()),
                ..ModelConfig::default()
            },
            Self::Original => {
                ModelConfig { convolution: Convolution::Separable, ..Preset::Original.config().model }
            }
        };
        Ok(Network::new(config, GENRES)?)
    }
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    Train,
    Infer,
    Explain,
}

/// What rounds the operands of products, and what multiplies them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    F32,
    /// On matrix units where the adapter has them, else vectors of f16.
    Mixed,
}

/// One planned program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Case {
    pub net: Net,
    pub task: Task,
    pub precision: Precision,
    pub batch: usize,
}

/// A GPU of which only the kernels are asked; the sizes that it binds are those of a card of 16 GB.
struct Card(Option<Mixed>);

impl Target for Card {
    fn compile(&self, op: &PreparedOp, in_place: Option<usize>) -> Kernel {
        op.gpu(in_place, self.0).into()
    }

    fn alignment(&self) -> usize {
        64
    }

    fn limits(&self) -> Option<Limits> {
        // RADV binds 4 GiB less one element.
        let binding = (1 << 30) - 1;
        Some(Limits { binding, workspace: binding, buffer: binding })
    }
}

/// One dispatch of a program.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Operation, inputs' shapes, settings.
    pub kernel: String,
    pub launch: Launch,
    /// Bytes of all that it binds; what it reads and writes in one place twice.
    pub bytes: f64,
    /// Floating-point operations of the formula; those of an operation's further launches are not known.
    pub flops: f64,
    /// How often a run does it.
    pub times: usize,
}

impl Case {
    fn program(self) -> Outcome<(Graph, Request)> {
        let network = self.net.network()?;
        Ok(match self.task {
            Task::Train => {
                let config = TrainOptions { batch: self.batch, ..TrainOptions::default() }.graph();
                let training = network.training(&config)?;
                (training.graph.clone(), training.request(true))
            }
            Task::Infer => {
                let inference = network.inference(self.batch)?;
                (inference.graph.clone(), inference.request(true))
            }
            Task::Explain => {
                let explanation = network.explanation(self.batch)?;
                (explanation.graph.clone(), explanation.request(true))
            }
        })
    }

    /// The program's dispatches, equal ones counted, in the order of the program.
    pub fn dispatches(self, mixed: Option<Mixed>) -> Outcome<Vec<Dispatch>> {
        let (graph, request) = self.program()?;
        let program = plan(&graph, &request, &Card(mixed))?;
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut dispatches: Vec<Dispatch> = Vec::new();
        for step in &program.steps {
            let Work::Run { kernel: Kernel::Gpu(kernel), .. } = &step.work else { continue };
            for dispatch in of_step(step, kernel) {
                let key = format!(
                    "{} {:?} {:?}",
                    dispatch.kernel, dispatch.launch.entry, dispatch.launch.constants
                );
                match places.get(&key) {
                    Some(&place) => dispatches[place].times += 1,
                    None => {
                        places.insert(key, dispatches.len());
                        dispatches.push(dispatch);
                    }
                }
            }
        }
        Ok(dispatches)
    }
}

fn of_step(step: &Step, kernel: &GpuKernel) -> Vec<Dispatch> {
    let Work::Run { op, in_place, .. } = &step.work else { return Vec::new() };
    let sizes = |shape: &[usize]| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let mut parts = vec![op.name().to_string()];
    parts.extend(step.inputs.iter().take(2).map(|(shape, _)| sizes(shape)));
    parts.extend(Some(op.settings()).filter(|settings| !settings.is_empty()));
    parts.extend(in_place.map(|_| "in place".to_string()));
    let name = parts.join(" ").replace('×', "x");
    let of = |binding: &Binding| match binding {
        Binding::Input(i) => step.inputs[*i].1.len,
        Binding::Output if in_place.is_some() => 2 * step.output.1.len,
        Binding::Output => step.output.1.len,
        Binding::Workspace(range) => range.len(),
        Binding::Table(i) => kernel.tables[*i].len,
    };
    let launches = kernel.launches.iter().enumerate();
    launches
        .map(|(i, launch)| Dispatch {
            kernel: name.clone(),
            bytes: 4.0 * launch.bindings.iter().map(of).sum::<usize>() as f64,
            flops: if i == 0 { step.flops() as f64 } else { 0.0 },
            launch: launch.clone(),
            times: 1,
        })
        .collect()
}
