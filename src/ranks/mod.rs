//! Processes that compute one batch together, each its own parts of it: who they are, and how they exchange what belongs
//! to all of them.
//!
//! Whatever is exchanged is joined in the order of the ranks, so that all have the same bytes, and the bytes of one process
//! that computes all parts.

mod error;
mod link;
#[cfg(feature = "mpi")]
pub mod mpi;
mod threads;
mod traffic;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use error::RanksError;
pub use link::Link;
pub use traffic::Traffic;

use traffic::{Counters, piece};

/// How ranks reach each other. Every call is made by all ranks, in the same order.
pub trait Transport: Send + Sync + fmt::Debug {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// How many processes there are.
    fn count(&self) -> usize;

    /// Every rank's bytes, `lengths[r]` of rank r, one behind the other.
    ///
    /// # Errors
    /// [`RanksError`] where another rank ended or does not answer.
    fn gather(&self, own: &[u8], lengths: &[usize], patience: Patience) -> Result<Vec<u8>, RanksError>;

    /// Gives `pieces[r]` to rank r; returns what the ranks gave to this one, rank r `lengths[r]` bytes, one behind the other.
    ///
    /// # Errors
    /// As [`Transport::gather`].
    fn scatter(&self, pieces: &[&[u8]], lengths: &[usize], patience: Patience)
    -> Result<Vec<u8>, RanksError>;
}

/// How long the other ranks may take until they must be taken for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// They compute their parts of a step.
    Step,
    /// One of them may do something by itself that takes long, as validating.
    Endless,
}

/// The processes that train one network together, as one of them sees them. Clones are the same process.
#[derive(Clone, Default)]
pub struct Ranks(Option<Arc<Connected>>);

struct Connected {
    transport: Box<dyn Transport>,
    counters: Counters,
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.count())
    }
}

impl Ranks {
    /// One process by itself.
    pub fn alone() -> Self {
        Self(None)
    }

    /// Processes that reach each other by `transport`.
    pub fn connected(transport: impl Transport + 'static) -> Self {
        let counters = Counters::default();
        Self(Some(Arc::new(Connected { transport: Box::new(transport), counters })))
    }

    /// `count` ranks in this process, each to be given to a thread of its own.
    pub fn threads(count: usize) -> Vec<Self> {
        threads::Threads::all(count).into_iter().map(Self::connected).collect()
    }

    /// The number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |connected| connected.transport.rank())
    }

    /// How many processes there are.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |connected| connected.transport.count())
    }

    /// Whether this process is the one that writes files and prints.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// What this process has exchanged so far.
    pub fn traffic(&self) -> Traffic {
        self.0.as_ref().map_or(Traffic::default(), |connected| connected.counters.traffic())
    }

    /// How long this process has waited for others, and for what they sent.
    pub fn waited(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |connected| connected.counters.waited())
    }

    /// Every rank's numbers, `lengths[r]` of rank r, one behind the other, in `all`.
    ///
    /// # Errors
    /// [`RanksError`] where another rank ended or does not answer.
    pub fn gather(&self, own: &[f32], lengths: &[usize], all: &mut [f32]) -> Result<(), RanksError> {
        let Some(connected) = &self.0 else {
            all.copy_from_slice(own);
            return Ok(());
        };
        let lengths: Vec<usize> = lengths.iter().map(|len| 4 * len).collect();
        let bytes = connected.gather(bytemuck::cast_slice(own), &lengths, Patience::Step)?;
        bytemuck::cast_slice_mut(all).copy_from_slice(&bytes);
        Ok(())
    }

    /// The sum of everybody's parts in `sum`, the second added to the first, the third to that, and so on. Rank r has
    /// `parts[r]` of them, each as long as `sum`, one behind the other.
    ///
    /// Each rank adds up a piece of every part, and the pieces are gathered: so 2·(n − 1)/n parts are sent and received,
    /// whatever the number n of ranks, and not n − 1. With two ranks that is as much, in twice the messages.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn sum(&self, own: &[f32], parts: &[usize], sum: &mut [f32]) -> Result<(), RanksError> {
        let (rank, count, len) = (self.rank(), self.count(), sum.len());
        if count <= 2 {
            let lengths: Vec<usize> = parts.iter().map(|parts| parts * len).collect();
            let mut all = vec![0.0; lengths.iter().sum()];
            self.gather(own, &lengths, &mut all)?;
            add_up(&all, sum);
            return Ok(());
        }
        let Some(connected) = &self.0 else { return Ok(()) };
        let piece = |r: usize| piece(r, count, len);
        let pieces: Vec<Vec<f32>> = (0..count)
            .map(|r| own.chunks_exact(len.max(1)).flat_map(|part| &part[piece(r)]).copied().collect())
            .collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| bytemuck::cast_slice(piece)).collect();
        let mine = piece(rank).len();
        let lengths: Vec<usize> = parts.iter().map(|parts| 4 * parts * mine).collect();
        let bytes = connected.scatter(&pieces, &lengths)?;
        let terms: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let mut piece_sum = vec![0.0; mine];
        add_up(&terms, &mut piece_sum);
        let lengths: Vec<usize> = (0..count).map(|r| piece(r).len()).collect();
        self.gather(&piece_sum, &lengths, sum)
    }

    /// What every rank has to say, in their order.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn share(&self, own: &[u8], patience: Patience) -> Result<Vec<Vec<u8>>, RanksError> {
        let Some(connected) = &self.0 else { return Ok(vec![own.to_vec()]) };
        let len = (own.len() as u64).to_le_bytes();
        let lengths = connected.gather(&len, &vec![8; self.count()], patience)?;
        let (lengths, _) = lengths.as_chunks::<8>();
        let lengths: Vec<usize> = lengths.iter().map(|&len| u64::from_le_bytes(len) as usize).collect();
        let said = lengths.iter().any(|&len| len > 0);
        let all = if said { connected.gather(own, &lengths, patience)? } else { Vec::new() };
        let mut rest = all.as_slice();
        let take = |len: &usize| {
            let (this, others) = rest.split_at(*len);
            rest = others;
            this.to_vec()
        };
        Ok(lengths.iter().map(take).collect())
    }
}

impl Connected {
    fn gather(&self, own: &[u8], lengths: &[usize], patience: Patience) -> Result<Vec<u8>, RanksError> {
        self.counters.count(own.len() * (lengths.len() - 1));
        self.timed(|| self.transport.gather(own, lengths, patience))
    }

    fn scatter(&self, pieces: &[&[u8]], lengths: &[usize]) -> Result<Vec<u8>, RanksError> {
        let others = pieces.iter().enumerate().filter(|(r, _)| *r != self.transport.rank());
        self.counters.count(others.map(|(_, piece)| piece.len()).sum());
        self.timed(|| self.transport.scatter(pieces, lengths, Patience::Step))
    }

    fn timed<T>(&self, exchange: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = exchange();
        self.counters.wait(begun.elapsed());
        done
    }
}

/// Adds up parts that lie one behind the other.
fn add_up(parts: &[f32], sum: &mut [f32]) {
    let (first, rest) = parts.split_at(sum.len());
    sum.copy_from_slice(first);
    for part in rest.chunks_exact(sum.len().max(1)) {
        sum.iter_mut().zip(part).for_each(|(sum, term)| *sum += term);
    }
}

#[cfg(test)]
mod tests;
