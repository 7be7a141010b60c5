//! The list `INFO` of a RIFF file: chunks of one text each, which a zero ends.

use super::block::{Block, Field, Part, check, joined, place, split, unite, woven};
use super::error::{TagError, refused};

const KEY: &[u8] = b"IGNR";

/// The chunks, each with its name and length, and without the byte that fills it up.
#[derive(Debug, Default)]
pub struct Info {
    chunks: Vec<Vec<u8>>,
}

impl Info {
    /// Parses what follows the name `INFO`.
    pub fn parse(bytes: &[u8]) -> Result<Self, TagError> {
        let mut chunks = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = rest.get(4..8).and_then(|size| size.first_chunk());
            let size = size.map(|&size| 8 + u32::from_le_bytes(size) as usize);
            let Some(chunk) = size.and_then(|size| rest.get(..size)) else {
                return refused("its list INFO is damaged");
            };
            rest = &rest[(chunk.len() + chunk.len() % 2).min(rest.len())..];
            chunks.push(chunk.to_vec());
        }
        Ok(Self { chunks })
    }
}

fn is_genre(chunk: &[u8]) -> bool {
    chunk.starts_with(KEY)
}

impl Block for Info {
    fn dialect(&self) -> String {
        "RIFF INFO".to_owned()
    }

    fn fields(&self) -> Vec<Field> {
        let genres = self.chunks.iter().enumerate().filter(|(_, chunk)| is_genre(chunk));
        genres.map(|(at, chunk)| Field { at, bytes: chunk.clone() }).collect()
    }

    fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for field in self.fields() {
            let text = &field.bytes[8..];
            let text = match std::str::from_utf8(text) {
                Ok(text) => text.to_owned(),
                Err(_) => text.iter().copied().map(char::from).collect(),
            };
            unite(&mut values, split(&text));
        }
        values
    }

    fn others(&self) -> Vec<Part> {
        let others = self.chunks.iter().filter(|chunk| !is_genre(chunk));
        others.map(|chunk| Part::new(String::from_utf8_lossy(&chunk[..4]), chunk)).collect()
    }

    fn is_bare(&self) -> bool {
        self.chunks.iter().all(|chunk| is_genre(chunk))
    }

    fn encode(&self, values: &[String]) -> Result<Vec<Field>, TagError> {
        check(values)?;
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let text = joined(values);
        let mut bytes = KEY.to_vec();
        bytes.extend((text.len() as u32 + 1).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.push(0);
        Ok(vec![Field { at: place(&self.fields(), self.chunks.len()), bytes }])
    }

    fn with(&self, fields: &[Field]) -> Result<Vec<u8>, TagError> {
        let others = self.chunks.iter().filter(|chunk| !is_genre(chunk)).map(Vec::as_slice);
        let mut bytes = Vec::new();
        for chunk in woven(others, fields) {
            bytes.extend(chunk);
            if chunk.len() % 2 == 1 {
                bytes.push(0);
            }
        }
        Ok(bytes)
    }
}
