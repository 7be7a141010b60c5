//! The one place of `unsafe` in this program. Both functions ask wgpu for something that it does not vouch for; why they may
//! is written with each.
#![allow(unsafe_code)]

use crate::ops::kernel::Shader;

/// A module: checked in debug builds and tests; in release builds without run-time checks, which cost up to a
/// third of the speed of kernels that work on tiles in workgroup memory.
pub fn shader_module(device: &wgpu::Device, shader: Shader) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(shader.name),
        source: wgpu::ShaderSource::Wgsl(shader.source.into()),
    };
    if cfg!(debug_assertions) {
        device.create_shader_module(descriptor)
    } else {
        // SAFETY: the source is one or several of this crate's own files: `Shader` borrows for 'static, and
        // `shader!` joins files when the crate is compiled and replaces nothing in them. Their loops are bounded
        // by constants. The kernels' parity tests prove their indices in range, with checked modules, on shapes
        // across tile borders; those of cooperative matrices ran on an NVIDIA H200.
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    }
}

/// Leave to use wgpu's experimental features: of those only cooperative matrices, and only where mixed precision was asked
/// for and the adapter offers them.
pub fn experimental_features() -> wgpu::ExperimentalFeatures {
    // SAFETY: wgpu wants it acknowledged that experimental features may have faults of its own that are undefined behaviour.
    // The known one: with cooperative matrices, modules declare the Vulkan memory model, but their accesses to workgroup
    // memory do not carry the flag (NonPrivatePointer) by which that model orders them at barriers. Drivers order them
    // all the same. So the feature is never enabled unasked, and what it computes is checked for what is not finite; the
    // shaders that use it address memory as the checked kernels do that the tests run.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}
