//! A file that is read by ranges.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use xxhash_rust::xxh3::Xxh3Default;

use super::error::{TagError, refused};

/// The largest tag, or box of an index, that is held in memory.
pub const LARGEST: u64 = 64 << 20;
const STEP: usize = 1 << 18;

/// An open file and its length.
#[derive(Debug)]
pub struct Source<'a> {
    file: &'a File,
    pub len: u64,
}

impl<'a> Source<'a> {
    pub fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, len: file.metadata()?.len() })
    }

    /// The bytes of a range.
    ///
    /// # Errors
    /// [`TagError::Refused`] where it is too large for memory or passes the file's end.
    pub fn bytes(&self, range: Range<u64>) -> Result<Vec<u8>, TagError> {
        let length = range.end.saturating_sub(range.start);
        if range.end > self.len {
            return refused("the file is cut off");
        }
        if length > LARGEST {
            return refused(format!("a tag of {} MB is more than is read", length >> 20));
        }
        let mut bytes = vec![0; length as usize];
        self.fill(range.start, &mut bytes)?;
        Ok(bytes)
    }

    /// As many bytes from `start` as there are, up to `most`.
    pub fn up_to(&self, start: u64, most: u64) -> Result<Vec<u8>, TagError> {
        self.bytes(start.min(self.len)..start.saturating_add(most).min(self.len))
    }

    /// As [`Source::bytes`], of a fixed number; `None` past the file's end.
    pub fn array<const N: usize>(&self, start: u64) -> Result<Option<[u8; N]>, TagError> {
        if start.saturating_add(N as u64) > self.len {
            return Ok(None);
        }
        let mut bytes = [0; N];
        self.fill(start, &mut bytes)?;
        Ok(Some(bytes))
    }

    fn fill(&self, start: u64, out: &mut [u8]) -> io::Result<()> {
        let mut file = self.file;
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(out).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => io::Error::other("the file became shorter while it was read"),
            _ => error,
        })
    }

    /// Calls `each` with the bytes of a range, piece by piece.
    pub fn stream(
        &self,
        range: Range<u64>,
        each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), TagError> {
        if range.end > self.len {
            return refused("the file is cut off");
        }
        let mut buffer = vec![0; STEP.min((range.end.saturating_sub(range.start)) as usize)];
        let mut at = range.start;
        while at < range.end {
            let count = (range.end - at).min(buffer.len() as u64) as usize;
            self.fill(at, &mut buffer[..count])?;
            each(&buffer[..count])?;
            at += count as u64;
        }
        Ok(())
    }

    /// Feeds a range to a digest.
    pub fn digest(&self, range: Range<u64>, digest: &mut Xxh3Default) -> Result<(), TagError> {
        self.stream(range, &mut |bytes| {
            digest.update(bytes);
            Ok(())
        })
    }

    /// A named part of the file, with the digest of its bytes.
    pub fn part(&self, name: impl Into<String>, range: Range<u64>) -> Result<super::Part, TagError> {
        let mut digest = Xxh3Default::new();
        self.digest(range, &mut digest)?;
        Ok(super::Part { name: name.into(), digest: digest.digest128() })
    }
}
