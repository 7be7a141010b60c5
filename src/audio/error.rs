//! Why an audio file could not be used.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use symphonia::core::errors::Error as Symphonia;

use super::limits;
use crate::files;

/// An audio file that could not be used, and why. Prints as one line: `path: reason`.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", files::shown(path))]
pub struct AudioError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: AudioFault,
}

impl AudioError {
    pub(crate) fn new(path: &Path, fault: AudioFault) -> Self {
        Self { path: path.to_owned(), fault }
    }
}

/// What is wrong with an audio file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioFault {
    /// Opening or reading failed.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A directory, device, pipe or the like.
    #[error("not a regular file")]
    NotAFile,
    /// Zero bytes, or a container without one sample.
    #[error("empty: {0}")]
    Empty(&'static str),
    /// No audio format was recognised in the bytes.
    #[error("not an audio file{}", found.map(|f| format!(" (it looks like {f})")).unwrap_or_default())]
    NotAudio {
        /// What the first bytes look like, where that is known.
        found: Option<&'static str>,
    },
    /// Audio, but of a kind that is not decoded here.
    #[error("{0} is not supported; convert it, for example: ffmpeg -i INPUT OUTPUT.flac")]
    Unsupported(String),
    /// Damaged or cut off.
    #[error("damaged: {0}")]
    Corrupt(String),
    /// Shorter than what one frame needs.
    #[error("too short: {seconds:.3} s, and at least {minimum:.3} s are needed")]
    TooShort {
        /// Length of the song in seconds.
        seconds: f64,
        /// What the caller needs.
        minimum: f64,
    },
    /// Longer than [`limits::SECONDS`].
    #[error("too long: more than {} h of audio (or 4 GiB of samples); split it into songs", limits::SECONDS / 3600)]
    TooLong,
    /// More channels than [`limits::CHANNELS`].
    #[error("{0} channels, and at most {max} are accepted", max = limits::CHANNELS)]
    TooManyChannels(usize),
    /// Sample rate outside [`limits::RATES`].
    #[error("sample rate {0} Hz is outside {lo} to {hi} Hz", lo = limits::RATES.start(), hi = limits::RATES.end())]
    Rate(u32),
    /// No sample moves by more than [`limits::SILENCE`].
    #[error("silent: no sample is further than {:.0} dBFS from a constant", 20.0 * limits::SILENCE.log10())]
    Silent,
    /// Another file than the one that was read before.
    #[error("changed while it was in use; start anew")]
    Changed,
    /// Samples beyond ±[`limits::LARGEST`].
    #[error("has samples beyond ±{:e}, which are no sound", limits::LARGEST)]
    OutOfRange,
    /// NaN or infinity among the samples.
    #[error("has samples that are not finite numbers (NaN or infinity)")]
    NonFinite,
}

/// Whether an error is the system's. Readers of bits and of packets make errors of the same type where a file is damaged,
/// and the system refuses places that no file has.
pub(super) fn is_disk(error: &io::Error) -> bool {
    let place = matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::UnexpectedEof);
    error.raw_os_error().is_some() && !place
}

/// An error of symphonia's that ends the decoding.
pub(super) fn fault_of(error: Symphonia) -> AudioFault {
    match error {
        Symphonia::IoError(e) if is_disk(&e) => AudioFault::Io(e),
        Symphonia::Unsupported(what) => AudioFault::Unsupported(format!("something in it ({what})")),
        other => AudioFault::Corrupt(other.to_string()),
    }
}
