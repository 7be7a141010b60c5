//! The time of every step, by timestamps that the adapter writes at both ends of a step's compute pass.

use super::context::Context;
use super::readback::Readback;
use crate::device::DeviceError;

/// Two timestamps a step.
const STEPS_PER_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;
const BYTES_PER_STEP: u64 = 16;

pub struct Profile {
    sets: Vec<wgpu::QuerySet>,
    resolved: wgpu::Buffer,
    readback: Readback,
    seconds: Vec<f64>,
}

impl Profile {
    pub fn new(context: &Context, steps: usize) -> Result<Self, DeviceError> {
        if !context.timestamps {
            return Err(DeviceError::NoTimestamps { adapter: context.adapter.to_string() });
        }
        let sets = (0..steps.div_ceil(STEPS_PER_SET))
            .map(|set| {
                let count = 2 * (steps - set * STEPS_PER_SET).min(STEPS_PER_SET) as u32;
                let descriptor =
                    wgpu::QuerySetDescriptor { label: Some("steps"), ty: wgpu::QueryType::Timestamp, count };
                context.guarded("timestamps", 0, || context.device.create_query_set(&descriptor))
            })
            .collect::<Result<_, _>>()?;
        let bytes = BYTES_PER_STEP * steps.max(1) as u64;
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = context.buffer("timestamps", bytes, usage, 0)?;
        Ok(Self { sets, resolved, readback: Readback::new(bytes), seconds: vec![0.0; steps] })
    }

    /// What a step's compute pass shall write: at its beginning, at its end, or at both.
    pub fn writes(&self, step: usize, begin: bool, end: bool) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * (step % STEPS_PER_SET) as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[step / STEPS_PER_SET],
            beginning_of_pass_write_index: begin.then_some(first),
            end_of_pass_write_index: end.then_some(first + 1),
        }
    }

    /// Appends what brings the timestamps to the host; the buffer is for [`Profile::add`].
    pub fn resolve(
        &mut self,
        context: &Context,
        encoder: &mut wgpu::CommandEncoder,
    ) -> Result<wgpu::Buffer, DeviceError> {
        let staging = self.readback.staging(context)?;
        for (set, offset) in self.sets.iter().zip((0u64..).step_by(STEPS_PER_SET * BYTES_PER_STEP as usize)) {
            encoder.resolve_query_set(set, 0..set.count(), &self.resolved, offset);
        }
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &staging, 0, None);
        Ok(staging)
    }

    /// Waits for a run and adds its times.
    pub fn add(
        &mut self,
        context: &Context,
        staging: wgpu::Buffer,
        submission: wgpu::SubmissionIndex,
    ) -> Result<(), DeviceError> {
        self.readback.start(staging, submission);
        let tick = f64::from(context.queue.get_timestamp_period()) * 1e-9;
        let times: Vec<u64> = self.readback.finish(context, bytemuck::pod_collect_to_vec)?;
        for (seconds, time) in self.seconds.iter_mut().zip(times.chunks_exact(2)) {
            *seconds += time[1].saturating_sub(time[0]) as f64 * tick;
        }
        Ok(())
    }

    pub fn seconds(&self) -> &[f64] {
        &self.seconds
    }
}
