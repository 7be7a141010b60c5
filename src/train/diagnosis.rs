//! Which tensor of a step was the first that is not finite.
//!
//! The step is run again in pieces: programs of the same graph, not fused, in which one node after the other is kept to
//! be looked at. A piece keeps few enough that the device need not hold much more than it does for training.

use std::fmt;
use std::sync::Arc;

use crate::device::{Device, DeviceError, Executable, LoadOptions};
use crate::files::printable;
use crate::graph::{GraphError, GraphOp, NodeId};
use crate::model::TrainingGraph;
use crate::ops::Op;
use crate::plan::{Request, plan};

/// What was found where something is not finite. Of a tensor: its name, how many of its values are not finite, and how many
/// it has.
#[derive(Clone, Debug, PartialEq)]
pub enum Diagnosis {
    /// The samples of these songs.
    Audio { songs: Vec<String> },
    /// Another input of the step.
    Input { name: String, broken: usize, of: usize },
    /// A parameter.
    Weights { name: String, broken: usize, of: usize },
    /// The optimizer's moments of a parameter.
    Moments { name: String, broken: usize, of: usize },
    /// Running statistics.
    Running { name: String, broken: usize, of: usize },
    /// The first result that is not finite, in the order in which the graph computes, from inputs and weights that are.
    Result { name: String, op: &'static str, broken: usize, of: usize },
    /// Everything is finite when the step is run again.
    NotRepeated,
    /// The step could not be run again.
    Failed { reason: String },
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audio { songs } => {
                write!(f, "the audio is not finite, that of {}", printable(&songs.join(", ")))
            }
            Self::Input { name, broken, of } => {
                write!(f, "the input {name} is not finite, {broken} of {of} values")
            }
            Self::Weights { name, broken, of } => {
                write!(f, "the weights are not finite, first {name}, {broken} of {of} values")
            }
            Self::Moments { name, broken, of } => {
                write!(
                    f,
                    "the optimizer's moments are not finite, first those of {name}, {broken} of {of} values"
                )
            }
            Self::Running { name, broken, of } => {
                write!(f, "the running statistics are not finite, first {name}, {broken} of {of} values")
            }
            Self::Result { name, op, broken, of } => {
                write!(f, "the first tensor affected is {name} ({op}), {broken} of {of} values")
            }
            Self::NotRepeated => write!(f, "everything was finite, so the fault did not repeat"),
            Self::Failed { reason } => {
                write!(f, "this failed ({reason}), so the first tensor affected is not known")
            }
        }
    }
}

/// Why a step could not be run again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Of the memory that training takes, the share that a piece may keep to be looked at.
const KEPT: u64 = 4;

/// Looks for the first tensor of a step that is not finite, from the inputs and the variables that lie in `loaded`, a
/// program of `training` on `device`; `songs` names the song of every frame of the batch. Nothing in `loaded` is changed.
///
/// The device must hold the pieces beside `loaded`: together two to three times what training takes. Running statistics
/// are not looked at: they follow from what is, and no step depends on them.
pub fn diagnose(
    device: &dyn Device,
    training: &TrainingGraph,
    loaded: &mut dyn Executable,
    songs: &[String],
) -> Diagnosis {
    let mut search = || -> Result<Diagnosis, Failure> {
        let leaves = leaves(training, loaded)?;
        match in_leaves(training, &leaves, songs) {
            Some(found) => Ok(found),
            None => in_results(device, training, &leaves, loaded.allocated() / KEPT),
        }
    };
    search().unwrap_or_else(|failure| Diagnosis::Failed { reason: failure.to_string() })
}

/// The values of inputs and variables.
fn leaves(
    training: &TrainingGraph,
    loaded: &mut dyn Executable,
) -> Result<Vec<(NodeId, Vec<f32>)>, DeviceError> {
    let is_leaf = |op: &Op| matches!(op, Op::Input(_) | Op::Variable(_));
    let leaves = training.graph.nodes().filter(|(_, node)| is_leaf(&node.op));
    leaves.map(|(id, _)| Ok((id, loaded.read(id)?))).collect()
}

fn broken(values: &[f32]) -> usize {
    values.iter().filter(|value| !value.is_finite()).count()
}

fn in_leaves(training: &TrainingGraph, leaves: &[(NodeId, Vec<f32>)], songs: &[String]) -> Option<Diagnosis> {
    let mut inputs = leaves.iter().filter(|(id, _)| matches!(training.graph.node(*id).op, Op::Input(_)));
    if let Some((id, values)) = inputs.find(|(_, values)| broken(values) > 0) {
        if *id == training.audio {
            let frames = values.chunks(values.len().div_ceil(songs.len().max(1)));
            let named = frames.zip(songs).filter(|(frame, _)| broken(frame) > 0);
            let mut songs: Vec<String> = named.map(|(_, song)| song.clone()).collect();
            songs.sort();
            songs.dedup();
            return Some(Diagnosis::Audio { songs });
        }
        let name = training.graph.node(*id).name.clone();
        return Some(Diagnosis::Input { name, broken: broken(values), of: values.len() });
    }
    leaves.iter().find(|(id, _)| *id == training.state).and_then(|(_, state)| in_state(training, state))
}

/// What is not finite of parameters and moments.
pub(super) fn in_state(training: &TrainingGraph, state: &[f32]) -> Option<Diagnosis> {
    let rows = state.chunks_exact(training.layout.len.max(1)).enumerate();
    let mut places =
        rows.flat_map(|row| training.layout.parameters.iter().map(move |parameter| (row, parameter)));
    places.find_map(|((row, values), parameter)| {
        let of = parameter.shape.elements();
        let broken = broken(&values[parameter.offset..][..of]);
        let name = parameter.name.clone();
        match (broken, row) {
            (0, _) => None,
            (_, 0) => Some(Diagnosis::Weights { name, broken, of }),
            _ => Some(Diagnosis::Moments { name, broken, of }),
        }
    })
}

/// What is not finite of the running statistics, given in the order of the network.
pub(super) fn in_running(training: &TrainingGraph, running: &[Vec<f32>]) -> Option<Diagnosis> {
    training.running.iter().zip(running).find_map(|(running, values)| {
        let (name, broken, of) = (running.name.clone(), broken(values), values.len());
        (broken > 0).then_some(Diagnosis::Running { name, broken, of })
    })
}

/// Runs the step again in pieces that keep at most `room` bytes each, or one tensor.
fn in_results(
    device: &dyn Device,
    training: &TrainingGraph,
    leaves: &[(NodeId, Vec<f32>)],
    room: u64,
) -> Result<Diagnosis, Failure> {
    let graph = &training.graph;
    let computed = |op: &Op| !matches!(op, Op::Input(_) | Op::Variable(_) | Op::RunningStats(_));
    let results = graph.nodes().filter(|(_, node)| computed(&node.op)).map(|(id, _)| id);
    let mut rest: Vec<NodeId> = results.collect();
    while !rest.is_empty() {
        let mut kept = 0;
        let bytes = |id: &NodeId| 4 * graph.shape(*id).elements() as u64;
        let fit = rest.iter().take_while(|id| {
            kept += bytes(id);
            kept <= room
        });
        let later = rest.split_off(fit.count().max(1));
        let request = Request { outputs: rest.clone(), updates: vec![], fuse: false };
        let mut program = plan(graph, &request, device)?;
        // They are read one by one instead of all at once.
        program.outputs.clear();
        let program = Arc::new(program);
        let mut repeated = device.load(program.clone(), LoadOptions::default())?;
        for (id, values) in leaves.iter().filter(|(id, _)| program.visible.contains_key(id)) {
            repeated.write(*id, values)?;
        }
        repeated.run()?;
        for id in rest {
            let values = repeated.read(id)?;
            let broken = broken(&values);
            if broken > 0 {
                let node = graph.node(id);
                let (name, op) = (node.name.clone(), node.op.name());
                return Ok(Diagnosis::Result { name, op, broken, of: values.len() });
            }
        }
        rest = later;
    }
    Ok(Diagnosis::NotRepeated)
}
