//! From a file to normalised samples: decode → mix → resample → store → normalise → frame.
//!
//! This module knows samples only: no tensors, no genres.

mod aac;
mod blocks;
mod catch;
mod choose;
mod conform;
mod container;
mod decode;
mod edits;
mod error;
mod frames;
mod info;
mod kinds;
pub mod limits;
mod load;
mod measure;
mod mix;
mod open;
mod opus;
#[cfg(feature = "opus")]
mod opus_decoder;
mod packets;
mod parts;
mod reader;
mod resample;
mod song;
mod tags;
mod timeline;
pub mod wav;

#[cfg(feature = "cli")]
pub use decode::inspect;
#[cfg(any(test, feature = "internals"))]
pub use decode::{Decoded, decode, decode_bytes};
pub use error::{AudioError, AudioFault};
pub use frames::Framing;
pub use info::{FileInfo, Loss};
pub use load::{RecordError, load, load_samples, record};
pub use parts::record_parts;
pub use resample::Resampler;
#[cfg(any(test, feature = "internals"))]
pub use resample::resample;
pub use song::{AudioSpec, Normalise, Recording, Samples, Song};
pub use wav::write_wav;

/// File name extensions (lower case) that audio files go by. A hint for finding files only: what a file is, its
/// bytes decide. Those that are known but not decoded are listed too, so that such files are named, not overlooked.
pub const EXTENSIONS: &[&str] = &[
    "aac", "ac3", "aif", "aifc", "aiff", "alac", "amr", "ape", "au", "bwf", "caf", "dff", "dsf", "dts",
    "eac3", "ec3", "flac", "m4a", "m4b", "m4r", "mka", "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpc",
    "mpga", "oga", "ogg", "ogx", "opus", "ra", "rf64", "snd", "spx", "tak", "tta", "voc", "w64", "wav",
    "wave", "webm", "weba", "wma", "wv",
];

/// Whether `path` has one of [`EXTENSIONS`], in any case.
pub fn has_audio_extension(path: &std::path::Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
}
