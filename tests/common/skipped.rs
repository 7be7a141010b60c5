//! What was skipped: tests write it down, and the program `skipped`, which cargo runs after them, prints it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The record of this `cargo test`. Its programs have one parent, which others have not.
pub fn record() -> PathBuf {
    #[cfg(unix)]
    let parent = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let parent = 0;
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("skipped-{parent}.tsv"))
}

/// Records why the running test leaves something out.
#[allow(dead_code)]
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a thread of a test");
    eprintln!("SKIPPED: {why}");
    let mut file = OpenOptions::new().create(true).append(true).open(record()).unwrap();
    // One write, so that lines of tests side by side do not mix.
    file.write_all(format!("{why}\t{test}\n").as_bytes()).unwrap();
}
