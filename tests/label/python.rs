//! Programs of Python that make and read music files.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter that has a package: `LABEL_PYTHON`, else python3. Where there is none, says so, and fails where the
/// variable `required` is 1.
pub fn with(package: &str, required: &str) -> Option<PathBuf> {
    crate::common::python::with(package, "LABEL_PYTHON", required)
}

/// Runs a script of this folder; what it prints.
#[track_caller]
pub fn script(python: &Path, name: &str, arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/label/python").join(name);
    let done = Command::new(python).arg(path).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{name}: {out}\n{err}");
    out.into_owned()
}
