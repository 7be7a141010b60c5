//! Numbers in the text of a page.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Arrays of f32 (little endian, Base64), each once.
#[derive(Debug, Default)]
pub(super) struct Data {
    texts: Vec<String>,
    known: HashMap<String, usize>,
}

impl Data {
    /// The number of an array.
    pub fn add(&mut self, values: &[f32]) -> usize {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let text = STANDARD.encode(bytes);
        *self.known.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            self.texts.len() - 1
        })
    }

    pub fn into_texts(self) -> Vec<String> {
        self.texts
    }
}
