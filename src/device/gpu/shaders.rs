//! Every file in shaders/ is valid WGSL with the capabilities that every adapter has.

use std::path::Path;

use wgpu::naga::front::wgsl;
use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};

#[test]
fn shaders_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        let module = wgsl::parse_str(&source).unwrap_or_else(|error| {
            panic!("{}", error.emit_to_string_with_path(&source, &path.display().to_string()))
        });
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        if let Err(error) = validator.validate(&module) {
            panic!("{}", error.emit_to_string_with_path(&source, &path.display().to_string()));
        }
        assert!(!module.entry_points.is_empty(), "{} has no entry point", path.display());
        files += 1;
    }
    assert!(files > 0);
}
