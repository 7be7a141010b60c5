//! Memory of the CPU device's tensors.

use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// A slice of f32 in pages of its own. It begins with a cache line: vectors as long as a line, side by side from there, lie in
/// one line each. Where an allocator puts memory (16 bytes behind a line), every one would lie in two, and take two accesses.
/// And the system may back it with huge pages, of which a tensor of a few megabytes has a few, where it has more small ones
/// than a processor keeps the addresses of.
#[derive(Default)]
pub struct Buffer {
    /// None of the default alone, which stands in the place of a buffer that is taken out.
    pages: Option<MmapMut>,
    len: usize,
}

impl Buffer {
    /// Zeros.
    ///
    /// # Errors
    /// Where the system has not so much memory.
    pub fn zeros(len: usize) -> io::Result<Self> {
        // No system maps no bytes.
        let bytes = len.max(1).checked_mul(size_of::<f32>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let pages = MmapMut::map_anon(bytes)?;
        // A wish: a system without huge pages gives small ones.
        #[cfg(target_os = "linux")]
        let _ = pages.advise(memmap2::Advice::HugePage);
        Ok(Self { pages: Some(pages), len })
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.pages.as_deref().map_or(&[], |bytes| &bytemuck::cast_slice(bytes)[..self.len])
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.pages.as_deref_mut().map_or(&mut [], |bytes| &mut bytemuck::cast_slice_mut(bytes)[..self.len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_a_line_and_is_as_long_as_asked_for() {
        for len in [0, 1, 15, 16, 17, 100_000] {
            let mut buffer = Buffer::zeros(len).unwrap();
            assert_eq!((buffer.len(), buffer.as_ptr().align_offset(64)), (len, 0));
            assert!(buffer.iter().all(|&v| v == 0.0));
            buffer.fill(1.0);
            assert_eq!(buffer.iter().sum::<f32>(), len as f32);
        }
        assert!(Buffer::zeros(usize::MAX / 8).is_err());
    }
}
