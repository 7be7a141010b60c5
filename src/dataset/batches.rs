//! Training batches of random crops, prepared ahead on threads of their own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SendError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::library::Library;
use crate::audio::{AudioError, Framing};
use crate::rng::Rng;

/// What batches are made of. The sequence of batches depends on this (but not on the number of workers) and on the library
/// alone.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPlan {
    /// Frames a batch (N).
    pub batch_size: usize,
    /// What a frame is.
    pub framing: Framing,
    /// Frames that each song gives to an epoch, at least.
    pub frames_per_song: usize,
    /// Seed of order and crops.
    pub seed: u64,
    /// Threads that prepare batches.
    pub workers: usize,
}

impl BatchPlan {
    /// Batches in an epoch over `songs` songs. The last one is filled up, so that all have the same shape.
    pub fn batches_per_epoch(&self, songs: usize) -> usize {
        (songs * self.frames_per_song).div_ceil(self.batch_size.max(1))
    }
}

/// A training batch of N frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// [N, channels, frame].
    pub audio: Vec<f32>,
    /// One-hot, [N, genres].
    pub labels: Vec<f32>,
    /// Indices of the N songs in the library.
    pub songs: Vec<usize>,
    /// The epoch, from 0.
    pub epoch: usize,
    /// Position in the epoch, from 0.
    pub index: usize,
}

/// An endless sequence of batches, epoch after epoch, prepared ahead of use by worker threads.
///
/// Workers take turns: of W workers the first makes the batches 0, W, 2W and so on, and each has a short queue of its own,
/// from which batches are taken in turn. So their order does not depend on which is faster, nor on their number.
///
/// Dropping it ends the workers.
pub struct Batches {
    workers: Vec<Worker>,
    /// Whose turn it is.
    turn: usize,
    /// Time spent waiting for batches.
    waited: Duration,
}

struct Worker {
    /// `None` only while dropping.
    ready: Option<Receiver<Result<Batch, AudioError>>>,
    used: Sender<Batch>,
    thread: Option<JoinHandle<()>>,
}

/// Batches of each worker that wait to be taken, at most.
const AHEAD: usize = 2;

impl Batches {
    /// Starts at batch `batch` of epoch `epoch` (from 0), over `songs`, indices into the library. The same position
    /// gives the same batch whether or not those before it were made.
    ///
    /// Ends at once where there is nothing to draw from: no songs, or a batch size or number of frames of 0. After an
    /// error, too, which comes where the samples of a song can no longer be read.
    ///
    /// # Errors
    /// [`std::io::Error`] where the system gives no thread.
    pub fn start(
        library: Arc<Library>,
        songs: Vec<usize>,
        plan: BatchPlan,
        epoch: usize,
        batch: usize,
    ) -> std::io::Result<Self> {
        let count = plan.workers.max(1);
        let mut batches = Self { workers: Vec::with_capacity(count), turn: 0, waited: Duration::ZERO };
        for number in 0..count {
            let (ready_sender, ready) = sync_channel(AHEAD);
            let (used, used_receiver) = channel();
            let (library, songs, plan) = (library.clone(), songs.clone(), plan.clone());
            let work = move || {
                // An error is the last thing that is sent; a queue that was closed ends the worker too.
                let _ =
                    produce(&library, &songs, &plan, epoch, (batch, number), &ready_sender, &used_receiver);
            };
            let thread = std::thread::Builder::new().name(format!("batches-{number}")).spawn(work)?;
            batches.workers.push(Worker { ready: Some(ready), used, thread: Some(thread) });
        }
        Ok(batches)
    }

    /// Gives back a batch that is no longer needed, so that its memory is used again.
    pub fn recycle(&self, batch: Batch) {
        // Fails only where the worker has ended, and then nothing is needed.
        let _ = self.workers[self.turn].used.send(batch);
    }

    /// How long the caller has waited for batches so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, AudioError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let batch = self.workers[self.turn].ready.as_ref()?.recv().ok();
        self.waited += start.elapsed();
        self.turn = (self.turn + 1) % self.workers.len();
        batch
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // Closing the queue wakes the worker where it waits for room.
            worker.ready = None;
        }
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// Makes the batches of the worker with this number, from batch `first` of `epoch` on.
fn produce(
    library: &Library,
    songs: &[usize],
    plan: &BatchPlan,
    epoch: usize,
    (first, number): (usize, usize),
    ready: &SyncSender<Result<Batch, AudioError>>,
    used: &Receiver<Batch>,
) -> Result<(), SendError<Result<Batch, AudioError>>> {
    if songs.is_empty() || plan.batch_size == 0 || plan.frames_per_song == 0 {
        return Ok(());
    }
    let mut first = first;
    let mut turns = (0..plan.workers.max(1)).cycle();
    for epoch in epoch.. {
        let order = order(songs, plan, epoch);
        for (index, drawn) in order.chunks_exact(plan.batch_size).enumerate().skip(first) {
            if turns.next() != Some(number) {
                continue;
            }
            let mut batch = used.try_recv().unwrap_or_default();
            match fill(&mut batch, library, plan, drawn, epoch, index) {
                Ok(()) => ready.send(Ok(batch))?,
                Err(error) => return ready.send(Err(error)),
            }
        }
        first = 0;
    }
    Ok(())
}

/// The songs that an epoch draws from, one a frame: each `frames_per_song` times, shuffled; then, to fill the last
/// batch, the beginning of further shuffles.
fn order(songs: &[usize], plan: &BatchPlan, epoch: usize) -> Vec<usize> {
    let mut rng = epoch_rng(plan, epoch).split(0);
    let wanted = plan.batches_per_epoch(songs.len()) * plan.batch_size;
    let mut order = Vec::with_capacity(wanted);
    while order.len() < wanted {
        let mut round: Vec<usize> = (0..plan.frames_per_song).flat_map(|_| songs.iter().copied()).collect();
        rng.shuffle(&mut round);
        round.truncate(wanted - order.len());
        order.append(&mut round);
    }
    order
}

fn epoch_rng(plan: &BatchPlan, epoch: usize) -> Rng {
    Rng::new(plan.seed).split(epoch as u64)
}

/// A crop that is quiet is drawn again, so often at most.
const DRAWS: usize = 16;

fn fill(
    batch: &mut Batch,
    library: &Library,
    plan: &BatchPlan,
    drawn: &[usize],
    epoch: usize,
    index: usize,
) -> Result<(), AudioError> {
    let size = library.spec.channels * plan.framing.length;
    let genres = library.dataset.genres.len();
    batch.epoch = epoch;
    batch.index = index;
    batch.songs.clear();
    batch.songs.extend_from_slice(drawn);
    // Every sample is written below; every label is cleared here.
    batch.audio.resize(drawn.len() * size, 0.0);
    batch.labels.clear();
    batch.labels.resize(drawn.len() * genres, 0.0);
    // A stream for each batch, so that one can be made without those before it.
    let mut rng = epoch_rng(plan, epoch).split(1 + index as u64);
    for (n, &song) in drawn.iter().enumerate() {
        let samples = &library.songs[song];
        let room = samples.len().saturating_sub(plan.framing.length);
        let frame = &mut batch.audio[n * size..(n + 1) * size];
        for _ in 0..DRAWS {
            samples.write_frame(rng.below(room + 1), frame)?;
            if !plan.framing.is_quiet(frame) {
                break;
            }
        }
        batch.labels[n * genres + library.dataset.songs[song].genre] = 1.0;
    }
    Ok(())
}
