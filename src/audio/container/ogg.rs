//! Ogg (RFC 3533) with Vorbis, Opus (RFC 7845) or FLAC, chained, multiplexed, joined late, and with pages lost.
//!
//! Symphonia's reader takes a page's granule position for the end of its last packet also where it is −1, which stands
//! for "none", and for a length where a stream was joined late; so packets are trimmed away that are music.

use std::collections::VecDeque;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecParameters, well_known as codec};
use symphonia::core::errors::{Error, Result};
use symphonia::core::formats::{FormatId, Track, well_known as format};
use symphonia::core::io::MediaSource;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::super::reader::{Missing, PageEnd, Reader, Unit};
use super::super::tags::Tags;
use super::page::{LONGEST, Page, last_granule, next_page};
use super::window::Window;

/// Most bytes of a packet that goes on from page to page.
const PACKET: usize = 16 << 20;
/// Most pages in which headers are looked for, and most streams in one part.
const PAGES: usize = 1000;
const STREAMS: usize = 64;

/// Reads Ogg.
pub(in crate::audio) struct Ogg {
    window: Window,
    streams: Vec<Stream>,
    tracks: Vec<Track>,
    units: VecDeque<Unit>,
    tags: Tags,
    missing: Missing,
    /// The first page of the next part.
    next_part: Option<Page>,
    /// Whether the first part begins later than its time.
    late: bool,
}

/// One of the streams that run side by side.
struct Stream {
    serial: u32,
    codec: Codec,
    /// Headers that have not come yet; `None` where the stream's own packets tell.
    headers: Option<u16>,
    /// Its headers, as its decoder wants them.
    setup: Vec<u8>,
    /// The beginning of a packet that goes on on the next page.
    partial: Vec<u8>,
    /// The page before, and how many packets ended on it.
    sequence: Option<u32>,
    packets: u64,
    /// Whether a page with sound has come, and whether the last one has.
    started: bool,
    over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Vorbis,
    Opus,
    Flac,
    Other,
}

impl Ogg {
    /// Reads the headers of an Ogg file, which `source` stands at the beginning of.
    pub(in crate::audio) fn new(source: Box<dyn MediaSource>) -> Result<Self> {
        let mut ogg = Self {
            window: Window::new(source, 0)?,
            streams: Vec::new(),
            tracks: Vec::new(),
            units: VecDeque::new(),
            tags: Tags::default(),
            missing: Missing::default(),
            next_part: None,
            late: false,
        };
        let first = ogg.page()?.filter(|page| page.first);
        let Some(first) = first else {
            return Err(Error::DecodeError("ogg: the stream's headers are not there"));
        };
        ogg.begin(first)?;
        Ok(ogg)
    }

    /// Begins a part with its first page, up to the end of its headers.
    fn begin(&mut self, first: Page) -> Result<()> {
        let is_first = self.tracks.is_empty();
        self.streams.clear();
        self.units.clear();
        self.tracks.clear();
        self.take(first)?;
        for _ in 0..PAGES {
            let ready = |s: &Stream| s.codec == Codec::Other || s.headers == Some(0);
            let sound = self.units.iter().any(|unit| unit.end.is_some());
            if sound && self.streams.iter().all(ready) {
                break;
            }
            match self.page()? {
                Some(page)
                    if page.first && self.streams.iter().any(|s| s.sequence != Some(0) || s.started) =>
                {
                    self.next_part = Some(page);
                    break;
                }
                Some(page) => self.take(page)?,
                None => break,
            }
        }
        for stream in &self.streams {
            let mut track = Track::new(stream.serial);
            if let Some(params) = stream.params() {
                track.with_codec_params(CodecParameters::Audio(params));
            }
            self.tracks.push(track);
        }
        // Later parts are measured by decoding them.
        if is_first { self.measure() } else { Ok(()) }
    }

    /// The next page that is whole; `None` at the end.
    fn page(&mut self) -> Result<Option<Page>> {
        if let Some(page) = self.next_part.take() {
            return Ok(Some(page));
        }
        Ok(next_page(&mut self.window)?)
    }

    /// Takes a page's packets.
    fn take(&mut self, page: Page) -> Result<()> {
        if page.first && self.streams.len() < STREAMS {
            self.streams.push(Stream::new(&page));
        }
        let Some(stream) = self.streams.iter_mut().find(|s| s.serial == page.serial) else {
            return Ok(());
        };
        let gap = stream.sequence.map_or(0, |before| page.sequence.wrapping_sub(before).wrapping_sub(1));
        // Numbers that go back, or start anew, say nothing.
        if gap > 0 && gap < 1 << 30 && stream.started {
            self.missing.packets += u64::from(gap) * stream.packets.max(1);
        }
        if gap > 0 || !page.continued {
            stream.partial.clear();
        }
        stream.sequence = Some(page.sequence);
        stream.over |= page.last;
        let mut skip = page.continued && stream.partial.is_empty();
        let (mut at, mut length, mut ended) = (0, 0, 0);
        let from = self.units.len();
        for &segment in &page.segments {
            length += usize::from(segment);
            if segment == 255 {
                continue;
            }
            let bytes = page.body.get(at..at + length).unwrap_or_default();
            (at, length) = (at + length, 0);
            // The end of a packet whose beginning is lost.
            if std::mem::take(&mut skip) {
                continue;
            }
            let mut packet = std::mem::take(&mut stream.partial);
            packet.extend_from_slice(bytes);
            ended += 1;
            if stream.is_sound(&packet) {
                let packet = Packet::new(page.serial, Timestamp::ZERO, Duration::ZERO, packet);
                self.units.push_back(packet.into());
            } else {
                stream.header(&packet, &mut self.tags);
            }
        }
        if !skip && stream.partial.len() < PACKET {
            stream.partial.extend_from_slice(page.body.get(at..).unwrap_or_default());
        }
        stream.packets = ended;
        if self.units.len() > from {
            stream.started = true;
            if let Some(unit) = self.units.back_mut() {
                // No packet's end, by the standard: −1; by encoders' mistake, anything below 0.
                let end = PageEnd { granule: page.granule, last: page.last };
                unit.end = (page.granule >= 0).then_some(end);
            }
        }
        Ok(())
    }

    /// Finds out how long the streams are, from the last page.
    fn measure(&mut self) -> Result<()> {
        let here = self.window.position();
        let end = self.window.len()?;
        for (stream, track) in self.streams.iter().zip(&mut self.tracks) {
            let tail = end.saturating_sub(2 * LONGEST as u64);
            let last = last_granule(&mut self.window, tail, stream.serial)?;
            // What waits already tells where the stream begins: at 0, unless it was joined late.
            let mut most = 0;
            let first =
                self.units.iter().filter(|unit| unit.packet.track_id == stream.serial).find_map(|unit| {
                    most += stream.longest(&unit.packet.data);
                    Some(unit.end?.granule)
                });
            let offset = first.map_or(0, |granule| (granule - most).max(0));
            self.late |= offset > 0;
            let skip = if stream.codec == Codec::Opus { opus_skip(&stream.setup) } else { 0 };
            if let Some(frames) = last.and_then(|last| u64::try_from(last - offset - skip).ok()) {
                track.with_num_frames(frames);
            }
        }
        self.window.go_to(here)?;
        Ok(())
    }
}

/// Samples that an Opus stream's header has dropped from the start.
fn opus_skip(head: &[u8]) -> i64 {
    head.get(10..12).map_or(0, |b| i64::from(u16::from_le_bytes([b[0], b[1]])))
}

impl Stream {
    fn new(first: &Page) -> Self {
        let body = &first.body;
        let (codec, headers) = match body.as_slice() {
            [1, rest @ ..] if rest.starts_with(b"vorbis") => (Codec::Vorbis, Some(3)),
            body if body.starts_with(b"OpusHead") => (Codec::Opus, Some(2)),
            [0x7f, b'F', b'L', b'A', b'C', 1, _, high, low, ..] if body.len() >= 51 => {
                let more = u16::from_be_bytes([*high, *low]);
                (Codec::Flac, (more > 0).then(|| more.saturating_add(1)))
            }
            _ => (Codec::Other, None),
        };
        Self {
            serial: first.serial,
            codec,
            headers,
            setup: Vec::new(),
            partial: Vec::new(),
            sequence: None,
            packets: 0,
            started: false,
            over: false,
        }
    }

    /// Whether a packet is sound, not a header.
    fn is_sound(&mut self, packet: &[u8]) -> bool {
        match self.codec {
            Codec::Other => false,
            // A header's first byte is odd, that of sound even.
            Codec::Vorbis => self.headers == Some(0) && packet.first().is_none_or(|byte| byte & 1 == 0),
            Codec::Opus => self.headers == Some(0) && !packet.starts_with(b"OpusTags"),
            Codec::Flac => {
                // The number of headers may be unknown, or wrong.
                let sound = packet.first() == Some(&0xff);
                if sound {
                    self.headers = Some(0);
                }
                sound
            }
        }
    }

    /// Samples that a packet holds at most.
    fn longest(&self, packet: &[u8]) -> i64 {
        match (self.codec, packet) {
            // The larger of its two sizes of blocks.
            (Codec::Vorbis, _) => self.setup.get(28).map_or(0, |sizes| 1 << (sizes >> 4) >> 1),
            // RFC 6716, section 3.1.
            (Codec::Opus, [first, rest @ ..]) => {
                let size = match first >> 3 {
                    config @ ..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
                    config @ 12..16 => [480, 960][usize::from(config % 2)],
                    config => [120, 240, 480, 960][usize::from(config % 4)],
                };
                let count = match (first & 3, rest.first()) {
                    (0, _) => 1,
                    (3, Some(count)) => i64::from(count & 63),
                    _ => 2,
                };
                size * count
            }
            (Codec::Flac, _) => self.setup.get(2..4).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]).into()),
            _ => 0,
        }
    }

    /// Takes a header.
    fn header(&mut self, packet: &[u8], tags: &mut Tags) {
        let comment = match (self.codec, packet) {
            (Codec::Other, _) => return,
            (Codec::Vorbis, [1 | 5, ..]) => {
                self.setup.extend_from_slice(packet);
                None
            }
            (Codec::Vorbis, [3, rest @ ..]) => rest.get(6..),
            (Codec::Opus, packet) if packet.starts_with(b"OpusHead") => {
                self.setup = packet.to_vec();
                None
            }
            (Codec::Opus, packet) => packet.strip_prefix(b"OpusTags"),
            (Codec::Flac, [0x7f, ..]) => {
                // The block with the stream's properties, behind "fLaC" and its own header.
                self.setup = packet.get(17..51).unwrap_or_default().to_vec();
                None
            }
            // A block of comments, behind its header.
            (Codec::Flac, [kind, rest @ ..]) if kind & 0x7f == 4 => rest.get(3..),
            _ => None,
        };
        self.headers = self.headers.map(|left| left.saturating_sub(1));
        if let Some(comment) = comment {
            tags.comments(comment);
        }
    }

    fn params(&self) -> Option<AudioCodecParameters> {
        let word = |at: usize| {
            let bytes = self.setup.get(at..at + 4)?;
            Some(u32::from_le_bytes(std::array::from_fn(|i| bytes[i])))
        };
        let mut params = AudioCodecParameters::new();
        match self.codec {
            Codec::Other => return None,
            Codec::Vorbis => {
                params.for_codec(codec::CODEC_ID_VORBIS);
                params.sample_rate = word(12);
                params.channels = self.setup.get(11).map(|&n| Channels::Discrete(n.into()));
            }
            Codec::Opus => {
                params.for_codec(codec::CODEC_ID_OPUS).with_sample_rate(48_000);
                params.channels = self.setup.get(9).map(|&n| Channels::Discrete(n.into()));
            }
            Codec::Flac => {
                params.for_codec(codec::CODEC_ID_FLAC);
            }
        }
        params.with_extra_data(self.setup.clone().into_boxed_slice());
        Some(params)
    }
}

impl Reader for Ogg {
    fn format(&self) -> FormatId {
        format::FORMAT_ID_OGG
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next(&mut self) -> Result<Option<Unit>> {
        loop {
            if let Some(unit) = self.units.pop_front() {
                return Ok(Some(unit));
            }
            let Some(page) = self.page()? else {
                let sound = |s: &&Stream| s.codec != Codec::Other && s.started;
                self.missing.cut |= self.streams.iter().filter(sound).any(|s| !s.over);
                return Ok(None);
            };
            // Another part begins, unless a stream joins those that are being read.
            if page.first && self.streams.iter().any(|s| s.started || s.over) {
                self.begin(page)?;
                return Err(Error::ResetRequired);
            }
            self.take(page)?;
        }
    }

    /// Passes over pages that end before. A packet that began on one of them is lost, and what a codec takes from the packet
    /// before.
    fn seek_to(&mut self, _track: u32, sample: u64) -> Result<Option<u64>> {
        let later = |granule: i64| u64::try_from(granule).is_ok_and(|granule| granule > sample);
        if self.late || self.streams.len() != 1 {
            return Ok(None);
        }
        if self.units.iter().any(|unit| unit.end.is_some_and(|end| later(end.granule))) {
            return Ok(Some(0));
        }
        self.units.clear();
        while let Some(page) = self.page()? {
            let Some(stream) = self.streams.first_mut().filter(|s| s.serial == page.serial && !page.first)
            else {
                return Ok(None);
            };
            if later(page.granule) {
                self.take(page)?;
                return Ok(Some(0));
            }
            if stream.sequence.is_some_and(|before| before.wrapping_add(1) != page.sequence) {
                return Ok(None);
            }
            stream.sequence = Some(page.sequence);
            stream.partial.clear();
        }
        Ok(None)
    }

    fn tags(&mut self, tags: &mut Tags) {
        tags.join(std::mem::take(&mut self.tags));
    }

    fn missing(&self) -> Missing {
        self.missing
    }
}
