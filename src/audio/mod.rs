//! From a file to normalised samples: decode → mix → resample → store → normalise → frame.
//!
//! This module knows samples only: no tensors, no genres.

mod blocks;
mod catch;
mod decode;
mod edits;
mod error;
mod frames;
mod info;
mod kinds;
pub mod limits;
mod load;
mod measure;
mod open;
mod opus;
#[cfg(feature = "opus")]
mod opus_decoder;
mod resample;
mod riff;
mod song;
mod tags;
pub mod wav;

#[cfg(feature = "cli")]
pub use decode::inspect;
#[cfg(any(test, feature = "internals"))]
pub use decode::{Decoded, decode, decode_bytes};
pub use error::{AudioError, AudioFault};
pub use frames::Framing;
pub use info::FileInfo;
pub use load::{RecordError, load, record};
pub use resample::Resampler;
#[cfg(any(test, feature = "internals"))]
pub use resample::resample;
pub use song::{AudioSpec, Normalise, Recording, Samples, Song};
pub use wav::write_wav;

/// File name extensions (lower case) that audio files go by. A hint for finding files only: what a file is, its
/// bytes decide. Those that are known but not decoded are listed too, so that such files are named, not overlooked.
pub const EXTENSIONS: &[&str] = &[
    "aac", "ac3", "aif", "aifc", "aiff", "alac", "ape", "au", "caf", "dsf", "flac", "m4a", "m4b", "mka",
    "mkv", "mp1", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "opus", "tta", "w64", "wav", "wave", "webm",
    "wma", "wv",
];

/// Whether `path` has one of [`EXTENSIONS`], in any case.
pub fn has_audio_extension(path: &std::path::Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
}
