//! Vorbis comments (Vorbis I, 5): a vendor's name, a number, and that many texts KEY=VALUE, each with its length (u32,
//! little endian) before it.

use super::block::{Block, Field, Part, check, place, unite, woven};
use super::error::TagError;

const KEY: &str = "GENRE";

#[derive(Debug)]
pub struct Comments {
    vendor: Vec<u8>,
    texts: Vec<Vec<u8>>,
    /// What is behind the last text: Vorbis' framing bit, padding.
    rest: Vec<u8>,
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

fn key(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == b'=').next().unwrap_or_default()
}

fn is_genre(text: &[u8]) -> bool {
    text.contains(&b'=') && key(text).eq_ignore_ascii_case(KEY.as_bytes())
}

impl Comments {
    pub fn empty() -> Self {
        Self { vendor: b"GenreRecognizer".to_vec(), texts: Vec::new(), rest: Vec::new() }
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, TagError> {
        let odd = || TagError::Refused("its Vorbis comments are damaged".to_owned());
        let (vendor, rest) = counted(bytes).ok_or_else(odd)?;
        let (count, mut rest) = rest.split_first_chunk().ok_or_else(odd)?;
        let mut texts = Vec::new();
        for _ in 0..u32::from_le_bytes(*count) {
            let (text, after) = counted(rest).ok_or_else(odd)?;
            texts.push(text.to_vec());
            rest = after;
        }
        Ok(Self { vendor: vendor.to_vec(), texts, rest: rest.to_vec() })
    }

    /// Bytes behind the last text.
    pub fn rest(&self) -> &[u8] {
        &self.rest
    }
}

impl Block for Comments {
    fn dialect(&self) -> String {
        "Vorbis comments".to_owned()
    }

    fn fields(&self) -> Vec<Field> {
        let genres = self.texts.iter().enumerate().filter(|(_, text)| is_genre(text));
        genres.map(|(at, text)| Field { at, bytes: text.clone() }).collect()
    }

    fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for field in self.fields() {
            let text = String::from_utf8_lossy(&field.bytes[KEY.len() + 1..]).trim().to_owned();
            if !text.is_empty() {
                unite(&mut values, [text]);
            }
        }
        values
    }

    fn others(&self) -> Vec<Part> {
        let others = self.texts.iter().filter(|text| !is_genre(text));
        std::iter::once(Part::new("vendor", &self.vendor))
            .chain(others.map(|text| Part::new(String::from_utf8_lossy(key(text)), text)))
            .chain([Part::new("what is behind the comments", &self.rest)])
            .collect()
    }

    fn is_bare(&self) -> bool {
        self.texts.iter().all(|text| is_genre(text))
    }

    fn encode(&self, values: &[String]) -> Result<Vec<Field>, TagError> {
        check(values)?;
        let fields = self.fields();
        let key = fields.first().map_or(KEY.as_bytes(), |field| key(&field.bytes));
        let at = place(&fields, self.texts.len());
        let field = |(i, value): (usize, &String)| Field {
            at: at + i,
            bytes: [key, b"=", value.as_bytes()].concat(),
        };
        Ok(values.iter().enumerate().map(field).collect())
    }

    fn with(&self, fields: &[Field]) -> Result<Vec<u8>, TagError> {
        let others = self.texts.iter().filter(|text| !is_genre(text)).map(Vec::as_slice);
        let texts = woven(others, fields);
        let mut bytes = (self.vendor.len() as u32).to_le_bytes().to_vec();
        bytes.extend(&self.vendor);
        bytes.extend((texts.len() as u32).to_le_bytes());
        for text in texts {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text);
        }
        bytes.extend(&self.rest);
        Ok(bytes)
    }
}
