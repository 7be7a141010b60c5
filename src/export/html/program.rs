//! A planned program as data for the page's `engine.js`.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::data::Data;
use super::target::{Browser, excess};
use crate::export::ExportError;
use crate::graph::NodeId;
use crate::ops::Graph;
use crate::ops::kernel::{Binding, GpuKernel, Kernel};
use crate::plan::{Place, Program, Request, Step, Work, plan};

/// Bytes that a program's buffers may take together before its batches are made smaller: a phone's share.
const MEMORY: u64 = 192 << 20;

/// A range of a buffer: its number, and where the range begins and how long it is, in f32.
type Range = [usize; 3];

/// What `engine.js` runs.
#[derive(Debug, Serialize)]
pub(super) struct Code {
    /// Frames a run.
    pub batch: usize,
    buffers: Vec<Buffer>,
    pipelines: Vec<Pipeline>,
    /// In order.
    steps: Vec<Command>,
    /// What is written before a run.
    inputs: BTreeMap<&'static str, Range>,
    /// What is read behind it.
    outputs: BTreeMap<&'static str, Range>,
}

/// Device memory; zeros, where it has no data.
#[derive(Debug, Serialize)]
struct Buffer {
    /// In f32.
    len: usize,
    /// What ranges of it hold from the beginning: offset, and number of the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data: Vec<[usize; 2]>,
}

/// An entry point of a module with its constants.
#[derive(Debug, PartialEq, Serialize)]
struct Pipeline {
    module: &'static str,
    entry: &'static str,
    constants: BTreeMap<&'static str, f64>,
    /// A letter for each binding: `r` is only read, `w` is written too.
    access: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Command {
    Dispatch {
        /// The step, for errors.
        name: String,
        pipeline: usize,
        workgroups: [u32; 3],
        bindings: Vec<Range>,
    },
    Copy {
        name: String,
        from: Range,
        to: Range,
    },
}

/// What a program is made of besides its graph: what the host writes once, and what it writes and reads every time.
pub(super) struct Ports {
    pub graph: Graph,
    /// Variables and their values.
    pub constants: Vec<(NodeId, Vec<f32>)>,
    pub inputs: Vec<(&'static str, NodeId)>,
    pub outputs: Vec<(&'static str, NodeId)>,
}

/// Plans a program for browsers, with batches of `batch` frames or, where those are too large, fewer. Modules and data that it
/// needs are added to those of other programs.
///
/// # Errors
/// [`ExportError::Model`] from `build` and the plan; [`ExportError::TooLarge`] where one frame is too large.
pub(super) fn code(
    batch: usize,
    build: impl Fn(usize) -> Result<Ports, ExportError>,
    modules: &mut BTreeMap<&'static str, &'static str>,
    data: &mut Data,
) -> Result<Code, ExportError> {
    let mut batch = batch.max(1);
    loop {
        let ports = build(batch)?;
        let outputs = ports.outputs.iter().map(|&(_, node)| node).collect();
        let request = Request { outputs, updates: vec![], fuse: true };
        let program = plan(&ports.graph, &request, &Browser)?;
        let excess = excess(&program);
        if batch > 1 && (excess.is_some() || program.memory() > MEMORY) {
            batch /= 2;
            continue;
        }
        if let Some((what, bytes, limit)) = excess {
            return Err(ExportError::TooLarge { what, bytes, limit, runs: "every browser's WebGPU" });
        }
        return Ok(Writer::new(&program, modules, data).write(batch, &ports));
    }
}

struct Writer<'a> {
    program: &'a Program,
    modules: &'a mut BTreeMap<&'static str, &'static str>,
    data: &'a mut Data,
    buffers: Vec<Buffer>,
    pipelines: Vec<Pipeline>,
    /// The buffers of tables, by the number of their data.
    tables: HashMap<usize, usize>,
}

fn range(Place { buffer, offset, len }: Place) -> Range {
    [buffer, offset, len]
}

impl<'a> Writer<'a> {
    fn new(
        program: &'a Program,
        modules: &'a mut BTreeMap<&'static str, &'static str>,
        data: &'a mut Data,
    ) -> Self {
        let buffers = program.buffers.iter().map(|buffer| Buffer { len: buffer.len, data: vec![] }).collect();
        Self { program, modules, data, buffers, pipelines: vec![], tables: HashMap::new() }
    }

    fn write(mut self, batch: usize, ports: &Ports) -> Code {
        let mut steps = Vec::new();
        for step in &self.program.steps {
            match &step.work {
                Work::Run { kernel: Kernel::Gpu(kernel), workspace, .. } => {
                    self.dispatches(step, kernel, *workspace, &mut steps);
                }
                Work::Run { .. } => unreachable!("{} was compiled for a browser", step.name),
                Work::Copy => {
                    let (from, to) = (range(step.inputs[0].1), range(step.output.1));
                    steps.push(Command::Copy { name: step.name.clone(), from, to });
                }
            }
        }
        for (node, values) in &ports.constants {
            // A program reads only what leads to its outputs.
            if let Some(place) = self.program.visible.get(node) {
                let number = self.data.add(values);
                self.buffers[place.buffer].data.push([place.offset, number]);
            }
        }
        let visible = |ports: &[(&'static str, NodeId)]| {
            let place = |&(name, node): &(&'static str, NodeId)| {
                self.program.visible.get(&node).map(|&place| (name, range(place)))
            };
            ports.iter().filter_map(place).collect()
        };
        let (inputs, outputs) = (visible(&ports.inputs), visible(&ports.outputs));
        Code { batch, buffers: self.buffers, pipelines: self.pipelines, steps, inputs, outputs }
    }

    fn dispatches(
        &mut self,
        step: &Step,
        kernel: &GpuKernel,
        workspace: Option<Place>,
        to: &mut Vec<Command>,
    ) {
        let tables: Vec<Range> = kernel.tables.iter().map(|table| self.table(table.values())).collect();
        for launch in kernel.launches.iter().filter(|launch| !launch.workgroups.contains(&0)) {
            self.modules.insert(launch.shader.name, launch.shader.source);
            let bound = |binding: &Binding| match binding {
                Binding::Input(i) => range(step.inputs[*i].1),
                Binding::Output => range(step.output.1),
                Binding::Workspace(part) => {
                    let Place { buffer, offset, .. } = workspace.unwrap_or(step.output.1);
                    [buffer, offset + part.start, part.len()]
                }
                Binding::Table(i) => tables[*i],
            };
            let read_only = |binding: &Binding| matches!(binding, Binding::Input(_) | Binding::Table(_));
            let letter = |binding: &Binding| if read_only(binding) { 'r' } else { 'w' };
            let pipeline = Pipeline {
                module: launch.shader.name,
                entry: launch.entry,
                constants: launch.constants.iter().copied().collect(),
                access: launch.bindings.iter().map(letter).collect(),
            };
            to.push(Command::Dispatch {
                name: step.name.clone(),
                pipeline: self.pipeline(pipeline),
                workgroups: launch.workgroups,
                bindings: launch.bindings.iter().map(bound).collect(),
            });
        }
    }

    fn pipeline(&mut self, pipeline: Pipeline) -> usize {
        self.pipelines.iter().position(|other| *other == pipeline).unwrap_or_else(|| {
            self.pipelines.push(pipeline);
            self.pipelines.len() - 1
        })
    }

    /// A buffer of constant data; one for all that are equal.
    fn table(&mut self, values: &[f32]) -> Range {
        let number = self.data.add(values);
        let buffers = &mut self.buffers;
        let buffer = *self.tables.entry(number).or_insert_with(|| {
            buffers.push(Buffer { len: values.len(), data: vec![[0, number]] });
            buffers.len() - 1
        });
        [buffer, 0, values.len()]
    }
}
