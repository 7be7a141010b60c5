//! What a file's headers and tags say.

use std::fmt;

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
    /// Every performer that the file's tags list, each once; never a placeholder such as "Various Artists".
    pub artists: Vec<String>,
    /// The title, from the file's tags.
    pub title: Option<String>,
    /// What of the song is missing although it can be used; `None` where all is there, or nothing was decoded yet.
    pub loss: Option<Loss>,
}

/// What of a song is missing although it can be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Seconds that could be decoded.
    pub seconds: f64,
    /// Seconds that the header declares, where those are more.
    pub declared: Option<f64>,
    /// Packets that are damaged or missing, and all packets.
    pub failed: u64,
    pub packets: u64,
    /// Whether the file stops before its end: inside a packet, or without the mark that ends the format.
    pub cut: bool,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(declared) = self.declared {
            let share = 100.0 * self.seconds / declared;
            parts.push(format!("{share:.0} % of the declared {declared:.1} s is there"));
        }
        if self.failed > 0 {
            parts.push(format!("{} of {} packets are damaged or missing", self.failed, self.packets));
        }
        if self.cut {
            parts.push("the file ends before the song does".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}
