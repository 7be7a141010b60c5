//! Python with packages that tests compare with.

use std::path::PathBuf;
use std::process::Command;

/// The interpreter that has `packages`, as in `import`: the one that the variable `named` names, else python3. Where there is
/// none, says so, and fails where the variable `required` is 1.
pub fn with(packages: &str, named: &str, required: &str) -> Option<PathBuf> {
    let program = std::env::var_os(named).map_or_else(|| "python3".into(), PathBuf::from);
    let here = Command::new(&program).args(["-c", &format!("import {packages}")]).output();
    if here.is_ok_and(|done| done.status.success()) {
        return Some(program);
    }
    let must = std::env::var(required).is_ok_and(|value| value == "1");
    assert!(!must, "{required}=1, but {} has not {packages}", program.display());
    super::skip(&format!("no {packages} in Python; install it, or name an interpreter with {named}"));
    None
}
