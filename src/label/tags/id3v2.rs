//! ID3v2.2, 2.3 and 2.4 (<https://id3.org>): a header, perhaps an extended one, frames, padding, perhaps a footer.
//!
//! Frames are kept as they are. What would change with the genre and is not understood (a checksum, compression) is
//! refused.

use std::ops::Range;

use super::block::{Block, Field, Part, check, joined, place, split, unite, woven};
use super::error::{TagError, refused};
use super::numbers;

/// Bytes of the header, and of the footer.
pub const HEADER: usize = 10;
/// Room for later changes, where the tag has to grow.
const PADDING: usize = 1024;

const UNSYNCHRONISED: u8 = 0x80;
const EXTENDED: u8 = 0x40;
const FOOTER: u8 = 0x10;

#[derive(Debug)]
pub struct Id3v2 {
    version: u8,
    revision: u8,
    flags: u8,
    /// The extended header.
    extended: Vec<u8>,
    /// The frames' bytes; for versions before 2.4 without unsynchronisation.
    body: Vec<u8>,
    frames: Vec<Range<usize>>,
    /// Whether sizes of frames of version 2.4 are plain numbers, as some programs write them.
    plain: bool,
    /// Bytes of the whole tag.
    size: usize,
}

/// A number of seven bits a byte.
fn syncsafe(bytes: &[u8]) -> Option<usize> {
    let number =
        bytes.iter().try_fold(0, |number, &byte| (byte < 0x80).then(|| number << 7 | usize::from(byte)));
    number.filter(|_| bytes.len() == 4)
}

fn to_syncsafe(number: usize) -> Option<[u8; 4]> {
    let digit = |shift: usize| (number >> shift & 0x7f) as u8;
    (number < 1 << 28).then(|| [digit(21), digit(14), digit(7), digit(0)])
}

fn plain(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, &byte| number << 8 | usize::from(byte))
}

/// The length of the whole tag that begins so.
pub fn length(head: &[u8; HEADER]) -> Option<u64> {
    let size = syncsafe(&head[6..])?;
    let known = head.starts_with(b"ID3") && head[3] != 0xff && head[4] != 0xff;
    let footer = if head[3] == 4 && head[5] & FOOTER != 0 { HEADER } else { 0 };
    known.then_some((HEADER + size + footer) as u64)
}

/// The length of the whole tag whose footer this is.
pub fn length_of_footer(footer: &[u8; HEADER]) -> Option<u64> {
    let size = syncsafe(&footer[6..])?;
    footer.starts_with(b"3DI").then_some((2 * HEADER + size) as u64)
}

/// Removes the zeros that follow 255.
fn synchronised(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut last = 0;
    for &byte in bytes {
        if !(last == 0xff && byte == 0) {
            out.push(byte);
        }
        last = byte;
    }
    out
}

/// Puts a zero behind each 255 that a decoder could take for the beginning of a frame of audio.
fn unsynchronised(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (i, &byte) in bytes.iter().enumerate() {
        out.push(byte);
        if byte == 0xff && bytes.get(i + 1).is_none_or(|&next| next == 0 || next >= 0xe0) {
            out.push(0);
        }
    }
    out
}

impl Id3v2 {
    pub fn empty() -> Self {
        let (extended, body, frames) = (Vec::new(), Vec::new(), Vec::new());
        Self { version: 4, revision: 0, flags: 0, extended, body, frames, plain: false, size: 0 }
    }

    /// Parses a whole tag.
    pub fn parse(bytes: &[u8]) -> Result<Self, TagError> {
        let odd = |what: &str| refused(format!("its ID3v2 tag is not understood: {what}"));
        let Some(head) = bytes.first_chunk::<HEADER>() else { return odd("its header") };
        let [_, _, _, version, revision, flags, ..] = *head;
        let (Some(length), Some(size)) = (length(head), syncsafe(&head[6..])) else {
            return odd("its header");
        };
        if length != bytes.len() as u64 {
            return odd("its length");
        }
        let known = match version {
            2 => UNSYNCHRONISED,
            3 => UNSYNCHRONISED | EXTENDED | 0x20,
            4 => UNSYNCHRONISED | EXTENDED | 0x20 | FOOTER,
            _ => return odd(&format!("version 2.{version}")),
        };
        if flags & !known != 0 {
            return odd("its flags");
        }
        let stored = &bytes[HEADER..HEADER + size];
        let mut body = stored.to_vec();
        if version < 4 && flags & UNSYNCHRONISED != 0 {
            body = synchronised(stored);
            // Some programs set the flag and change nothing, or end the tag in another way.
            if unsynchronised(&body) != stored {
                return odd("its unsynchronisation");
            }
        }
        let mut extended = Vec::new();
        if flags & EXTENDED != 0 {
            let size = match version {
                3 => body.get(..4).map(|size| 4 + plain(size)),
                _ => body.get(..4).and_then(syncsafe),
            };
            let Some(size) = size.filter(|size| (6..=body.len()).contains(size)) else {
                return odd("its extended header");
            };
            let checksum = if version == 3 { body[4] & 0x80 } else { body[5] & 0x20 };
            if checksum != 0 {
                return odd("it has a checksum");
            }
            extended = body.drain(..size).collect();
        }
        let (frames, plain) = match version {
            4 => match (walk(&body, version, false), walk(&body, version, true)) {
                (Some(frames), _) => (frames, false),
                (None, Some(frames)) => (frames, true),
                _ => return odd("its frames do not fill it"),
            },
            _ => match walk(&body, version, false) {
                Some(frames) => (frames, false),
                None => return odd("its frames do not fill it"),
            },
        };
        Ok(Self { version, revision, flags, extended, body, frames, plain, size: bytes.len() })
    }

    fn frame(&self, range: &Range<usize>) -> &[u8] {
        &self.body[range.clone()]
    }

    fn is_genre(&self, frame: &[u8]) -> bool {
        frame.starts_with(if self.version == 2 { b"TCO" } else { b"TCON" })
            && (self.version == 2 || frame[3] == b'N')
    }

    /// The text of a frame; `None` where it is compressed or encrypted.
    fn text(&self, frame: &[u8]) -> Option<String> {
        let (contents, skip, sealed, unsynchronise) = match self.version {
            2 => (frame.get(6..)?, 0, false, false),
            3 => (frame.get(10..)?, usize::from(frame[9] & 0x20 != 0), frame[9] & 0xc0 != 0, false),
            _ => {
                let flags = frame[9];
                let skip = usize::from(flags & 0x40 != 0) + if flags & 0x01 != 0 { 4 } else { 0 };
                let all = self.flags & UNSYNCHRONISED != 0;
                (frame.get(10..)?, skip, flags & 0x0c != 0, flags & 0x02 != 0 || all)
            }
        };
        if sealed {
            return None;
        }
        let contents = contents.get(skip..)?;
        let decoded = if unsynchronise { synchronised(contents) } else { contents.to_vec() };
        let Some((&encoding, text)) = decoded.split_first() else { return Some(String::new()) };
        Some(match encoding {
            0 => text.iter().copied().map(char::from).collect(),
            3 => String::from_utf8_lossy(text).into_owned(),
            _ => utf16(text, encoding == 2),
        })
    }

    /// Genres that are stored in a way that is not written.
    fn is_sealed(&self) -> bool {
        self.genres().any(|(_, frame)| self.text(frame).is_none())
    }

    fn genres(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let frames = self.frames.iter().map(|range| self.frame(range)).enumerate();
        frames.filter(|(_, frame)| self.is_genre(frame))
    }

    fn others(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().map(|range| self.frame(range)).filter(|frame| !self.is_genre(frame))
    }

    fn header(&self, size: usize, name: &[u8]) -> Result<Vec<u8>, TagError> {
        match to_syncsafe(size) {
            Some(size) => Ok([name, &[self.version, self.revision, self.flags], &size[..]].concat()),
            None => refused("its ID3v2 tag would be larger than 256 MB"),
        }
    }
}

/// The frames, which padding of zeros may follow; `None` where something else does.
fn walk(body: &[u8], version: u8, plainly: bool) -> Option<Vec<Range<usize>>> {
    let (name, header) = if version == 2 { (3, 6) } else { (4, 10) };
    let mut frames = Vec::new();
    let mut at = 0;
    while at < body.len() && body[at] != 0 {
        let head = body.get(at..at + header)?;
        let legal = |&byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        // Names of version 2.2 in later ones, as iTunes wrote them.
        let named =
            head[..3].iter().all(legal) && (name == 3 || legal(&head[3]) || matches!(head[3], b' ' | 0));
        let size = match version {
            2 => plain(&head[3..6]),
            4 if !plainly => syncsafe(&head[4..8])?,
            _ => plain(&head[4..8]),
        };
        let end = at.checked_add(header)?.checked_add(size)?;
        if !named || end > body.len() {
            return None;
        }
        frames.push(at..end);
        at = end;
    }
    body[at..].iter().all(|&byte| byte == 0).then_some(frames)
}

fn utf16(bytes: &[u8], mut big: bool) -> String {
    let units = bytes.chunks_exact(2);
    let mut text = Vec::new();
    for pair in units {
        match pair {
            // Marks stand before each of several texts.
            [0xff, 0xfe] => big = false,
            [0xfe, 0xff] => big = true,
            _ => text.push(if big {
                u16::from_be_bytes([pair[0], pair[1]])
            } else {
                u16::from_le_bytes([pair[0], pair[1]])
            }),
        }
    }
    String::from_utf16_lossy(&text)
}

impl Block for Id3v2 {
    fn dialect(&self) -> String {
        format!("ID3v2.{}", self.version)
    }

    fn fields(&self) -> Vec<Field> {
        self.genres().map(|(at, frame)| Field { at, bytes: frame.to_vec() }).collect()
    }

    fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for (_, frame) in self.genres() {
            let text = self.text(frame).unwrap_or_default();
            // Versions before 2.4 have no separator of their own.
            let texts = match self.version {
                4 => text.split('\0').map(|text| text.trim().to_owned()).collect(),
                _ => split(&text),
            };
            unite(&mut values, texts.iter().flat_map(|text| numbers::names(text)));
        }
        values
    }

    fn others(&self) -> Vec<Part> {
        let name = if self.version == 2 { 3 } else { 4 };
        let head = [self.version, self.revision, self.flags, u8::from(self.plain)];
        // Bytes 6 to 10 of version 2.3's are the size of the padding.
        let kept = if self.version == 3 { 6.min(self.extended.len()) } else { self.extended.len() };
        let extended = [&head, &self.extended[..kept], self.extended.get(10..).unwrap_or_default()].concat();
        let frames =
            Id3v2::others(self).map(|frame| Part::new(String::from_utf8_lossy(&frame[..name]), frame));
        std::iter::once(Part::new("ID3v2 header", &extended)).chain(frames).collect()
    }

    fn is_bare(&self) -> bool {
        Id3v2::others(self).next().is_none()
    }

    fn encode(&self, values: &[String]) -> Result<Vec<Field>, TagError> {
        check(values)?;
        if self.is_sealed() {
            return refused("the genre of its ID3v2 tag is compressed or encrypted");
        }
        let mut texts = values.to_vec();
        // A bracket begins a number; two are one.
        texts.iter_mut().filter(|text| text.starts_with('(')).for_each(|text| text.insert(0, '('));
        let contents = if self.version == 4 {
            [&[3], texts.join("\0").as_bytes()].concat()
        } else {
            let text = joined(&texts);
            match text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>() {
                Some(latin) => [&[0][..], &latin].concat(),
                None => {
                    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
                    [1, 0xff, 0xfe].into_iter().chain(units).collect()
                }
            }
        };
        let size = contents.len();
        let head = match self.version {
            2 => [&b"TCO"[..], &(size as u32).to_be_bytes()[1..]].concat(),
            4 if !self.plain => match to_syncsafe(size) {
                Some(size) => [&b"TCON"[..], &size, &[0, 0]].concat(),
                None => return refused("the genres are too long"),
            },
            _ => [&b"TCON"[..], &(size as u32).to_be_bytes(), &[0, 0]].concat(),
        };
        if size >= 1 << 16 {
            return refused("the genres are too long");
        }
        let at = place(&self.fields(), self.frames.len());
        Ok(vec![Field { at, bytes: [head, contents].concat() }])
    }

    fn with(&self, fields: &[Field]) -> Result<Vec<u8>, TagError> {
        let frames = woven(Id3v2::others(self), fields).concat();
        let footer = if self.flags & FOOTER != 0 { HEADER } else { 0 };
        let mut extended = self.extended.clone();
        let unsynchronise = self.version < 4 && self.flags & UNSYNCHRONISED != 0;
        // As long as it was where that is long enough; before a footer there is no padding.
        let room = self.size.saturating_sub(HEADER + footer);
        let taken = |padding: usize, extended: &mut Vec<u8>| {
            if self.version == 3 && extended.len() >= 10 {
                extended[6..10].copy_from_slice(&(padding as u32).to_be_bytes());
            }
            let mut body = [&extended[..], &frames].concat();
            body.resize(body.len() + padding, 0);
            if unsynchronise { unsynchronised(&body) } else { body }
        };
        let bare = taken(0, &mut extended).len();
        let padding = match room.checked_sub(bare) {
            _ if footer > 0 => 0,
            Some(room) => room,
            None => PADDING,
        };
        let mut body = taken(padding, &mut extended);
        if unsynchronise && footer == 0 && body.len() > room && bare <= room {
            // The padding's size, or its first zero, can change how much is unsynchronised.
            let excess = body.len() - room;
            body = taken(padding.saturating_sub(excess), &mut extended);
        }
        let mut bytes = self.header(body.len(), b"ID3")?;
        bytes.extend(&body);
        if footer > 0 {
            bytes.extend(self.header(body.len(), b"3DI")?);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
