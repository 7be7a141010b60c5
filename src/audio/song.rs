//! Songs: samples at one rate, in memory or elsewhere, and the level they are played at.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::blocks::{self, Encoder};
use super::error::{AudioError, AudioFault};
use super::info::FileInfo;

/// What every song is made into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioSpec {
    /// Samples a second.
    pub sample_rate: u32,
    /// 1 (the average of all channels, mirrored ones turned over) or 2 (stereo is kept; anything else is mixed to mono and
    /// doubled).
    pub channels: usize,
    /// How the level of a whole song is set.
    pub normalise: Normalise,
}

impl Default for AudioSpec {
    fn default() -> Self {
        Self { sample_rate: 44_100, channels: 1, normalise: Normalise::Peak }
    }
}

/// How the level of a whole song is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// The largest absolute sample of all channels becomes 1; bursts ([`Recording::peak`]) exceed it.
    #[default]
    Peak,
    /// The root mean square over all channels becomes [`Normalise::RMS`]; peaks may exceed 1.
    Rms,
    /// Left as decoded.
    None,
}

impl Normalise {
    /// The level of [`Normalise::Rms`]: −20 dBFS, about that of peak-normalised music.
    pub const RMS: f64 = 0.1;
}

/// What is known about decoded and resampled samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Samples a second.
    pub sample_rate: u32,
    /// Channels, 1 or 2.
    pub channels: usize,
    /// Samples a channel.
    pub len: u64,
    /// Largest absolute sample, but for bursts of a moment that are more than 12 dB louder than all else.
    pub peak: f32,
    /// Root mean square over all channels.
    pub rms: f64,
    /// Whether no channel moves by more than ±[`super::limits::SILENCE`] about one value.
    pub silent: bool,
    /// XXH3 (128 bits, hexadecimal) of the samples: equal for files that decode to the same audio.
    pub digest: String,
    /// The file that it was decoded from.
    pub source: FileInfo,
}

impl Recording {
    /// Whether `bytes`, a part of its samples that [`Samples::bytes`] is asked for, are as they were recorded.
    pub fn intact(&self, bytes: &[u8]) -> bool {
        blocks::intact(bytes, self.channels)
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.len as f64 / f64::from(self.sample_rate.max(1))
    }

    /// Bytes of its samples.
    pub fn size(&self) -> u64 {
        blocks::size(self.len, self.channels)
    }

    /// Fails unless it can be a song of at least `min_seconds`.
    ///
    /// # Errors
    /// [`AudioFault::Empty`], [`AudioFault::TooShort`] or [`AudioFault::Silent`].
    pub fn check(&self, min_seconds: f64) -> Result<(), AudioFault> {
        if self.len == 0 {
            return Err(AudioFault::Empty("the file has no samples"));
        }
        // Half a sample of tolerance: both lengths were rounded.
        if (self.len as f64) < min_seconds * f64::from(self.sample_rate) - 0.5 {
            return Err(AudioFault::TooShort { seconds: self.seconds(), minimum: min_seconds });
        }
        if self.silent { Err(AudioFault::Silent) } else { Ok(()) }
    }

    fn gain(&self, normalise: Normalise) -> f32 {
        match normalise {
            Normalise::Peak if self.peak > 0.0 => 1.0 / self.peak,
            Normalise::Rms if self.rms > 0.0 => (Normalise::RMS / self.rms) as f32,
            _ => 1.0,
        }
    }
}

/// Where the encoded samples of a song are kept.
pub trait Samples: Debug + Send + Sync {
    /// The bytes of `range`, from `scratch` or from the storage itself.
    ///
    /// # Errors
    /// [`AudioError`] where they cannot be had.
    fn bytes<'a>(&'a self, range: Range<u64>, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], AudioError>;
}

/// Samples in memory.
impl Samples for Vec<u8> {
    fn bytes<'a>(&'a self, range: Range<u64>, _: &'a mut Vec<u8>) -> Result<&'a [u8], AudioError> {
        Ok(self.get(range.start as usize..range.end as usize).unwrap_or_default())
    }
}

/// A song: samples at one rate and one level. Cloning shares the samples.
#[derive(Clone, Debug)]
pub struct Song {
    recording: Arc<Recording>,
    samples: Arc<dyn Samples>,
    gain: f32,
}

/// Songs are equal that sound the same, wherever their samples are kept and whatever file they came from.
impl PartialEq for Song {
    fn eq(&self, other: &Self) -> bool {
        let what = |song: &Self| (song.recording.sample_rate, song.recording.channels, song.gain.to_bits());
        what(self) == what(other) && self.recording.digest == other.recording.digest
    }
}

impl Song {
    /// A song of recorded samples, at the level that `normalise` asks for.
    pub fn new(recording: Recording, samples: Arc<dyn Samples>, normalise: Normalise) -> Self {
        let gain = recording.gain(normalise);
        Self { recording: Arc::new(recording), samples, gain }
    }

    /// A song in memory of planar samples, all channels of equal length, as they are (to 16 bits).
    pub fn from_samples(channels: &[Vec<f32>], sample_rate: u32) -> Self {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, channels.len());
        let encoded = encoder.push(channels).and_then(|()| encoder.finish());
        let levels = encoded.unwrap_or_else(|error| unreachable!("writing to memory failed: {error}"));
        let recording = Recording::new(&levels, sample_rate, channels.len(), false, FileInfo::default());
        Self::new(recording, Arc::new(bytes), Normalise::None)
    }

    /// The same samples at another level.
    pub fn at_level(&self, normalise: Normalise) -> Self {
        Self { gain: self.recording.gain(normalise), ..self.clone() }
    }

    /// What is known about the samples.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Samples a second.
    pub fn sample_rate(&self) -> u32 {
        self.recording.sample_rate
    }

    /// Samples a channel.
    pub fn len(&self) -> usize {
        self.recording.len as usize
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.recording.len == 0
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.recording.seconds()
    }

    /// Writes the frame that starts at sample `start` to `out`, planar: [channels × frame], where frame is
    /// `out.len() / channels`. Past the end of the song there are zeros, but a frame from the beginning that is longer than the
    /// song repeats it.
    ///
    /// # Errors
    /// [`AudioError`] where the song's storage fails.
    pub fn write_frame(&self, start: usize, out: &mut [f32]) -> Result<(), AudioError> {
        let channels = self.recording.channels;
        let frame = out.len().checked_div(channels).unwrap_or(0);
        let count = self.len().saturating_sub(start).min(frame);
        if count == 0 {
            out.fill(0.0);
            return Ok(());
        }
        let mut scratch = Vec::new();
        let groups = self.samples.bytes(blocks::byte_range(start, start + count, channels), &mut scratch)?;
        for (channel, plane) in out.chunks_exact_mut(frame).enumerate() {
            let (there, rest) = plane.split_at_mut(count);
            blocks::decode(groups, channels, channel, start, self.gain, there);
            if start > 0 {
                rest.fill(0.0);
            } else {
                rest.chunks_mut(count).for_each(|part| part.copy_from_slice(&there[..part.len()]));
            }
        }
        Ok(())
    }

    /// Reads all samples once, so that what a storage finds damaged it can mend or tell.
    ///
    /// # Errors
    /// As [`Song::write_frame`].
    pub fn verify(&self) -> Result<(), AudioError> {
        const STEP: usize = 1 << 18;
        let mut scratch = Vec::new();
        for from in (0..self.len()).step_by(STEP) {
            let to = self.len().min(from + STEP);
            self.samples.bytes(blocks::byte_range(from, to, self.recording.channels), &mut scratch)?;
        }
        Ok(())
    }

    /// All samples, planar: one vector a channel.
    ///
    /// # Errors
    /// As [`Song::write_frame`].
    pub fn samples(&self) -> Result<Vec<Vec<f32>>, AudioError> {
        let len = self.len();
        if len == 0 {
            return Ok(vec![Vec::new(); self.recording.channels]);
        }
        let mut flat = vec![0.0; self.recording.channels * len];
        self.write_frame(0, &mut flat)?;
        Ok(flat.chunks_exact(len).map(<[f32]>::to_vec).collect())
    }
}

impl Recording {
    pub(super) fn new(
        levels: &blocks::Levels,
        sample_rate: u32,
        channels: usize,
        silent: bool,
        source: FileInfo,
    ) -> Self {
        let &blocks::Levels { len, peak, rms, digest } = levels;
        Self { sample_rate, channels, len, peak, rms, silent, digest: format!("{digest:032x}"), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_planar_and_padded() {
        let song = Song::from_samples(&[vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]], 3);
        let frame = |start: usize, size: usize| {
            let mut out = vec![9.0; size];
            song.write_frame(start, &mut out).unwrap();
            out.iter().map(|s| (s * 1000.0).round() / 1000.0).collect::<Vec<f32>>()
        };
        assert_eq!(frame(1, 4), [2.0, 3.0, 5.0, 6.0]);
        assert_eq!(frame(2, 4), [3.0, 0.0, 6.0, 0.0]);
        assert_eq!(frame(7, 4), [0.0; 4]);
        // From the beginning, a song that is shorter is repeated.
        assert_eq!(frame(0, 10), [1.0, 2.0, 3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 4.0, 5.0]);
        assert_eq!(frame(0, 0), [0.0; 0]);
        assert_eq!((song.len(), song.seconds()), (3, 1.0));
        assert_eq!(song.samples().unwrap()[1].len(), 3);
        assert!(Song::from_samples(&[], 8000).is_empty());
    }
}
