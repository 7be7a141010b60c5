//! Programs of Python that make and read music files.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter that has a package: `LABEL_PYTHON`, else python3. Where there is none, says so, and fails where the
/// variable `required` is 1.
pub fn with(package: &str, required: &str) -> Option<PathBuf> {
    let named = std::env::var_os("LABEL_PYTHON").map(PathBuf::from);
    let program = named.unwrap_or_else(|| "python3".into());
    let here = Command::new(&program).args(["-c", &format!("import {package}")]).output();
    if here.is_ok_and(|done| done.status.success()) {
        return Some(program);
    }
    assert!(
        std::env::var(required).is_ok_and(|value| value != "1") || std::env::var_os(required).is_none(),
        "{required}=1, but {} has no {package}",
        program.display()
    );
    crate::common::skip(&format!(
        "no {package} in Python; install it, or name an interpreter with LABEL_PYTHON"
    ));
    None
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
