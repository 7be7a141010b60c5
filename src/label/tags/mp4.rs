//! MP4 (ISO/IEC 14496-12) with iTunes' tags in `moov/udta/meta/ilst`.
//!
//! The difference in size is taken up by boxes `free` where there are such, so that nothing else moves. Where there are
//! none and audio lies behind `moov`, the offsets of its chunks are corrected.

use std::ops::Range;

use xxhash_rust::xxh3::Xxh3Default;

use super::block::{Kind, Part};
use super::container::{Container, Contents, Piece, Placed};
use super::error::{TagError, refused};
use super::ilst::{Ilst, boxed};
use super::source::Source;

/// A box of the file.
struct Top {
    name: [u8; 4],
    whole: Range<u64>,
    data: Range<u64>,
}

pub(super) struct Mp4 {
    tops: Vec<Top>,
    /// Which of them is `moov`.
    moov: usize,
    /// What it holds.
    contents: Vec<u8>,
    tags: Vec<Placed>,
}

/// The handler of iTunes' tags: a box `hdlr`.
const HANDLER: &[u8] = b"\0\0\0\x21hdlr\0\0\0\0\0\0\0\0mdirappl\0\0\0\0\0\0\0\0\0";
/// Boxes that nothing reads.
const FREE: [&[u8; 4]; 2] = [b"free", b"skip"];

/// The boxes in `bytes` and where each begins, and what is behind them: QuickTime ends some lists with four zeros.
fn children(bytes: &[u8]) -> Option<(Vec<Range<usize>>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while bytes.len() - at >= 8 {
        let size = u32::from_be_bytes(*bytes[at..].first_chunk()?) as usize;
        if size == 0 {
            break;
        }
        if size < 8 || size > bytes.len() - at {
            return None;
        }
        found.push(at..at + size);
        at += size;
    }
    bytes[at..].iter().all(|&byte| byte == 0).then_some((found, at))
}

fn damaged<T>() -> Result<T, TagError> {
    refused("its boxes are damaged")
}

/// The child of this name: its range with its header.
fn child(bytes: &[u8], name: &[u8; 4]) -> Result<Option<Range<usize>>, TagError> {
    let Some((found, _)) = children(bytes) else { return damaged() };
    let mut named = found.into_iter().filter(|range| &bytes[range.start + 4..range.start + 8] == name);
    let first = named.next();
    if named.next().is_some() {
        return refused(format!("it has two boxes {}", String::from_utf8_lossy(name)));
    }
    Ok(first)
}

/// The bytes with other contents in the place of a child, or none; or with a child at the end.
fn replaced(bytes: &[u8], old: Option<Range<usize>>, new: &[u8]) -> Vec<u8> {
    // Before the zeros at the end.
    let end = children(bytes).map_or(bytes.len(), |(_, end)| end);
    let old = old.unwrap_or(end..end);
    [&bytes[..old.start], new, &bytes[old.end..]].concat()
}

/// How many bytes of a box `meta` come before its children: in MP4 a version and flags, in QuickTime none.
fn meta_head(meta: &[u8]) -> Result<usize, TagError> {
    let handler = |at: usize| meta.get(at + 4..at + 8) == Some(b"hdlr");
    let at = match (handler(4), handler(0)) {
        (true, _) => 4,
        (_, true) => 0,
        _ => return refused("its box meta does not begin with a handler"),
    };
    match meta.get(at + 16..at + 20) {
        Some(b"mdir") => Ok(at),
        _ => refused("its tags are not of the kind that iTunes writes"),
    }
}

impl Mp4 {
    /// `None` where the file is no MP4.
    pub fn read(source: &Source<'_>) -> Result<Option<Self>, TagError> {
        let head = source.up_to(0, 8)?;
        if head.get(4..8) != Some(b"ftyp") {
            return Ok(None);
        }
        let mut tops = Vec::new();
        let mut at = 0;
        while at < source.len {
            let Some([a, b, c, d, name @ ..]) = source.array::<8>(at)? else { return damaged() };
            let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
                0 => (8, source.len - at),
                1 => match source.array::<8>(at + 8)? {
                    Some(size) => (16, u64::from_be_bytes(size)),
                    None => return damaged(),
                },
                size => (8, u64::from(size)),
            };
            let end = at.checked_add(size).filter(|&end| size >= header && end <= source.len);
            let Some(end) = end else { return refused("the file is cut off, or its boxes are damaged") };
            tops.push(Top { name, whole: at..end, data: at + header..end });
            at = end;
        }
        let mut moovs = tops.iter().enumerate().filter(|(_, top)| &top.name == b"moov");
        let Some((moov, top)) = moovs.next() else { return refused("it has no box moov") };
        if moovs.next().is_some() {
            return refused("it has two boxes moov");
        }
        if top.data.start - top.whole.start != 8 || top.whole.end - top.whole.start > u64::from(u32::MAX) {
            return refused("its box moov has a size of 64 bits");
        }
        if source.array::<4>(top.whole.start)? == Some([0; 4]) {
            return refused("its box moov has no size");
        }
        let contents = source.bytes(top.data.clone())?;
        let mut file = Self { tops, moov, contents, tags: Vec::new() };
        if let Some(ilst) = file.ilst()? {
            let block = Box::new(Ilst::parse(&ilst)?);
            let range = file.tops[moov].whole.clone();
            file.tags.push(Placed { kind: Kind::Ilst, range, block });
        }
        Ok(Some(file))
    }

    /// What the box `ilst` holds.
    fn ilst(&self) -> Result<Option<Vec<u8>>, TagError> {
        let Some(udta) = child(&self.contents, b"udta")? else { return Ok(None) };
        let udta = &self.contents[udta.start + 8..udta.end];
        let Some(meta) = child(udta, b"meta")? else { return Ok(None) };
        let meta = &udta[meta.start + 8..meta.end];
        let meta = &meta[meta_head(meta)?..];
        Ok(child(meta, b"ilst")?.map(|ilst| meta[ilst.start + 8..ilst.end].to_vec()))
    }

    /// What `moov` holds with other contents of `ilst`, or without it.
    fn with_ilst(&self, ilst: Option<&[u8]>) -> Result<Vec<u8>, TagError> {
        let old_udta = child(&self.contents, b"udta")?;
        let udta = old_udta.clone().map_or(&[][..], |udta| &self.contents[udta.start + 8..udta.end]);
        let old_meta = child(udta, b"meta")?;
        let meta = match &old_meta {
            Some(meta) => udta[meta.start + 8..meta.end].to_vec(),
            None => [&[0; 4][..], HANDLER].concat(),
        };
        let (head, list) = meta.split_at(meta_head(&meta)?);
        let meta = [head, &ilst_replaced(list, ilst, old_meta.is_some())?].concat();
        let bare = ilst.is_none() && meta[head.len()..] == *HANDLER;
        let meta = if bare { Vec::new() } else { boxed(b"meta", &meta)? };
        let udta = replaced(udta, old_meta, &meta);
        let udta = if udta.is_empty() { Vec::new() } else { boxed(b"udta", &udta)? };
        Ok(replaced(&self.contents, old_udta, &udta))
    }

    /// Adds to the offsets of all chunks that lie behind `moov`.
    ///
    /// # Errors
    /// [`TagError::Refused`] where something else holds offsets, or one becomes too large.
    fn shift(&self, contents: &mut [u8], by: i64) -> Result<(), TagError> {
        let behind = self.tops[self.moov].whole.end;
        let all = tables(contents)?;
        let moves = |offset: u64| offset >= behind;
        let fragments: [&[u8; 4]; 4] = [b"moof", b"sidx", b"mfra", b"meta"];
        let others = self.tops.iter().any(|top| fragments.contains(&&top.name));
        let mut moved = false;
        for table in &all {
            let wide = table.wide;
            for entry in contents[table.offsets.clone()].chunks_exact_mut(if wide { 8 } else { 4 }) {
                let offset = number(entry);
                if !moves(offset) {
                    continue;
                }
                moved = true;
                let new = offset.checked_add_signed(by).filter(|&new| wide || u32::try_from(new).is_ok());
                let Some(new) = new else { return refused("an offset of its audio would be too large") };
                entry.copy_from_slice(&new.to_be_bytes()[if wide { 0 } else { 4 }..]);
            }
        }
        let auxiliary = contents.windows(4).any(|name| name == b"saio" || name == b"iloc");
        if (others || auxiliary) && (moved || all.iter().all(|table| table.offsets.is_empty())) {
            return refused(match others {
                true => {
                    "it is MP4 in fragments (or with an index), whose audio would move and not be found: tags are not written"
                }
                false => "its audio would move, and not all that says where it is can be corrected",
            });
        }
        Ok(())
    }
}

/// The children of `meta` with other contents of `ilst`; `free` takes up the difference where it can.
fn ilst_replaced(list: &[u8], ilst: Option<&[u8]>, padded: bool) -> Result<Vec<u8>, TagError> {
    let old = child(list, b"ilst")?;
    let new = match ilst {
        Some(contents) => boxed(b"ilst", contents)?,
        None => Vec::new(),
    };
    let Some((found, _)) = children(list) else { return damaged() };
    let free =
        |range: &Range<usize>| FREE.iter().any(|name| list[range.start + 4..range.start + 8] == name[..]);
    let room: usize = found.iter().filter(|range| free(range)).map(Range::len).sum();
    let taken = old.as_ref().map_or(0, Range::len);
    let left = (room + taken).checked_sub(new.len()).filter(|&left| left == 0 || left >= 8);
    let keep = left.is_none();
    let mut out = Vec::new();
    let mut written = false;
    for range in found {
        if Some(&range) == old.as_ref() {
            out.extend(&new);
            written = true;
        } else if keep || !free(&range) {
            out.extend(&list[range]);
        }
    }
    if !written {
        out.extend(&new);
    }
    match left {
        // A box of its own that held nothing else leaves nothing.
        Some(left) if left > 0 && padded && (ilst.is_some() || room > 0) => {
            out.extend(boxed(b"free", &vec![0; left - 8])?);
        }
        _ => {}
    }
    Ok(out)
}

/// A big-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// Where the tables of a track are in `moov`.
struct Tables {
    wide: bool,
    /// The offsets of chunks.
    offsets: Range<usize>,
    stsc: Range<usize>,
    stsz: Range<usize>,
    /// Bits of a size; 32 but in `stz2`.
    bits: usize,
}

/// The tables of every track.
fn tables(moov: &[u8]) -> Result<Vec<Tables>, TagError> {
    let Some((found, _)) = children(moov) else { return damaged() };
    let mut all = Vec::new();
    for track in found.iter().filter(|range| &moov[range.start + 4..range.start + 8] == b"trak") {
        let mut range = track.start + 8..track.end;
        for name in [b"mdia", b"minf", b"stbl"] {
            let Some(inner) = child(&moov[range.clone()], name)? else { return damaged() };
            range = range.start + inner.start + 8..range.start + inner.end;
        }
        let of = |name: &[u8; 4]| -> Result<Option<Range<usize>>, TagError> {
            let found = child(&moov[range.clone()], name)?;
            Ok(found.map(|inner| range.start + inner.start + 8..range.start + inner.end))
        };
        let (offsets, wide) = match (of(b"stco")?, of(b"co64")?) {
            (Some(offsets), None) => (offsets, false),
            (None, Some(offsets)) => (offsets, true),
            _ => return damaged(),
        };
        let (stsz, bits) = match (of(b"stsz")?, of(b"stz2")?) {
            (Some(sizes), None) => (sizes, 32),
            (None, Some(sizes)) if sizes.len() >= 12 => (sizes.clone(), usize::from(moov[sizes.start + 7])),
            _ => return damaged(),
        };
        let Some(stsc) = of(b"stsc")? else { return damaged() };
        let width = if wide { 8 } else { 4 };
        if offsets.len() < 8 || stsc.len() < 8 || stsz.len() < 12 {
            return damaged();
        }
        let count = number(&moov[offsets.start + 4..offsets.start + 8]) as usize;
        let offsets = offsets.start + 8..offsets.end;
        if count.checked_mul(width).is_none_or(|bytes| bytes > offsets.len()) {
            return damaged();
        }
        let offsets = offsets.start..offsets.start + count * width;
        all.push(Tables { wide, offsets, stsc, stsz, bits });
    }
    Ok(all)
}

impl Tables {
    /// The chunks of the track, in order.
    fn chunks(&self, moov: &[u8]) -> Result<Vec<Range<u64>>, TagError> {
        let word = |at: usize| number(&moov[at..at + 4]);
        let runs = word(self.stsc.start + 4) as usize;
        let entries = self.stsc.start + 8;
        if runs > (self.stsc.end - entries) / 12 {
            return damaged();
        }
        let (fixed, count) = (word(self.stsz.start + 4), word(self.stsz.start + 8) as usize);
        let fixed = if self.bits == 32 { fixed } else { 0 };
        let sizes = &moov[self.stsz.start + 12..self.stsz.end];
        if !matches!(self.bits, 8 | 16 | 32) {
            return refused("its samples have sizes of an unusual width");
        }
        if fixed == 0 && count > sizes.len() / (self.bits / 8) {
            return damaged();
        }
        let mut sizes = sizes.chunks_exact(self.bits / 8).map(number);
        let (mut run, mut left) = (0, count as u64);
        let mut chunks = Vec::new();
        let offsets = moov[self.offsets.clone()].chunks_exact(if self.wide { 8 } else { 4 }).map(number);
        for (i, offset) in offsets.enumerate() {
            while run + 1 < runs && word(entries + 12 * (run + 1)) <= i as u64 + 1 {
                run += 1;
            }
            let samples = if runs == 0 { 0 } else { word(entries + 12 * run + 4).min(left) };
            left -= samples;
            let length: u64 = match fixed {
                0 => sizes.by_ref().take(samples as usize).sum(),
                fixed => fixed * samples,
            };
            let Some(end) = offset.checked_add(length) else { return damaged() };
            chunks.push(offset..end);
        }
        Ok(chunks)
    }
}

/// Adds every box that no change of the genre changes, but for offsets, padding and `ilst`.
fn leaves(path: &str, bytes: &[u8], parts: &mut Vec<Part>) -> Result<(), TagError> {
    let Some((found, _)) = children(bytes) else { return damaged() };
    for range in found {
        let (name, data) = (&bytes[range.start + 4..range.start + 8], &bytes[range.start + 8..range.end]);
        let full = format!("{path}/{}", name.iter().copied().map(char::from).collect::<String>());
        match (path, name) {
            (_, b"free" | b"skip") | (_, b"stco" | b"co64") | ("moov/udta/meta", b"ilst" | b"hdlr") => {}
            ("moov", b"trak" | b"udta")
            | ("moov/trak", b"mdia")
            | ("moov/trak/mdia", b"minf")
            | ("moov/trak/mdia/minf", b"stbl") => leaves(&full, data, parts)?,
            ("moov/udta", b"meta") => leaves(&full, &data[meta_head(data)?..], parts)?,
            _ => parts.push(Part::new(full, data)),
        }
    }
    Ok(())
}

impl Container for Mp4 {
    fn name(&self) -> &'static str {
        "MP4"
    }

    fn native(&self) -> Kind {
        Kind::Ilst
    }

    fn tags(&self) -> &[Placed] {
        &self.tags
    }

    fn parts(&self, source: &Source<'_>) -> Result<Vec<Part>, TagError> {
        let mut parts = Vec::new();
        for top in &self.tops {
            match &top.name {
                b"moov" => leaves("moov", &self.contents, &mut parts)?,
                b"mdat" | b"free" | b"skip" => {}
                name => parts.push(source.part(String::from_utf8_lossy(name), top.whole.clone())?),
            }
        }
        Ok(parts)
    }

    fn audio(&self, source: &Source<'_>) -> Result<u128, TagError> {
        let mut digest = Xxh3Default::new();
        for track in tables(&self.contents)? {
            let chunks = track.chunks(&self.contents)?;
            digest.update(&(chunks.len() as u64).to_le_bytes());
            for chunk in chunks {
                source.digest(chunk, &mut digest)?;
            }
        }
        if self.tops.iter().any(|top| &top.name == b"moof") {
            for top in self.tops.iter().filter(|top| &top.name == b"mdat") {
                source.digest(top.data.clone(), &mut digest)?;
            }
        }
        Ok(digest.digest128())
    }

    fn pieces(&self, _: &Source<'_>, mut contents: Contents) -> Result<Vec<Piece>, TagError> {
        let ilst = contents.tags.pop().flatten().or_else(|| contents.added(Kind::Ilst));
        let mut moov = self.with_ilst(ilst.as_deref())?;
        let by = moov.len() as i64 - self.contents.len() as i64;
        let next = self.tops.get(self.moov + 1).filter(|top| FREE.contains(&&top.name));
        let room = next.and_then(|top| (top.whole.end - top.whole.start).checked_add_signed(-by));
        let room = room.filter(|&room| by != 0 && (room == 0 || (8..1 << 24).contains(&room)));
        if by != 0 && room.is_none() {
            self.shift(&mut moov, by)?;
        }
        let mut pieces = Vec::new();
        for (i, top) in self.tops.iter().enumerate() {
            match room {
                _ if i == self.moov => pieces.push(Piece::New(boxed(b"moov", &moov)?)),
                Some(0) if i == self.moov + 1 => {}
                Some(room) if i == self.moov + 1 => {
                    pieces.push(Piece::New(boxed(b"free", &vec![0; room as usize - 8])?));
                }
                _ => pieces.push(Piece::Old(top.whole.clone())),
            }
        }
        Ok(pieces)
    }
}
