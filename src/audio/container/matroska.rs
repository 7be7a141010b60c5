//! Matroska and WebM (RFC 9559).
//!
//! Symphonia's reader passes compressed blocks on as they are, takes no track for the default, does not tell what is to be
//! discarded, and refuses a file that was cut off.

use std::collections::VecDeque;
use std::io::{Cursor, Read};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::errors::{Error, Result};
use symphonia::core::formats::{FormatId, MediaInfo, Track, TrackFlags, well_known as format};
use symphonia::core::io::MediaSource;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, TimeBase, Timestamp};

use super::super::reader::{Missing, Reader, Unit};
use super::super::tags::Tags;
use super::ebml::{Header, elements, float, header, number, unsigned};
use super::tracks::{Coding, Entry, entries};
use super::window::Window;

/// Names of elements.
mod id {
    pub const HEADER: u32 = 0x1a45_dfa3;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114d_9b74;
    pub const INFO: u32 = 0x1549_a966;
    pub const TRACKS: u32 = 0x1654_ae6b;
    pub const TAGS: u32 = 0x1254_c367;
    pub const CLUSTER: u32 = 0x1f43_b675;
    pub const GROUP: u32 = 0xa0;
    pub const BLOCK: u32 = 0xa1;
    pub const SIMPLE_BLOCK: u32 = 0xa3;
    pub const DISCARD: u32 = 0x75a2;
}

/// Most bytes of an element that is read at once.
const LARGEST: u64 = 16 << 20;
/// Most bytes that a block may unpack to.
const UNPACKED: u64 = 16 << 20;

/// Reads Matroska.
pub(in crate::audio) struct Matroska {
    window: Window,
    entries: Vec<Entry>,
    tracks: Vec<Track>,
    info: MediaInfo,
    /// Seconds, where the file tells.
    seconds: Option<f64>,
    units: VecDeque<Unit>,
    /// The end of the group of a block that waits, and the block.
    group: u64,
    tags: Tags,
    missing: Missing,
}

impl Matroska {
    /// Reads the headers of a Matroska file.
    ///
    /// # Errors
    /// Those of reading, and of a file without tracks.
    pub(in crate::audio) fn new(source: Box<dyn MediaSource>) -> Result<Self> {
        let mut file = Self {
            window: Window::new(source, 0)?,
            entries: Vec::new(),
            tracks: Vec::new(),
            info: MediaInfo::new(),
            seconds: None,
            units: VecDeque::new(),
            group: 0,
            tags: Tags::default(),
            missing: Missing::default(),
        };
        let mut segment = 0;
        let mut elsewhere = Vec::new();
        while let Some(head) = file.head()? {
            match head.id {
                id::HEADER => {
                    let kind = file.contents(&head)?;
                    let kind = elements(&kind).find(|(id, _)| *id == 0x4282).map(|(_, kind)| kind.to_vec());
                    if !matches!(kind.as_deref(), Some(b"matroska" | b"webm")) {
                        return Err(Error::DecodeError("mkv: not a matroska / webm file"));
                    }
                }
                id::SEGMENT => {
                    file.window.skip(head.length as u64)?;
                    segment = file.window.position();
                }
                id::SEEK_HEAD => {
                    let seeks = file.contents(&head)?;
                    for (_, seek) in elements(&seeks).filter(|(id, _)| *id == 0x4dbb) {
                        let of = |name: u32| {
                            elements(seek).find(|(id, _)| *id == name).map_or(0, |(_, v)| unsigned(v))
                        };
                        elsewhere.push((of(0x53ab), of(0x53ac)));
                    }
                }
                id::CLUSTER => break,
                _ => file.element(&head)?,
            }
        }
        let here = file.window.position();
        for (name, place) in elsewhere {
            let place = segment.saturating_add(place);
            if place >= here && [id::TAGS, id::TRACKS, id::INFO].map(u64::from).contains(&name) {
                file.window.go_to(place)?;
                // A place past the end of what is there.
                if let Some(head) = file.head()?.filter(|head| u64::from(head.id) == name) {
                    file.element(&head)?;
                }
            }
        }
        file.window.go_to(here)?;
        if file.entries.is_empty() {
            return Err(Error::DecodeError("mkv: its tracks are not there"));
        }
        file.tracks = file.entries.iter().map(|entry| file.track(entry)).collect();
        Ok(file)
    }

    fn track(&self, entry: &Entry) -> Track {
        let mut track = Track::new(entry.number);
        if entry.default {
            track.with_flags(TrackFlags::DEFAULT);
        }
        if let Some(params) = &entry.params {
            // The length of one track alone is the file's.
            if let (Some(seconds), Some(rate), 1) = (self.seconds, params.sample_rate, self.entries.len()) {
                track.with_num_frames((seconds * f64::from(rate)) as u64);
            }
            track.with_codec_params(CodecParameters::Audio(params.clone()));
        }
        track
    }

    /// The header of the next element; `None` at the end.
    fn head(&mut self) -> Result<Option<Header>> {
        let mut lost = false;
        loop {
            let bytes = self.window.peek(12)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            // Some programs fill up with zeros.
            match header(bytes) {
                Some(head) => {
                    self.missing.packets += u64::from(lost);
                    return Ok(Some(head));
                }
                None if bytes.len() < 12 => {
                    self.missing.cut = true;
                    return Ok(None);
                }
                None => {}
            }
            // Damage: on with the next cluster.
            let bytes = self.window.peek(1 << 16)?;
            lost |= bytes.iter().any(|&byte| byte != 0);
            let next = bytes.windows(4).skip(1).position(|w| w == id::CLUSTER.to_be_bytes());
            let step = next.map_or(bytes.len().saturating_sub(3).max(1), |at| at + 1);
            self.window.skip(step as u64)?;
        }
    }

    /// What an element holds, which is passed over. Nothing, where that is too much, or not all there.
    fn contents(&mut self, head: &Header) -> Result<Vec<u8>> {
        self.window.skip(head.length as u64)?;
        let size = head.size.unwrap_or(0);
        if size > LARGEST {
            self.window.skip(size)?;
            return Ok(Vec::new());
        }
        let bytes = self.window.take(size as usize)?.map(<[u8]>::to_vec);
        if bytes.is_none() {
            self.missing.cut = true;
            self.window.skip(size)?;
        }
        Ok(bytes.unwrap_or_default())
    }

    /// Heeds an element that describes the file, and passes over any other.
    fn element(&mut self, head: &Header) -> Result<()> {
        match head.id {
            id::INFO => {
                let (info, mut scale, mut length) = (self.contents(head)?, 1_000_000, None);
                for (id, value) in elements(&info) {
                    match id {
                        0x2a_d7b1 => scale = unsigned(value),
                        0x4489 => length = Some(float(value)),
                        0x7ba9 => self.tags.named("title", &String::from_utf8_lossy(value)),
                        _ => {}
                    }
                }
                let seconds = length.map(|length| length * scale as f64 * 1e-9);
                self.seconds = seconds.filter(|seconds| seconds.is_finite() && (0.0..1e9).contains(seconds));
                if let (Some(seconds), Some(base)) = (self.seconds, TimeBase::try_from_recip(1000)) {
                    self.info.with_time_base(base).with_duration(Duration::from((seconds * 1e3) as u64));
                }
            }
            id::TRACKS if self.entries.is_empty() => self.entries = entries(&self.contents(head)?),
            id::TAGS => {
                let tags = self.contents(head)?;
                for (_, tag) in elements(&tags).filter(|(id, _)| *id == 0x7373) {
                    for (_, simple) in elements(tag).filter(|(id, _)| *id == 0x67c8) {
                        let of = |name: u32| {
                            let found = elements(simple).find(|(id, _)| *id == name);
                            found.map_or_else(String::new, |(_, value)| {
                                String::from_utf8_lossy(value).into_owned()
                            })
                        };
                        self.tags.named(&of(0x45a3), &of(0x4487));
                    }
                }
            }
            _ => self.window.skip((head.length as u64).saturating_add(head.size.unwrap_or(0)))?,
        }
        Ok(())
    }

    /// Takes a block's packets.
    fn block(&mut self, block: &[u8]) -> Option<()> {
        let (track, width) = number(block)?;
        let track = track?;
        let flags = *block.get(width + 2)?;
        let entry = self.entries.iter().find(|entry| u64::from(entry.number) == track)?;
        for frame in frames(block.get(width + 3..)?, flags >> 1 & 3)? {
            let data = unpacked(frame, &entry.codings).unwrap_or_default();
            let packet = Packet::new(entry.number, Timestamp::ZERO, Duration::ZERO, data);
            self.units.push_back(packet.into());
        }
        Some(())
    }

    /// Trims the end of the last block by so many nanoseconds.
    fn discard(&mut self, bytes: &[u8]) {
        let Some(unit) = self.units.back_mut() else { return };
        let entry = self.entries.iter().find(|entry| entry.number == unit.packet.track_id);
        let rate = entry.and_then(|entry| entry.params.as_ref()?.sample_rate).unwrap_or(0);
        // What is to be discarded from the start is negative.
        if bytes.first().is_some_and(|byte| byte & 0x80 == 0) {
            let samples = (unsigned(bytes) as f64 * 1e-9 * f64::from(rate)).round();
            unit.packet.trim_end = Duration::from(samples as u64);
        }
    }
}

/// The frames of a block, laced in one of four ways; `None` where that is damaged.
fn frames(bytes: &[u8], lacing: u8) -> Option<Vec<&[u8]>> {
    if lacing == 0 {
        return Some(vec![bytes]);
    }
    let (&count, mut bytes) = bytes.split_first()?;
    let count = usize::from(count) + 1;
    let mut sizes = Vec::with_capacity(count);
    match lacing {
        // Xiph's, EBML's, and all of one size.
        1 => {
            for _ in 1..count {
                let last = bytes.iter().position(|&byte| byte != 255)?;
                sizes.push(255 * last + usize::from(bytes[last]));
                bytes = &bytes[last + 1..];
            }
        }
        3 => {
            let mut size = 0i64;
            for i in 1..count {
                let (value, width) = number(bytes)?;
                let value = i64::try_from(value?).ok()?;
                // All but the first are differences.
                size += if i == 1 { value } else { value - ((1i64 << (7 * width - 1)) - 1) };
                sizes.push(usize::try_from(size).ok()?);
                bytes = &bytes[width..];
            }
        }
        _ => sizes = vec![bytes.len() / count; count - 1],
    }
    let mut frames = Vec::with_capacity(count);
    for size in sizes {
        let (frame, rest) = bytes.split_at_checked(size)?;
        frames.push(frame);
        bytes = rest;
    }
    frames.push(bytes);
    Some(frames)
}

/// A frame as it was before it was stored; `None` where it is damaged.
pub(super) fn unpacked(frame: &[u8], codings: &[Coding]) -> Option<Vec<u8>> {
    let mut data = frame.to_vec();
    for coding in codings {
        data = match coding {
            Coding::Zlib => {
                let mut out = Vec::new();
                let decoder = flate2::read::ZlibDecoder::new(Cursor::new(&data));
                decoder.take(UNPACKED).read_to_end(&mut out).ok()?;
                out
            }
            Coding::Stripped(start) => [start.as_slice(), &data].concat(),
            Coding::Unknown(_) => return None,
        };
    }
    Some(data)
}

impl Reader for Matroska {
    fn format(&self) -> FormatId {
        format::FORMAT_ID_MKV
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn media_info(&self) -> MediaInfo {
        self.info
    }

    fn refuses(&self, track: u32) -> Option<String> {
        let entry = self.entries.iter().find(|entry| entry.number == track)?;
        entry.codings.iter().find_map(|coding| match coding {
            Coding::Unknown(what) => Some(format!("Matroska with {what}")),
            _ => None,
        })
    }

    fn next(&mut self) -> Result<Option<Unit>> {
        loop {
            // What follows a block in its group says how much of it is to be discarded.
            if self.window.position() >= self.group
                && let Some(unit) = self.units.pop_front()
            {
                return Ok(Some(unit));
            }
            let Some(head) = self.head()? else {
                self.group = 0;
                return Ok(self.units.pop_front());
            };
            let start = self.window.position() + head.length as u64;
            match head.id {
                id::SEGMENT | id::CLUSTER => self.window.skip(head.length as u64)?,
                id::GROUP => {
                    self.window.skip(head.length as u64)?;
                    self.group = start.saturating_add(head.size.unwrap_or(0));
                }
                id::BLOCK | id::SIMPLE_BLOCK => {
                    let block = self.contents(&head)?;
                    if !block.is_empty() && self.block(&block).is_none() {
                        self.missing.packets += 1;
                    }
                }
                id::DISCARD => {
                    let bytes = self.contents(&head)?;
                    self.discard(&bytes);
                }
                _ => self.element(&head)?,
            }
        }
    }

    fn tags(&mut self, tags: &mut Tags) {
        tags.join(std::mem::take(&mut self.tags));
    }

    fn missing(&self) -> Missing {
        self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_unlaced() {
        let all = |bytes: &'static [u8], lacing| frames(bytes, lacing).map(|frames| frames.concat().len());
        assert_eq!(frames(b"abc", 0).unwrap(), [b"abc"]);
        assert_eq!(frames(b"\x02\x01\x02abbccc", 1).unwrap(), [&b"a"[..], b"bb", b"ccc"]);
        assert_eq!(frames(b"\x02\x81\xc0abbccc", 3).unwrap(), [&b"a"[..], b"bb", b"ccc"]);
        assert_eq!(frames(b"\x01aabb", 2).unwrap(), [b"aa", b"bb"]);
        assert_eq!(
            (all(b"\x02\x09", 1), all(b"\x02\xff", 1), all(b"", 2), all(b"\x05\x81", 3)),
            (None, None, None, None)
        );
    }

    #[test]
    fn frames_are_unpacked() {
        let packed = b"\x78\x9c\x4b\x4c\x4a\x06\x00\x02\x4d\x01\x27";
        assert_eq!(unpacked(packed, &[Coding::Zlib]).unwrap(), b"abc");
        assert_eq!(unpacked(b"bc", &[Coding::Stripped(b"a".to_vec())]).unwrap(), b"abc");
        assert_eq!(unpacked(b"noise", &[Coding::Zlib]), None);
        assert_eq!(unpacked(b"abc", &[Coding::Unknown("lzo")]), None);
    }
}
