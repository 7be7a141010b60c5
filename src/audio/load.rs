//! A file to a [`Song`]: decode → mix → resample → store, block by block, whatever the length of the file.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::blocks::Encoder;
use super::decode;
use super::error::{AudioError, AudioFault};
use super::limits;
use super::measure::{Measure, measure};
use super::resample::Resampler;
use super::song::{AudioSpec, Recording, Song};

/// Decodes, mixes, resamples and normalises the song in `path`, into memory.
///
/// # Errors
/// [`AudioError`] where the file cannot be read or decoded, is shorter than `min_seconds`, is silent, or has samples
/// that are not finite.
pub fn load(path: &Path, spec: &AudioSpec, min_seconds: f64) -> Result<Song, AudioError> {
    let mut bytes = Vec::new();
    let recording = record(path, spec, &mut bytes).map_err(|error| match error {
        RecordError::Audio(error) => error,
        RecordError::Write(error) => AudioError::new(path, error.into()),
    })?;
    recording.check(min_seconds).map_err(|fault| AudioError::new(path, fault))?;
    bytes.shrink_to_fit();
    Ok(Song::new(recording, Arc::new(bytes), spec.normalise))
}

/// Why a song could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be used.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// Its samples cannot be written.
    #[error("samples cannot be written: {0}")]
    Write(#[source] io::Error),
}

/// Writes the song in `path` to `out` as the encoded samples that [`Song::new`] takes, at the rate and with the channels
/// of `spec`. Memory does not depend on the length of the song, and nothing is normalised.
///
/// # Errors
/// [`RecordError::Audio`] where the file cannot be read or decoded, or has samples that are not finite;
/// [`RecordError::Write`] where `out` fails.
pub fn record(path: &Path, spec: &AudioSpec, out: &mut dyn Write) -> Result<Recording, RecordError> {
    let mut recorder = Recorder {
        mixer: Mixer::new(spec.channels),
        rate: spec.sample_rate,
        resampler: None,
        ready: vec![Vec::new(); spec.channels],
        encoder: Encoder::new(out, spec.channels),
        trouble: None,
    };
    let source = decode::stream(path, &mut |rate, planes| recorder.push(rate, planes));
    let source =
        source.map(|source| recorder.flush().map(|()| source).map_err(|fault| AudioError::new(path, fault)));
    if let Some(error) = recorder.trouble {
        return Err(RecordError::Write(error));
    }
    let source = source??;
    let silent = recorder.mixer.is_silent();
    let levels = recorder.encoder.finish().map_err(RecordError::Write)?;
    Ok(Recording::new(&levels, spec.sample_rate, spec.channels, silent, source))
}

/// The way of a packet from the decoder to the encoder.
struct Recorder<'a> {
    mixer: Mixer,
    rate: u32,
    resampler: Option<Resampler>,
    /// Resampled samples on their way to the encoder.
    ready: Vec<Vec<f32>>,
    encoder: Encoder<&'a mut dyn Write>,
    /// What writing failed with: not the file's fault.
    trouble: Option<io::Error>,
}

impl Recorder<'_> {
    fn push(&mut self, rate: u32, planes: &[Vec<f32>]) -> Result<(), AudioFault> {
        let mixed = self.mixer.mix(planes)?;
        let resampler = match &mut self.resampler {
            Some(resampler) => resampler,
            none => none.insert(Resampler::new(rate, self.rate, mixed.len())?),
        };
        resampler.push(mixed, &mut self.ready)?;
        self.write()
    }

    fn flush(&mut self) -> Result<(), AudioFault> {
        if let Some(resampler) = self.resampler.take() {
            resampler.finish(&mut self.ready)?;
        }
        self.write()
    }

    /// What is ready, to the encoder: within [`limits::LARGEST`] before, it is finite after resampling too.
    fn write(&mut self) -> Result<(), AudioFault> {
        if let Err(error) = self.encoder.push(&self.ready) {
            let kind = error.kind();
            self.trouble = Some(error);
            return Err(AudioFault::Io(kind.into()));
        }
        self.ready.iter_mut().for_each(Vec::clear);
        Ok(())
    }
}

/// Brings any number of channels to the number wanted, and watches the samples' range.
struct Mixer {
    mixed: Vec<Vec<f32>>,
    /// Least and greatest sample of each channel so far.
    range: Vec<(f32, f32)>,
}

impl Mixer {
    fn new(channels: usize) -> Self {
        Self { mixed: vec![Vec::new(); channels], range: vec![(f32::INFINITY, f32::NEG_INFINITY); channels] }
    }

    /// Mixes planar samples. The result stays valid until the next call.
    fn mix(&mut self, planes: &[Vec<f32>]) -> Result<&[Vec<f32>], AudioFault> {
        let keep = planes.len() == self.mixed.len();
        for (i, (mixed, range)) in self.mixed.iter_mut().zip(&mut self.range).enumerate() {
            mixed.clear();
            match planes {
                _ if keep => mixed.extend_from_slice(&planes[i]),
                [] => {}
                // The usual case, in one sweep.
                [left, right] => mixed.extend(left.iter().zip(right).map(|(l, r)| 0.5 * (l + r))),
                [first, rest @ ..] => {
                    mixed.extend_from_slice(first);
                    for plane in rest {
                        mixed.iter_mut().zip(plane).for_each(|(sum, s)| *sum += s);
                    }
                    let scale = 1.0 / planes.len() as f32;
                    mixed.iter_mut().for_each(|s| *s *= scale);
                }
            }
            let Measure { low, high, finite, .. } = measure(mixed);
            if !finite {
                return Err(AudioFault::NonFinite);
            }
            if high.max(-low) > limits::LARGEST {
                return Err(AudioFault::OutOfRange);
            }
            *range = (range.0.min(low), range.1.max(high));
        }
        Ok(&self.mixed)
    }

    /// Whether no channel moves by more than ±[`limits::SILENCE`] about one value.
    fn is_silent(&self) -> bool {
        self.range.iter().all(|&(lo, hi)| hi - lo <= 2.0 * limits::SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_to_mono_and_stereo() {
        let planes = vec![vec![1.0, 0.5], vec![0.0, -0.5], vec![-0.4, 0.3]];
        let mono = Mixer::new(1).mix(&planes[..2]).unwrap().to_vec();
        assert_eq!(mono, [[0.5, 0.0]]);
        assert_eq!(Mixer::new(2).mix(&planes[..2]).unwrap(), &planes[..2]);
        assert_eq!(Mixer::new(2).mix(&planes[..1]).unwrap(), [[1.0, 0.5], [1.0, 0.5]]);
        let three = Mixer::new(2).mix(&planes).unwrap().to_vec();
        assert_eq!(three[0], three[1]);
        assert!((three[0][0] - 0.2).abs() < 1e-7 && (three[0][1] - 0.1).abs() < 1e-7);
        assert!(matches!(Mixer::new(1).mix(&[vec![0.0, f32::NAN]]), Err(AudioFault::NonFinite)));
        assert!(matches!(Mixer::new(1).mix(&[vec![f32::INFINITY], vec![0.0]]), Err(AudioFault::NonFinite)));
    }
}
