//! A file to a [`Song`]: decode → mix → resample → store, block by block, whatever the length of the file.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::blocks::Encoder;
use super::conform::Conform;
use super::decode;
use super::error::{AudioError, AudioFault};
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
        conform: Conform::new(spec.sample_rate, spec.channels),
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
    let silent = recorder.conform.is_silent();
    let levels = recorder.encoder.finish().map_err(RecordError::Write)?;
    Ok(Recording::new(&levels, spec.sample_rate, spec.channels, silent, source))
}

/// The way of a packet from the decoder to the encoder.
struct Recorder<'a> {
    conform: Conform,
    encoder: Encoder<&'a mut dyn Write>,
    /// What writing failed with: not the file's fault.
    trouble: Option<io::Error>,
}

impl Recorder<'_> {
    fn push(&mut self, rate: u32, planes: &[Vec<f32>]) -> Result<(), AudioFault> {
        self.conform.push(rate, planes)?;
        self.write()
    }

    fn flush(&mut self) -> Result<(), AudioFault> {
        self.conform.finish()?;
        self.write()
    }

    /// What is ready, to the encoder: within [`super::limits::LARGEST`] before, it is finite after resampling too.
    fn write(&mut self) -> Result<(), AudioFault> {
        let ready = &mut self.conform.ready;
        if let Err(error) = self.encoder.push(ready) {
            let kind = error.kind();
            self.trouble = Some(error);
            return Err(AudioFault::Io(kind.into()));
        }
        ready.iter_mut().for_each(Vec::clear);
        Ok(())
    }
}
