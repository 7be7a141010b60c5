//! Memory that begins with a cache line.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};

/// Elements of a cache line, and of the widest vector.
const LINE: usize = 16;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A slice of f32 that begins with a cache line: vectors as long as a line, side by side from there, lie in one line each.
/// Where the system puts memory (16 bytes behind a line), every one would lie in two, and take two accesses.
#[derive(Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// Zeros.
    ///
    /// # Errors
    /// [`TryReserveError`] where the system has not so much memory.
    pub fn zeros(len: usize) -> Result<Self, TryReserveError> {
        let mut lines = Vec::new();
        lines.try_reserve_exact(len.div_ceil(LINE))?;
        lines.resize(len.div_ceil(LINE), Line([0.0; LINE]));
        Ok(Self { lines, len })
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
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
