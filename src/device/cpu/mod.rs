//! The CPU device: kernels run one after another, each on all threads.

mod buffer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use self::buffer::Buffer;
use super::{Device, DeviceError, Executable, LoadOptions, Precision, exchange_parts, scratch, visible};
use crate::graph::{GraphOp, NodeId};
use crate::ops::Op;
use crate::ops::kernel::{CpuKernel, Kernel};
use crate::ops::prepared::PreparedOp;
use crate::plan::{Place, Program, Step, Target, Work};
use crate::ranks::Ranks;
use crate::simd;

/// The machine's processor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Target for Cpu {
    fn compile(&self, op: &PreparedOp, in_place: Option<usize>) -> Kernel {
        op.cpu(in_place).into()
    }

    fn alignment(&self) -> usize {
        1
    }
}

impl Cpu {
    /// Zeros, or an error where the system has not so much memory.
    fn allocate(&self, len: usize, program: &Program) -> Result<Buffer, DeviceError> {
        Buffer::zeros(len).map_err(|_| DeviceError::OutOfMemory {
            adapter: self.describe(),
            what: format!("a buffer of {} bytes", 4 * len as u64),
            program: program.memory(),
        })
    }
}

impl Device for Cpu {
    fn describe(&self) -> String {
        let threads = rayon::current_num_threads();
        let plural = if threads == 1 { "" } else { "s" };
        format!("CPU, {threads} thread{plural}, {}", simd::name())
    }

    fn kind(&self) -> String {
        format!("CPU, {}", simd::name())
    }

    fn load(&self, program: Arc<Program>, options: LoadOptions) -> Result<Box<dyn Executable>, DeviceError> {
        let kernels: Vec<Option<Arc<CpuKernel>>> = program
            .steps
            .iter()
            .map(|step| match &step.work {
                Work::Run { kernel: Kernel::Cpu(kernel), .. } => Ok(Some(kernel.clone())),
                Work::Run { op, .. } => Err(DeviceError::NoKernel { step: step.name.clone(), op: op.name() }),
                Work::Copy => Ok(None),
            })
            .collect::<Result<_, _>>()?;
        let follows =
            (0..kernels.len()).map(|index| index > 0 && follows(&program, &kernels, index)).collect();
        Ok(Box::new(Loaded {
            buffers: program
                .buffers
                .iter()
                .map(|buffer| self.allocate(buffer.len, &program))
                .collect::<Result<_, _>>()?,
            seconds: vec![0.0; if options.profile { program.steps.len() } else { 0 }],
            kernels,
            follows,
            program,
            options,
            ranks: Ranks::alone(),
            finished: VecDeque::new(),
        }))
    }

    fn at(&self, precision: Precision) -> Result<Arc<dyn Device>, DeviceError> {
        match precision {
            Precision::F32 => Ok(Arc::new(*self)),
            Precision::Mixed => Err(DeviceError::NoMixedPrecision {
                device: self.describe(),
                lacks: "f16 kernels; the processor computes in f32 only",
            }),
        }
    }
}

/// Whether a step can take the output of the one before part by part: what it writes and reads besides must lie apart
/// from what that one writes, and what it writes from what that one reads.
fn follows(program: &Program, kernels: &[Option<Arc<CpuKernel>>], index: usize) -> bool {
    let (Some(lead), Some(next)) = (&kernels[index - 1], &kernels[index]) else { return false };
    let (before, step) = (&program.steps[index - 1], &program.steps[index]);
    let (Work::Run { workspace, in_place: None, .. }, Work::Run { in_place, .. }) =
        (&before.work, &step.work)
    else {
        return false;
    };
    let written = [Some(before.output.1.buffer), workspace.map(|place| place.buffer)];
    let mut read = before.inputs.iter().map(|(_, place)| place.buffer);
    let to = step.output.1.buffer;
    let first = step.inputs[0] == before.output;
    let apart = step.inputs[1..].iter().all(|(_, place)| !written.contains(&Some(place.buffer)));
    let in_place = *in_place == Some(0);
    lead.leads(next)
        && first
        && apart
        && (in_place || (!written.contains(&Some(to)) && read.all(|buffer| buffer != to)))
}

struct Loaded {
    program: Arc<Program>,
    options: LoadOptions,
    /// Of every step; none copies.
    kernels: Vec<Option<Arc<CpuKernel>>>,
    /// Whether a step takes the output of the one before part by part, and is run with it.
    follows: Vec<bool>,
    buffers: Vec<Buffer>,
    seconds: Vec<f64>,
    ranks: Ranks,
    finished: VecDeque<Vec<Vec<f32>>>,
}

impl Loaded {
    fn slice(&self, place: Place) -> &[f32] {
        &self.buffers[place.buffer][place.offset..][..place.len]
    }

    /// The step that is run with this one, if any.
    fn follower(&self, index: usize) -> Option<(&Step, &CpuKernel)> {
        let follows = *self.follows.get(index + 1)?;
        let kernel = self.kernels[index + 1].as_ref().filter(|_| follows)?;
        Some((&self.program.steps[index + 1], kernel))
    }

    fn step(&mut self, index: usize) -> Result<(), DeviceError> {
        let program = self.program.clone();
        let step = &program.steps[index];
        let to = step.output.1;
        // The plan never lets a step read a buffer that it writes, so the written ones can be taken out whole.
        let mut target = std::mem::take(&mut self.buffers[to.buffer]);
        let output = &mut target[to.offset..][..to.len];
        let next_to =
            self.follower(index).map(|(step, _)| step.output.1).filter(|place| place.buffer != to.buffer);
        let mut next_target = next_to.map(|place| std::mem::take(&mut self.buffers[place.buffer]));
        let mut exchanged = Ok(());
        match (&step.work, &self.kernels[index]) {
            (Work::Run { op: Op::Exchange(exchange), .. }, _) => {
                exchanged = exchange_parts(exchange, &self.ranks, self.slice(step.inputs[0].1), output);
            }
            (Work::Run { in_place, workspace, .. }, Some(kernel)) => {
                let mut scratch = workspace
                    .map_or(Buffer::default(), |place| std::mem::take(&mut self.buffers[place.buffer]));
                let inputs: Vec<&[f32]> = step
                    .inputs
                    .iter()
                    .enumerate()
                    .map(|(i, (_, place))| if *in_place == Some(i) { &[] } else { self.slice(*place) })
                    .collect();
                let room = &mut scratch[..workspace.map_or(0, |place| place.len)];
                if let Some((step, next)) = self.follower(index) {
                    let others = step.inputs[1..].iter().map(|(_, place)| self.slice(*place));
                    let next_inputs: Vec<&[f32]> = [&[][..]].into_iter().chain(others).collect();
                    let targets = next_target.as_mut().zip(next_to);
                    let next_output = targets.map(|(target, to)| &mut target[to.offset..][..to.len]);
                    kernel.run_before((&inputs, output, room), next, (&next_inputs, next_output));
                } else {
                    kernel.run(&inputs, output, room);
                }
                if let Some(place) = workspace {
                    self.buffers[place.buffer] = scratch;
                }
            }
            _ => {
                let from = step.inputs[0].1;
                if from.buffer == to.buffer {
                    target.copy_within(from.offset..from.offset + from.len, to.offset);
                } else {
                    output.copy_from_slice(self.slice(from));
                }
            }
        }
        if let (Some(target), Some(place)) = (next_target, next_to) {
            self.buffers[place.buffer] = target;
        }
        self.buffers[to.buffer] = target;
        exchanged
    }

    /// Runs a step, and the one that follows it, whose time is this one's; nothing where a step follows another.
    fn timed_step(&mut self, index: usize) -> Result<(), DeviceError> {
        if self.follows[index] {
            return Ok(());
        }
        let start = Instant::now();
        self.step(index)?;
        if let Some(seconds) = self.seconds.get_mut(index) {
            *seconds += start.elapsed().as_secs_f64();
        }
        Ok(())
    }

    fn poison(&mut self) {
        for i in scratch(&self.program) {
            self.buffers[i].fill(f32::NAN);
        }
    }
}

impl Executable for Loaded {
    fn write(&mut self, node: NodeId, data: &[f32]) -> Result<(), DeviceError> {
        let place = visible(&self.program, node, Some(data.len()))?;
        self.buffers[place.buffer][place.offset..][..place.len].copy_from_slice(data);
        Ok(())
    }

    fn run(&mut self) -> Result<(), DeviceError> {
        if self.options.poison {
            self.poison();
        }
        let program = self.program.clone();
        // Other processes are spoken to from the thread that runs the program. Everything else is done from one of the
        // pool's threads: it need not be woken for every kernel, and takes the part of it that it took of the one before,
        // which its cache still holds.
        let apart = |step: &Step| matches!(step.work, Work::Run { op: Op::Exchange(_), .. });
        let mut steps = 0..0;
        for part in program.steps.chunk_by(|a, b| !apart(a) && !apart(b)) {
            steps = steps.end..steps.end + part.len();
            let mut run = || steps.clone().try_for_each(|index| self.timed_step(index));
            if apart(&part[0]) { run()? } else { rayon::scope(|_| run())? }
        }
        let outputs = self.program.outputs.iter().map(|node| self.program.visible[node]);
        let outputs = outputs.map(|place| self.slice(place).to_vec()).collect();
        self.finished.push_back(outputs);
        Ok(())
    }

    fn connect(&mut self, ranks: &Ranks) {
        self.ranks = ranks.clone();
    }

    fn pending(&self) -> usize {
        self.finished.len()
    }

    fn outputs(&mut self) -> Result<Vec<Vec<f32>>, DeviceError> {
        self.finished.pop_front().ok_or(DeviceError::NothingPending)
    }

    fn read(&mut self, node: NodeId) -> Result<Vec<f32>, DeviceError> {
        Ok(self.slice(visible(&self.program, node, None)?).to_vec())
    }

    fn allocated(&self) -> u64 {
        self.buffers.iter().map(|buffer| 4 * buffer.len() as u64).sum()
    }

    fn timings(&mut self) -> Result<Vec<f64>, DeviceError> {
        Ok(self.seconds.clone())
    }
}
