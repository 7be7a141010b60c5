//! Every file in shaders/ is valid WGSL with the capabilities that every adapter has; those in shaders/mixed/, as the modules
//! that are made of them, with what each needs besides, and no more. What naga makes of those for a driver is valid too, as
//! far as it can tell without the matrix units that a test may not find.

use std::fs;
use std::path::{Path, PathBuf};

use wgpu::naga::Module;
use wgpu::naga::front::wgsl;
use wgpu::naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

use crate::ops::conv2d::gpu_mixed::SHADERS;
use crate::ops::kernel::Shader;

fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let paths = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files: Vec<_> = paths
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    assert!(!files.is_empty());
    files
}

fn shaders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders")
}

fn parse(source: &str, name: &str) -> Module {
    let module = wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(source, name)));
    assert!(!module.entry_points.is_empty(), "{name} has no entry point");
    module
}

fn validate(module: &Module, capabilities: Capabilities) -> Result<ModuleInfo, String> {
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator.validate(module).map_err(|error| format!("{error:?}"))
}

#[test]
fn shaders_are_valid() {
    let lanes: Vec<String> = files(&shaders().join("lanes")).into_iter().map(|(_, source)| source).collect();
    for (path, source) in files(&shaders()) {
        // What is written over lanes, with each of them.
        let lanes = if source.contains("LANES") { lanes.clone() } else { vec![String::new()] };
        for declarations in lanes {
            let module = parse(&(declarations + &source), &path.display().to_string());
            if let Err(error) = validate(&module, Capabilities::empty()) {
                panic!("{}: {error}", path.display());
            }
        }
    }
}

fn capabilities(shader: Shader) -> Capabilities {
    if shader.name.contains("cooperative") {
        Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP
    } else {
        Capabilities::SHADER_FLOAT16
    }
}

#[test]
fn mixed_shaders_are_valid_with_what_they_need() {
    for shader in SHADERS {
        let module = parse(shader.source, shader.name);
        let needed = capabilities(shader);
        validate(&module, needed).unwrap_or_else(|error| panic!("{}: {error}", shader.name));
        for capability in needed.iter() {
            assert!(
                validate(&module, needed - capability).is_err(),
                "{} without {capability:?}",
                shader.name
            );
        }
    }
    // No file is left out.
    for (path, part) in files(&shaders().join("mixed")) {
        assert!(SHADERS.iter().any(|shader| shader.source.contains(&part)), "{} is not used", path.display());
    }
}

/// What a Vulkan driver is given: SPIR-V, with the constants of a convolution of every kind.
#[cfg(not(target_vendor = "apple"))]
#[test]
fn mixed_shaders_become_spir_v() {
    use wgpu::naga::ShaderStage;
    use wgpu::naga::back::{pipeline_constants::process_overrides, spv};

    use crate::ops::conv2d::{Conv2d, Dims, gpu_mixed, product::Kind};
    use crate::ops::kernel::{Cooperative, Mixed};

    let conv = Conv2d::same([3, 3]);
    let d: Dims = conv.dims(&[2, 17, 13, 11].into(), &[33, 17, 3, 3].into()).unwrap();
    let units = |side, subgroup| Some(Cooperative { side, subgroup });
    let kinds = [Kind::Forward, Kind::InputGrad, Kind::WeightGrad];
    for cooperative in [None, units(8, [32, 32]), units(16, [32, 32]), units(16, [32, 64])] {
        for launch in
            kinds.map(|kind| gpu_mixed::kernel(kind, &d, Mixed { cooperative }).unwrap().launches).concat()
        {
            let module = parse(launch.shader.source, launch.shader.name);
            let info = validate(&module, capabilities(launch.shader)).unwrap();
            let constants = launch.constants.iter().map(|&(name, value)| (name.to_string(), value)).collect();
            let entry = Some((ShaderStage::Compute, launch.entry));
            let (module, info) = process_overrides(&module, &info, entry, &constants).unwrap();
            let mut options = spv::Options { lang_version: (1, 6), ..spv::Options::default() };
            options.flags.remove(spv::WriterFlags::DEBUG);
            let pipeline = spv::PipelineOptions {
                shader_stage: ShaderStage::Compute,
                entry_point: launch.entry.to_string(),
            };
            let words = spv::write_vec(&module, &info, &options, Some(&pipeline)).unwrap();
            assert_eq!(words[0], 0x0723_0203, "no SPIR-V");
            // OpCooperativeMatrixMulAddKHR: the low half of an instruction's first word is its code.
            let multiplies = words.iter().filter(|&&word| word == 6 << 16 | 4459).count();
            let expected = match launch.entry {
                "convolve" => 8,
                "weight_grad" => 9,
                _ => 0,
            };
            assert_eq!(multiplies, expected, "{}: {}", launch.shader.name, launch.entry);
        }
    }
}
