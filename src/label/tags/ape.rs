//! APE tags, versions 1 and 2.
//!
//! <https://wiki.hydrogenaud.io/index.php?title=APEv2_specification>: perhaps a header, items, a footer. An item is the
//! length of its value and flags (u32, little endian), a key that a zero ends, and the value, where zeros separate texts.

use std::ops::Range;

use super::block::{Block, Field, Part, check, joined, place, split, unite, woven};
use super::error::{TagError, refused};

/// Bytes of a header or footer.
pub const SIZE: usize = 32;
const NAME: &[u8] = b"APETAGEX";
const HAS_HEADER: u32 = 1 << 31;
const IS_HEADER: u32 = 1 << 29;
/// Of an item: what kind of value it has; 0 is UTF-8.
const TYPE: u32 = 0b110;
const KEY: &str = "Genre";

#[derive(Debug)]
pub struct Ape {
    version: u32,
    flags: u32,
    header: bool,
    /// Of header and footer.
    reserved: [u8; 8],
    items: Vec<Vec<u8>>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |&word| u32::from_le_bytes(word))
}

/// The length of the whole tag whose footer this is, and whether it has a header.
pub fn length(footer: &[u8]) -> Option<(u64, bool)> {
    if footer.len() != SIZE || !footer.starts_with(NAME) || word(footer, 20) & IS_HEADER != 0 {
        return None;
    }
    let header = word(footer, 20) & HAS_HEADER != 0;
    Some((u64::from(word(footer, 12)) + if header { SIZE as u64 } else { 0 }, header))
}

impl Ape {
    pub fn empty() -> Self {
        Self { version: 2000, flags: HAS_HEADER, header: true, reserved: [0; 8], items: Vec::new() }
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, TagError> {
        let odd = |what: &str| refused(format!("its APE tag is not understood: {what}"));
        let footer = &bytes[bytes.len().saturating_sub(SIZE)..];
        let Some((length, header)) = length(footer) else { return odd("no footer") };
        if length != bytes.len() as u64 || bytes.len() < SIZE * (1 + usize::from(header)) {
            return odd("its length");
        }
        if header && !bytes.starts_with(NAME) {
            return odd("no header");
        }
        let version = word(footer, 8);
        if version != 1000 && version != 2000 {
            return odd(&format!("version {version}"));
        }
        let items = &bytes[if header { SIZE } else { 0 }..bytes.len() - SIZE];
        let mut found = Vec::new();
        let mut at = 0;
        while at < items.len() {
            let Some(key) = items.get(at + 8..).and_then(|key| key.iter().position(|&byte| byte == 0)) else {
                return odd("an item without a key");
            };
            let end = at + 8 + key + 1 + word(items, at) as usize;
            let Some(item) = items.get(at..end) else { return odd("an item past its end") };
            found.push(item.to_vec());
            at = end;
        }
        if found.len() as u64 != u64::from(word(footer, 16)) {
            return odd("the number of its items");
        }
        let mut reserved = [0; 8];
        reserved.copy_from_slice(&footer[24..]);
        Ok(Self { version, flags: word(footer, 20), header, reserved, items: found })
    }

    fn is_genre(item: &[u8]) -> bool {
        let (key, _) = parts(item);
        key.eq_ignore_ascii_case(KEY.as_bytes())
    }

    fn frame(&self, size: u32, count: u32, flag: u32) -> Vec<u8> {
        let mut frame = NAME.to_vec();
        for word in [self.version, size, count, self.flags & !IS_HEADER | flag] {
            frame.extend(word.to_le_bytes());
        }
        frame.extend(self.reserved);
        frame
    }
}

/// An item's key and where its value is.
fn parts(item: &[u8]) -> (&[u8], Range<usize>) {
    let key = item.get(8..).unwrap_or_default().split(|&byte| byte == 0).next().unwrap_or_default();
    (key, (8 + key.len() + 1).min(item.len())..item.len())
}

impl Block for Ape {
    fn dialect(&self) -> String {
        format!("APEv{}", self.version / 1000)
    }

    fn fields(&self) -> Vec<Field> {
        let genres = self.items.iter().enumerate().filter(|(_, item)| Self::is_genre(item));
        genres.map(|(at, item)| Field { at, bytes: item.clone() }).collect()
    }

    fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for field in self.fields() {
            if word(&field.bytes, 4) & TYPE == 0 {
                let (_, value) = parts(&field.bytes);
                unite(&mut values, split(&String::from_utf8_lossy(&field.bytes[value])));
            }
        }
        values
    }

    fn others(&self) -> Vec<Part> {
        let others = self.items.iter().filter(|item| !Self::is_genre(item));
        let head = Part::new("APE header", &self.frame(0, 0, u32::from(self.header)));
        std::iter::once(head)
            .chain(others.map(|item| Part::new(String::from_utf8_lossy(parts(item).0), item)))
            .collect()
    }

    fn is_bare(&self) -> bool {
        self.items.iter().all(|item| Self::is_genre(item))
    }

    fn encode(&self, values: &[String]) -> Result<Vec<Field>, TagError> {
        check(values)?;
        let fields = self.fields();
        if fields.iter().any(|field| word(&field.bytes, 4) & 1 != 0) {
            return refused("the genre of its APE tag is marked as not to be written");
        }
        let old = fields.first().map(|field| parts(&field.bytes).0);
        let key = old.unwrap_or(KEY.as_bytes());
        let text = match self.version {
            2000 => values.join("\0"),
            _ if values.iter().all(|value| value.is_ascii()) => joined(values),
            _ => return refused("an APE tag of version 1 holds ASCII alone"),
        };
        let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend(key);
        bytes.push(0);
        bytes.extend(text.as_bytes());
        Ok(vec![Field { at: place(&fields, self.items.len()), bytes }])
    }

    fn with(&self, fields: &[Field]) -> Result<Vec<u8>, TagError> {
        let others = self.items.iter().filter(|item| !Self::is_genre(item)).map(Vec::as_slice);
        let items = woven(others, fields);
        let count = items.len() as u32;
        let items = items.concat();
        let size = (items.len() + SIZE) as u32;
        let mut bytes = if self.header { self.frame(size, count, IS_HEADER) } else { Vec::new() };
        bytes.extend(items);
        bytes.extend(self.frame(size, count, 0));
        Ok(bytes)
    }
}
