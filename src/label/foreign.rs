//! What a file is that was taken for a plan or a journal.

use std::fs;
use std::path::Path;

use super::LabelError;
use crate::files;

/// What Windows' editors put before a text.
pub(super) const MARK: &str = "\u{feff}";
/// Bytes that are looked at.
const LOOK: usize = 4096;

/// What was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Plan,
    Journal,
}

/// Says in plain words why a file that does not begin as it must is none of what was wanted; `first` says what is wrong with
/// its first line, for a file that seems to be one.
pub(super) fn foreign(path: &Path, wanted: Wanted, head: &[u8], first: LabelError) -> LabelError {
    let shown = files::shown(path);
    let (name, cure) = match wanted {
        Wanted::Plan => ("plan", "genre-recognizer label plan LIBRARY makes one"),
        Wanted::Journal => ("journal", "label apply writes it, as the plan's name with .journal behind"),
    };
    let head = &head[..head.len().min(LOOK)];
    let text = head.trim_ascii_start();
    let text = text.strip_prefix(MARK.as_bytes()).unwrap_or(text);
    let is = |beginnings: &[&[u8]]| beginnings.iter().any(|beginning| text.starts_with(beginning));
    let other = match wanted {
        Wanted::Plan if is(&[b"{\"journal\":"]) => {
            Some("a journal, which label undo takes; the plan has this name without .journal")
        }
        Wanted::Journal if is(&[b"{\"plan\":"]) => {
            Some("a plan, which label apply takes; its journal has this name with .journal behind")
        }
        _ => None,
    };
    if let Some(other) = other {
        return LabelError::Other(format!("{shown} is no {name}: it is {other}"));
    }
    let what = if head.is_empty() {
        "it is empty"
    } else if is(&[b"\xff\xfe", b"\xfe\xff"]) {
        "it is text in UTF-16; save it as UTF-8"
    } else if is(&[b"{\"path\":"]) {
        "its first line, which names the library, is missing"
    } else if is(&[b"{\"plan\":", b"{\"journal\":"]) {
        return first;
    } else if is(&[b"<"]) {
        "it is a page for a browser"
    } else if is(&[b"path,tagged,genres,"]) {
        "it is a table of label show, which cannot be written into tags"
    } else if head.contains(&0) || head.iter().filter(|byte| !byte.is_ascii()).count() > head.len() / 3 {
        "it is no text, but audio, a picture or the like"
    } else {
        "its first line is not that of one"
    };
    LabelError::Other(format!("{shown} is no {name}: {what} ({cure})"))
}

/// Why a file cannot be opened as what was wanted.
pub(super) fn unopened(path: &Path, wanted: Wanted, error: std::io::Error) -> LabelError {
    let name = if wanted == Wanted::Plan { "plan" } else { "journal" };
    if fs::metadata(path).is_ok_and(|about| about.is_dir()) {
        let what =
            if wanted == Wanted::Plan { "; genre-recognizer label plan makes a plan of it" } else { "" };
        return LabelError::Other(format!("{} is a folder, and no {name}{what}", files::shown(path)));
    }
    if error.kind() == std::io::ErrorKind::NotFound {
        let cure = if wanted == Wanted::Plan { "; genre-recognizer label plan makes one" } else { "" };
        return LabelError::Other(format!("{}: there is no such {name}{cure}", files::shown(path)));
    }
    LabelError::at(path)(error)
}
