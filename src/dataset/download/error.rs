//! Why a download cannot go on, each with its cure. What concerns one song only is in the report.

use std::io;
use std::path::{Path, PathBuf};

use crate::files;

/// Why a download cannot start or go on. Prints as one line with the cure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// There is no yt-dlp.
    #[error(
        "{}: not found; songs are fetched by the program yt-dlp: install it with pipx (pipx install yt-dlp), pip or \
         your system's package manager (apt, dnf, brew, winget: install yt-dlp), or name where it is",
        files::shown(.0)
    )]
    NoYtDlp(PathBuf),
    /// It is there, and does not run.
    #[error("{}: does not run as yt-dlp: {reason}; reinstall it, or name another", files::shown(program))]
    BadYtDlp {
        /// The program.
        program: PathBuf,
        /// What happened.
        reason: String,
    },
    /// A genre's name cannot be that of a folder.
    #[error("the genre \"{}\" cannot be a folder's name: {reason}; rename it in the list of genres", name.escape_debug())]
    Genre {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The table of addresses is malformed.
    #[error("{}: {reason}", files::shown(path))]
    Addresses {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the cure.
        reason: String,
    },
    /// A line of the manifest is malformed.
    #[error("{}, line {line}: {reason}", files::shown(path))]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong, and the cure.
        reason: String,
    },
    /// A table in the dataset cannot be read as one.
    #[error("{}: {reason}; mend it, or move it away to begin a new one", files::shown(path))]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another download works on this dataset.
    #[error("{}: another download is running here; wait for its end", files::shown(.0))]
    Busy(PathBuf),
    /// A file or folder of the dataset could not be read or written.
    #[error(
        "{}: {source}; check its permissions and the space left, then run this again to go on",
        files::shown(path)
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DownloadError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
