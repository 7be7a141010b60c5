//! What all containers have in common.

use std::io::Write;
use std::ops::Range;

use super::TagError;
use super::block::{Block, Kind, Part};
use super::ogg;
use super::source::Source;

/// A tag and where it lies.
pub(super) struct Placed {
    pub kind: Kind,
    pub range: Range<u64>,
    pub block: Box<dyn Block>,
}

/// A piece of a file that is made from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes of the old file.
    Old(Range<u64>),
    New(Vec<u8>),
    /// Pages of Ogg of the old file, with `by` added to their numbers.
    Pages {
        range: Range<u64>,
        by: u32,
    },
}

/// Writes a file of pieces.
///
/// # Errors
/// Whatever the file systems say, [`TagError::Refused`] where the old file changed meanwhile.
pub fn write(pieces: &[Piece], old: &Source<'_>, out: &mut dyn Write) -> Result<(), TagError> {
    for piece in pieces {
        match piece {
            Piece::Old(range) => old.stream(range.clone(), &mut |bytes| out.write_all(bytes))?,
            Piece::New(bytes) => out.write_all(bytes)?,
            Piece::Pages { range, by } => ogg::renumber(old, range.clone(), *by, out)?,
        }
    }
    Ok(out.flush()?)
}

/// New contents of tags: of each that the container has, in order, or `None` to remove it; and of kinds that it has not.
pub(super) struct Contents {
    pub tags: Vec<Option<Vec<u8>>>,
    pub added: Vec<(Kind, Vec<u8>)>,
}

impl Contents {
    /// The new bytes of a kind that the container has not.
    pub fn added(&mut self, kind: Kind) -> Option<Vec<u8>> {
        let at = self.added.iter().position(|(added, _)| *added == kind)?;
        Some(self.added.swap_remove(at).1)
    }
}

/// A file whose structure was read.
pub(super) trait Container {
    /// What it is, for people.
    fn name(&self) -> &'static str;

    /// The kind of tag that every player looks for here.
    fn native(&self) -> Kind;

    /// Whether the file must get a tag of the kind [`Container::native`] although it has others that can name a genre.
    fn needs_native(&self) -> bool {
        true
    }

    /// Its tags, in the order of the file.
    fn tags(&self) -> &[Placed];

    /// All that is neither a tag nor audio, in order.
    ///
    /// # Errors
    /// As [`Source::bytes`].
    fn parts(&self, source: &Source<'_>) -> Result<Vec<Part>, TagError>;

    /// A digest of the encoded audio without what is around it.
    ///
    /// # Errors
    /// As [`Source::bytes`].
    fn audio(&self, source: &Source<'_>) -> Result<u128, TagError>;

    /// The file with other tags.
    ///
    /// # Errors
    /// [`TagError::Refused`] where it cannot be done.
    fn pieces(&self, source: &Source<'_>, contents: Contents) -> Result<Vec<Piece>, TagError>;
}

/// The length of a file of these pieces.
pub fn length(pieces: &[Piece]) -> u64 {
    let length = |piece: &Piece| match piece {
        Piece::Old(range) | Piece::Pages { range, .. } => range.end - range.start,
        Piece::New(bytes) => bytes.len() as u64,
    };
    pieces.iter().map(length).sum()
}
