//! Cold caches.

use std::hint::black_box;

/// Where the system does not say how large its last cache is.
const DEFAULT: usize = 32 << 20;

/// Empties the caches of every thread that kernels run on.
pub struct Flush(Vec<u64>);

impl Flush {
    pub fn new() -> Self {
        let size = cache().unwrap_or(DEFAULT);
        // Caches that do not evict strictly the oldest line, and those that keep what the one above them drops, need
        // more than their size.
        Self(vec![1; 2 * size / size_of::<u64>()])
    }

    /// Reads twice as much as the last cache holds, on every thread, since each has caches of its own.
    pub fn run(&self) {
        rayon::broadcast(|_| black_box(self.0.iter().fold(0u64, |sum, value| sum.wrapping_add(*value))));
    }
}

/// Bytes of the largest cache, where Linux says.
fn cache() -> Option<usize> {
    let sizes = (0..8).filter_map(|index| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        let size = std::fs::read_to_string(path).ok()?;
        Some(size.trim().strip_suffix('K')?.parse::<usize>().ok()? << 10)
    });
    sizes.max()
}
