//! Training batches of random crops, prepared ahead on threads of their own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::augment::{self, Augmentation};
use super::lessons::Lessons;
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
    pub sampling: Sampling,
    pub augmentation: Augmentation,
    /// Rows and columns of the time-frequency representation, for the masks of [`Augmentation`].
    pub feature_size: (usize, usize),
    /// The frames of a batch that are heard here, where others hear the rest; else all.
    pub own: Option<Range<usize>>,
    /// What a teacher says of the songs, in place of their genres.
    pub lessons: Option<Arc<Lessons>>,
}

/// How often an epoch draws from each song.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// From every song equally often.
    #[default]
    Songs,
    /// From every genre equally often, and in turn from its songs.
    Genres,
    /// From every song in proportion to the square root of its length.
    Lengths,
}

impl BatchPlan {
    /// Frames as they are, from every song equally often, prepared by one thread.
    #[cfg(any(test, feature = "internals"))]
    pub fn new(batch_size: usize, framing: Framing, frames_per_song: usize, seed: u64) -> Self {
        Self {
            batch_size,
            framing,
            frames_per_song,
            seed,
            workers: 1,
            sampling: Sampling::Songs,
            augmentation: Augmentation::NONE,
            feature_size: (0, 0),
            own: None,
            lessons: None,
        }
    }

    /// The frames of a batch that are heard here.
    fn own(&self) -> Range<usize> {
        self.own.clone().unwrap_or(0..self.batch_size)
    }

    /// Batches in an epoch over `songs` songs. The last one is filled up, so that all have the same shape.
    pub fn batches_per_epoch(&self, songs: usize) -> usize {
        (songs * self.frames_per_song).div_ceil(self.batch_size.max(1))
    }
}

/// A training batch of N frames, of which M are heard here; M is N but for [`BatchPlan::own`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// [M, channels, frame].
    pub audio: Vec<f32>,
    /// Distributions over the genres, [N, genres]: one-hot, or where frames are mixed the shares of the two. Where a teacher
    /// is imitated, what it says of labels, [N, labels].
    pub labels: Vec<f32>,
    /// A teacher's embeddings [N, E]; empty where none is imitated.
    pub embeddings: Vec<f32>,
    /// Factors of the time-frequency representation's rows [M, H] and columns [M, W]; empty where nothing is masked.
    pub masks: [Vec<f32>; 2],
    /// Indices of the N songs in the library; where frames are mixed, those with the larger shares.
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

/// Makes the batches of the worker with this number, from batch `first` of `epoch` on, until nobody takes them any more.
fn produce(
    library: &Library,
    songs: &[usize],
    plan: &BatchPlan,
    epoch: usize,
    (first, number): (usize, usize),
    ready: &SyncSender<Result<Batch, AudioError>>,
    used: &Receiver<Batch>,
) -> Option<()> {
    if songs.is_empty() || plan.batch_size == 0 || plan.frames_per_song == 0 {
        return None;
    }
    let source = Source { library, songs, plan };
    let mut scratch = Scratch::default();
    let mut first = first;
    let mut turns = (0..plan.workers.max(1)).cycle();
    for epoch in epoch.. {
        let order = order(songs, library, plan, epoch);
        for (index, drawn) in order.chunks_exact(plan.batch_size).enumerate().skip(first) {
            if turns.next() != Some(number) {
                continue;
            }
            let mut batch = used.try_recv().unwrap_or_default();
            match source.fill(&mut batch, &mut scratch, drawn, epoch, index) {
                Ok(()) => ready.send(Ok(batch)).ok()?,
                Err(error) => return ready.send(Err(error)).ok(),
            }
        }
        first = 0;
    }
    None
}

/// The songs that an epoch draws from, one a frame, in random order.
fn order(songs: &[usize], library: &Library, plan: &BatchPlan, epoch: usize) -> Vec<usize> {
    let mut rng = epoch_rng(plan, epoch).split(0);
    let wanted = plan.batches_per_epoch(songs.len()) * plan.batch_size;
    match plan.sampling {
        Sampling::Songs => by_songs(songs, plan.frames_per_song, wanted, &mut rng),
        Sampling::Genres => by_genres(songs, library, wanted, &mut rng),
        Sampling::Lengths => by_lengths(songs, library, wanted, &mut rng),
    }
}

/// Each song `frames_per_song` times, shuffled; then, to fill the last batch, the beginning of further shuffles.
fn by_songs(songs: &[usize], frames_per_song: usize, wanted: usize, rng: &mut Rng) -> Vec<usize> {
    let mut order = Vec::with_capacity(wanted);
    while order.len() < wanted {
        let mut round: Vec<usize> = (0..frames_per_song).flat_map(|_| songs.iter().copied()).collect();
        rng.shuffle(&mut round);
        round.truncate(wanted - order.len());
        order.append(&mut round);
    }
    order
}

/// Each genre equally often (but for a rest), from its songs in turn, shuffled.
fn by_genres(songs: &[usize], library: &Library, wanted: usize, rng: &mut Rng) -> Vec<usize> {
    let mut genres: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &song in songs {
        genres.entry(library.dataset.songs[song].genre).or_default().push(song);
    }
    let mut genres: Vec<Vec<usize>> = genres.into_values().collect();
    // The rest goes to other genres every epoch.
    rng.shuffle(&mut genres);
    genres.iter_mut().for_each(|songs| rng.shuffle(songs));
    let count = genres.len();
    let mut order: Vec<usize> =
        (0..wanted).map(|i| genres[i % count][i / count % genres[i % count].len()]).collect();
    rng.shuffle(&mut order);
    order
}

/// Each song in proportion to the square root of its length, by that number of times, rounded down or up as chance has it.
fn by_lengths(songs: &[usize], library: &Library, wanted: usize, rng: &mut Rng) -> Vec<usize> {
    let weights: Vec<f64> = songs.iter().map(|&song| library.songs[song].seconds().sqrt()).collect();
    let each = weights.iter().sum::<f64>() / wanted.max(1) as f64;
    // A comb of even teeth over all songs, laid at random.
    let (mut reached, mut tooth) = (0.0, rng.uniform_f64() * each);
    let mut order = Vec::with_capacity(wanted);
    let mut shuffled: Vec<usize> = (0..songs.len()).collect();
    rng.shuffle(&mut shuffled);
    for song in shuffled {
        reached += weights[song];
        while tooth < reached && order.len() < wanted {
            order.push(songs[song]);
            tooth += each;
        }
    }
    // What rounding left out.
    order.resize(wanted, songs[0]);
    rng.shuffle(&mut order);
    order
}

fn epoch_rng(plan: &BatchPlan, epoch: usize) -> Rng {
    Rng::new(plan.seed).split(epoch as u64)
}

/// A crop that is quiet is drawn again, so often at most.
const DRAWS: usize = 16;

/// What batches are made from.
struct Source<'a> {
    library: &'a Library,
    songs: &'a [usize],
    plan: &'a BatchPlan,
}

/// Memory to work in.
#[derive(Default)]
struct Scratch {
    /// A frame's partner where two are mixed.
    partner: Vec<f32>,
    window: Vec<f32>,
}

impl Source<'_> {
    fn fill(
        &self,
        batch: &mut Batch,
        scratch: &mut Scratch,
        drawn: &[usize],
        epoch: usize,
        index: usize,
    ) -> Result<(), AudioError> {
        let Self { library, songs, plan } = self;
        let size = library.spec.channels * plan.framing.length;
        let own = plan.own();
        let lessons = plan.lessons.as_deref();
        let genres = lessons.map_or(library.dataset.genres.len(), |lessons| lessons.labels);
        let width = lessons.map_or(0, |lessons| lessons.embedding);
        batch.epoch = epoch;
        batch.index = index;
        batch.songs.clear();
        batch.songs.extend_from_slice(drawn);
        // Every sample is written below; every label is cleared here.
        batch.audio.resize(own.len() * size, 0.0);
        batch.labels.clear();
        batch.labels.resize(drawn.len() * genres, 0.0);
        batch.embeddings.clear();
        batch.embeddings.resize(drawn.len() * width, 0.0);
        let (height, columns) = if plan.augmentation.masks() { plan.feature_size } else { (0, 0) };
        batch.masks[0].resize(own.len() * height, 1.0);
        batch.masks[1].resize(own.len() * columns, 1.0);
        scratch.partner.resize(size, 0.0);
        // A stream for each batch, so that one can be made without those before it, and for each of its frames, so that
        // it can be made without the others.
        let streams = epoch_rng(plan, epoch).split(1 + index as u64);
        for (n, &song) in drawn.iter().enumerate() {
            let stream = streams.split(n as u64);
            let share = if lessons.is_some() { 1.0 } else { plan.augmentation.share(&stream) };
            let mixed = stream.split(augment::PARTNER);
            let mut place = mixed.clone();
            let other = (share < 1.0).then(|| songs[place.below(songs.len())]);
            let labels = &mut batch.labels[n * genres..(n + 1) * genres];
            if lessons.is_none() {
                labels[library.dataset.songs[song].genre] = share;
            }
            if let Some(other) = other {
                labels[library.dataset.songs[other].genre] += 1.0 - share;
            }
            if !own.contains(&n) {
                continue;
            }
            let here = n - own.start;
            let frame = &mut batch.audio[here * size..(here + 1) * size];
            let start =
                self.crop(song, &mut stream.split(augment::PLACE), &stream, &mut scratch.window, frame)?;
            if let Some(lessons) = lessons {
                let middle = start as f64 + plan.framing.length as f64 / 2.0;
                let embedding = &mut batch.embeddings[n * width..(n + 1) * width];
                lessons.write(song, middle / f64::from(library.spec.sample_rate), embedding, labels);
            }
            if let Some(other) = other {
                self.crop(other, &mut place, &mixed, &mut scratch.window, &mut scratch.partner)?;
                for (a, b) in frame.iter_mut().zip(&scratch.partner) {
                    *a = share * *a + (1.0 - share) * b;
                }
            }
            if height > 0 {
                let [rows, places] = &mut batch.masks;
                let (rows, places) =
                    (&mut rows[here * height..][..height], &mut places[here * columns..][..columns]);
                plan.augmentation.draw_masks(&stream, rows, places);
            }
        }
        Ok(())
    }

    /// A random crop of a song, its place drawn from `rng` and what is done to it from `stream`. Its first sample.
    fn crop(
        &self,
        song: usize,
        rng: &mut Rng,
        stream: &Rng,
        window: &mut Vec<f32>,
        frame: &mut [f32],
    ) -> Result<usize, AudioError> {
        let Self { library, plan, .. } = self;
        let samples = &library.songs[song];
        let room = samples.len().saturating_sub(plan.framing.length);
        let channels = library.spec.channels;
        let mut start = 0;
        for _ in 0..DRAWS {
            start = rng.below(room + 1);
            if !plan.framing.drops() {
                break;
            }
            samples.write_frame(start, frame)?;
            if !plan.framing.is_quiet(frame) {
                break;
            }
        }
        augment::apply(samples, start, channels, &plan.augmentation, stream, window, frame)?;
        Ok(start)
    }
}
