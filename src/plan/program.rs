use std::collections::BTreeMap;
use std::fmt;

use crate::graph::{NodeId, Shape};
use crate::ops::Op;
use crate::ops::kernel::Kernel;
use crate::ops::prepared::PreparedOp;

/// A tensor's memory: `len` f32 from `offset` of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub buffer: usize,
    pub offset: usize,
    pub len: usize,
}

/// What a buffer holds before the first run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Temporaries, one after another; anything.
    Scratch,
    /// State or a packed tensor: zeros.
    Zeros,
}

/// A piece of device memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Length in f32.
    pub len: usize,
    pub contents: Contents,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Work {
    /// Runs an operation's kernel. Where `in_place` is set, that input lies in the output's memory.
    Run {
        op: Op,
        prepared: Box<PreparedOp>,
        in_place: Option<usize>,
        /// Made for one device.
        kernel: Kernel,
        workspace: Option<Place>,
    },
    /// Copies the only input to the output.
    Copy,
}

/// One kernel of a program.
#[derive(Clone, Debug)]
pub struct Step {
    pub name: String,
    pub work: Work,
    pub inputs: Vec<(Shape, Place)>,
    pub output: (Shape, Place),
}

impl Step {
    /// How many floating-point operations the step takes (a multiply-add counts two).
    pub fn flops(&self) -> u64 {
        match &self.work {
            Work::Run { prepared, .. } => prepared.flops,
            Work::Copy => 0,
        }
    }

    /// How many f32 of constant data the step's kernel keeps in the device's memory.
    pub fn tables(&self) -> usize {
        match &self.work {
            Work::Run { kernel, .. } => kernel.tables(),
            Work::Copy => 0,
        }
    }
}

/// What a device runs: steps on planned memory.
#[derive(Clone, Debug)]
pub struct Program {
    pub steps: Vec<Step>,
    pub buffers: Vec<Buffer>,
    /// What the host reads after a run, in the order of the request; in the place of an updated variable, the
    /// node that holds its value before the update.
    pub outputs: Vec<NodeId>,
    /// The memory of inputs, variables and outputs: what the host may write and read.
    pub visible: BTreeMap<NodeId, Place>,
    /// Names for errors about visible nodes.
    pub names: BTreeMap<NodeId, String>,
}

impl Program {
    /// The memory of all buffers and tables in bytes; a device allocates exactly this.
    pub fn memory(&self) -> u64 {
        let buffers: u64 = self.buffers.iter().map(|buffer| 4 * buffer.len as u64).sum();
        let tables: u64 = self.steps.iter().map(|step| 4 * step.tables() as u64).sum();
        buffers + tables
    }

    /// The memory that tensors would take if none shared any, in bytes.
    pub fn memory_unshared(&self) -> u64 {
        let state: u64 = self.visible.values().map(|place| 4 * place.len as u64).sum();
        let temporaries: u64 = self.steps.iter().map(|step| 4 * step.output.1.len as u64).sum();
        state + temporaries
    }
}

impl fmt::Display for Program {
    /// One row a step: its name, its work and where its output lies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let work = match &step.work {
                Work::Run { op, in_place: None, .. } => crate::graph::GraphOp::name(op).to_string(),
                Work::Run { op, .. } => format!("{} (in place)", crate::graph::GraphOp::name(op)),
                Work::Copy => "copy".to_string(),
            };
            let Place { buffer, offset, .. } = step.output.1;
            writeln!(f, "{}: {work} → {} in buffer {buffer} at {offset}", step.name, step.output.0)?;
        }
        Ok(())
    }
}
