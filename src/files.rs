//! Files that are whole or not there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

#[cfg(feature = "cli")]
use xxhash_rust::xxh3::xxh3_64;

pub use crate::paths::{serialize as serialize_path, shown, shown_text};

/// Most bytes of a title in a file's name.
#[cfg(feature = "cli")]
const TITLE: usize = 60;

/// Replaces `path` by `contents` at once: a scratch file beside it is written, synced and renamed, and the folder is
/// synced. Whoever reads `path`, and whatever happens midway, finds the old contents or the new.
///
/// # Errors
/// Whatever the file system says; the scratch file is then removed.
pub fn write_atomic(path: &Path, contents: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("a file name is wanted"))?;
    let mut scratch = std::ffi::OsString::from(".");
    scratch.push(name);
    scratch.push(format!(".{}.tmp", std::process::id()));
    let scratch = path.with_file_name(scratch);
    let written = write(&scratch, contents).and_then(|()| fs::rename(&scratch, path));
    if written.is_err() {
        let _ = fs::remove_file(&scratch);
        return written;
    }
    sync_folder(path)
}

/// Text that came from outside (names of files, what is written in them) on one line: control characters, which could
/// break lines or steer a terminal, become spaces.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A name, without extension, for a file about what `key` identifies, whatever is in its title: ASCII letters, digits and
/// single dashes, at most 77 bytes, and never the name of another key.
#[cfg(feature = "cli")]
pub fn stem(title: &str, key: impl AsRef<[u8]>) -> String {
    let mut stem = String::new();
    for c in title.chars() {
        if stem.len() >= TITLE {
            break;
        }
        if c.is_ascii_alphanumeric() {
            stem.push(c);
        } else if !stem.is_empty() && !stem.ends_with('-') {
            stem.push('-');
        }
    }
    if !stem.is_empty() && !stem.ends_with('-') {
        stem.push('-');
    }
    stem + &format!("{:016x}", xxh3_64(key.as_ref()))
}

fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

/// Makes the rename itself durable, where the system lets a folder be opened.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
