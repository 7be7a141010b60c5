//! A source made of pieces of another and of bytes in memory, one after the other.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

/// A piece of a [`Spliced`] source.
#[derive(Clone, Debug)]
pub(in crate::audio) enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes of the other source.
    Source(Range<u64>),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// Pieces one after the other.
pub(in crate::audio) struct Spliced<S> {
    source: S,
    pieces: Vec<Piece>,
    at: u64,
}

impl<S: Read + Seek> Spliced<S> {
    /// A source of `pieces`, some of which are of `source`.
    pub(in crate::audio) fn new(source: S, pieces: Vec<Piece>) -> Self {
        Self { source, pieces, at: 0 }
    }

    fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).fold(0, u64::saturating_add)
    }
}

impl<S: Read + Seek> Read for Spliced<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut offset = self.at;
        for piece in &self.pieces {
            let left = piece.len().saturating_sub(offset);
            if left == 0 {
                offset -= piece.len();
                continue;
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = match piece {
                Piece::Bytes(bytes) => {
                    let from = offset as usize;
                    buffer[..most].copy_from_slice(&bytes[from..from + most]);
                    most
                }
                Piece::Source(range) => {
                    self.source.seek(SeekFrom::Start(range.start + offset))?;
                    self.source.read(&mut buffer[..most])?
                }
            };
            self.at += count as u64;
            return Ok(count);
        }
        Ok(0)
    }
}

impl<S: Read + Seek> Seek for Spliced<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

impl<S: Read + Seek + Send + Sync> MediaSource for Spliced<S> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn pieces_read_as_one() {
        let pieces = vec![
            Piece::Bytes(b"ab".to_vec()),
            Piece::Source(2..5),
            Piece::Bytes(Vec::new()),
            Piece::Source(0..1),
            Piece::Bytes(b"z".to_vec()),
        ];
        let mut spliced = Spliced::new(Cursor::new(b"012345"), pieces);
        let mut all = Vec::new();
        spliced.read_to_end(&mut all).unwrap();
        assert_eq!((all.as_slice(), spliced.byte_len()), (&b"ab2340z"[..], Some(7)));
        for from in 0..9u64 {
            spliced.seek(SeekFrom::Start(from)).unwrap();
            let mut rest = Vec::new();
            spliced.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, &all[all.len().min(from as usize)..]);
        }
        assert_eq!(spliced.seek(SeekFrom::End(-3)).unwrap(), 4);
        assert!(spliced.seek(SeekFrom::End(-8)).is_err());
    }
}
