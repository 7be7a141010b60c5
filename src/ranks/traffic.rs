use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a rank has exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Exchanges that it took part in.
    pub exchanges: u64,
    /// Bytes that it gave to others, counted once for each of them.
    pub bytes: u64,
}

impl Traffic {
    /// Of [`Ranks::gather`](super::Ranks::gather) by rank `rank`, of `lengths` numbers.
    pub fn of_gather(lengths: &[usize], rank: usize) -> Self {
        let others = lengths.len().saturating_sub(1);
        Self { exchanges: 1, bytes: 4 * (lengths[rank] * others) as u64 }
    }

    /// Of [`Ranks::sum`](super::Ranks::sum) by rank `rank`, where rank r has `parts[r]` parts of `len` numbers.
    pub fn of_sum(parts: &[usize], rank: usize, len: usize) -> Self {
        let count = parts.len();
        if count <= 2 {
            return Self::of_gather(&parts.iter().map(|parts| parts * len).collect::<Vec<_>>(), rank);
        }
        let mine = piece(rank, count, len).len();
        let given = 4 * (parts[rank] * (len - mine)) as u64;
        let gathered = Self::of_gather(&vec![mine; count], rank);
        Self { exchanges: 1 + gathered.exchanges, bytes: given + gathered.bytes }
    }

    /// What a step's agreement to go on takes.
    pub fn of_agreement(count: usize) -> Self {
        Self { exchanges: 1, bytes: 8 * (count as u64 - 1) }
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self { exchanges: self.exchanges + other.exchanges, bytes: self.bytes + other.bytes }
    }
}

/// The part of `len` numbers that a rank adds up.
pub(super) fn piece(rank: usize, count: usize, len: usize) -> Range<usize> {
    rank * len / count..(rank + 1) * len / count
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    exchanges: AtomicU64,
    bytes: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Counters {
    pub fn count(&self, bytes: usize) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn wait(&self, time: Duration) {
        self.nanoseconds.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }

    pub fn traffic(&self) -> Traffic {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic { exchanges: of(&self.exchanges), bytes: of(&self.bytes) }
    }
}
