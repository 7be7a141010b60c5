//! Tags before and after a file's own format: ID3v2 in front, ID3v1, APE and Lyrics3 at the end.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::common::Limit;
use symphonia::core::errors::Result;
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::{MetadataBuffer, MetadataOptions, MetadataReader};
use symphonia::default::meta::{ApeReader, Id3v2Reader};

use super::super::tags::Tags;
use super::splice::{Piece, Spliced};

/// Bytes of an ID3v1 tag, of a header or footer of an APE tag, and of a header of an ID3v2 tag.
const ID3V1: u64 = 128;
const APE: u64 = 32;
pub(in crate::audio) const ID3V2: usize = 10;
/// Most tags on either side.
const TAGS: usize = 8;
/// Most zeros that are passed over.
const ZEROS: u64 = 64 << 20;

/// Pictures and long tags are not needed: none is kept.
pub(in crate::audio) fn options() -> MetadataOptions {
    MetadataOptions::default().limit_visual_bytes(Limit::Maximum(0)).limit_tag_bytes(Limit::Maximum(1 << 16))
}

/// Reads the tags around what `source` holds, and says where that lies.
///
/// # Errors
/// Those of reading. Tags that cannot be read are passed over.
pub(in crate::audio) fn tags(source: &mut dyn MediaSource, tags: &mut Tags) -> io::Result<Range<u64>> {
    let mut end = source.seek(SeekFrom::End(0))?;
    let mut start = 0;
    for _ in 0..TAGS {
        let head = bytes(source, start..end.min(start + ID3V2 as u64))?;
        let Some(length) = id3v2_length(&head).filter(|&length| start + length <= end) else {
            break;
        };
        id3v2(source, start..start + length, tags);
        start += length;
    }
    for _ in 0..TAGS {
        let tail = bytes(source, end.saturating_sub(ID3V1).max(start)..end)?;
        let footer = &tail[tail.len().saturating_sub(APE as usize)..];
        let length = if tail.len() as u64 == ID3V1 && tail.starts_with(b"TAG") {
            tags.id3v1(&tail);
            ID3V1
        } else if footer.len() as u64 == APE && footer.starts_with(b"APETAGEX") {
            let word = |at: usize| u64::from(u32::from_le_bytes(std::array::from_fn(|i| footer[at + i])));
            ape(source, end - APE, end, tags);
            // A header comes before, where the footer says so.
            word(12) + if word(20) >> 31 == 1 { APE } else { 0 }
        } else if tail.ends_with(b"LYRICS200") && tail.len() >= 15 {
            let size = std::str::from_utf8(&tail[tail.len() - 15..tail.len() - 9]).ok();
            size.and_then(|size| size.parse::<u64>().ok()).map_or(0, |size| size + 15)
        } else {
            0
        };
        if length == 0 || length > end - start {
            break;
        }
        end -= length;
    }
    Ok(start..end)
}

/// The length of the ID3v2 tag that begins here, if one does.
pub(in crate::audio) fn id3v2_length(head: &[u8]) -> Option<u64> {
    let &[b'I', b'D', b'3', major, minor, flags, a, b, c, d, ..] = head else {
        return None;
    };
    let valid = major != 0xff && minor != 0xff && [a, b, c, d].iter().all(|&byte| byte < 0x80);
    let size = [a, b, c, d].iter().fold(0, |size, &byte| size << 7 | u64::from(byte));
    let footer = if flags & 0x10 != 0 { 10 } else { 0 };
    valid.then_some(10 + size + footer)
}

/// Reads the ID3v2 tag in `range`.
pub(in crate::audio) fn id3v2(source: &mut dyn MediaSource, range: Range<u64>, tags: &mut Tags) {
    let part = Spliced::new(source, vec![Piece::Source(range)]);
    let stream = MediaSourceStream::new(Box::new(part), Default::default());
    keep(Id3v2Reader::try_new(stream, options()).and_then(|mut reader| reader.read_all()), tags);
}

/// Reads the APE tag whose footer lies at `footer`.
fn ape(source: &mut dyn MediaSource, footer: u64, end: u64, tags: &mut Tags) {
    let mut part = Spliced::new(source, vec![Piece::Source(0..end)]);
    if part.seek(SeekFrom::Start(footer)).is_ok() {
        let mut stream = MediaSourceStream::new(Box::new(part), Default::default());
        let read = stream.seek(SeekFrom::Start(footer)).map_err(Into::into);
        let read = read.and_then(|_| ApeReader::try_new(stream, options())).and_then(|mut r| r.read_all());
        keep(read, tags);
    }
}

fn keep(read: Result<MetadataBuffer>, tags: &mut Tags) {
    if let Ok(buffer) = read {
        tags.revision(&buffer.revision);
    }
}

/// Where the zeros end that `source` holds from `range.start` on.
pub(in crate::audio) fn after_zeros(source: &mut dyn MediaSource, range: Range<u64>) -> io::Result<u64> {
    const STEP: u64 = 1 << 16;
    let mut at = range.start;
    while at < range.end.min(range.start + ZEROS) {
        let part = bytes(source, at..range.end.min(at + STEP))?;
        match part.iter().position(|&byte| byte != 0) {
            Some(count) => return Ok(at + count as u64),
            None if part.is_empty() => break,
            None => at += part.len() as u64,
        }
    }
    Ok(range.start)
}

/// The bytes of `range`, as far as they are there.
pub(in crate::audio) fn bytes(source: &mut dyn MediaSource, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if range.start > i64::MAX as u64 {
        return Ok(bytes);
    }
    source.seek(SeekFrom::Start(range.start))?;
    source.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
