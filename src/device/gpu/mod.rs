//! The GPU device: hand-written WGSL through wgpu, on Vulkan, Metal or DirectX 12.

mod adapter;
mod context;
mod executable;
mod limits;
mod mixed;
mod pipelines;
mod profile;
mod readback;
#[cfg(test)]
mod shaders;
mod trusted;

use std::sync::{Arc, Mutex};

pub use adapter::Adapter;
use context::Context;
use executable::Loaded;
use limits::Bounds;
use pipelines::Pipelines;

use super::{Device, DeviceError, Executable, LoadOptions, Precision};
use crate::ops::kernel::{Cooperative, Kernel, Mixed};
use crate::ops::prepared::PreparedOp;
use crate::plan::{Limits, Program, Target};

/// Storage bindings begin at multiples of 256 bytes.
const ALIGNMENT: usize = 64;

/// An open adapter with the kernels compiled for it so far.
#[derive(Clone)]
pub struct Gpu {
    context: Arc<Context>,
    pipelines: Arc<Mutex<Pipelines>>,
    /// Whether products are computed in mixed precision, and how.
    mixed: Option<Mixed>,
    /// Which of the best adapters it is.
    number: usize,
}

impl Gpu {
    /// Opens the best adapter that there is: discrete, integrated, virtual, software.
    ///
    /// # Errors
    /// [`DeviceError::NoAdapter`] and [`DeviceError::NotOpened`].
    #[cfg(any(test, feature = "internals"))]
    pub fn open() -> Result<Self, DeviceError> {
        Self::open_at(Precision::F32)
    }

    /// Opens the best adapter, as [`Gpu::open`], for a precision.
    ///
    /// # Errors
    /// Besides, [`DeviceError::NoMixedPrecision`] where it has no 16-bit floats.
    #[cfg(any(test, feature = "internals"))]
    pub fn open_at(precision: Precision) -> Result<Self, DeviceError> {
        Self::open_nth(0, precision)
    }

    /// Opens that of the best adapters with this number, counted round and round.
    ///
    /// # Errors
    /// As [`Gpu::open_at`].
    pub fn open_nth(number: usize, precision: Precision) -> Result<Self, DeviceError> {
        let context = Arc::new(Context::open(adapter::best(number)?, precision)?);
        Ok(Self { mixed: context.mixed, context, pipelines: Arc::default(), number })
    }

    /// The adapter in use.
    #[cfg(any(test, feature = "internals"))]
    pub fn adapter(&self) -> &Adapter {
        &self.context.adapter
    }
}

/// All adapters, the one that [`Gpu::open`] takes first.
pub fn adapters() -> Vec<Adapter> {
    adapter::enumerate().into_iter().map(|(adapter, _)| adapter).collect()
}

impl Target for Gpu {
    /// The kernel at this device's precision.
    fn compile(&self, op: &PreparedOp, in_place: Option<usize>) -> Kernel {
        op.gpu(in_place, self.mixed).into()
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
        let adapter = &self.context.adapter;
        match self.mixed {
            None => adapter.to_string(),
            Some(Mixed { cooperative: None }) => format!("{adapter}, mixed precision"),
            Some(Mixed { cooperative: Some(Cooperative { side, .. }) }) => {
                format!("{adapter}, mixed precision on {side}×{side} matrix units")
            }
        }
    }

    fn load(&self, program: Arc<Program>, options: LoadOptions) -> Result<Box<dyn Executable>, DeviceError> {
        Ok(Box::new(Loaded::new(self, program, options)?))
    }

    fn precision(&self) -> Precision {
        if self.mixed.is_some() { Precision::Mixed } else { Precision::F32 }
    }

    fn at(&self, precision: Precision) -> Result<Arc<dyn Device>, DeviceError> {
        Ok(Arc::new(match precision {
            Precision::F32 => Self { mixed: None, ..self.clone() },
            Precision::Mixed if self.context.mixed.is_some() => {
                Self { mixed: self.context.mixed, ..self.clone() }
            }
            // An adapter that was opened without the features cannot be given them.
            Precision::Mixed => Self::open_nth(self.number, precision)?,
        }))
    }
}
