//! FLAC (RFC 9639): blocks of metadata, then frames; perhaps ID3 or APE around it.

use std::ops::Range;

use xxhash_rust::xxh3::Xxh3Default;

use super::bare::Around;
use super::block::{Kind, Part};
use super::comments::Comments;
use super::container::{Container, Contents, Piece, Placed, length};
use super::error::{TagError, refused};
use super::source::Source;

const STREAM_INFO: u8 = 0;
const PADDING: u8 = 1;
const COMMENTS: u8 = 4;
/// Most bytes of a block.
const MOST: u64 = (1 << 24) - 1;
/// Room for later changes, where the blocks have to grow.
const ROOM: u64 = 4096;

struct FlacBlock {
    kind: u8,
    data: Range<u64>,
}

pub(super) struct Flac {
    around: Around,
    blocks: Vec<FlacBlock>,
    frames: Range<u64>,
    /// Those around, and the comments behind them where there are any.
    tags: Vec<Placed>,
    comments: bool,
}

impl Flac {
    /// `None` where the file is no FLAC.
    pub fn read(source: &Source<'_>) -> Result<Option<Self>, TagError> {
        let start = super::skip_id3(source)?;
        if source.up_to(start, 4)? != b"fLaC" {
            return Ok(None);
        }
        let mut around = Around::read(source)?;
        let mut blocks = Vec::new();
        let mut at = around.audio.start + 4;
        loop {
            let Some([first, sizes @ ..]) = source.array::<4>(at)? else {
                return refused("the file is cut off");
            };
            let size = sizes.iter().fold(0, |size, &byte| size << 8 | u64::from(byte));
            let data = at + 4..at + 4 + size;
            if data.end > around.audio.end {
                return refused("a block of its metadata passes its end");
            }
            at = data.end;
            blocks.push(FlacBlock { kind: first & 0x7f, data });
            if first & 0x80 != 0 {
                break;
            }
        }
        if blocks.first().is_none_or(|block| block.kind != STREAM_INFO) {
            return refused("its metadata does not begin with STREAMINFO");
        }
        let frames = at..around.audio.end;
        let sync = source.up_to(at, 2)?;
        if !matches!(sync[..], [0xff, 0xf8..=0xf9]) {
            return refused("no frame of FLAC follows its metadata");
        }
        let mut tags = std::mem::take(&mut around.tags);
        let mut found = blocks.iter().filter(|block| block.kind == COMMENTS);
        let comments = found.next();
        if let Some(block) = comments {
            let bytes = source.bytes(block.data.clone())?;
            let parsed = Comments::parse(&bytes)?;
            tags.push(Placed { kind: Kind::Comments, range: block.data.clone(), block: Box::new(parsed) });
        }
        if found.next().is_some() {
            return refused("it has two blocks of comments");
        }
        let comments = comments.is_some();
        Ok(Some(Self { around, blocks, frames, tags, comments }))
    }

    /// Blocks as they will be: kind, and contents.
    fn blocks(&self, new: Option<Vec<u8>>) -> Result<Vec<(u8, Vec<Piece>)>, TagError> {
        let old = |block: &FlacBlock| (block.kind, vec![Piece::Old(block.data.clone())]);
        let mut blocks: Vec<(u8, Vec<Piece>)> = Vec::new();
        let mut new = new.map(|bytes| (COMMENTS, vec![Piece::New(bytes)]));
        for (i, block) in self.blocks.iter().enumerate() {
            match block.kind {
                COMMENTS => blocks.extend(new.take()),
                _ => blocks.push(old(block)),
            }
            if i == 0 && !self.comments {
                blocks.extend(new.take());
            }
        }
        let size = |blocks: &[(u8, Vec<Piece>)]| blocks.iter().map(|block| 4 + length(&block.1)).sum::<u64>();
        let before: u64 = self.blocks.iter().map(|block| 4 + block.data.end - block.data.start).sum();
        let after = size(&blocks);
        // The padding takes up the difference, where it can.
        if let Some(at) = blocks.iter().rposition(|block| block.0 == PADDING) {
            let padding = length(&blocks[at].1);
            if let Some(room) = (padding + before).checked_sub(after).filter(|&room| room <= MOST) {
                blocks[at].1 = vec![Piece::New(vec![0; room as usize])];
            } else if padding + before + 4 == after {
                blocks.remove(at);
            } else if after > before {
                blocks[at].1 = vec![Piece::New(vec![0; ROOM as usize])];
            }
        }
        if blocks.iter().any(|block| length(&block.1) > MOST) {
            return refused("its comments would be larger than a block of FLAC can be (16 MB)");
        }
        Ok(blocks)
    }
}

impl Container for Flac {
    fn name(&self) -> &'static str {
        "FLAC"
    }

    fn native(&self) -> Kind {
        Kind::Comments
    }

    fn tags(&self) -> &[Placed] {
        &self.tags
    }

    fn parts(&self, source: &Source<'_>) -> Result<Vec<Part>, TagError> {
        let mut parts = self.around.parts(source)?;
        for block in self.blocks.iter().filter(|block| !matches!(block.kind, COMMENTS | PADDING)) {
            parts.push(source.part(format!("FLAC block of type {}", block.kind), block.data.clone())?);
        }
        Ok(parts)
    }

    fn audio(&self, source: &Source<'_>) -> Result<u128, TagError> {
        let mut digest = Xxh3Default::new();
        source.digest(self.frames.clone(), &mut digest)?;
        Ok(digest.digest128())
    }

    fn pieces(&self, _: &Source<'_>, mut contents: Contents) -> Result<Vec<Piece>, TagError> {
        let comments = match self.comments {
            true => contents.tags.pop().flatten(),
            false => contents.added(Kind::Comments),
        };
        let blocks = self.blocks(comments)?;
        let mut audio = vec![Piece::New(b"fLaC".to_vec())];
        let last = blocks.len() - 1;
        for (i, (kind, pieces)) in blocks.into_iter().enumerate() {
            let size = (length(&pieces) as u32).to_be_bytes();
            let flag = if i == last { 0x80 } else { 0 };
            audio.push(Piece::New(vec![kind | flag, size[1], size[2], size[3]]));
            audio.extend(pieces);
        }
        audio.push(Piece::Old(self.frames.clone()));
        let tags = &self.tags[..self.tags.len() - usize::from(self.comments)];
        Ok(self.around.pieces(tags, &mut contents, audio))
    }
}
