//! A program on an adapter: buffers, bind groups, and one submission a run.

use std::ops::Range;
use std::sync::{Arc, PoisonError};

use rayon::prelude::*;

use super::Gpu;
use super::context::Context;
use super::limits;
use super::pipelines::{Pipeline, Pipelines};
use super::profile::Profile;
use super::readback::Readback;
use crate::device::{DeviceError, Executable, LoadOptions, exchange_parts, scratch, visible};
use crate::graph::{GraphOp, NodeId};
use crate::ops::Op;
use crate::ops::exchange::Exchange;
use crate::ops::kernel::{Binding, Kernel, Launch};
use crate::plan::{Place, Program, Step, Work};
use crate::ranks::Ranks;

/// Inputs of so many bytes and more are staged in memory that is kept: to map new memory costs more than to fill it.
const STAGED: usize = 1 << 16;
/// Bytes that one thread copies at a time.
const PIECE: usize = 4 << 20;

/// Uploads are handed to the driver before they pile up to this many bytes.
const UPLOADS: u64 = 128 << 20;

/// One command of a step.
enum Command {
    Dispatch { pipeline: wgpu::ComputePipeline, bindings: wgpu::BindGroup, workgroups: [u32; 3] },
    Copy { from: Place, to: Place },
}

pub struct Loaded {
    context: Arc<Context>,
    program: Arc<Program>,
    buffers: Vec<wgpu::Buffer>,
    /// Constant data of all steps; only held so that [`Executable::allocated`] can count it.
    tables: Vec<wgpu::Buffer>,
    steps: Vec<Vec<Command>>,
    /// Steps at which parts are exchanged with other processes, and what brings this process's to the host.
    exchanges: Vec<(usize, Readback)>,
    ranks: Ranks,
    readback: Readback,
    profile: Option<Profile>,
    /// As many NaN as the largest buffer has elements, where memory is poisoned; not part of the program's memory.
    poison: Option<wgpu::Buffer>,
    /// Bytes written since the last submission.
    uploads: u64,
    /// Memory that the host writes large inputs to, kept from run to run.
    belt: wgpu::util::StagingBelt,
    /// The copies from there, which the next submission begins with.
    copies: Option<wgpu::CommandEncoder>,
}

/// What a step exchanges with other processes.
fn exchange_of(step: &Step) -> Option<&Exchange> {
    match &step.work {
        Work::Run { op: Op::Exchange(exchange), .. } => Some(exchange),
        _ => None,
    }
}

fn bytes(elements: usize) -> u64 {
    4 * elements as u64
}

impl Loaded {
    pub fn new(gpu: &Gpu, program: Arc<Program>, options: LoadOptions) -> Result<Self, DeviceError> {
        let context = gpu.context.clone();
        limits::check(&context, &program)?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let memory = program.memory();
        // wgpu clears buffers before their first use, which is what `Contents::Zeros` wants.
        let buffers = program
            .buffers
            .iter()
            .map(|buffer| context.buffer("tensors", bytes(buffer.len), usage, memory))
            .collect::<Result<Vec<_>, _>>()?;
        let outputs = program.outputs.iter().map(|node| program.visible[node].len);
        let mut loaded = Self {
            readback: Readback::new(bytes(outputs.sum())),
            profile: options.profile.then(|| Profile::new(&context, program.steps.len())).transpose()?,
            poison: None,
            tables: Vec::new(),
            steps: Vec::new(),
            exchanges: Vec::new(),
            ranks: Ranks::alone(),
            uploads: 0,
            belt: wgpu::util::StagingBelt::new(context.device.clone(), STAGED as u64),
            copies: None,
            context,
            buffers,
            program,
        };
        if options.poison {
            loaded.poison = Some(loaded.poison(usage)?);
        }
        let program = loaded.program.clone();
        for (index, step) in program.steps.iter().enumerate() {
            if let Some(exchange) = exchange_of(step) {
                loaded.exchanges.push((index, Readback::new(bytes(exchange.own()))));
                loaded.steps.push(Vec::new());
                continue;
            }
            let mut pipelines = gpu.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
            let commands = loaded.prepare(&mut pipelines, step)?;
            loaded.steps.push(commands);
        }
        Ok(loaded)
    }

    fn poison(&mut self, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer, DeviceError> {
        let largest = self.program.buffers.iter().map(|buffer| buffer.len).max().unwrap_or(0).max(1);
        let buffer = self.context.buffer("poison", bytes(largest), usage, 0)?;
        self.upload(&buffer, 0, &vec![f32::NAN; largest])?;
        Ok(buffer)
    }

    fn prepare(&mut self, pipelines: &mut Pipelines, step: &Step) -> Result<Vec<Command>, DeviceError> {
        let (kernel, workspace) = match &step.work {
            Work::Run { kernel: Kernel::Gpu(kernel), workspace, .. } if !kernel.launches.is_empty() => {
                (kernel, workspace)
            }
            Work::Run { op, .. } => {
                return Err(DeviceError::NoKernel { step: step.name.clone(), op: op.name() });
            }
            Work::Copy => return Ok(vec![Command::Copy { from: step.inputs[0].1, to: step.output.1 }]),
        };
        let first_table = self.tables.len();
        for table in &kernel.tables {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
            let buffer = self.context.buffer("table", bytes(table.len), usage, self.program.memory())?;
            self.upload(&buffer, 0, table.values())?;
            self.tables.push(buffer);
        }
        let mut commands = Vec::new();
        // A dispatch of no workgroups does nothing.
        for launch in kernel.launches.iter().filter(|launch| !launch.workgroups.contains(&0)) {
            let pipeline = pipelines.get(&self.context, launch)?;
            let bindings = self.bind(&pipeline, launch, step, *workspace, &self.tables[first_table..])?;
            let workgroups = launch.workgroups;
            commands.push(Command::Dispatch { pipeline: pipeline.compute, bindings, workgroups });
        }
        Ok(commands)
    }

    fn bind(
        &self,
        pipeline: &Pipeline,
        launch: &Launch,
        step: &Step,
        workspace: Option<Place>,
        tables: &[wgpu::Buffer],
    ) -> Result<wgpu::BindGroup, DeviceError> {
        let at = |place: Place| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &self.buffers[place.buffer],
                offset: bytes(place.offset),
                size: wgpu::BufferSize::new(bytes(place.len)),
            })
        };
        let resource = |binding: &Binding| match binding {
            Binding::Input(i) => step.inputs.get(*i).map(|(_, place)| at(*place)),
            Binding::Output => Some(at(step.output.1)),
            Binding::Workspace(range) => workspace
                .filter(|place| range.end <= place.len)
                .map(|place| at(Place { offset: place.offset + range.start, len: range.len(), ..place })),
            Binding::Table(i) => tables.get(*i).map(|table| table.as_entire_binding()),
        };
        let what = format!("bindings of `{}` for {}", launch.entry, step.name);
        let entries = (0u32..)
            .zip(&launch.bindings)
            .map(|(binding, bound)| {
                let resource = resource(bound).ok_or_else(|| DeviceError::Refused {
                    adapter: self.context.adapter.to_string(),
                    what: what.clone(),
                    message: format!("the step has no {bound:?}"),
                })?;
                Ok(wgpu::BindGroupEntry { binding, resource })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let descriptor =
            wgpu::BindGroupDescriptor { label: None, layout: &pipeline.bindings, entries: &entries };
        self.context
            .guarded(&what, self.program.memory(), || self.context.device.create_bind_group(&descriptor))
    }

    /// Writes a large input by way of the belt.
    fn stage(&mut self, buffer: &wgpu::Buffer, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        let context = self.context.clone();
        let new = || context.device.create_command_encoder(&Default::default());
        context.guarded("an upload", self.program.memory(), || {
            let copies = self.copies.get_or_insert_with(new);
            let mut views = Vec::new();
            for (i, piece) in data.chunks(PIECE).enumerate() {
                let Some(size) = wgpu::BufferSize::new(piece.len() as u64) else { continue };
                views
                    .push((self.belt.write_buffer(copies, buffer, offset + (i * PIECE) as u64, size), piece));
            }
            // One thread does not reach the speed of the bus.
            views.par_iter_mut().for_each(|(view, piece)| view.copy_from_slice(piece));
        })
    }

    /// The commands of a submission, which begins with the copies that were staged.
    fn commands(&mut self) -> wgpu::CommandEncoder {
        let new = || self.context.device.create_command_encoder(&Default::default());
        let encoder = self.copies.take().unwrap_or_else(new);
        self.belt.finish_and_recall_on_submit(&encoder);
        encoder
    }

    fn upload(&mut self, buffer: &wgpu::Buffer, offset: u64, data: &[f32]) -> Result<(), DeviceError> {
        let data: &[u8] = bytemuck::cast_slice(data);
        let context = self.context.clone();
        self.uploads += data.len() as u64;
        context.guarded("an upload", self.program.memory(), || {
            context.queue.write_buffer(buffer, offset, data);
            if self.uploads > UPLOADS {
                context.queue.submit([]);
            }
        })?;
        if self.uploads > UPLOADS {
            self.uploads = 0;
        }
        Ok(())
    }

    /// Runs the steps from `from` to an exchange, and that.
    fn run_to_exchange(
        &mut self,
        from: usize,
        index: usize,
        readback: &mut Readback,
    ) -> Result<(), DeviceError> {
        let (program, context) = (self.program.clone(), self.context.clone());
        let step = &program.steps[index];
        let Some(exchange) = exchange_of(step) else { return Ok(()) };
        let staging = readback.staging(&context)?;
        let submission = context.guarded("a run", program.memory(), || {
            let mut encoder = self.commands();
            self.record(&mut encoder, from..index);
            self.fetch(&mut encoder, &[step.inputs[0].1], &staging);
            context.queue.submit([encoder.finish()])
        })?;
        self.uploads = 0;
        readback.start(staging, submission);
        let own: Vec<f32> = readback.finish(&context, bytemuck::pod_collect_to_vec)?;
        let to = step.output.1;
        let mut joined = vec![0.0; to.len];
        exchange_parts(exchange, &self.ranks, &own, &mut joined)?;
        let buffer = self.buffers[to.buffer].clone();
        self.upload(&buffer, bytes(to.offset), &joined)
    }

    /// Records some of the program's steps; a compute pass goes on until a copy, or the end of a step in a profile.
    fn record(&self, encoder: &mut wgpu::CommandEncoder, steps: Range<usize>) {
        if let Some(poison) = self.poison.as_ref().filter(|_| steps.start == 0) {
            for i in scratch(&self.program) {
                let len = self.buffers[i].size();
                encoder.copy_buffer_to_buffer(poison, 0, &self.buffers[i], 0, len);
            }
        }
        let mut pass: Option<wgpu::ComputePass<'static>> = None;
        for (index, commands) in self.steps.iter().enumerate().take(steps.end).skip(steps.start) {
            let begin = |encoder: &mut wgpu::CommandEncoder, begin, end| {
                let writes = self.profile.as_ref().map(|profile| profile.writes(index, begin, end));
                let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: writes };
                encoder.begin_compute_pass(&descriptor).forget_lifetime()
            };
            if self.profile.is_some() {
                let dispatches = commands.iter().any(|c| matches!(c, Command::Dispatch { .. }));
                // Only passes carry timestamps: a copy stands between two empty ones.
                pass = Some(begin(encoder, true, dispatches));
            }
            for command in commands {
                match command {
                    Command::Dispatch { pipeline, bindings, workgroups: [x, y, z] } => {
                        let pass = pass.get_or_insert_with(|| begin(encoder, false, false));
                        pass.set_pipeline(pipeline);
                        pass.set_bind_group(0, bindings, &[]);
                        pass.dispatch_workgroups(*x, *y, *z);
                    }
                    Command::Copy { from, to } => {
                        drop(pass.take());
                        let (source, target) = (&self.buffers[from.buffer], &self.buffers[to.buffer]);
                        let len = bytes(from.len);
                        encoder.copy_buffer_to_buffer(
                            source,
                            bytes(from.offset),
                            target,
                            bytes(to.offset),
                            len,
                        );
                        if self.profile.is_some() {
                            drop(begin(encoder, false, true));
                        }
                    }
                }
            }
            if self.profile.is_some() {
                drop(pass.take());
            }
        }
    }

    /// Records a copy of tensors into a staging buffer, one after another.
    fn fetch(&self, encoder: &mut wgpu::CommandEncoder, places: &[Place], staging: &wgpu::Buffer) {
        let mut offset = 0;
        for place in places {
            let (source, len) = (&self.buffers[place.buffer], bytes(place.len));
            encoder.copy_buffer_to_buffer(source, bytes(place.offset), staging, offset, len);
            offset += len;
        }
    }

    fn outputs_at(&self) -> Vec<Place> {
        self.program.outputs.iter().map(|node| self.program.visible[node]).collect()
    }
}

impl Executable for Loaded {
    fn write(&mut self, node: NodeId, data: &[f32]) -> Result<(), DeviceError> {
        let place = visible(&self.program, node, Some(data.len()))?;
        let buffer = self.buffers[place.buffer].clone();
        if 4 * data.len() < STAGED {
            return self.upload(&buffer, bytes(place.offset), data);
        }
        self.stage(&buffer, bytes(place.offset), bytemuck::cast_slice(data))
    }

    fn connect(&mut self, ranks: &Ranks) {
        self.ranks = ranks.clone();
    }

    fn run(&mut self) -> Result<(), DeviceError> {
        let mut exchanges = std::mem::take(&mut self.exchanges);
        let mut from = 0;
        let exchanged = exchanges.iter_mut().try_for_each(|(index, readback)| {
            self.run_to_exchange(from, *index, readback)?;
            from = *index + 1;
            Ok(())
        });
        self.exchanges = exchanges;
        exchanged?;
        let context = self.context.clone();
        let staging = self.readback.staging(&context)?;
        let outputs = self.outputs_at();
        let memory = self.program.memory();
        let submitted = context.guarded("a run", memory, || {
            let mut encoder = self.commands();
            self.record(&mut encoder, from..self.steps.len());
            let times = self.profile.as_mut().map(|profile| profile.resolve(&context, &mut encoder));
            self.fetch(&mut encoder, &outputs, &staging);
            (context.queue.submit([encoder.finish()]), times)
        });
        self.uploads = 0;
        let (submission, times) = submitted?;
        self.readback.start(staging, submission.clone());
        if let (Some(profile), Some(times)) = (&mut self.profile, times) {
            profile.add(&context, times?, submission)?;
        }
        Ok(())
    }

    fn pending(&self) -> usize {
        self.readback.pending()
    }

    fn outputs(&mut self) -> Result<Vec<Vec<f32>>, DeviceError> {
        let lengths: Vec<usize> = self.outputs_at().iter().map(|place| 4 * place.len).collect();
        self.readback.finish(&self.context, |mut rest| {
            let mut take = |len: usize| {
                let (this, others) = rest.split_at(len);
                rest = others;
                // The mapped memory need not be aligned for f32.
                bytemuck::pod_collect_to_vec(this)
            };
            lengths.iter().map(|&len| take(len)).collect()
        })
    }

    fn read(&mut self, node: NodeId) -> Result<Vec<f32>, DeviceError> {
        let place = visible(&self.program, node, None)?;
        let mut readback = Readback::new(bytes(place.len));
        let staging = readback.staging(&self.context)?;
        let context = self.context.clone();
        let submission = context.guarded("a read", self.program.memory(), || {
            let mut encoder = self.commands();
            self.fetch(&mut encoder, &[place], &staging);
            context.queue.submit([encoder.finish()])
        })?;
        readback.start(staging, submission);
        readback.finish(&context, bytemuck::pod_collect_to_vec)
    }

    fn allocated(&self) -> u64 {
        self.buffers.iter().chain(&self.tables).map(wgpu::Buffer::size).sum()
    }

    fn timings(&mut self) -> Result<Vec<f64>, DeviceError> {
        Ok(self.profile.as_ref().map_or(Vec::new(), |profile| profile.seconds().to_vec()))
    }
}
