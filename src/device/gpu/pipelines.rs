//! Compiled kernels, kept by shader, entry point, constants and bindings.

use std::collections::HashMap;

use super::context::Context;
use super::trusted::shader_module;
use crate::device::DeviceError;
use crate::ops::kernel::{Binding, Launch};

#[derive(PartialEq, Eq, Hash)]
struct Key {
    shader: &'static str,
    entry: &'static str,
    /// Name and bit pattern.
    constants: Vec<(&'static str, u64)>,
    access: Access,
}

/// Which bindings are only read.
type Access = Vec<bool>;

/// A kernel ready to be bound.
#[derive(Clone)]
pub struct Pipeline {
    pub compute: wgpu::ComputePipeline,
    pub bindings: wgpu::BindGroupLayout,
}

#[derive(Default)]
pub struct Pipelines {
    modules: HashMap<&'static str, wgpu::ShaderModule>,
    layouts: HashMap<Access, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>,
    compiled: HashMap<Key, Pipeline>,
}

impl Pipelines {
    /// The launch's kernel, compiled if it was not yet.
    pub fn get(&mut self, context: &Context, launch: &Launch) -> Result<Pipeline, DeviceError> {
        let read_only = |binding: &Binding| matches!(binding, Binding::Input(_) | Binding::Table(_));
        let access: Access = launch.bindings.iter().map(read_only).collect();
        let key = Key {
            shader: launch.shader.name,
            entry: launch.entry,
            constants: launch.constants.iter().map(|&(name, value)| (name, value.to_bits())).collect(),
            access: access.clone(),
        };
        if let Some(pipeline) = self.compiled.get(&key) {
            return Ok(pipeline.clone());
        }
        let what = format!("kernel `{}` of shaders/{}.wgsl", launch.entry, launch.shader.name);
        let pipeline = context.guarded(&what, 0, || self.compile(&context.device, launch, access))?;
        self.compiled.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    fn compile(&mut self, device: &wgpu::Device, launch: &Launch, access: Access) -> Pipeline {
        let module =
            self.modules.entry(launch.shader.name).or_insert_with(|| shader_module(device, launch.shader));
        let (bindings, layout) =
            self.layouts.entry(access).or_insert_with_key(|access| layouts(device, access));
        let compute = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(launch.entry),
            layout: Some(layout),
            module,
            entry_point: Some(launch.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &launch.constants,
                // Kernels write workgroup memory before they read it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { compute, bindings: bindings.clone() }
    }
}

/// Layouts are made from the launch's bindings, not from the shader, so that an entry point need not use them all.
fn layouts(device: &wgpu::Device, access: &[bool]) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0u32..)
        .zip(access)
        .map(|(binding, &read_only)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let bindings =
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
    let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&bindings)],
        immediate_size: 0,
    });
    (bindings, pipeline)
}
