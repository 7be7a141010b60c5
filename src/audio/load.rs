//! A file to a [`Song`]: decode → mix → resample → store, block by block, whatever the length of the file.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::blocks::Encoder;
use super::choose::check_spec;
use super::conform::Conform;
use super::decode;
use super::error::{AudioError, AudioFault};
use super::info::FileInfo;
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

/// Mixes, resamples and normalises samples that are in memory, planar and nominally in [−1, 1], as [`load`] does those of a
/// file.
///
/// # Errors
/// [`AudioFault`] where there are none, the channels differ in length, the rate is not one of [`super::limits::RATES`], or
/// they are too short, silent or not finite.
pub fn load_samples(
    channels: &[Vec<f32>],
    sample_rate: u32,
    spec: &AudioSpec,
    min_seconds: f64,
) -> Result<Song, AudioFault> {
    /// Samples that go the way of a packet.
    const PACKET: usize = 1 << 16;
    let Some(len) = channels.first().map(Vec::len) else {
        return Err(AudioFault::Empty("there is no channel"));
    };
    if channels.iter().any(|channel| channel.len() != len) {
        return Err(AudioFault::Corrupt("the channels differ in length".into()));
    }
    check_spec(sample_rate, channels.len())?;
    let mut bytes = Vec::new();
    let mut recorder = Recorder::new(spec, &mut bytes);
    for start in (0..len).step_by(PACKET) {
        let packet = |channel: &Vec<f32>| channel[start..len.min(start + PACKET)].to_vec();
        recorder.push(sample_rate, &channels.iter().map(packet).collect::<Vec<_>>())?;
    }
    recorder.flush()?;
    let recording = recorder.recording(spec, FileInfo::default())?;
    recording.check(min_seconds)?;
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
    let mut recorder = Recorder::new(spec, out);
    let source = decode::stream(path, &mut |rate, planes| recorder.push(rate, planes));
    let source =
        source.map(|source| recorder.flush().map(|()| source).map_err(|fault| AudioError::new(path, fault)));
    if let Some(error) = recorder.trouble {
        return Err(RecordError::Write(error));
    }
    let source = source??;
    recorder.recording(spec, source).map_err(RecordError::Write)
}

/// The way of a packet from the decoder to the encoder.
pub(super) struct Recorder<'a> {
    conform: Conform,
    encoder: Encoder<&'a mut dyn Write>,
    /// What writing failed with: not the file's fault.
    pub(super) trouble: Option<io::Error>,
    /// Of a part, how many of the samples that become ready are not written, and how many are, behind these.
    part: Option<(usize, usize)>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(spec: &AudioSpec, out: &'a mut dyn Write) -> Self {
        Self {
            conform: Conform::new(spec.sample_rate, spec.channels),
            encoder: Encoder::new(out, spec.channels),
            trouble: None,
            part: None,
        }
    }

    /// Begins a part: of what becomes ready up to the next [`Recorder::flush`], so many samples are not written, and so many
    /// behind these are.
    pub(super) fn begin(&mut self, skipped: usize, kept: usize) {
        self.part = Some((skipped, kept));
    }

    /// Whether a part has not got all its samples yet.
    pub(super) fn is_short(&self) -> bool {
        self.part.is_some_and(|(_, kept)| kept > 0)
    }

    /// What is known of the samples, when all were written.
    pub(super) fn recording(self, spec: &AudioSpec, source: FileInfo) -> io::Result<Recording> {
        let silent = self.conform.is_silent();
        let levels = self.encoder.finish()?;
        Ok(Recording::new(&levels, spec.sample_rate, spec.channels, silent, source))
    }

    pub(super) fn push(&mut self, rate: u32, planes: &[Vec<f32>]) -> Result<(), AudioFault> {
        self.conform.push(rate, planes)?;
        self.write()
    }

    pub(super) fn flush(&mut self) -> Result<(), AudioFault> {
        self.conform.finish()?;
        self.write()
    }

    /// What is ready, to the encoder: within [`super::limits::LARGEST`] before, it is finite after resampling too.
    fn write(&mut self) -> Result<(), AudioFault> {
        let ready = &mut self.conform.ready;
        if let Some((skipped, kept)) = &mut self.part {
            let count = ready.first().map_or(0, Vec::len);
            let drop = count.min(*skipped);
            let keep = (count - drop).min(*kept);
            for plane in ready.iter_mut() {
                plane.truncate(drop + keep);
                plane.drain(..drop);
            }
            (*skipped, *kept) = (*skipped - drop, *kept - keep);
        }
        if let Err(error) = self.encoder.push(ready) {
            let kind = error.kind();
            self.trouble = Some(error);
            return Err(AudioFault::Io(kind.into()));
        }
        ready.iter_mut().for_each(Vec::clear);
        Ok(())
    }
}
