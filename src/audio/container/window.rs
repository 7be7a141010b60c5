//! A source read through a buffer that shows what comes next.

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// A window on a source's bytes.
pub(in crate::audio) struct Window {
    source: Box<dyn MediaSource>,
    buffer: Vec<u8>,
    /// Where the window begins in the buffer, and where the buffer begins in the source.
    at: usize,
    base: u64,
}

impl Window {
    /// A window on `source` from `position` on.
    pub(in crate::audio) fn new(mut source: Box<dyn MediaSource>, position: u64) -> io::Result<Self> {
        let base = source.seek(SeekFrom::Start(position))?;
        Ok(Self { source, buffer: Vec::new(), at: 0, base })
    }

    /// Where the window begins in the source.
    pub(in crate::audio) fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The bytes from here on: at least `count`, unless the source ends before.
    pub(in crate::audio) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.at < count {
            self.buffer.drain(..self.at);
            self.base += self.at as u64;
            self.at = 0;
            while self.buffer.len() < count {
                let more = CHUNK.max(count - self.buffer.len()) as u64;
                if self.source.by_ref().take(more).read_to_end(&mut self.buffer)? == 0 {
                    break;
                }
            }
        }
        Ok(&self.buffer[self.at..])
    }

    /// Exactly `count` bytes, which are passed over; `None`, and nothing is passed over, where the source ends before.
    pub(in crate::audio) fn take(&mut self, count: usize) -> io::Result<Option<&[u8]>> {
        if self.peek(count)?.len() < count {
            return Ok(None);
        }
        self.at += count;
        Ok(Some(&self.buffer[self.at - count..self.at]))
    }

    /// Passes over `count` bytes.
    pub(in crate::audio) fn skip(&mut self, count: u64) -> io::Result<()> {
        match usize::try_from(count) {
            Ok(near) if near <= self.buffer.len() - self.at => {
                self.at += near;
                Ok(())
            }
            _ => self.go_to(self.position().saturating_add(count)),
        }
    }

    /// Goes to a place of the source.
    pub(in crate::audio) fn go_to(&mut self, position: u64) -> io::Result<()> {
        let end = self.base + self.buffer.len() as u64;
        if (self.base..=end).contains(&position) {
            self.at = (position - self.base) as usize;
            return Ok(());
        }
        self.base = self.source.seek(SeekFrom::Start(position.min(i64::MAX as u64)))?;
        self.buffer.clear();
        self.at = 0;
        Ok(())
    }

    /// Length of the source.
    pub(in crate::audio) fn len(&mut self) -> io::Result<u64> {
        let here = self.source.stream_position()?;
        let end = self.source.seek(SeekFrom::End(0))?;
        self.source.seek(SeekFrom::Start(here))?;
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn bytes_come_in_order() {
        let bytes: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
        let mut window = Window::new(Box::new(Cursor::new(bytes.clone())), 0).unwrap();
        assert_eq!(window.len().unwrap(), 300_000);
        assert_eq!(window.peek(70_000).unwrap()[..70_000], bytes[..70_000]);
        assert_eq!(window.take(10).unwrap().unwrap(), &bytes[..10]);
        window.skip(5).unwrap();
        assert_eq!((window.position(), window.peek(1).unwrap()[0]), (15, bytes[15]));
        window.skip(200_000).unwrap();
        assert_eq!(window.take(4).unwrap().unwrap(), &bytes[200_015..200_019]);
        window.go_to(16).unwrap();
        assert_eq!(window.take(4).unwrap().unwrap(), &bytes[16..20]);
        window.go_to(299_998).unwrap();
        assert_eq!(window.take(3).unwrap(), None);
        assert_eq!(window.take(2).unwrap().unwrap(), &bytes[299_998..]);
        window.skip(9).unwrap();
        assert!(window.peek(1).unwrap().is_empty());
    }
}
