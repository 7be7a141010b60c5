//! Audio without a container, and what stands around any: ID3v2 before; APE, Lyrics3, ID3v1 and ID3v2.4 behind.

use std::ops::Range;

use xxhash_rust::xxh3::Xxh3Default;

use super::ape::{self, Ape};
use super::block::{Kind, Part};
use super::container::{Container, Contents, Piece, Placed};
use super::error::{TagError, refused};
use super::id3v1::{self, Id3v1};
use super::id3v2::{self, Id3v2};
use super::source::Source;

/// What stands before and behind the audio.
pub(super) struct Around {
    pub tags: Vec<Placed>,
    /// How many of these stand before.
    pub before: usize,
    pub audio: Range<u64>,
    /// What is behind and no tag with a genre: Lyrics3.
    others: Vec<(&'static str, Range<u64>)>,
}

impl Around {
    pub fn read(source: &Source<'_>) -> Result<Self, TagError> {
        let mut tags = Vec::new();
        let mut start = 0;
        while let Some(length) = source.array(start)?.and_then(|head| id3v2::length(&head)) {
            let range = start..start + length;
            let block = Id3v2::parse(&source.bytes(range.clone())?)?;
            start = range.end;
            tags.push(Placed { kind: Kind::Id3v2, range, block: Box::new(block) });
        }
        let before = tags.len();
        let mut behind: Vec<Placed> = Vec::new();
        let mut others = Vec::new();
        let mut end = source.len;
        loop {
            let room = end.saturating_sub(start);
            let last = |size: usize| {
                let size = size as u64;
                if room < size { Ok(Vec::new()) } else { source.bytes(end - size..end) }
            };
            let v1 = last(id3v1::SIZE)?;
            if v1.starts_with(b"TAG") && behind.iter().all(|tag| tag.kind != Kind::Id3v1) {
                if room >= 355 && source.up_to(end - 355, 4)? == b"TAG+" {
                    return refused("it has an extended ID3v1 tag (TAG+)");
                }
                let range = end - id3v1::SIZE as u64..end;
                end = range.start;
                behind.push(Placed { kind: Kind::Id3v1, range, block: Box::new(Id3v1::new(v1)) });
                continue;
            }
            if let Some((length, _)) = ape::length(&last(ape::SIZE)?) {
                let Some(from) = end.checked_sub(length).filter(|&from| from >= start) else {
                    return refused("its APE tag is longer than the file");
                };
                let block = Ape::parse(&source.bytes(from..end)?)?;
                behind.push(Placed { kind: Kind::Ape, range: from..end, block: Box::new(block) });
                end = from;
                continue;
            }
            let lyrics = last(15)?;
            if lyrics.ends_with(b"LYRICS200") {
                let size = std::str::from_utf8(&lyrics[..6]).ok().and_then(|size| size.parse::<u64>().ok());
                let from = size.and_then(|size| end.checked_sub(size + 15)).filter(|&from| from >= start);
                let Some(from) = from else { return refused("its Lyrics3 tag is damaged") };
                others.push(("Lyrics3", from..end));
                end = from;
                continue;
            }
            if lyrics.ends_with(b"LYRICSEND") {
                return refused("it has a Lyrics3 tag of version 1");
            }
            let footer = last(id3v2::HEADER)?;
            if let Some(length) = footer.first_chunk().and_then(id3v2::length_of_footer) {
                let Some(from) = end.checked_sub(length).filter(|&from| from >= start) else {
                    return refused("the ID3v2 tag at its end is longer than the file");
                };
                let block = Id3v2::parse(&source.bytes(from..end)?)?;
                behind.push(Placed { kind: Kind::Id3v2, range: from..end, block: Box::new(block) });
                end = from;
                continue;
            }
            break;
        }
        behind.reverse();
        tags.extend(behind);
        Ok(Self { tags, before, audio: start..end, others })
    }

    pub fn parts(&self, source: &Source<'_>) -> Result<Vec<Part>, TagError> {
        self.others.iter().map(|(name, range)| source.part(*name, range.clone())).collect()
    }

    /// The file with other tags, around `audio`; `tags` are those that were read.
    pub fn pieces(&self, tags: &[Placed], contents: &mut Contents, audio: Vec<Piece>) -> Vec<Piece> {
        let new = std::mem::take(&mut contents.tags);
        let mut pieces = Vec::new();
        pieces.extend(contents.added(Kind::Id3v2).map(Piece::New));
        let mut behind: Vec<(u64, Piece)> = Vec::new();
        for (i, (tag, new)) in tags.iter().zip(new).enumerate() {
            let Some(bytes) = new else { continue };
            if i < self.before {
                pieces.push(Piece::New(bytes));
            } else {
                behind.push((tag.range.start, Piece::New(bytes)));
            }
        }
        pieces.extend(audio);
        pieces.extend(contents.added(Kind::Ape).map(Piece::New));
        behind.extend(self.others.iter().map(|(_, range)| (range.start, Piece::Old(range.clone()))));
        behind.sort_by_key(|(start, _)| *start);
        pieces.extend(behind.into_iter().map(|(_, piece)| piece));
        pieces
    }
}

/// What a stream of audio without a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Mpeg,
    Aac,
    Monkeys,
    WavPack,
    Musepack,
}

pub(super) struct Bare {
    coding: Coding,
    around: Around,
}

impl Bare {
    /// `None` where the audio is not of a kind that stands without a container.
    pub fn read(source: &Source<'_>) -> Result<Option<Self>, TagError> {
        let around = Around::read(source)?;
        let head = source.up_to(around.audio.start, (1 << 16).min(around.audio.end - around.audio.start))?;
        let coding = match &head[..] {
            [b'M', b'A', b'C', b' ', ..] => Coding::Monkeys,
            [b'w', b'v', b'p', b'k', ..] => Coding::WavPack,
            [b'M', b'P', b'+', ..] | [b'M', b'P', b'C', b'K', ..] => Coding::Musepack,
            _ => match elementary(&head) {
                Some(coding) => coding,
                None => return Ok(None),
            },
        };
        if coding == Coding::Aac && around.tags.is_empty() {
            return refused("a stream of AAC without a container has no tags");
        }
        Ok(Some(Self { coding, around }))
    }
}

/// Where the frames of MPEG audio begin.
pub struct Frames {
    starts: Vec<u64>,
    /// Of one frame.
    seconds: f64,
}

impl Frames {
    /// The length of all.
    pub fn seconds(&self) -> f64 {
        (self.starts.len() - 1) as f64 * self.seconds
    }

    /// The bytes of the frames from one second to another.
    pub fn range(&self, from: f64, to: f64) -> Range<u64> {
        let at = |seconds: f64| {
            let frame = (seconds / self.seconds) as usize;
            self.starts[frame.min(self.starts.len() - 1)]
        };
        at(from)..at(to)
    }
}

impl Bare {
    /// Where the frames of MPEG audio are; none where it is something else, or there is more than frames.
    pub fn frames(&self, source: &Source<'_>) -> Result<Option<Frames>, TagError> {
        let range = self.around.audio.clone();
        if self.coding != Coding::Mpeg {
            return Ok(None);
        }
        let head = source.up_to(range.start, 1 << 16)?;
        let first = (0..head.len()).find(|&at| {
            let next = frame(&head[at..]).and_then(|(length, _)| head.get(at + length..));
            next.and_then(frame).is_some()
        });
        let Some(first) = first else { return Ok(None) };
        let (layer, rate) = (4 - (head[first + 1] >> 1 & 3), hertz(head[first + 1], head[first + 2]));
        let samples = match (layer, head[first + 1] >> 3 & 3) {
            (1, _) => 384.0,
            (3, version) if version != 3 => 576.0,
            _ => 1152.0,
        };
        let mut starts = Vec::new();
        let mut at = range.start + first as u64;
        while let Some(head) = source.array::<6>(at)?.filter(|_| at + 6 <= range.end) {
            let Some((length, Coding::Mpeg)) = frame(&head) else { break };
            starts.push(at);
            at += length as u64;
        }
        // What stops in the middle is read in another way.
        let whole = at + 2048 >= range.end && starts.len() > 1;
        starts.push(at.min(range.end));
        Ok(whole.then_some(Frames { starts, seconds: samples / rate as f64 }))
    }
}

/// Samples a second, by the second and third byte of a frame.
fn hertz(b: u8, c: u8) -> usize {
    const RATES: [usize; 3] = [44_100, 48_000, 32_000];
    let halved = match b >> 3 & 3 {
        3 => 0,
        2 => 1,
        _ => 2,
    };
    RATES.get(usize::from(c >> 2 & 3)).map_or(1, |rate| rate >> halved)
}

/// Two frames of MPEG audio (or ADTS), one right behind the other.
fn elementary(head: &[u8]) -> Option<Coding> {
    // Containers begin with names; other formats may hold such frames further in.
    let names: [&[u8]; 9] = [
        b"RIFF",
        b"RF64",
        b"FORM",
        b"OggS",
        b"fLaC",
        b"caff",
        b"\x1a\x45\xdf\xa3",
        b"\x30\x26\xb2\x75",
        b"riff",
    ];
    if names.iter().any(|name| head.starts_with(name)) || head.get(4..8) == Some(b"ftyp") {
        return None;
    }
    (0..head.len().saturating_sub(8)).find_map(|at| {
        let (length, coding) = frame(&head[at..])?;
        match head.get(at + length..) {
            // A file of one frame.
            None | Some([]) if at == 0 => Some(coding),
            next => next.and_then(frame).filter(|next| next.1 == coding).map(|_| coding),
        }
    })
}

/// The length of a frame that begins so.
fn frame(head: &[u8]) -> Option<(usize, Coding)> {
    const V1: [[usize; 15]; 3] = [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    ];
    const V2: [[usize; 15]; 2] = [
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let &[0xff, b, c, d, e, f, ..] = head else { return None };
    if b & 0xf6 == 0xf0 {
        let length = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f) >> 5;
        return (length >= 7).then_some((length, Coding::Aac));
    }
    let (version, layer) = (b >> 3 & 3, 4 - usize::from(b >> 1 & 3));
    if b & 0xe0 != 0xe0 || version == 1 || layer == 4 || c >> 2 & 3 == 3 {
        return None;
    }
    let first = version == 3;
    let table = if first { &V1[layer - 1] } else { &V2[usize::from(layer > 1)] };
    let kilobits = *table.get(usize::from(c >> 4)).filter(|&&rate| rate > 0)?;
    let rate = hertz(b, c);
    let padding = usize::from(c >> 1 & 1);
    let length = match (layer, first) {
        (1, _) => (12_000 * kilobits / rate + padding) * 4,
        (3, false) => 72_000 * kilobits / rate + padding,
        _ => 144_000 * kilobits / rate + padding,
    };
    Some((length, Coding::Mpeg))
}

impl Container for Bare {
    fn name(&self) -> &'static str {
        match self.coding {
            Coding::Mpeg => "MP3",
            Coding::Aac => "AAC",
            Coding::Monkeys => "Monkey's Audio",
            Coding::WavPack => "WavPack",
            Coding::Musepack => "Musepack",
        }
    }

    fn native(&self) -> Kind {
        if matches!(self.coding, Coding::Mpeg | Coding::Aac) { Kind::Id3v2 } else { Kind::Ape }
    }

    /// Players that read APE tags take them for the whole.
    fn needs_native(&self) -> bool {
        self.around.tags.iter().all(|tag| tag.kind != Kind::Ape)
    }

    fn tags(&self) -> &[Placed] {
        &self.around.tags
    }

    fn parts(&self, source: &Source<'_>) -> Result<Vec<Part>, TagError> {
        self.around.parts(source)
    }

    fn audio(&self, source: &Source<'_>) -> Result<u128, TagError> {
        let mut digest = Xxh3Default::new();
        source.digest(self.around.audio.clone(), &mut digest)?;
        Ok(digest.digest128())
    }

    fn pieces(&self, _: &Source<'_>, mut contents: Contents) -> Result<Vec<Piece>, TagError> {
        let audio = vec![Piece::Old(self.around.audio.clone())];
        Ok(self.around.pieces(&self.around.tags, &mut contents, audio))
    }
}
