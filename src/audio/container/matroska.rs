//! Matroska and WebM (RFC 9559).
//!
//! Symphonia's reader passes compressed blocks on as they are, takes no track for the default, does not tell what is to be
//! discarded, and refuses a file that was cut off. Here damage ends with the next cluster, and a file that was glued to
//! the first begins a new part.

use std::collections::VecDeque;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::errors::{Error, Result};
use symphonia::core::formats::{FormatId, MediaInfo, Track, TrackFlags, well_known as format};
use symphonia::core::io::MediaSource;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, TimeBase, Timestamp};

use super::super::reader::{Missing, Reader, Unit};
use super::super::tags::Tags;
use super::coding::{Coding, frames, unpacked};
use super::ebml::{Header, elements, float, header, number, unsigned};
use super::names::{self as id, LARGEST, LOOK, is_cluster, is_known};
use super::tracks::{Entry, entries};
use super::window::Window;

/// Reads Matroska.
pub(in crate::audio) struct Matroska {
    window: Window,
    entries: Vec<Entry>,
    tracks: Vec<Track>,
    info: MediaInfo,
    /// Seconds, where the file tells.
    seconds: Option<f64>,
    units: VecDeque<Unit>,
    /// The ends of the file, of the cluster, and of the group of a block that waits.
    end: u64,
    cluster: u64,
    group: u64,
    /// Bytes of the last block.
    length: u64,
    /// From where a cluster was looked for last, and where it is.
    sought: Option<(u64, Option<u64>)>,
    tags: Tags,
    missing: Missing,
}

impl Matroska {
    /// Reads the headers of a Matroska file.
    ///
    /// # Errors
    /// Those of reading, and of a file without tracks.
    pub(in crate::audio) fn new(source: Box<dyn MediaSource>) -> Result<Self> {
        let mut window = Window::new(source, 0)?;
        let end = window.len()?;
        let mut file = Self {
            window,
            entries: Vec::new(),
            tracks: Vec::new(),
            info: MediaInfo::new(),
            seconds: None,
            units: VecDeque::new(),
            end,
            cluster: 0,
            group: 0,
            length: 0,
            sought: None,
            tags: Tags::default(),
            missing: Missing::default(),
        };
        file.begin()?;
        Ok(file)
    }

    /// Reads the headers up to the first cluster.
    fn begin(&mut self) -> Result<()> {
        let file = self;
        (file.entries, file.info, file.seconds) = (Vec::new(), MediaInfo::new(), None);
        let mut segment = 0u64;
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
                let head = header(file.window.peek(LOOK)?);
                if let Some(head) = head.filter(|head| u64::from(head.id) == name) {
                    file.element(&head)?;
                }
            }
        }
        file.window.go_to(here)?;
        if file.entries.is_empty() {
            return Err(Error::DecodeError("mkv: its tracks are not there"));
        }
        file.tracks = file.entries.iter().map(|entry| file.track(entry)).collect();
        Ok(())
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

    /// The header of the next element, after damage that of the next cluster; `None` at the end.
    fn head(&mut self) -> Result<Option<Header>> {
        let from = self.window.position();
        // Some programs fill up with zeros.
        while let bytes = self.window.peek(LOOK)?
            && bytes.first() == Some(&0)
        {
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            self.window.skip(zeros as u64)?;
        }
        let bytes = self.window.peek(LOOK)?;
        if bytes.is_empty() {
            // A cluster of no known size ends anywhere.
            self.missing.cut |= from < self.cluster && self.cluster < u64::MAX;
            return Ok(None);
        }
        match header(bytes) {
            Some(head) if self.is_plausible(&head)? => Ok(Some(head)),
            _ => self.resume(from),
        }
    }

    /// Goes on behind damage that begins at `from`: the header of the next cluster, `None` where there is none.
    fn resume(&mut self, from: u64) -> Result<Option<Header>> {
        self.group = 0;
        let Some(next) = self.cluster_after(from)? else {
            self.missing.cut |= from < self.cluster;
            self.window.go_to(self.end)?;
            return Ok(None);
        };
        self.missing.packets += (next - from).checked_div(self.length).unwrap_or(1).max(1);
        self.window.go_to(next)?;
        Ok(header(self.window.peek(LOOK)?))
    }

    /// Where the next cluster begins from `from` on. The window stays where it is.
    fn cluster_after(&mut self, from: u64) -> Result<Option<u64>> {
        if let Some((since, next)) = self.sought
            && since <= from
            && next.is_none_or(|next| from <= next)
        {
            return Ok(next);
        }
        let (here, mut at) = (self.window.position(), from);
        let found = loop {
            self.window.go_to(at)?;
            let bytes = self.window.peek(1 << 16)?;
            match bytes.windows(4).position(|name| name == id::CLUSTER.to_be_bytes()) {
                Some(next) if is_cluster(&bytes[next..]) => break Some(at + next as u64),
                // Not all of its beginning may be in sight.
                Some(next) if next > 0 && bytes.len() - next < LOOK => at += next as u64,
                Some(next) => at += next as u64 + 1,
                None if bytes.len() < 4 => break None,
                None => at += bytes.len() as u64 - 3,
            }
        };
        self.sought = Some((from, found));
        self.window.go_to(here)?;
        Ok(found)
    }

    /// Whether the element of this header, which the window stands at, is none of damage: of a known kind, and what it
    /// holds, or what follows it, too.
    fn is_plausible(&mut self, head: &Header) -> Result<bool> {
        let known = is_known(self.window.peek(LOOK)?, &self.entries);
        if known && (id::HOLD_OTHERS.contains(&head.id) || matches!(head.id, id::BLOCK | id::SIMPLE_BLOCK)) {
            return Ok(true);
        }
        let Some(size) = head.size else {
            return Ok(false);
        };
        let here = self.window.position();
        let after = here.saturating_add(head.length as u64).saturating_add(size);
        if after >= self.end {
            return Ok(after == self.end);
        }
        self.window.go_to(after)?;
        let next = is_known(self.window.peek(LOOK)?, &self.entries);
        self.window.go_to(here)?;
        Ok(next)
    }

    /// Whether a block, which the window stands at, is as long as its header says: another element follows it, or no
    /// cluster begins inside it. Where one does, the window goes on to that.
    fn is_whole(&mut self, head: &Header) -> Result<bool> {
        let (here, size) = (self.window.position(), head.size.unwrap_or(0));
        if size > LARGEST {
            return Ok(true);
        }
        let length = head.length + size as usize;
        let after = self.window.peek(length + LOOK)?.get(length..);
        if after.is_some_and(|after| after.is_empty() || is_known(after, &self.entries)) {
            self.length = length as u64;
            return Ok(true);
        }
        match self.cluster_after(here + 1)? {
            Some(next) if next < here + length as u64 => self.resume(here + 1).map(|_| false),
            _ => Ok(true),
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
                id::HEADER if self.units.is_empty() => {
                    self.begin()?;
                    return Err(Error::ResetRequired);
                }
                id::HEADER => self.group = 0,
                id::SEGMENT => self.window.skip(head.length as u64)?,
                id::CLUSTER => {
                    self.window.skip(head.length as u64)?;
                    self.cluster = head.size.map_or(u64::MAX, |size| start.saturating_add(size));
                }
                id::GROUP => {
                    self.window.skip(head.length as u64)?;
                    self.group = start.saturating_add(head.size.unwrap_or(0));
                }
                id::BLOCK | id::SIMPLE_BLOCK if !self.is_whole(&head)? => {}
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
