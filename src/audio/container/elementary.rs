//! Streams of frames without a container: MPEG audio (ISO/IEC 11172-3, 13818-3) and ADTS (ISO/IEC 13818-7).
//!
//! Symphonia's readers take any sync word for a frame, and give frames of another rate, layer or number of channels to a
//! decoder that refuses them. Here a frame counts only where another follows it, and a change begins a new part.

use std::io;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecParameters, well_known as codec};
use symphonia::core::errors::{Error, Result};
use symphonia::core::formats::{FormatId, Track, well_known as format};
use symphonia::core::io::MediaSource;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::super::reader::{Missing, Reader, Unit};
use super::super::tags::Tags;
use super::around;
use super::frame::{Frame, Kind, Spec, parse};
use super::info::Info;
use super::window::Window;

/// Bytes that hold any frame and the header of the next.
const LONGEST: usize = 1 << 13;
/// How far into a file its first frame is looked for.
const SEARCH: usize = 1 << 20;
/// Frames from which the length of a stream is estimated, and frames that must follow one another before it is one.
const SAMPLE: usize = 64;
const CHAIN: usize = 3;

/// Reads a stream of frames.
pub(in crate::audio) struct Elementary {
    window: Window,
    /// Where the stream ends, before tags.
    end: u64,
    spec: Spec,
    tracks: Vec<Track>,
    /// What the first frame says about the stream.
    info: Option<Info>,
    /// Samples a channel from the first frame of sound on.
    position: u64,
    /// Whether the frame before ended where the next is to begin.
    synced: bool,
    /// Length of the last frame.
    length: usize,
    missing: Missing,
}

impl Elementary {
    /// Looks for a stream of frames from `start` on in a source whose stream ends at `end`; where it begins.
    pub(in crate::audio) fn find(
        source: &mut dyn MediaSource,
        start: u64,
        end: u64,
    ) -> io::Result<Option<u64>> {
        let bytes = around::bytes(source, start..end.min(start + (SEARCH + 4 * LONGEST) as u64))?;
        let whole = start + bytes.len() as u64 == end;
        let found = (0..bytes.len().min(SEARCH)).find(|&at| {
            bytes[at] == 0xff && chain(&bytes[at..], whole, if at == 0 { CHAIN - 1 } else { CHAIN })
        });
        Ok(found.map(|at| start + at as u64))
    }

    /// Reads the stream from `start` to `end` of `source`, where [`Elementary::find`] has found one.
    pub(in crate::audio) fn new(source: Box<dyn MediaSource>, start: u64, end: u64) -> Result<Self> {
        let mut window = Window::new(source, start)?;
        let bytes = window.peek(SAMPLE * 1500)?;
        let Some(first) = parse(bytes) else {
            return Err(Error::DecodeError("mpa: no frame"));
        };
        if first.is_several() {
            return Err(Error::Unsupported("ADTS with several AAC packets in a frame"));
        }
        let info = bytes.get(..first.length).and_then(|frame| Info::read(frame, &first));
        // The mean length of the first frames of sound.
        let (mut at, mut count, skip) = (0, 0, if info.is_some() { first.length } else { 0 });
        let (mut least, mut most) = (usize::MAX, 0);
        while let Some(frame) = bytes.get(skip + at..).and_then(parse).filter(|_| count < SAMPLE) {
            at += frame.length;
            count += 1;
            (least, most) = (least.min(frame.length), most.max(frame.length));
        }
        let mean = at as f64 / (count as f64).max(1.0);
        let there = end.saturating_sub(start + skip as u64);
        let estimate = there as f64 / mean.max(1.0);
        let samples = u64::from(first.samples);
        // Frames of one length, up to padding, tell how many there are.
        let constant = most <= least.saturating_add(4);
        let info = info.map(|info| if constant { info.checked(estimate, there) } else { info });
        let mut track = Track::new(0);
        let frames = match info.as_ref().and_then(|info| info.frames) {
            Some(frames) => (frames * samples).saturating_sub(info.as_ref().map_or(0, Info::trimmed)),
            None => (estimate * samples as f64) as u64,
        };
        track.with_codec_params(CodecParameters::Audio(first.spec.params())).with_num_frames(frames);
        if let Some(info) = info.as_ref().filter(|info| info.frames.is_some()) {
            // A length that is no estimate.
            track.with_padding(info.padding);
        }
        window.skip(skip as u64)?;
        Ok(Self {
            window,
            end,
            spec: first.spec,
            tracks: vec![track],
            info,
            position: 0,
            synced: true,
            length: first.length,
            missing: Missing::default(),
        })
    }

    /// Finds the next frame; `None` at the end. The window stands at it.
    fn frame(&mut self) -> io::Result<Option<Frame>> {
        let mut junk = 0u64;
        let mut noise = false;
        loop {
            let left = self.end.saturating_sub(self.window.position());
            let bytes = self.window.peek(2 * LONGEST)?;
            let bytes = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            if bytes.is_empty() {
                return Ok(None);
            }
            let all = bytes.len() as u64 == left;
            let mut step = 1;
            if let Some(frame) = parse(bytes) {
                let same = frame.spec == self.spec;
                if frame.length > bytes.len() {
                    // Only the file's end can hold so little.
                    if same && junk == 0 {
                        self.missing.cut = true;
                        return Ok(None);
                    }
                } else if (same && self.synced && junk == 0)
                    || chain(bytes, all, if same { CHAIN - 1 } else { CHAIN })
                {
                    if junk > 0 && noise {
                        self.missing.packets += (junk / self.length.max(1) as u64).max(1);
                    }
                    (self.synced, self.length) = (true, frame.length);
                    return Ok(Some(frame));
                }
            } else if let Some(length) = around::id3v2_length(bytes).filter(|&length| length <= left) {
                self.window.skip(length)?;
                continue;
            } else if bytes.starts_with(b"TAG") && bytes.get(128..).is_some_and(is_start) {
                self.window.skip(128)?;
                continue;
            } else if let Some(length) = ape_length(bytes).filter(|&length| length <= left) {
                self.window.skip(length)?;
                continue;
            } else {
                let next = bytes.iter().skip(1).position(|&b| matches!(b, 0xff | b'I' | b'T' | b'A'));
                step = next.map_or(bytes.len(), |at| at + 1).max(1);
            }
            // A few zeros fill gaps; more stand where frames were.
            noise |= bytes[..step].iter().any(|&byte| byte != 0) || junk > 4 * self.length as u64;
            junk += step as u64;
            self.synced = false;
            self.window.skip(step as u64)?;
        }
    }
}

/// Whether frames follow one another, `count` of them, or all up to the end of `bytes` where that is the end of `all`.
fn chain(bytes: &[u8], all: bool, count: usize) -> bool {
    let mut at = 0;
    let mut spec = None;
    for found in 0..count {
        let Some(rest) = bytes.get(at..) else { return false };
        if found > 0 && all && rest.is_empty() {
            return true;
        }
        match parse(rest) {
            Some(frame) if *spec.get_or_insert(frame.spec) == frame.spec => at += frame.length,
            _ => return false,
        }
    }
    true
}

/// Whether a frame or another tag begins here.
fn is_start(bytes: &[u8]) -> bool {
    bytes.is_empty()
        || parse(bytes).is_some()
        || around::id3v2_length(bytes).is_some()
        || ape_length(bytes).is_some()
}

/// The length of the APE tag that begins here, if one does.
fn ape_length(bytes: &[u8]) -> Option<u64> {
    let head = bytes.get(..32).filter(|head| head.starts_with(b"APETAGEX"))?;
    let word = |at: usize| u64::from(u32::from_le_bytes(std::array::from_fn(|i| head[at + i])));
    Some(if word(20) >> 29 & 1 == 1 { 32 + word(12) } else { 32 })
}

impl Spec {
    fn params(&self) -> AudioCodecParameters {
        let mut params = AudioCodecParameters::new();
        params
            .for_codec(match self.kind {
                Kind::Mp1 => codec::CODEC_ID_MP1,
                Kind::Mp2 => codec::CODEC_ID_MP2,
                Kind::Mp3 => codec::CODEC_ID_MP3,
                Kind::Aac { .. } => codec::CODEC_ID_AAC,
            })
            .with_sample_rate(self.rate)
            .with_channels(Channels::Discrete(self.channels.into()));
        if let Kind::Aac { config } = self.kind {
            params.with_extra_data(Box::from(config));
        }
        params
    }
}

impl Reader for Elementary {
    fn format(&self) -> FormatId {
        match self.spec.kind {
            Kind::Mp1 => format::FORMAT_ID_MP1,
            Kind::Mp2 => format::FORMAT_ID_MP2,
            Kind::Mp3 => format::FORMAT_ID_MP3,
            Kind::Aac { .. } => format::FORMAT_ID_ADTS,
        }
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next(&mut self) -> Result<Option<Unit>> {
        loop {
            let Some(frame) = self.frame()? else {
                return Ok(None);
            };
            if frame.spec != self.spec {
                self.spec = frame.spec;
                let mut track = Track::new(0);
                track.with_codec_params(CodecParameters::Audio(frame.spec.params()));
                self.tracks = vec![track];
                // What the first frame said is about the first part.
                self.info = None;
                return Err(Error::ResetRequired);
            }
            let left = self.end.saturating_sub(self.window.position() + frame.length as u64);
            let Some(bytes) = self.window.take(frame.length)? else {
                return Ok(None);
            };
            // The first frame of a file that was glued to this one.
            if Info::read(bytes, &frame).is_some() {
                continue;
            }
            let data = bytes.get(frame.header..).filter(|_| !frame.is_several()).unwrap_or_default();
            let samples = u64::from(frame.samples);
            let mut packet =
                Packet::new(0, Timestamp::ZERO, Duration::from(samples), data.to_vec().into_boxed_slice());
            if let Some(info) = &self.info {
                let (start, end) = info.trims(self.position, samples, left);
                (packet.trim_start, packet.trim_end) = (Duration::from(start), Duration::from(end));
            }
            self.position += samples;
            return Ok(Some(packet.into()));
        }
    }

    fn tags(&mut self, _tags: &mut Tags) {}

    fn missing(&self) -> Missing {
        self.missing
    }
}
