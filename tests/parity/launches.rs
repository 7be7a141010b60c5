//! Launches against their shaders, without an adapter: the entry point exists, the constants are the shader's
//! overrides and give a valid module, and the bindings are those that the entry point uses.

use genre_recognizer::ops::kernel::{Binding, GpuKernel, Launch};
use wgpu::naga::back::pipeline_constants::process_overrides;
use wgpu::naga::front::wgsl::parse_str;
use wgpu::naga::valid::{Capabilities, GlobalUse, ValidationFlags, Validator};
use wgpu::naga::{ShaderStage, StorageAccess};

/// Panics with the reason where WebGPU would refuse a launch.
pub fn check(op: &str, kernel: &GpuKernel) {
    assert!(!kernel.launches.is_empty(), "{op} has no GPU kernel");
    for launch in &kernel.launches {
        let what = format!("{op}: `{}` of shaders/{}.wgsl", launch.entry, launch.shader.name);
        assert!(launch.workgroups.iter().all(|&count| count <= 65_535), "{what}: {:?}", launch.workgroups);
        check_module(&what, launch, kernel.workspace);
    }
}

/// Threads of a launch's workgroup, and the bytes of workgroup memory that it uses.
pub fn size(launch: &Launch) -> (u32, u32) {
    let module = parse_str(launch.shader.source).unwrap();
    let mut validator = Validator::new(ValidationFlags::all(), capabilities(launch.shader.source));
    let info = validator.validate(&module).unwrap();
    let constants = launch.constants.iter().map(|&(name, value)| (name.to_string(), value)).collect();
    let chosen = Some((ShaderStage::Compute, launch.entry));
    let (module, info) = process_overrides(&module, &info, chosen, &constants).unwrap();
    let entry = module.entry_points.iter().position(|entry| entry.name == launch.entry).unwrap();
    let used = info.get_entry_point(entry);
    let memory = module
        .global_variables
        .iter()
        .filter(|(handle, variable)| {
            variable.space == wgpu::naga::AddressSpace::WorkGroup && !used[*handle].is_empty()
        })
        .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
        .sum();
    (module.entry_points[entry].workgroup_size.iter().product(), memory)
}

/// What a shader may use besides what every adapter has, by what it enables.
fn capabilities(source: &str) -> Capabilities {
    let mut allowed = Capabilities::empty();
    allowed.set(Capabilities::SHADER_FLOAT16, source.contains("enable f16;"));
    let matrices = source.contains("enable wgpu_cooperative_matrix;");
    allowed.set(Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP, matrices);
    allowed
}

fn check_module(what: &str, launch: &Launch, workspace: usize) {
    let module = parse_str(launch.shader.source).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut validator = Validator::new(ValidationFlags::all(), capabilities(launch.shader.source));
    let info = validator.validate(&module).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let entry = module.entry_points.iter().position(|entry| entry.name == launch.entry);
    let entry = entry.unwrap_or_else(|| panic!("{what}: there is no such entry point"));
    let constants = launch.constants.iter().map(|&(name, value)| (name.to_string(), value)).collect();
    let chosen = Some((ShaderStage::Compute, launch.entry));
    process_overrides(&module, &info, chosen, &constants).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let used = info.get_entry_point(entry);
    for (handle, variable) in module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty()) {
        let Some(place) = &variable.binding else { continue };
        let binding = launch.bindings.get(place.binding as usize);
        let writes = used[handle].contains(GlobalUse::WRITE);
        let declared = matches!(variable.space,
            wgpu::naga::AddressSpace::Storage { access } if access.contains(StorageAccess::STORE));
        match binding {
            Some(Binding::Input(_) | Binding::Table(_)) => {
                assert!(!declared && !writes, "{what}: input {:?} is written", variable.name);
            }
            Some(Binding::Output) => assert!(declared, "{what}: {:?} is not read_write", variable.name),
            Some(Binding::Workspace(range)) => {
                assert!(declared, "{what}: {:?} is not read_write", variable.name);
                let fits = range.start % 64 == 0 && range.start < range.end && range.end <= workspace;
                assert!(fits, "{what}: {range:?} of {workspace}");
            }
            None => panic!("{what}: nothing is bound to {:?}", variable.name),
        }
    }
}
