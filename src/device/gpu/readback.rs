//! From the adapter's memory to the host's: staging buffers that are mapped while the adapter goes on.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, channel};

use super::context::{Context, PATIENCE};
use crate::device::DeviceError;

const USAGE: wgpu::BufferUsages = wgpu::BufferUsages::MAP_READ.union(wgpu::BufferUsages::COPY_DST);

/// A staging buffer on its way to the host.
struct Pending {
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
}

/// Staging buffers of one size, used again and again, the oldest first.
pub struct Readback {
    len: u64,
    free: Vec<wgpu::Buffer>,
    pending: VecDeque<Pending>,
}

impl Readback {
    /// Staging buffers of `len` bytes; none is made before it is used.
    pub fn new(len: u64) -> Self {
        // A buffer must not be empty.
        Self { len: len.max(4), free: Vec::new(), pending: VecDeque::new() }
    }

    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// A staging buffer to copy into, then to hand to [`Readback::start`].
    pub fn staging(&mut self, context: &Context) -> Result<wgpu::Buffer, DeviceError> {
        match self.free.pop() {
            Some(staging) => Ok(staging),
            None => context.buffer("staging", self.len, USAGE, 0),
        }
    }

    /// Begins to map a buffer that the submission fills.
    pub fn start(&mut self, staging: wgpu::Buffer, submission: wgpu::SubmissionIndex) {
        let (sender, mapped) = channel();
        // Where nobody waits any more, the result is not needed.
        staging.map_async(wgpu::MapMode::Read, .., move |result| drop(sender.send(result)));
        self.pending.push_back(Pending { staging, submission, mapped });
    }

    /// Waits for the oldest buffer and gives its bytes to `read`.
    pub fn finish<R>(&mut self, context: &Context, read: impl FnOnce(&[u8]) -> R) -> Result<R, DeviceError> {
        let Pending { staging, submission, mapped } =
            self.pending.pop_front().ok_or(DeviceError::NothingPending)?;
        context.wait(Some(submission))?;
        let lost = |reason: &str| DeviceError::Lost {
            adapter: context.adapter.to_string(),
            reason: format!("results could not be read: {reason}"),
        };
        // Another thread's wait may have taken the callback and not called it yet.
        match mapped.recv_timeout(PATIENCE) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(lost(&error.to_string())),
            Err(_) => return Err(lost("the memory was not mapped")),
        }
        let view = staging.get_mapped_range(..).map_err(|error| lost(&error.to_string()))?;
        let result = read(&view);
        drop(view);
        staging.unmap();
        self.free.push(staging);
        Ok(result)
    }
}
