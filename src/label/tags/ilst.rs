//! iTunes' list of items in an MP4 file: boxes, each with boxes `data`: a type, a locale and the value.

use super::block::{Block, Field, Part, check, place, split, unite, woven};
use super::error::{TagError, refused};
use super::numbers;

const TEXT: &[u8] = b"\xa9gen";
/// A number: ID3v1's, counted from one.
const NUMBER: &[u8] = b"gnre";
/// Of a box `data`: UTF-8.
const UTF8: u32 = 1;

/// The boxes, each with its size and name.
#[derive(Debug, Default)]
pub struct Ilst {
    items: Vec<Vec<u8>>,
}

/// The boxes that fill `bytes`; `None` where they do not.
pub fn boxes(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        if size < 8 {
            return None;
        }
        let (item, after) = rest.split_at_checked(size)?;
        found.push(item);
        rest = after;
    }
    Some(found)
}

/// A box of this name.
pub fn boxed(name: &[u8], contents: &[u8]) -> Result<Vec<u8>, TagError> {
    match u32::try_from(contents.len() + 8) {
        Ok(size) => Ok([&size.to_be_bytes()[..], name, contents].concat()),
        Err(_) => refused("a box of more than 4 GB"),
    }
}

fn is_genre(item: &[u8]) -> bool {
    matches!(&item[4..8], TEXT | NUMBER)
}

impl Ilst {
    /// Parses what the box `ilst` holds.
    pub fn parse(bytes: &[u8]) -> Result<Self, TagError> {
        match boxes(bytes) {
            Some(items) => Ok(Self { items: items.into_iter().map(<[u8]>::to_vec).collect() }),
            None => refused("its list of iTunes' tags is damaged"),
        }
    }
}

impl Block for Ilst {
    fn dialect(&self) -> String {
        "MP4 ilst".to_owned()
    }

    fn fields(&self) -> Vec<Field> {
        let genres = self.items.iter().enumerate().filter(|(_, item)| is_genre(item));
        genres.map(|(at, item)| Field { at, bytes: item.clone() }).collect()
    }

    fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for field in self.fields() {
            for data in boxes(&field.bytes[8..]).unwrap_or_default() {
                let Some(value) = data.get(16..).filter(|_| &data[4..8] == b"data") else { continue };
                if &field.bytes[4..8] == TEXT {
                    unite(&mut values, split(&String::from_utf8_lossy(value)));
                } else if let [.., high, low] = *value {
                    let number = usize::from(u16::from_be_bytes([high, low]));
                    let name = number.checked_sub(1).and_then(|number| numbers::NAMES.get(number));
                    unite(&mut values, name.map(|&name| name.to_owned()));
                }
            }
        }
        values
    }

    fn others(&self) -> Vec<Part> {
        let others = self.items.iter().filter(|item| !is_genre(item));
        let name = |item: &[u8]| item[4..8].iter().copied().map(char::from).collect::<String>();
        others.map(|item| Part::new(name(item), item)).collect()
    }

    fn is_bare(&self) -> bool {
        self.items.iter().all(|item| is_genre(item))
    }

    fn encode(&self, values: &[String]) -> Result<Vec<Field>, TagError> {
        check(values)?;
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let mut data = Vec::new();
        for value in values {
            let contents = [&UTF8.to_be_bytes()[..], &[0; 4], value.as_bytes()].concat();
            data.extend(boxed(b"data", &contents)?);
        }
        Ok(vec![Field { at: place(&self.fields(), self.items.len()), bytes: boxed(TEXT, &data)? }])
    }

    fn with(&self, fields: &[Field]) -> Result<Vec<u8>, TagError> {
        let others = self.items.iter().filter(|item| !is_genre(item)).map(Vec::as_slice);
        Ok(woven(others, fields).concat())
    }
}
