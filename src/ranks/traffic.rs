use std::sync::atomic::{AtomicU64, Ordering};

/// What a rank has exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Exchanges that it took part in.
    pub exchanges: u64,
    /// Bytes that it gave to others, counted once for each of them.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    exchanges: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub fn count(&self, bytes: usize) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn traffic(&self) -> Traffic {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic { exchanges: of(&self.exchanges), bytes: of(&self.bytes) }
    }
}
