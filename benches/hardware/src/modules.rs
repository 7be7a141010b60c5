//! WGSL to SPIR-V by naga, with the options that wgpu gives it in this program's release builds
//! (`wgpu-hal/src/vulkan/{adapter,device}.rs`): no run-time checks, as `src/device/gpu/trusted.rs` asks, and workgroup memory
//! that is not cleared, as `src/device/gpu/pipelines.rs` does.

use std::borrow::Cow;
use std::path::Path;

use genre_recognizer::ops::kernel::Launch;
use naga::back::pipeline_constants::process_overrides;
use naga::back::spv;
use naga::front::wgsl;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage};

use crate::Outcome;

/// A launch's module for a driver.
pub struct Module {
    pub spir_v: Vec<u32>,
    /// Threads of a workgroup.
    pub threads: u32,
    /// Bytes of workgroup memory that the entry point uses.
    pub memory: u32,
}

/// What a shader may use besides what every adapter has, by what it enables.
fn capabilities(source: &str) -> Capabilities {
    let mut allowed = Capabilities::empty();
    allowed.set(Capabilities::SHADER_FLOAT16, source.contains("enable f16;"));
    allowed.set(Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP, uses_matrices(source));
    allowed
}

/// Whether a shader multiplies on matrix units.
pub fn uses_matrices(source: &str) -> bool {
    source.contains("enable wgpu_cooperative_matrix;")
}

/// The launch's WGSL; where there is a folder of changed shaders, from there. What is made of several files of `mixed/` is
/// taken as the program has it.
pub fn source<'a>(launch: &Launch, changed: Option<&Path>) -> Outcome<Cow<'a, str>> {
    let Some(folder) = changed else { return Ok(launch.shader.source.into()) };
    let read = |name: &str| {
        let path = folder.join(name).with_extension("wgsl");
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let name = launch.shader.name;
    if name.contains('/') {
        return Ok(launch.shader.source.into());
    }
    if let Some(name) = name.strip_suffix(", by fours") {
        return Ok((read("lanes/four")? + &read(name)?).into());
    }
    let one = read("lanes/one")?;
    let begin = if launch.shader.source.starts_with(&one) { one } else { String::new() };
    Ok((begin + &read(name)?).into())
}

pub fn module(launch: &Launch, source: &str, version: (u8, u8)) -> Outcome<Module> {
    let what = |error: String| format!("`{}` of shaders/{}.wgsl: {error}", launch.entry, launch.shader.name);
    let module = wgsl::parse_str(source).map_err(|error| what(error.emit_to_string(source)))?;
    let mut validator = Validator::new(ValidationFlags::all(), capabilities(source));
    let info = validator.validate(&module).map_err(|error| what(format!("{error:?}")))?;
    let constants = launch.constants.iter().map(|&(name, value)| (name.to_string(), value)).collect();
    let chosen = Some((ShaderStage::Compute, launch.entry));
    let (module, info) =
        process_overrides(&module, &info, chosen, &constants).map_err(|error| what(error.to_string()))?;
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = spv::Options {
        lang_version: version,
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        capabilities: None,
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ray_query_initialization_tracking: false,
        // Bindings keep their numbers: the layouts have all of them, in order.
        fake_missing_bindings: true,
        task_dispatch_limits: None,
        mesh_shader_primitive_indices_clamp: false,
        emit_int_div_checks: false,
        ..spv::Options::default()
    };
    let pipeline =
        spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: launch.entry.to_string() };
    let spir_v =
        spv::write_vec(&module, &info, &options, Some(&pipeline)).map_err(|error| what(error.to_string()))?;
    let entry = module.entry_points.iter().position(|entry| entry.name == launch.entry);
    let entry = entry.ok_or_else(|| what("there is no such entry point".into()))?;
    let used = info.get_entry_point(entry);
    let memory = module
        .global_variables
        .iter()
        .filter(|(handle, variable)| variable.space == AddressSpace::WorkGroup && !used[*handle].is_empty())
        .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
        .sum();
    Ok(Module { spir_v, threads: module.entry_points[entry].workgroup_size.iter().product(), memory })
}
