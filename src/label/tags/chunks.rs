//! WAV and AIFF: chunks in a form, each a name, a length and an even number of bytes.

use std::ops::Range;

use xxhash_rust::xxh3::Xxh3Default;

use super::block::{Kind, Part};
use super::container::{Container, Contents, Piece, Placed, length};
use super::error::{TagError, refused};
use super::id3v2::{self, Id3v2};
use super::riff_info::Info;
use super::source::Source;

struct Chunk {
    name: [u8; 4],
    /// With its name and length, and the byte that fills it up where there is one.
    whole: Range<u64>,
    data: Range<u64>,
    /// The tag that it holds.
    tag: Option<usize>,
}

pub(super) struct Chunks {
    big: bool,
    head: [u8; 12],
    chunks: Vec<Chunk>,
    tags: Vec<Placed>,
    /// Behind the form.
    rest: Range<u64>,
}

impl Chunks {
    /// `None` where the file is no such form.
    pub fn read(source: &Source<'_>) -> Result<Option<Self>, TagError> {
        let Some(head) = source.array::<12>(0)? else { return Ok(None) };
        let big = match (&head[..4], &head[8..]) {
            (b"RIFF", b"WAVE") => false,
            (b"FORM", b"AIFF" | b"AIFC") => true,
            (b"RF64" | b"BW64", b"WAVE") => {
                return refused(
                    "genres in WAV with sizes of 64 bits (RF64, BW64) are neither read nor written",
                );
            }
            (b"RIFX", _) => {
                return refused("genres in WAV of the other byte order (RIFX) are neither read nor written");
            }
            _ => return Ok(None),
        };
        let end = 8 + number(big, &head[4..8]);
        if end > source.len {
            return refused("the file is cut off, or was never finished");
        }
        let mut form = Self { big, head, chunks: Vec::new(), tags: Vec::new(), rest: end..source.len };
        let mut at = 12;
        while at + 8 <= end {
            let Some(header) = source.array::<8>(at)? else { break };
            let data = at + 8..at + 8 + number(big, &header[4..]);
            if data.end > end {
                return refused("a chunk passes the end of its form");
            }
            let whole = at..(data.end + (data.end - data.start) % 2).min(end);
            at = whole.end;
            let [a, b, c, d, ..] = header;
            form.chunk(source, Chunk { name: [a, b, c, d], whole, data, tag: None })?;
        }
        if at != end {
            return refused("its form ends inside a chunk");
        }
        if !form.chunks.iter().any(|chunk| chunk.name == form.sound()) {
            return refused("it has no audio");
        }
        Ok(Some(form))
    }

    fn chunk(&mut self, source: &Source<'_>, mut chunk: Chunk) -> Result<(), TagError> {
        let data = chunk.data.clone();
        let block = match &chunk.name {
            b"ID3 " | b"id3 " => {
                let bytes = source.bytes(data.clone())?;
                let whole = bytes.first_chunk().and_then(id3v2::length) == Some(bytes.len() as u64);
                if !whole {
                    return refused("its chunk of ID3 holds something else");
                }
                Some((Kind::Id3v2, Box::new(Id3v2::parse(&bytes)?) as Box<_>))
            }
            b"LIST" if !self.big && source.up_to(data.start, 4)? == b"INFO" => {
                let info = Info::parse(&source.bytes(data.start + 4..data.end)?)?;
                Some((Kind::Info, Box::new(info) as Box<_>))
            }
            _ => None,
        };
        if let Some((kind, block)) = block {
            chunk.tag = Some(self.tags.len());
            self.tags.push(Placed { kind, range: data, block });
        }
        self.chunks.push(chunk);
        Ok(())
    }

    fn sound(&self) -> [u8; 4] {
        if self.big { *b"SSND" } else { *b"data" }
    }

    /// A chunk of these contents, filled up.
    fn built(&self, name: [u8; 4], contents: &[u8]) -> Result<Vec<u8>, TagError> {
        let Ok(size) = u32::try_from(contents.len()) else { return refused("a chunk of more than 4 GB") };
        let size = if self.big { size.to_be_bytes() } else { size.to_le_bytes() };
        let fill: &[u8] = if contents.len() % 2 == 1 { &[0] } else { &[] };
        Ok([&name[..], &size, contents, fill].concat())
    }
}

fn number(big: bool, bytes: &[u8]) -> u64 {
    let bytes = bytes.first_chunk().copied().unwrap_or_default();
    u64::from(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

impl Container for Chunks {
    fn name(&self) -> &'static str {
        if self.big { "AIFF" } else { "WAV" }
    }

    fn native(&self) -> Kind {
        Kind::Id3v2
    }

    fn tags(&self) -> &[Placed] {
        &self.tags
    }

    fn parts(&self, source: &Source<'_>) -> Result<Vec<Part>, TagError> {
        let others = self.chunks.iter().filter(|chunk| chunk.tag.is_none() && chunk.name != self.sound());
        let mut parts = Vec::new();
        for chunk in others {
            parts.push(source.part(String::from_utf8_lossy(&chunk.name), chunk.data.clone())?);
        }
        parts.push(source.part("what is behind the form", self.rest.clone())?);
        Ok(parts)
    }

    fn audio(&self, source: &Source<'_>) -> Result<u128, TagError> {
        let mut digest = Xxh3Default::new();
        for chunk in self.chunks.iter().filter(|chunk| chunk.name == self.sound()) {
            source.digest(chunk.data.clone(), &mut digest)?;
        }
        Ok(digest.digest128())
    }

    fn pieces(&self, _: &Source<'_>, mut contents: Contents) -> Result<Vec<Piece>, TagError> {
        let mut body = Vec::new();
        for chunk in &self.chunks {
            let Some(tag) = chunk.tag else {
                body.push(Piece::Old(chunk.whole.clone()));
                if (chunk.whole.end - chunk.whole.start) % 2 == 1 {
                    // The last one, that nothing filled up.
                    body.push(Piece::New(vec![0]));
                }
                continue;
            };
            let Some(new) = contents.tags.get_mut(tag).and_then(Option::take) else { continue };
            let new = if self.tags[tag].kind == Kind::Info { [b"INFO", &new[..]].concat() } else { new };
            body.push(Piece::New(self.built(chunk.name, &new)?));
        }
        if let Some(tag) = contents.added(Kind::Id3v2) {
            body.push(Piece::New(self.built(if self.big { *b"ID3 " } else { *b"id3 " }, &tag)?));
        }
        let Ok(size) = u32::try_from(length(&body) + 4) else {
            return refused("the file would be larger than its format allows (4 GB)");
        };
        let mut head = self.head;
        head[4..8].copy_from_slice(&if self.big { size.to_be_bytes() } else { size.to_le_bytes() });
        let mut pieces = vec![Piece::New(head.to_vec())];
        pieces.extend(body);
        pieces.push(Piece::Old(self.rest.clone()));
        Ok(pieces)
    }
}
