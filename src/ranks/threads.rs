//! Ranks that are threads of one process: for tests, and for programs that want several devices.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::{Patience, RanksError, Transport};

#[derive(Debug)]
pub(super) struct Threads {
    rank: usize,
    /// To every rank, this one too.
    to: Vec<Sender<Vec<u8>>>,
    /// From every rank.
    from: Mutex<Vec<Receiver<Vec<u8>>>>,
}

impl Threads {
    pub fn all(count: usize) -> Vec<Self> {
        let mut to: Vec<Vec<Sender<Vec<u8>>>> = vec![Vec::new(); count];
        let mut threads = Vec::new();
        for rank in 0..count {
            let (senders, receivers) = (0..count).map(|_| channel()).unzip();
            let senders: Vec<_> = senders;
            for (to, sender) in to.iter_mut().zip(senders) {
                to.push(sender);
            }
            threads.push((rank, receivers));
        }
        let of = |((rank, from), to)| Self { rank, to, from: Mutex::new(from) };
        threads.into_iter().zip(to).map(of).collect()
    }

    fn exchange<'a>(
        &self,
        pieces: impl Iterator<Item = &'a [u8]>,
        lengths: &[usize],
    ) -> Result<Vec<u8>, RanksError> {
        for (rank, (to, piece)) in self.to.iter().zip(pieces).enumerate() {
            to.send(piece.to_vec()).map_err(|_| RanksError::Ended(rank))?;
        }
        let from = self.from.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut all = Vec::with_capacity(lengths.iter().sum());
        for (rank, from) in from.iter().enumerate() {
            all.extend(from.recv().map_err(|_| RanksError::Ended(rank))?);
        }
        Ok(all)
    }
}

impl Transport for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.to.len()
    }

    fn gather(&self, own: &[u8], lengths: &[usize], _: Patience) -> Result<Vec<u8>, RanksError> {
        self.exchange(std::iter::repeat_n(own, self.to.len()), lengths)
    }

    fn scatter(&self, pieces: &[&[u8]], lengths: &[usize], _: Patience) -> Result<Vec<u8>, RanksError> {
        self.exchange(pieces.iter().copied(), lengths)
    }
}
