//! Training batches of random crops, prepared ahead on a thread of their own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::library::Library;
use crate::rng::Rng;

/// What batches are made of. The sequence of batches depends on this and on the library alone.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPlan {
    /// Frames a batch (N).
    pub batch_size: usize,
    /// Samples a frame and channel.
    pub frame_length: usize,
    /// Frames that each song gives to an epoch, at least.
    pub frames_per_song: usize,
    /// Seed of order and crops.
    pub seed: u64,
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

/// An endless sequence of batches, epoch after epoch, prepared ahead of use by a worker thread.
///
/// Dropping it ends the worker.
pub struct Batches {
    /// `None` only while dropping.
    ready: Option<Receiver<Batch>>,
    used: Sender<Batch>,
    worker: Option<JoinHandle<()>>,
}

/// Batches that wait to be taken, at most.
const AHEAD: usize = 3;

impl Batches {
    /// Starts at batch `batch` of epoch `epoch` (from 0), over `songs`, indices into the library. The same position
    /// gives the same batch whether or not those before it were made.
    ///
    /// Ends at once where there is nothing to draw from: no songs, or a batch size or number of frames of 0.
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
        let (ready_sender, ready) = sync_channel(AHEAD);
        let (used, used_receiver) = channel();
        let worker = std::thread::Builder::new()
            .name("batches".to_owned())
            .spawn(move || produce(&library, &songs, &plan, epoch, batch, &ready_sender, &used_receiver))?;
        Ok(Self { ready: Some(ready), used, worker: Some(worker) })
    }

    /// Gives back a batch that is no longer needed, so that its memory is used again.
    pub fn recycle(&self, batch: Batch) {
        // Fails only where the worker has ended, and then nothing is needed.
        let _ = self.used.send(batch);
    }
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.ready.as_ref()?.recv().ok()
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        // Closing the queue wakes the worker where it waits for room.
        self.ready = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn produce(
    library: &Library,
    songs: &[usize],
    plan: &BatchPlan,
    epoch: usize,
    batch: usize,
    ready: &SyncSender<Batch>,
    used: &Receiver<Batch>,
) {
    if songs.is_empty() || plan.batch_size == 0 || plan.frames_per_song == 0 {
        return;
    }
    let mut first = batch;
    for epoch in epoch.. {
        let order = order(songs, plan, epoch);
        for (index, drawn) in order.chunks_exact(plan.batch_size).enumerate().skip(first) {
            let mut batch = used.try_recv().unwrap_or_default();
            fill(&mut batch, library, plan, drawn, epoch, index);
            if ready.send(batch).is_err() {
                return;
            }
        }
        first = 0;
    }
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

fn fill(batch: &mut Batch, library: &Library, plan: &BatchPlan, drawn: &[usize], epoch: usize, index: usize) {
    let size = library.spec.channels * plan.frame_length;
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
        let room = samples.len().saturating_sub(plan.frame_length);
        let start = rng.below(room + 1);
        samples.write_frame(start, &mut batch.audio[n * size..(n + 1) * size]);
        batch.labels[n * genres + library.dataset.songs[song].genre] = 1.0;
    }
}
