//! An open adapter: its queue, its limits, and every way in which it can fail turned into a [`DeviceError`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::adapter::Adapter;
use super::{mixed, trusted};
use crate::device::{DeviceError, Precision};
use crate::ops::kernel::Mixed;

/// How long one run may take. Software adapters need many seconds for a large batch.
pub const PATIENCE: Duration = Duration::from_secs(300);

type Fault = Arc<Mutex<Option<DeviceError>>>;

pub struct Context {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub adapter: Adapter,
    pub limits: wgpu::Limits,
    /// Whether kernels can be timed.
    pub timestamps: bool,
    /// How products are computed in mixed precision, where the adapter was opened for it.
    pub mixed: Option<Mixed>,
    /// What went wrong outside any call; the adapter is not used again after it.
    fault: Fault,
}

/// The limits that kernels are written for are WebGPU's defaults, which every adapter has; only sizes of buffers are
/// raised to what the adapter can, and with matrix units workgroup memory to what their kernels take.
fn limits(adapter: &wgpu::Adapter, matrices: bool) -> wgpu::Limits {
    let all = adapter.limits();
    let memory = wgpu::Limits::defaults().max_compute_workgroup_storage_size;
    wgpu::Limits {
        max_compute_workgroup_storage_size: if matrices { mixed::MEMORY } else { memory },
        max_buffer_size: all.max_buffer_size,
        max_storage_buffer_binding_size: all.max_storage_buffer_binding_size,
        ..wgpu::Limits::defaults().or_worse_values_from(&all)
    }
}

impl Context {
    /// Opens an adapter, and with it the features that the precision needs, so that f32 runs on the adapter as it is.
    pub fn open(
        (adapter, handle): (Adapter, wgpu::Adapter),
        precision: Precision,
    ) -> Result<Self, DeviceError> {
        let timestamps = handle.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let mixed = match precision {
            Precision::F32 => None,
            Precision::Mixed if adapter.mixed.is_none() => {
                let lacks = "16-bit floats in shaders (SHADER_F16)";
                return Err(DeviceError::NoMixedPrecision { device: adapter.to_string(), lacks });
            }
            Precision::Mixed => adapter.mixed,
        };
        let limits = limits(&handle, mixed.is_some_and(|mixed| mixed.cooperative.is_some()));
        let mut required_features = handle.features() & wgpu::Features::TIMESTAMP_QUERY;
        let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
        if let Some(Mixed { cooperative }) = mixed {
            required_features |= wgpu::Features::SHADER_F16;
            if cooperative.is_some() {
                required_features |= mixed::COOPERATIVE;
                experimental_features = trusted::experimental_features();
            }
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("genre-recognizer"),
            required_features,
            required_limits: limits.clone(),
            experimental_features,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(handle.request_device(&descriptor)).map_err(|error| {
            DeviceError::NotOpened { adapter: adapter.to_string(), reason: error.to_string() }
        })?;
        let fault = Fault::default();
        let (seen, name) = (fault.clone(), adapter.to_string());
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                let lost = DeviceError::Lost { adapter: name.clone(), reason: message };
                set(&seen, lost);
            }
        });
        let (seen, name) = (fault.clone(), adapter.to_string());
        // Without a handler wgpu would panic.
        device.on_uncaptured_error(Arc::new(move |error| {
            set(&seen, translate(&name, "a command", 0, &error));
        }));
        Ok(Self { device, queue, adapter, limits, timestamps, mixed, fault })
    }

    /// What went wrong outside any call, if anything did.
    pub fn check(&self) -> Result<(), DeviceError> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    /// Calls `make`, which uses the adapter for `what` of a program of `program` bytes, and reports what fails in it.
    pub fn guarded<T>(&self, what: &str, program: u64, make: impl FnOnce() -> T) -> Result<T, DeviceError> {
        self.check()?;
        let filters =
            [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::Internal];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let made = make();
        // Scopes are a stack.
        let errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
        let error = errors.map(|error| translate(&self.adapter.to_string(), what, program, &error)).last();
        self.check()?;
        error.map_or(Ok(made), Err)
    }

    /// Waits until a submission, or with `None` the latest, is finished.
    pub fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), DeviceError> {
        self.check()?;
        let wait = wgpu::PollType::Wait { submission_index: submission, timeout: Some(PATIENCE) };
        let adapter = || self.adapter.to_string();
        // Where the adapter is lost during the wait, wgpu panics.
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(wait))) {
            Ok(Ok(_)) => self.check(),
            Ok(Err(wgpu::PollError::Timeout)) => {
                Err(DeviceError::Timeout { adapter: adapter(), seconds: PATIENCE.as_secs() })
            }
            Ok(Err(error)) => Err(DeviceError::Refused {
                adapter: adapter(),
                what: "to wait".into(),
                message: error.to_string(),
            }),
            Err(_) => {
                self.check()?;
                Err(DeviceError::Lost { adapter: adapter(), reason: "while it was waited for".into() })
            }
        }
    }

    /// A new buffer of `len` bytes.
    pub fn buffer(
        &self,
        label: &str,
        len: u64,
        usage: wgpu::BufferUsages,
        program: u64,
    ) -> Result<wgpu::Buffer, DeviceError> {
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size: len, usage, mapped_at_creation: false };
        self.guarded(&format!("{len} bytes for {label}"), program, || self.device.create_buffer(&descriptor))
    }
}

/// The first fault is the cause of those that follow.
fn set(fault: &Fault, error: DeviceError) {
    fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
}

fn translate(adapter: &str, what: &str, program: u64, error: &wgpu::Error) -> DeviceError {
    let (adapter, what) = (adapter.to_string(), what.to_string());
    match error {
        wgpu::Error::OutOfMemory { .. } => DeviceError::OutOfMemory { adapter, what, program },
        _ => DeviceError::Refused { adapter, what, message: error.to_string() },
    }
}
