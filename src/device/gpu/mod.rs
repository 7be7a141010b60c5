//! The GPU device: hand-written WGSL through wgpu, on Vulkan, Metal or DirectX 12.

mod adapter;
mod context;
mod executable;
mod limits;
mod pipelines;
mod profile;
mod readback;
#[cfg(test)]
mod shaders;

use std::sync::{Arc, Mutex};

pub use adapter::Adapter;
use context::Context;
use executable::Loaded;
use limits::Bounds;
use pipelines::Pipelines;

use super::{Device, DeviceError, Executable, LoadOptions};
use crate::ops::Op;
use crate::ops::kernel::Io;
use crate::plan::{Limits, Program, Target};

/// Storage bindings begin at multiples of 256 bytes.
const ALIGNMENT: usize = 64;

/// An open adapter with the kernels compiled for it so far.
#[derive(Clone)]
pub struct Gpu {
    context: Arc<Context>,
    pipelines: Arc<Mutex<Pipelines>>,
}

impl Gpu {
    /// Opens the best adapter that there is: discrete, integrated, virtual, software.
    ///
    /// # Errors
    /// [`DeviceError::NoAdapter`] and [`DeviceError::NotOpened`].
    pub fn open() -> Result<Self, DeviceError> {
        let context = Arc::new(Context::open(adapter::best()?)?);
        Ok(Self { context, pipelines: Arc::default() })
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &Adapter {
        &self.context.adapter
    }
}

/// All adapters, the one that [`Gpu::open`] takes first.
pub fn adapters() -> Vec<Adapter> {
    adapter::enumerate().into_iter().map(|(adapter, _)| adapter).collect()
}

impl Target for Gpu {
    fn workspace(&self, op: &Op, io: &Io<'_>) -> usize {
        op.gpu(io).workspace
    }

    fn tables(&self, op: &Op, io: &Io<'_>) -> usize {
        op.gpu(io).tables.iter().map(|table| table.len()).sum()
    }

    fn in_place(&self, op: &Op) -> Option<usize> {
        op.gpu_in_place()
    }

    fn alignment(&self) -> usize {
        ALIGNMENT
    }

    fn limits(&self) -> Option<Limits> {
        let elements = |bytes: u64| usize::try_from(bytes / 4).unwrap_or(usize::MAX);
        let Bounds { binding, buffer } = Bounds::of(&self.context);
        let binding = elements(binding);
        Some(Limits { binding, workspace: binding, buffer: elements(buffer) })
    }
}

impl Device for Gpu {
    fn describe(&self) -> String {
        self.context.adapter.to_string()
    }

    fn load(&self, program: Arc<Program>, options: LoadOptions) -> Result<Box<dyn Executable>, DeviceError> {
        Ok(Box::new(Loaded::new(self.context.clone(), &self.pipelines, program, options)?))
    }
}
