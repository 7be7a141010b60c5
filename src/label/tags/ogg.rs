//! Vorbis and Opus in Ogg (RFC 3533): the packet of comments is written into pages anew, all later pages stay as they
//! are. Where the comments outgrow their pages, later pages are numbered anew, if all of them are whole.

use std::io::Write;
use std::ops::Range;

use xxhash_rust::xxh3::Xxh3Default;

use super::block::{Kind, Part};
use super::comments::Comments;
use super::container::{Container, Contents, Piece, Placed};
use super::error::{TagError, refused};
use super::source::{LARGEST, Source};

const CAPTURE: &[u8] = b"OggS";
const HEADER: u64 = 27;
/// Most bytes of a page.
const MOST: usize = 27 + 255 + 255 * 255;
/// Most segments of a page.
const SEGMENTS: usize = 255;
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
/// The granule of a page on which no packet ends.
const NO_END: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Vorbis,
    Opus,
}

pub(super) struct Ogg {
    codec: Codec,
    /// The first page.
    first: Range<u64>,
    serial: u32,
    /// How many pages the comments and the setup take.
    count: usize,
    /// The packet behind the comments on the same pages.
    setup: Option<Vec<u8>>,
    /// What is behind.
    audio: Range<u64>,
    tags: Vec<Placed>,
    packets: u128,
    /// Of the audio's pages: flags, times and sizes of segments.
    pages: u128,
    /// Whether there is anything but whole pages.
    damaged: bool,
}

/// A page, with all its bytes.
struct Page {
    bytes: Vec<u8>,
    segments: usize,
}

impl Page {
    /// The page at a place of the file; `None` where there is none that is whole.
    fn at(source: &Source<'_>, start: u64) -> Result<Option<Self>, TagError> {
        Ok(Self::first_of(&source.up_to(start, MOST as u64)?))
    }

    fn first_of(bytes: &[u8]) -> Option<Self> {
        let header =
            bytes.get(..HEADER as usize).filter(|header| header.starts_with(CAPTURE) && header[4] == 0)?;
        let segments = usize::from(header[26]);
        let table = bytes.get(HEADER as usize..HEADER as usize + segments)?;
        let body: usize = table.iter().map(|&size| usize::from(size)).sum();
        let page = bytes.get(..HEADER as usize + segments + body)?;
        let stored = u32::from_le_bytes([page[22], page[23], page[24], page[25]]);
        (checksum(page) == stored).then(|| Self { bytes: page.to_vec(), segments })
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn flags(&self) -> u8 {
        self.bytes[5]
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }

    fn serial(&self) -> u32 {
        self.word(14)
    }

    fn number(&self) -> u32 {
        self.word(18)
    }

    fn table(&self) -> &[u8] {
        &self.bytes[HEADER as usize..HEADER as usize + self.segments]
    }

    fn body(&self) -> &[u8] {
        &self.bytes[HEADER as usize + self.segments..]
    }
}

/// The checksum of a page, whatever is in the place of its own.
fn checksum(page: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut value = (i as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                value = if value >> 31 == 1 { value << 1 ^ 0x04c1_1db7 } else { value << 1 };
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    let step = |sum: u32, byte: u8| sum << 8 ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)];
    let mut sum = page[..22].iter().fold(0, |sum, &byte| step(sum, byte));
    sum = (0..4).fold(sum, |sum, _| step(sum, 0));
    page[26..].iter().fold(sum, |sum, &byte| step(sum, byte))
}

/// Writes a page's checksum into it.
fn seal(page: &mut [u8]) {
    let sum = checksum(page).to_le_bytes();
    page[22..26].copy_from_slice(&sum);
}

/// Writes whole pages of a file with `by` added to their numbers.
pub(super) fn renumber(
    source: &Source<'_>,
    range: Range<u64>,
    by: u32,
    out: &mut dyn Write,
) -> Result<(), TagError> {
    let mut at = range.start;
    while at < range.end {
        let Some(mut page) = Page::at(source, at)? else { return refused("a page of Ogg is damaged") };
        at += page.len();
        let number = page.number().wrapping_add(by).to_le_bytes();
        page.bytes[18..22].copy_from_slice(&number);
        seal(&mut page.bytes);
        out.write_all(&page.bytes)?;
    }
    Ok(())
}

impl Ogg {
    /// `None` where the file is no Ogg.
    pub fn read(source: &Source<'_>) -> Result<Option<Self>, TagError> {
        if source.up_to(0, 4)? != CAPTURE {
            return Ok(None);
        }
        let Some(page) = Page::at(source, 0)? else { return refused("the first page of Ogg is damaged") };
        let (codec, prefix, packets) = match page.body() {
            [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => (Codec::Vorbis, &b"\x03vorbis"[..], 2),
            [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => (Codec::Opus, &b"OpusTags"[..], 1),
            _ => {
                return refused(
                    "its Ogg holds neither Vorbis nor Opus: genres in such files are neither read nor written",
                );
            }
        };
        let (first, serial) = (0..page.len(), page.serial());
        let mut at = first.end;
        let mut count = 0;
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut packet = Vec::new();
        while found.len() < packets {
            let Some(page) = Page::at(source, at)? else {
                return refused("a page of its headers is damaged");
            };
            if page.serial() != serial || page.flags() & FIRST != 0 {
                return refused(
                    "its Ogg has several streams side by side, such as a film's: tags are not written in such files",
                );
            }
            if (page.flags() & CONTINUED != 0) == packet.is_empty() {
                return refused("the pages of its headers do not follow each other");
            }
            let mut body = page.body();
            for (i, &size) in page.table().iter().enumerate() {
                let (segment, rest) = body.split_at(usize::from(size));
                packet.extend_from_slice(segment);
                body = rest;
                if size < 255 {
                    found.push(std::mem::take(&mut packet));
                    if found.len() == packets && i + 1 < page.segments {
                        return refused("its audio begins on a page of its headers");
                    }
                }
            }
            if packet.len() as u64 > LARGEST {
                return refused("its comments are more than is read");
            }
            at += page.len();
            count += 1;
        }
        let setup = (codec == Codec::Vorbis).then(|| found.pop()).flatten();
        let Some(comments) = found.pop().filter(|packet| packet.starts_with(prefix)) else {
            return refused("its packet of comments is not the second");
        };
        if setup.as_ref().is_some_and(|setup| !setup.starts_with(b"\x05vorbis")) {
            return refused("its packet of setup is not the third");
        }
        let block = Comments::parse(&comments[prefix.len()..])?;
        if codec == Codec::Vorbis && block.rest().first().is_none_or(|bit| bit & 1 == 0) {
            return refused("its Vorbis comments are damaged: they have no framing bit");
        }
        let headers = first.end..at;
        let tags = vec![Placed { kind: Kind::Comments, range: headers.clone(), block: Box::new(block) }];
        let audio = at..source.len;
        let (packets, pages, damaged) = scan(source, audio.clone(), serial)?;
        Ok(Some(Self { codec, first, serial, count, setup, audio, tags, packets, pages, damaged }))
    }

    /// Pages of these packets, as many as there were where that is possible.
    fn pages(&self, packets: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut segments: Vec<&[u8]> = Vec::new();
        for packet in packets {
            segments.extend(packet.chunks(255));
            if packet.len() % 255 == 0 {
                segments.push(&[]);
            }
        }
        let least = segments.len().div_ceil(SEGMENTS);
        let count = if segments.len() < self.count { least } else { self.count.max(least) };
        let mut pages = Vec::new();
        let mut rest = &segments[..];
        let mut continued = false;
        for number in 0..count {
            let (now, later) = rest.split_at(rest.len().div_ceil(count - number));
            rest = later;
            let granule = if now.iter().any(|segment| segment.len() < 255) { 0 } else { NO_END };
            let mut page = CAPTURE.to_vec();
            page.extend([0, if continued { CONTINUED } else { 0 }]);
            page.extend(granule.to_le_bytes());
            page.extend(self.serial.to_le_bytes());
            page.extend((number as u32 + 1).to_le_bytes());
            page.extend([0; 4]);
            page.push(now.len() as u8);
            page.extend(now.iter().map(|segment| segment.len() as u8));
            now.iter().for_each(|segment| page.extend_from_slice(segment));
            seal(&mut page);
            pages.push(page);
            continued = now.last().is_some_and(|segment| segment.len() == 255);
        }
        pages
    }
}

/// The digests of the packets and of the pages in a range, and whether there is anything but whole pages of one stream.
fn scan(source: &Source<'_>, range: Range<u64>, serial: u32) -> Result<(u128, u128, bool), TagError> {
    let (mut packets, mut pages) = (Xxh3Default::new(), Xxh3Default::new());
    let mut damaged = false;
    let mut packet = 0u64;
    let mut at = range.start;
    while at < range.end {
        let bytes = source.up_to(at, MOST as u64)?;
        let Some(page) = Page::first_of(&bytes) else {
            // Up to where the next page may begin; what is skipped has to stay as it is, too.
            damaged = true;
            let next = bytes.windows(4).skip(1).position(|window| window == CAPTURE);
            let skip = next.map_or(bytes.len().saturating_sub(3).max(1), |next| next + 1).min(bytes.len());
            packets.update(b"a gap");
            packets.update(&bytes[..skip]);
            at += skip as u64;
            continue;
        };
        if page.flags() & FIRST != 0 {
            return refused(
                "its Ogg is several streams one after the other, each with tags of its own: tags are not written in such files",
            );
        }
        if page.serial() != serial {
            return refused(
                "its Ogg has several streams side by side, such as a film's: tags are not written in such files",
            );
        }
        pages.update(&page.bytes[4..18]);
        pages.update(page.table());
        let mut body = page.body();
        for &size in page.table() {
            let (segment, rest) = body.split_at(usize::from(size));
            packets.update(segment);
            packet += u64::from(size);
            body = rest;
            if size < 255 {
                packets.update(&packet.to_le_bytes());
                packet = 0;
            }
        }
        at += page.len();
    }
    Ok((packets.digest128(), pages.digest128(), damaged))
}

impl Container for Ogg {
    fn name(&self) -> &'static str {
        if self.codec == Codec::Vorbis { "Ogg Vorbis" } else { "Ogg Opus" }
    }

    fn native(&self) -> Kind {
        Kind::Comments
    }

    fn tags(&self) -> &[Placed] {
        &self.tags
    }

    fn parts(&self, source: &Source<'_>) -> Result<Vec<Part>, TagError> {
        Ok(vec![
            source.part("the first page", self.first.clone())?,
            Part::new("the setup", self.setup.as_deref().unwrap_or_default()),
            Part { name: "the pages of the audio".to_owned(), digest: self.pages },
        ])
    }

    fn audio(&self, _: &Source<'_>) -> Result<u128, TagError> {
        Ok(self.packets)
    }

    fn pieces(&self, _: &Source<'_>, mut contents: Contents) -> Result<Vec<Piece>, TagError> {
        let Some(comments) = contents.tags.pop().flatten() else {
            return refused("the comments of Ogg cannot be removed");
        };
        let prefix: &[u8] = if self.codec == Codec::Vorbis { b"\x03vorbis" } else { b"OpusTags" };
        let comments = [prefix, &comments].concat();
        let packets: Vec<&[u8]> = [&comments[..]].into_iter().chain(self.setup.as_deref()).collect();
        let pages = self.pages(&packets);
        let by = (pages.len() as u32).wrapping_sub(self.count as u32);
        let mut pieces = vec![Piece::Old(self.first.clone())];
        pieces.extend(pages.into_iter().map(Piece::New));
        if by == 0 {
            pieces.push(Piece::Old(self.audio.clone()));
        } else if self.damaged {
            return refused("its pages must be numbered anew, and some are damaged");
        } else {
            pieces.push(Piece::Pages { range: self.audio.clone(), by });
        }
        Ok(pieces)
    }
}
