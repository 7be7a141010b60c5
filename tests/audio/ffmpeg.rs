//! Files made and decoded by ffmpeg, for tests.

use std::path::Path;
use std::process::Command;

/// Whether ffmpeg can be run. Where it cannot, says loudly that `test` is skipped; fails under `REQUIRE_FFMPEG=1`.
pub fn is_here(test: &str) -> bool {
    let here = Command::new("ffmpeg").arg("-version").output().is_ok_and(|o| o.status.success());
    here || skip(test, "ffmpeg is not on PATH")
}

/// Says loudly that something is skipped; fails under `REQUIRE_FFMPEG=1`.
pub fn skip(what: &str, why: &str) -> bool {
    assert!(std::env::var_os("REQUIRE_FFMPEG").is_none_or(|v| v != "1"), "{what}: {why}");
    crate::common::skip(&format!("{what}: {why}"));
    false
}

/// Runs ffmpeg with `arguments`, which spaces separate, on `input` (with options of its own before it) and `output`.
/// An error is what ffmpeg says.
pub fn run(before: &str, input: &Path, arguments: &str, output: &Path) -> Result<(), String> {
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-y", "-v", "error", "-threads", "1"])
        .args(before.split_ascii_whitespace())
        .arg("-i")
        .arg(input)
        .args(arguments.split_ascii_whitespace())
        .arg(output)
        .output()
        .map_err(|e| e.to_string())?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()) }
}
