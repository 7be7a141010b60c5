use std::io;
use std::path::{Path, PathBuf};

use crate::files;
use crate::recognize::RecognizeError;

/// Why a plan or a journal cannot be used, or a whole run ends.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// A file of the run itself, not a song.
    #[error("{}: {source}", files::shown(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// A line of a plan or a journal.
    #[error("{}, line {line}: {reason}", files::shown(path))]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it, and the cure.
        reason: String,
    },
    /// The device fails.
    #[error(transparent)]
    Recognize(#[from] RecognizeError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
    /// A disk is full: nothing more can be written.
    #[error("{}: the disk is full; what was written is whole and in the journal: make room and run it again", files::shown(.0))]
    Full(PathBuf),
}

impl LabelError {
    /// For `map_err` on what the file system says of `path`.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path.to_owned()),
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}
