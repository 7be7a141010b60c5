//! What all kinds of tags have in common: fields in an order, of which some are the genre's.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::TagError;
use super::ape::Ape;
use super::comments::Comments;
use super::error::refused;
use super::id3v1::Id3v1;
use super::id3v2::Id3v2;
use super::ilst::Ilst;
use super::riff_info::Info;
use crate::dataset::unwritable;
use crate::files;

/// The kinds of tags that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// MP3, WAV, AIFF, and before FLAC.
    #[serde(rename = "ID3v2")]
    Id3v2,
    /// 128 bytes at a file's end.
    #[serde(rename = "ID3v1")]
    Id3v1,
    /// At a file's end.
    #[serde(rename = "APE")]
    Ape,
    /// The list `INFO` of a WAV file.
    #[serde(rename = "INFO")]
    Info,
    /// Vorbis comments: FLAC, Ogg.
    #[serde(rename = "comments")]
    Comments,
    /// iTunes' list in an MP4 file.
    #[serde(rename = "ilst")]
    Ilst,
}

impl Kind {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id3v2 => "ID3v2",
            Self::Id3v1 => "ID3v1",
            Self::Ape => "APE",
            Self::Info => "RIFF INFO",
            Self::Comments => "Vorbis comments",
            Self::Ilst => "MP4 ilst",
        }
    }

    /// A tag of this kind without a field.
    pub(super) fn empty(self) -> Box<dyn Block> {
        match self {
            Self::Id3v2 => Box::new(Id3v2::empty()),
            Self::Id3v1 => Box::new(Id3v1::empty()),
            Self::Ape => Box::new(Ape::empty()),
            Self::Info => Box::new(Info::default()),
            Self::Comments => Box::new(Comments::empty()),
            Self::Ilst => Box::new(Ilst::default()),
        }
    }
}

/// A field of a genre as its tag stores it, with its name and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its place among all fields of its tag.
    pub at: usize,
    /// Its bytes; in JSON as hexadecimal digits.
    #[serde(with = "super::hex")]
    pub bytes: Vec<u8>,
}

/// Something that must stay as it is: its name, and a digest (XXH3, 128 bits) of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub digest: u128,
}

impl Part {
    pub fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self { name: name.into(), digest: xxh3_128(bytes) }
    }
}

/// A tag in memory.
pub(super) trait Block {
    /// What the tag is called with its version.
    fn dialect(&self) -> String;

    /// The fields of the genre, in order.
    fn fields(&self) -> Vec<Field>;

    /// The genres as players read them.
    fn values(&self) -> Vec<String>;

    /// All that is not the genre, in order.
    fn others(&self) -> Vec<Part>;

    /// Whether there is nothing but the genre.
    fn is_bare(&self) -> bool;

    /// The fields that say `values`, where the tag's own stand.
    ///
    /// # Errors
    /// [`TagError::Refused`] where the tag cannot say them.
    fn encode(&self, values: &[String]) -> Result<Vec<Field>, TagError>;

    /// The tag's bytes with other fields of the genre. What fits into its room takes no more.
    ///
    /// # Errors
    /// [`TagError::Refused`] where the tag cannot hold them.
    fn with(&self, fields: &[Field]) -> Result<Vec<u8>, TagError>;
}

/// `others` with `fields` put in at their places; those past the end go last.
pub(super) fn woven<'a>(others: impl Iterator<Item = &'a [u8]>, fields: &'a [Field]) -> Vec<&'a [u8]> {
    let mut all: Vec<&[u8]> = others.collect();
    let mut fields: Vec<&Field> = fields.iter().collect();
    fields.sort_by_key(|field| field.at);
    for field in fields {
        all.insert(field.at.min(all.len()), &field.bytes);
    }
    all
}

/// Where the first field stands, or else would stand behind all others.
pub(super) fn place(fields: &[Field], others: usize) -> usize {
    fields.first().map_or(others, |field| field.at)
}

/// Fails where a value cannot be told from several, or cannot be text.
pub(super) fn check(values: &[String]) -> Result<(), TagError> {
    for value in values {
        if let Some(why) = unwritable(value) {
            let value = files::shown_text(value);
            return refused(format!("\"{value}\" cannot be the name of a genre: {why}"));
        }
    }
    Ok(())
}

/// Values in one text, for kinds of tags that hold one.
pub(super) fn joined(values: &[String]) -> String {
    values.join("; ")
}

/// The values of one text that [`joined`] made, or others did.
pub(super) fn split(text: &str) -> Vec<String> {
    text.split([';', '\0']).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Adds what is not there yet, in any case.
pub(in crate::label) fn unite(values: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for value in more {
        let lower = value.to_lowercase();
        if values.iter().all(|known| known.to_lowercase() != lower) {
            values.push(value);
        }
    }
}
