//! Audio files to samples, through symphonia.
//!
//! What a file is, its bytes decide; the extension is never looked at. Packets that fail to decode are passed over, as
//! symphonia's documentation advises, with one rule for how many may fail: a file is damaged where more packets fail
//! than decode, or where less than half of the length that its header declares could be decoded.

use std::fs::File;
use std::io::{Cursor, ErrorKind};
use std::path::Path;

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::io::MediaSource;
use symphonia::core::units::Duration;

use super::catch::catch_quietly;
use super::edits::Part;
use super::error::{AudioError, AudioFault};
use super::info::FileInfo;
use super::limits;
use super::open::{Chosen, Opened, check_spec, fault_of};

/// A decoded file, as it is: nothing mixed, resampled or normalised.
#[cfg(any(test, feature = "internals"))]
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Samples a second.
    pub rate: u32,
    /// Planar samples, nominally in [−1, 1]; all channels of equal length.
    pub channels: Vec<Vec<f32>>,
}

/// Decodes the whole file. Encoder delay and padding are trimmed where the format tells them.
///
/// # Errors
/// [`AudioError`] names the file and the [`AudioFault`]. A panic inside a decoder is one of them
/// ([`AudioFault::Corrupt`]).
#[cfg(any(test, feature = "internals"))]
pub fn decode(path: &Path) -> Result<Decoded, AudioError> {
    let mut decoded = Decoded { rate: 0, channels: Vec::new() };
    stream(path, &mut |rate, planes| decoded.append(rate, planes))?;
    Ok(decoded)
}

/// Decodes a file that is in memory, as [`decode`] does one on disk.
///
/// # Errors
/// The [`AudioFault`]s of [`decode`].
#[cfg(any(test, feature = "internals"))]
pub fn decode_bytes(bytes: Vec<u8>) -> Result<Decoded, AudioFault> {
    let mut decoded = Decoded { rate: 0, channels: Vec::new() };
    let source = Box::new(Cursor::new(bytes));
    catch_quietly(|| stream_source(source, &mut |rate, planes| decoded.append(rate, planes)))?;
    Ok(decoded)
}

#[cfg(any(test, feature = "internals"))]
impl Decoded {
    fn append(&mut self, rate: u32, planes: &[Vec<f32>]) -> Result<(), AudioFault> {
        self.rate = rate;
        self.channels.resize_with(planes.len(), Vec::new);
        for (channel, plane) in self.channels.iter_mut().zip(planes) {
            channel.extend_from_slice(plane);
        }
        let samples: usize = self.channels.iter().map(Vec::len).sum();
        if samples > limits::SAMPLES { Err(AudioFault::TooLong) } else { Ok(()) }
    }
}

/// Reads the headers and tags of a file, and decodes nothing.
///
/// # Errors
/// [`AudioError`], as [`decode`] gives it for whatever headers tell: files that cannot be read, that are no audio
/// or of an unsupported kind, damage in headers, and lengths, rates and channels outside [`super::limits`].
#[cfg(feature = "cli")]
pub fn inspect(path: &Path) -> Result<FileInfo, AudioError> {
    catch_quietly(|| {
        let opened = Opened::new(file(path)?)?;
        Ok(opened.info(&opened.choose()?))
    })
    .map_err(|fault| AudioError::new(path, fault))
}

/// Receives (sample rate, planar samples of one packet). Rate and number of channels stay the same over a file.
pub(super) type Sink<'a> = dyn FnMut(u32, &[Vec<f32>]) -> Result<(), AudioFault> + 'a;

/// Decodes `path` packet by packet into `sink`, so that memory does not depend on the length of the file.
pub(super) fn stream(path: &Path, sink: &mut Sink) -> Result<FileInfo, AudioError> {
    catch_quietly(|| stream_source(file(path)?, sink)).map_err(|fault| AudioError::new(path, fault))
}

/// Opens a regular file.
pub(super) fn file(path: &Path) -> Result<Box<dyn MediaSource>, AudioFault> {
    // Opening a pipe would wait for a writer, so look first.
    if !std::fs::metadata(path)?.is_file() {
        return Err(AudioFault::NotAFile);
    }
    Ok(Box::new(File::open(path)?))
}

fn stream_source(source: Box<dyn MediaSource>, sink: &mut Sink) -> Result<FileInfo, AudioFault> {
    Packets::default().run(Opened::new(source)?, sink)
}

/// The state of decoding one file.
#[derive(Default)]
struct Packets {
    /// Sample rate and number of channels, from the first packet that decodes.
    spec: Option<(u32, usize)>,
    /// Samples a channel so far.
    frames: u64,
    /// What of the track is to be heard.
    heard: Heard,
    /// Seconds that the header declares, where it does exactly.
    declared: Option<f64>,
    good: usize,
    bad: usize,
    /// Packets read since the last one that gave samples.
    idle: u32,
    /// What went wrong last.
    trouble: Option<String>,
    planes: Vec<Vec<f32>>,
}

/// How many more packets may fail than decode before the rest of a file is given up: bounds the work on files whose
/// headers promise millions of packets.
const PATIENCE: usize = 1000;

/// How many packets in a row may give no sample, because they are empty or of other tracks: bounds the work on headers
/// that promise packets of no bytes.
const IDLE: u32 = 1 << 20;

impl Packets {
    fn run(mut self, mut opened: Opened, sink: &mut Sink) -> Result<FileInfo, AudioFault> {
        let mut chosen = opened.choose()?;
        let mut info = opened.info(&chosen);
        let mut decoder = self.start(&chosen)?;
        while self.bad <= self.good + PATIENCE && !self.heard.is_over() {
            let mut packet = match opened.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                // A chained stream starts anew.
                Err(Symphonia::ResetRequired) => {
                    chosen = opened.choose()?;
                    decoder = self.start(&chosen)?;
                    continue;
                }
                Err(Symphonia::IoError(e)) if e.kind() != ErrorKind::UnexpectedEof => {
                    return Err(e.into());
                }
                // The stream cannot be read further; what was decoded counts.
                Err(e) => {
                    self.trouble = Some(e.to_string());
                    break;
                }
            };
            self.idle += 1;
            if self.idle > IDLE {
                self.trouble = Some(format!("{IDLE} packets without a sample"));
                break;
            }
            if packet.track_id != chosen.id {
                continue;
            }
            if chosen.untrimmed.is_some_and(|from| packet.pts.get() >= from) {
                packet.trim_end = Duration::ZERO;
            }
            match decoder.decode(&packet) {
                Ok(audio) => self.take(&audio, sink)?,
                Err(e @ (Symphonia::DecodeError(_) | Symphonia::IoError(_))) => self.fail(e.to_string()),
                Err(e) => return Err(fault_of(e)),
            }
        }
        opened.tags.take(&mut opened.format.metadata());
        (info.artist, info.title) = (opened.tags.artist(), opened.tags.title());
        (info.sample_rate, info.channels) = self.spec.unwrap_or((info.sample_rate, info.channels));
        self.verdict()?;
        Ok(info)
    }

    /// Begins a track.
    fn start(&mut self, chosen: &Chosen) -> Result<Box<dyn AudioDecoder>, AudioFault> {
        self.declared = self.declared.or(chosen.declared.filter(|_| chosen.exact));
        self.heard = Heard { part: chosen.part, ..Heard::default() };
        chosen.decoder()
    }

    /// Passes on what a packet decoded to.
    fn take(&mut self, audio: &GenericAudioBufferRef<'_>, sink: &mut Sink) -> Result<(), AudioFault> {
        let spec = (audio.spec().rate(), audio.spec().channels().count());
        // A decoder's first packet may yield nothing yet; packets that never do are no good either.
        if audio.frames() == 0 {
            self.bad += usize::from(self.good > 0);
            return Ok(());
        }
        if self.spec.is_none() {
            check_spec(spec.0, spec.1)?;
        }
        if *self.spec.get_or_insert(spec) != spec {
            self.fail(format!("rate and channels change midway to {} Hz, {}", spec.0, spec.1));
            return Ok(());
        }
        audio.copy_to_vecs_planar(&mut self.planes);
        self.good += 1;
        self.idle = 0;
        let frames = self.heard.trim(spec.0, &mut self.planes);
        self.frames += frames as u64;
        if self.frames > limits::SECONDS * u64::from(spec.0) {
            return Err(AudioFault::TooLong);
        }
        if frames > 0 { sink(spec.0, &self.planes) } else { Ok(()) }
    }

    fn fail(&mut self, why: String) {
        self.bad += 1;
        self.trouble = Some(why);
    }

    fn verdict(self) -> Result<(), AudioFault> {
        let Some((rate, _)) = self.spec else {
            return Err(match self.trouble {
                Some(why) => AudioFault::Corrupt(format!("nothing could be decoded ({why})")),
                None => AudioFault::Empty("the file has no samples"),
            });
        };
        if self.frames == 0 {
            return Err(AudioFault::Empty("the file has no samples"));
        }
        let because = self.trouble.map(|t| format!(" ({t})")).unwrap_or_default();
        if self.bad > self.good {
            let all = self.bad + self.good;
            return Err(AudioFault::Corrupt(format!(
                "{} of {all} packets could not be decoded{because}",
                self.bad
            )));
        }
        let seconds = self.frames as f64 / f64::from(rate);
        match self.declared {
            Some(declared) if seconds < declared / 2.0 => Err(AudioFault::Corrupt(format!(
                "only {seconds:.1} s of the {declared:.1} s that its header declares are there{because}"
            ))),
            _ => Ok(()),
        }
    }
}

/// Cuts a track's samples down to the part that is to be heard.
#[derive(Default)]
struct Heard {
    part: Option<Part>,
    /// Samples still to drop and to keep, once the rate is known.
    left: Option<(u64, Option<u64>)>,
}

impl Heard {
    /// Trims the samples of one packet at `rate` Hz; how many a channel remain.
    fn trim(&mut self, rate: u32, planes: &mut [Vec<f32>]) -> usize {
        let mut frames = planes.first().map_or(0, Vec::len);
        let Some(part) = self.part else {
            return frames;
        };
        let (drop, keep) = self.left.get_or_insert_with(|| part.samples(rate));
        let dropped = frames.min(usize::try_from(*drop).unwrap_or(usize::MAX));
        *drop -= dropped as u64;
        frames -= dropped;
        if let Some(keep) = keep {
            frames = frames.min(usize::try_from(*keep).unwrap_or(usize::MAX));
            *keep -= frames as u64;
        }
        for plane in planes {
            plane.drain(..dropped);
            plane.truncate(frames);
        }
        frames
    }

    /// Whether nothing more is to be heard.
    fn is_over(&self) -> bool {
        matches!(self.left, Some((_, Some(0))))
    }
}
