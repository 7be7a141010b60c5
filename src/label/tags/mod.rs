//! The genre in audio files' tags, read and written alone: every other byte of a tag, and of what is around it, stays.
//!
//! A tag is a list of fields ([`Field`], as it is stored); writing puts other fields into the places of those of the genre.
//! So that what was there before can be put back byte for byte, values and fields are kept apart: [`encode`] makes fields
//! of values, and [`rewrite`] takes fields. What is not understood is refused.

mod ape;
mod bare;
mod block;
mod chunks;
mod comments;
mod container;
mod error;
mod flac;
mod hex;
mod id3v1;
mod id3v2;
mod ilst;
mod mp4;
pub mod numbers;
mod ogg;
mod riff_info;
mod source;

use std::fs::File;

use serde::{Deserialize, Serialize};

pub use bare::Frames;
pub use block::{Field, Kind, Part};
pub use container::{Piece, write};
pub use error::TagError;
pub use source::Source;

pub(in crate::label) use block::unite;
use container::{Container, Contents};
use error::refused;

/// The genre's fields in one tag of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub kind: Kind,
    /// Its number among the file's tags of this kind, in order.
    pub number: usize,
    /// Its fields; none where there is no such tag.
    pub fields: Option<Vec<Field>>,
}

/// A tag of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub kind: Kind,
    pub number: usize,
    /// The kind with its version.
    pub dialect: String,
    /// Its genres, as players read them.
    pub values: Vec<String>,
    pub fields: Vec<Field>,
    /// All its other fields.
    pub others: Vec<Part>,
}

/// What is known of a file's tags, and of all else in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The format, for people.
    pub format: &'static str,
    pub tags: Vec<Tag>,
    /// All that is neither a tag nor audio.
    pub parts: Vec<Part>,
    /// A digest (XXH3, 128 bits) of the encoded audio.
    pub audio: u128,
}

impl Inspection {
    /// The genres that any of its tags names, each once.
    pub fn genres(&self) -> Vec<String> {
        let mut genres = Vec::new();
        // Where a better tag says more than ID3v1's number, that is a part of it.
        let (best, v1): (Vec<_>, Vec<_>) = self.tags.iter().partition(|tag| tag.kind != Kind::Id3v1);
        best.iter().for_each(|tag| unite(&mut genres, tag.values.iter().cloned()));
        if genres.is_empty() {
            v1.iter().for_each(|tag| unite(&mut genres, tag.values.iter().cloned()));
        }
        genres
    }

    /// The genre's fields of this tag, as far as it is there.
    pub fn fields(&self, kind: Kind, number: usize) -> Option<&[Field]> {
        let tag = self.tags.iter().find(|tag| (tag.kind, tag.number) == (kind, number));
        tag.map(|tag| &tag.fields[..])
    }

    /// Whether its tags hold these fields.
    pub fn holds(&self, states: &[State]) -> bool {
        states.iter().all(|state| self.fields(state.kind, state.number) == state.fields.as_deref())
    }
}

/// Where what follows ID3v2 begins.
fn skip_id3(source: &Source<'_>) -> Result<u64, TagError> {
    let mut start = 0;
    while let Some(length) = source.array(start)?.and_then(|head| id3v2::length(&head)) {
        start += length;
    }
    Ok(start)
}

/// Formats that are heard, or known, but whose tags are neither read nor written, by how they begin.
const UNSUPPORTED: [(&[u8], &str); 8] = [
    (b"\x1a\x45\xdf\xa3", "Matroska and WebM"),
    (b"caff", "CAF"),
    (b"\x30\x26\xb2\x75", "WMA (ASF)"),
    (b"riff", "Wave64"),
    (b".snd", "AU"),
    (b"DSD ", "DSD"),
    (b"FRM8", "DSD"),
    (b"ADIF", "AAC without a container"),
];

fn open(source: &Source<'_>) -> Result<Box<dyn Container>, TagError> {
    if let Some(form) = chunks::Chunks::read(source)? {
        return Ok(Box::new(form));
    }
    if let Some(ogg) = ogg::Ogg::read(source)? {
        return Ok(Box::new(ogg));
    }
    if let Some(mp4) = mp4::Mp4::read(source)? {
        return Ok(Box::new(mp4));
    }
    if let Some(flac) = flac::Flac::read(source)? {
        return Ok(Box::new(flac));
    }
    match bare::Bare::read(source)? {
        Some(bare) => Ok(Box::new(bare)),
        None => {
            let head = source.up_to(0, 16)?;
            let name = UNSUPPORTED.iter().find(|(beginning, _)| head.starts_with(beginning));
            refused(match name {
                Some((_, name)) => format!("genres in {name} are neither read nor written"),
                None => "genres in files of this format are neither read nor written".to_owned(),
            })
        }
    }
}

/// Every tag with its number among those of its kind.
fn numbered(container: &dyn Container) -> impl Iterator<Item = (usize, &container::Placed)> {
    let tags = container.tags();
    tags.iter().enumerate().map(|(i, tag)| {
        let number = tags[..i].iter().filter(|other| other.kind == tag.kind).count();
        (number, tag)
    })
}

/// Reads a file's tags, and all of it once.
///
/// # Errors
/// [`TagError`] where it cannot be read, or something in it is not understood.
pub fn inspect(file: &File) -> Result<Inspection, TagError> {
    let source = Source::new(file)?;
    let container = open(&source)?;
    let tags = numbered(container.as_ref()).map(|(number, tag)| Tag {
        kind: tag.kind,
        number,
        dialect: tag.block.dialect(),
        values: tag.block.values(),
        fields: tag.block.fields(),
        others: tag.block.others(),
    });
    Ok(Inspection {
        format: container.name(),
        tags: tags.collect(),
        parts: container.parts(&source)?,
        audio: container.audio(&source)?,
    })
}

/// What the tags of a file are, and what they become where it is to name `values`: every tag that it has, and where no
/// tag that every player reads is among them, that.
///
/// # Errors
/// [`TagError`] where a tag cannot name them.
pub fn encode(file: &File, values: &[String]) -> Result<(Vec<State>, Vec<State>), TagError> {
    let source = Source::new(file)?;
    let container = open(&source)?;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (number, tag) in numbered(container.as_ref()) {
        let state = |fields| State { kind: tag.kind, number, fields: Some(fields) };
        before.push(state(tag.block.fields()));
        after.push(state(tag.block.encode(values)?));
    }
    let native = container.native();
    if container.needs_native() && container.tags().iter().all(|tag| tag.kind != native) {
        // Players that find ID3v2 do not look for the title and the artist in ID3v1.
        if container.tags().iter().any(|tag| tag.kind == Kind::Id3v1) && native == Kind::Id3v2 {
            return match values {
                [value] if numbers::number(value).is_some() => Ok((before, after)),
                _ => refused("its only tag is ID3v1, which cannot say this: give it an ID3v2 tag first"),
            };
        }
        before.push(State { kind: native, number: 0, fields: None });
        after.push(State { kind: native, number: 0, fields: Some(native.empty().encode(values)?) });
    }
    Ok((before, after))
}

/// The pieces of a file whose tags are in these states. A tag that is not to be there is removed where it holds nothing
/// but genres; else it only loses those.
///
/// # Errors
/// [`TagError::Refused`] where that cannot be done.
pub fn rewrite(file: &File, states: &[State]) -> Result<Vec<Piece>, TagError> {
    let source = Source::new(file)?;
    let container = open(&source)?;
    let mut tags = Vec::new();
    for (number, tag) in numbered(container.as_ref()) {
        let state = states.iter().find(|state| (state.kind, state.number) == (tag.kind, number));
        tags.push(match state.map(|state| &state.fields) {
            Some(Some(fields)) => Some(tag.block.with(fields)?),
            Some(None) if tag.block.is_bare() => None,
            Some(None) => Some(tag.block.with(&[])?),
            None => Some(tag.block.with(&tag.block.fields())?),
        });
    }
    let mut added = Vec::new();
    for state in states {
        let there = container.tags().iter().filter(|tag| tag.kind == state.kind).count() > state.number;
        if let (Some(fields), false) = (&state.fields, there) {
            if state.kind != container.native() {
                return refused(format!("its tag {} is gone", state.kind.name()));
            }
            added.push((state.kind, state.kind.empty().with(fields)?));
        }
    }
    container.pieces(&source, Contents { tags, added })
}

/// Fails where anything but the genre's fields differs between a file and what was made of it, or where these are not
/// what was asked for.
///
/// # Errors
/// [`TagError::Refused`] with the first thing that differs.
pub fn verify(old: &Inspection, new: &Inspection, states: &[State]) -> Result<(), TagError> {
    let differ = |what: &str| refused(format!("the copy is not as it should be: {what}"));
    if old.format != new.format {
        return differ("its format");
    }
    if old.audio != new.audio {
        return differ("its audio");
    }
    if let Some(part) = different(&old.parts, &new.parts) {
        return differ(part);
    }
    for tag in &old.tags {
        let state = states.iter().find(|state| (state.kind, state.number) == (tag.kind, tag.number));
        let same = new.tags.iter().find(|new| (new.kind, new.number) == (tag.kind, tag.number));
        match same {
            Some(same) => {
                if let Some(part) = different(&tag.others, &same.others) {
                    return differ(&format!("{} in {}", part, tag.dialect));
                }
            }
            None if state.is_some_and(|state| state.fields.is_none()) => {}
            None => return differ(&format!("its tag {} is gone", tag.dialect)),
        }
    }
    for state in states {
        let fields = new.fields(state.kind, state.number);
        let wanted = state.fields.as_deref();
        // A tag that holds more than genres by now stays, without any.
        let emptied = wanted.is_none() && fields.is_some_and(<[Field]>::is_empty);
        if fields != wanted && !emptied {
            return differ(&format!("the genre in {}", state.kind.name()));
        }
    }
    for tag in &new.tags {
        let known = old.tags.iter().any(|old| (old.kind, old.number) == (tag.kind, tag.number));
        if !known && !states.iter().any(|state| (state.kind, state.number) == (tag.kind, tag.number)) {
            return differ(&format!("it has another tag {}", tag.dialect));
        }
    }
    Ok(())
}

/// The name of the first part that differs.
fn different<'a>(old: &'a [Part], new: &'a [Part]) -> Option<&'a str> {
    if let Some((old, _)) = old.iter().zip(new).find(|(old, new)| old != new) {
        return Some(&old.name);
    }
    let longer = if old.len() > new.len() { old } else { new };
    longer.get(old.len().min(new.len())).map(|part| &part.name[..])
}

/// The genres that a file's tags name, each once.
///
/// # Errors
/// As [`inspect`].
pub fn genres(file: &File) -> Result<Vec<String>, TagError> {
    let source = Source::new(file)?;
    let container = open(&source)?;
    let values = |v1: bool| {
        let mut values = Vec::new();
        let tags = container.tags().iter().filter(|tag| (tag.kind == Kind::Id3v1) == v1);
        tags.for_each(|tag| unite(&mut values, tag.block.values()));
        values
    };
    let best = values(false);
    Ok(if best.is_empty() { values(true) } else { best })
}

/// Where the frames of an MP3 file are; none where it is none.
///
/// # Errors
/// As [`inspect`].
pub fn mpeg_frames(file: &File) -> Result<Option<Frames>, TagError> {
    let source = Source::new(file)?;
    if skip_id3(&source)? >= source.len {
        return Ok(None);
    }
    match bare::Bare::read(&source)? {
        Some(bare) => bare.frames(&source),
        None => Ok(None),
    }
}
