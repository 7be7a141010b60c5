//! What a file's headers and tags say.

use serde::{Deserialize, Serialize};

/// What a file's headers and tags say. What is not known is empty, 0 or `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileInfo {
    /// The container, such as "MP3", "WAV" or "Matroska".
    pub container: String,
    /// The codec, such as "MP3", "PCM s16le" or "Vorbis".
    pub codec: String,
    /// Samples a second in the file.
    pub sample_rate: u32,
    /// Channels in the file.
    pub channels: usize,
    /// Bits a sample, where the format has such a number.
    pub bits: Option<u32>,
    /// Declared length in seconds.
    pub seconds: Option<f64>,
    /// The performer, from the file's tags; never a placeholder such as "Various Artists".
    pub artist: Option<String>,
    /// The title, from the file's tags.
    pub title: Option<String>,
}
