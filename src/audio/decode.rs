//! Audio files to samples, through symphonia.
//!
//! What a file is, its bytes decide; the extension is never looked at. Packets that fail to decode are passed over, as
//! symphonia's documentation advises, with one rule for how many may fail: a file is damaged where more packets fail
//! than decode, or where less than half of the length that its header declares could be decoded.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, SeekFrom};
use std::path::Path;

use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

use super::catch::catch_quietly;
use super::error::{AudioError, AudioFault};
use super::info::FileInfo;
use super::kinds::{Kind, SNIFF, codec_name, is_text, kind_of};
use super::limits;

/// A decoded file, as it is: nothing mixed, resampled or normalised.
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
pub fn decode(path: &Path) -> Result<Decoded, AudioError> {
    let mut decoded = Decoded { rate: 0, channels: Vec::new() };
    stream(path, &mut |rate, planes| decoded.append(rate, planes))?;
    Ok(decoded)
}

/// Decodes a file that is in memory, as [`decode`] does one on disk.
///
/// # Errors
/// The [`AudioFault`]s of [`decode`].
pub fn decode_bytes(bytes: Vec<u8>) -> Result<Decoded, AudioFault> {
    let mut decoded = Decoded { rate: 0, channels: Vec::new() };
    let source = Box::new(Cursor::new(bytes));
    catch_quietly(|| stream_source(source, &mut |rate, planes| decoded.append(rate, planes)))?;
    Ok(decoded)
}

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

/// Receives (sample rate, planar samples of one packet). Rate and number of channels stay the same over a file.
pub(super) type Sink<'a> = dyn FnMut(u32, &[Vec<f32>]) -> Result<(), AudioFault> + 'a;

/// Decodes `path` packet by packet into `sink`, so that memory does not depend on the length of the file.
pub(super) fn stream(path: &Path, sink: &mut Sink) -> Result<FileInfo, AudioError> {
    let open = || {
        // Opening a pipe would wait for a writer, so look first.
        if !std::fs::metadata(path)?.is_file() {
            return Err(AudioFault::NotAFile);
        }
        stream_source(Box::new(File::open(path)?), sink)
    };
    catch_quietly(open).map_err(|fault| AudioError::new(path, fault))
}

fn stream_source(mut source: Box<dyn MediaSource>, sink: &mut Sink) -> Result<FileInfo, AudioFault> {
    let mut head = Vec::with_capacity(SNIFF);
    Read::by_ref(&mut source).take(SNIFF as u64).read_to_end(&mut head)?;
    source.seek(SeekFrom::Start(0))?;
    if head.is_empty() {
        return Err(AudioFault::Empty("the file has no bytes"));
    }
    match kind_of(&head) {
        Some(Kind::Unsupported(name)) => return Err(AudioFault::Unsupported(name.to_owned())),
        Some(Kind::Other(name)) => return Err(AudioFault::NotAudio { found: Some(name) }),
        None => {}
    }
    let source = MediaSourceStream::new(source, Default::default());
    // Pictures and long tags are not needed: none is kept.
    let metadata = MetadataOptions::default()
        .limit_visual_bytes(Limit::Maximum(0))
        .limit_tag_bytes(Limit::Maximum(1 << 16));
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), source, FormatOptions::default(), metadata)
        .map_err(|e| match e {
            Symphonia::Unsupported(why) if why.starts_with("core (probe)") => {
                AudioFault::NotAudio { found: is_text(&head).then_some("text") }
            }
            Symphonia::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
                AudioFault::Corrupt("the file ends inside its header".to_owned())
            }
            // A container of a known format that lacks what it must have, such as an index cut off with its end.
            Symphonia::Unsupported(why) => AudioFault::Corrupt(why.to_owned()),
            other => fault_of(other),
        })?;
    Packets::default().run(format.as_mut(), sink)
}

/// An error of symphonia's that ends the decoding.
fn fault_of(error: Symphonia) -> AudioFault {
    match error {
        Symphonia::IoError(e) if e.kind() != ErrorKind::UnexpectedEof => AudioFault::Io(e),
        Symphonia::Unsupported(what) => AudioFault::Unsupported(what.to_owned()),
        other => AudioFault::Corrupt(other.to_string()),
    }
}

/// The state of decoding one file.
#[derive(Default)]
struct Packets {
    /// Sample rate and number of channels, from the first packet that decodes.
    spec: Option<(u32, usize)>,
    /// Samples a channel so far.
    frames: u64,
    /// Seconds that the header declares, where it does.
    declared: Option<f64>,
    good: usize,
    bad: usize,
    /// What went wrong last.
    trouble: Option<String>,
    planes: Vec<Vec<f32>>,
}

/// How many more packets may fail than decode before the rest of a file is given up: bounds the work on files whose
/// headers promise millions of packets.
const PATIENCE: usize = 1000;

impl Packets {
    fn run(mut self, format: &mut dyn FormatReader, sink: &mut Sink) -> Result<FileInfo, AudioFault> {
        let (mut track, mut decoder) = self.open(format)?;
        while self.bad <= self.good + PATIENCE {
            let packet = match format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                // A chained stream starts anew.
                Err(Symphonia::ResetRequired) => {
                    (track, decoder) = self.open(format)?;
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
            if packet.track_id != track {
                continue;
            }
            match decoder.decode(&packet) {
                Ok(audio) => {
                    let spec = (audio.spec().rate(), audio.spec().channels().count());
                    // A decoder's first packet may yield nothing yet; packets that never do are no good either.
                    if audio.frames() == 0 {
                        self.bad += usize::from(self.good > 0);
                        continue;
                    }
                    if self.spec.is_none() {
                        check_spec(spec.0, spec.1)?;
                    }
                    if *self.spec.get_or_insert(spec) != spec {
                        self.fail(format!("rate and channels change midway to {} Hz, {}", spec.0, spec.1));
                        continue;
                    }
                    audio.copy_to_vecs_planar(&mut self.planes);
                    self.good += 1;
                    self.frames += audio.frames() as u64;
                    if self.frames > limits::SECONDS * u64::from(spec.0) {
                        return Err(AudioFault::TooLong);
                    }
                    sink(spec.0, &self.planes)?;
                }
                Err(e @ (Symphonia::DecodeError(_) | Symphonia::IoError(_))) => self.fail(e.to_string()),
                Err(e) => return Err(fault_of(e)),
            }
        }
        let (sample_rate, channels) = self.spec.unwrap_or_default();
        let info = FileInfo { sample_rate, channels, seconds: self.declared, ..FileInfo::default() };
        self.verdict()?;
        Ok(info)
    }

    /// Opens a decoder for the default audio track, after its limits have been checked.
    fn open(&mut self, format: &dyn FormatReader) -> Result<(u32, Box<dyn AudioDecoder>), AudioFault> {
        let track = format
            .default_track(TrackType::Audio)
            .or_else(|| format.first_track(TrackType::Audio))
            .ok_or(AudioFault::NotAudio { found: Some("a film without sound") })?;
        let params = track
            .codec_params
            .as_ref()
            .and_then(|p| p.audio())
            .ok_or_else(|| AudioFault::Unsupported("a track without codec parameters".to_owned()))?;
        check_declared(params)?;
        if self.declared.is_none() {
            self.declared = declared_seconds(params, track.num_frames);
        }
        let codecs = symphonia::default::get_codecs();
        if codecs.get_audio_decoder(params.codec).is_none() {
            return Err(AudioFault::Unsupported(codec_name(params.codec)));
        }
        let decoder = codecs.make_audio_decoder(params, &AudioDecoderOptions::default()).map_err(fault_of)?;
        Ok((track.id, decoder))
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

/// The length that the header declares, unless it is a placeholder as writers to pipes leave it: 2 or 4 GiB of PCM
/// (less at most 64 KiB), or more than the longest song.
fn declared_seconds(params: &AudioCodecParameters, frames: Option<u64>) -> Option<f64> {
    const PLACEHOLDER: u64 = 0x7fff_0000;
    let frames = frames?;
    let bits = params.bits_per_coded_sample.or(params.bits_per_sample).unwrap_or(0);
    let channels = params.channels.as_ref().map_or(1, |c| c.count());
    let bytes = frames.saturating_mul(channels as u64).saturating_mul(u64::from(bits)) / 8;
    let seconds = frames as f64 / f64::from(params.sample_rate?.max(1));
    (bytes < PLACEHOLDER && seconds <= limits::SECONDS as f64).then_some(seconds)
}

/// Refuses what the header declares past the limits, before a decoder allocates for it.
fn check_declared(params: &AudioCodecParameters) -> Result<(), AudioFault> {
    let rate = params.sample_rate.unwrap_or(*limits::RATES.start());
    check_spec(rate, params.channels.as_ref().map_or(1, |c| c.count()))
}

fn check_spec(rate: u32, channels: usize) -> Result<(), AudioFault> {
    if channels == 0 {
        return Err(AudioFault::Corrupt("its header declares no channels".to_owned()));
    }
    if channels > limits::CHANNELS {
        return Err(AudioFault::TooManyChannels(channels));
    }
    if !limits::RATES.contains(&rate) {
        return Err(AudioFault::Rate(rate));
    }
    Ok(())
}
