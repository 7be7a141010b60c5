//! ID3v1: 128 bytes, the last of which is a genre's number.

use super::block::{Block, Field, Part};
use super::error::TagError;
use super::numbers;

pub const SIZE: usize = 128;
/// Stands for no genre.
const NONE: u8 = 255;

#[derive(Debug)]
pub struct Id3v1 {
    bytes: Vec<u8>,
}

impl Id3v1 {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub fn empty() -> Self {
        let mut bytes = vec![0; SIZE];
        bytes[..3].copy_from_slice(b"TAG");
        bytes[SIZE - 1] = NONE;
        Self { bytes }
    }

    fn number(&self) -> u8 {
        self.bytes.last().copied().unwrap_or(NONE)
    }
}

impl Block for Id3v1 {
    fn dialect(&self) -> String {
        "ID3v1".to_owned()
    }

    fn fields(&self) -> Vec<Field> {
        vec![Field { at: 0, bytes: vec![self.number()] }]
    }

    fn values(&self) -> Vec<String> {
        numbers::NAMES.get(usize::from(self.number())).map(|&name| name.to_owned()).into_iter().collect()
    }

    fn others(&self) -> Vec<Part> {
        vec![Part::new("fields", &self.bytes[..SIZE - 1])]
    }

    fn is_bare(&self) -> bool {
        self.bytes[3..SIZE - 1].iter().all(|&byte| byte == 0)
    }

    /// The number of the first value that has one.
    fn encode(&self, values: &[String]) -> Result<Vec<Field>, TagError> {
        let number = values.iter().find_map(|value| numbers::number(value)).unwrap_or(NONE);
        Ok(vec![Field { at: 0, bytes: vec![number] }])
    }

    fn with(&self, fields: &[Field]) -> Result<Vec<u8>, TagError> {
        let mut bytes = self.bytes.clone();
        bytes[SIZE - 1] = fields.first().and_then(|field| field.bytes.first().copied()).unwrap_or(NONE);
        Ok(bytes)
    }
}
