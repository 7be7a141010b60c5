//! Which kernels there are: the distinct steps of planned programs.

use std::collections::BTreeSet;

use genre_recognizer::device::Device;
use genre_recognizer::graph::{GraphError, GraphOp, NodeId, Shape};
use genre_recognizer::model::{ModelConfig, OptimizerConfig, OptimizerKind, TrainingConfig};
use genre_recognizer::ops::Graph;
use genre_recognizer::ops::conv2d::Conv2d;
use genre_recognizer::ops::log::{Decibel, Ln};
use genre_recognizer::ops::loss::Softmax;
use genre_recognizer::ops::mel::{Mel, MelScale, MelSpec};
use genre_recognizer::ops::pool::{AveragePool, Window};
use genre_recognizer::ops::source::Input;
use genre_recognizer::ops::stft::PowerStft;
use genre_recognizer::plan::{Request, Step, Work, plan};

use crate::common::{GENRES, Outcome, network};

/// A step of a program.
pub struct Kernel {
    /// `operation/inputs_settings`
    pub name: String,
    pub step: Step,
    /// Floating-point operations of a run.
    pub operations: u64,
    /// Bytes of inputs and output.
    pub bytes: u64,
}

impl Kernel {
    fn new(step: &Step) -> Self {
        let (op, settings, in_place) = match &step.work {
            Work::Run { op, in_place, .. } => (op.name(), op.settings(), in_place.is_some()),
            Work::Copy => ("copy", String::new(), false),
        };
        let sizes =
            |(shape, _): &(Shape, _)| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let mut parts: Vec<String> = step.inputs.iter().map(sizes).collect();
        // Names become folders, and patterns to choose by.
        let plain = |c: char| match c {
            '×' => Some('x'),
            'ᵀ' => Some('T'),
            c => (c.is_ascii_alphanumeric() || ".-".contains(c)).then_some(c),
        };
        parts.extend(settings.split(',').map(|setting| setting.chars().filter_map(plain).collect()));
        parts.extend(in_place.then(|| "in_place".into()));
        parts.retain(|part| !part.is_empty());
        let elements: usize = step.inputs.iter().chain([&step.output]).map(|(_, place)| place.len).sum();
        let name = format!("{op}/{}", parts.join("_"));
        Self { name, step: step.clone(), operations: step.flops(), bytes: 4 * elements as u64 }
    }
}

/// The distinct kernels of all programs for `batch` frames.
pub fn kernels(device: &dyn Device, batch: usize) -> Outcome<Vec<Kernel>> {
    let mut programs: Vec<(Graph, Request)> = Vec::new();
    for kind in [OptimizerKind::Adamw, OptimizerKind::Adam, OptimizerKind::Sgd] {
        let optimizer = OptimizerConfig { kind, ..OptimizerConfig::default() };
        let config = TrainingConfig { batch, smoothing: 0.05, masks: true, norms: true, optimizer };
        let training = network()?.training(&config)?;
        programs.extend([true, false].map(|fuse| (training.graph.clone(), training.request(fuse))));
    }
    let inference = network()?.inference(batch)?;
    programs.push((inference.graph.clone(), inference.request(true)));
    programs.push(others(batch)?);

    let mut names = BTreeSet::new();
    let mut kernels = Vec::new();
    for (graph, request) in &programs {
        let program = plan(graph, request, device)?;
        let all = program.steps.iter().map(Kernel::new);
        kernels.extend(all.filter(|kernel| names.insert(kernel.name.clone())));
    }
    Ok(kernels)
}

/// Operations that the default network does not use, with all their gradients: the features' down to the audio,
/// decibels, depthwise convolution, average pooling, softmax.
fn others(batch: usize) -> Outcome<(Graph, Request)> {
    let mut graph = Graph::new();
    let mut request = Request::default();
    let input = |graph: &mut Graph, shape: &[usize]| -> Result<NodeId, GraphError> {
        graph.add(Input { shape: shape.into() }.into(), &[])
    };
    let ModelConfig { sample_rate, n_fft, hop, mels, low, high, .. } = ModelConfig::default();
    let mel = Mel::new(MelSpec { sample_rate, n_fft, mels, low, high, scale: MelScale::Htk })?;

    let audio = input(&mut graph, &[batch, 1, sample_rate as usize])?;
    let power = graph.add(PowerStft { n_fft, hop, centred: true }.into(), &[audio])?;
    let power_mel = graph.add(mel.into(), &[power])?;
    let ln = graph.add(Ln { floor: 1e-5 }.into(), &[power_mel])?;
    let decibel = graph.add(Decibel { range: 80.0 }.into(), &[power_mel])?;
    let x = input(&mut graph, &[batch, 16, 64, 44])?;
    let w = input(&mut graph, &[16, 1, 3, 3])?;
    let depthwise = Conv2d { groups: 16, ..Conv2d::same([3, 3]) };
    let depthwise = graph.add(depthwise.into(), &[x, w])?;
    let pooled = graph.add(AveragePool(Window::tiles([2, 2])).into(), &[x])?;
    let logits = input(&mut graph, &[batch, GENRES])?;
    let probabilities = graph.add(Softmax.into(), &[logits])?;

    let differentiated = [
        (ln, vec![audio]),
        (decibel, vec![audio]),
        (depthwise, vec![x, w]),
        (pooled, vec![x]),
        (probabilities, vec![logits]),
    ];
    for (output, wrt) in differentiated {
        let shape = graph.shape(output).clone();
        let upstream = input(&mut graph, &shape)?;
        request.outputs.push(output);
        request.outputs.extend(graph.gradients(output, upstream, &wrt)?);
    }
    Ok((graph, request))
}
