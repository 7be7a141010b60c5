//! Which adapters there are, and which of them to take.

use std::fmt;

use super::mixed;
use crate::device::DeviceError;
use crate::ops::kernel::Mixed;

/// A graphics adapter as `info` lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    pub name: String,
    /// The interface it is reached through, such as `Vulkan`.
    pub backend: String,
    /// The driver's name and version; empty where it does not say.
    pub driver: String,
    /// Such as `discrete GPU`.
    pub kind: &'static str,
    /// Whether it computes on hardware of its own, not on the processor.
    pub hardware: bool,
    /// How it computes products in mixed precision, where it can.
    pub mixed: Option<Mixed>,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}", self.name, self.kind, self.backend)?;
        if !self.driver.is_empty() {
            write!(f, ", {}", self.driver)?;
        }
        f.write_str(")")
    }
}

impl Adapter {
    fn new(handle: &wgpu::Adapter) -> Self {
        let info = handle.get_info();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete GPU",
            wgpu::DeviceType::IntegratedGpu => "integrated GPU",
            wgpu::DeviceType::VirtualGpu => "virtual GPU",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "other",
        };
        Self {
            name: info.name.clone(),
            backend: format!("{:?}", info.backend),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            kind,
            hardware: info.device_type != wgpu::DeviceType::Cpu,
            mixed: mixed::offered(handle),
        }
    }
}

/// All adapters, best first: discrete, integrated, virtual, software. Empty where there is no driver at all.
pub fn enumerate() -> Vec<(Adapter, wgpu::Adapter)> {
    let descriptor = wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12,
        // WGPU_VALIDATION=1 and WGPU_DEBUG=1 turn the driver's own checks on.
        flags: wgpu::InstanceFlags::empty().with_env(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    if !wgpu::Instance::enabled_backend_features().intersects(descriptor.backends) {
        return Vec::new();
    }
    let backends = descriptor.backends;
    let found = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
    let mut found: Vec<_> = found
        .into_iter()
        .filter(|adapter| {
            let flags = adapter.get_downlevel_capabilities().flags;
            flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        })
        .map(|adapter| (adapter.get_info(), adapter))
        .collect();
    found.sort_by_key(|(info, _)| match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    found.into_iter().map(|(_, adapter)| (Adapter::new(&adapter), adapter)).collect()
}

/// The best adapter; where several are of its kind, that with this number among them, counted round and round.
///
/// # Errors
/// [`DeviceError::NoAdapter`] where there is none.
pub fn best(number: usize) -> Result<(Adapter, wgpu::Adapter), DeviceError> {
    let mut all = enumerate();
    let kind = all.first().ok_or(DeviceError::NoAdapter)?.0.kind;
    all.retain(|(adapter, _)| adapter.kind == kind);
    Ok(all.swap_remove(number % all.len()))
}
