//! What a base hears in songs, kept on disk by the contents of song and model: nobody hears a song twice.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use crate::audio::Song;
use crate::device::Device;
use crate::files;
use crate::model::Model;
use crate::recognize::{Embedded, Embedder, RecognizeError};

/// Songs that are heard before their embeddings are written.
const GROUP: usize = 16;

/// The embeddings of songs, by the digests of these.
#[derive(Clone, Debug, Default)]
pub struct Embeddings {
    /// E, the numbers a frame.
    pub width: usize,
    songs: HashMap<String, Embedded>,
}

impl Embeddings {
    /// Hears the songs, but for those that are known in `folder`. `progress` hears how many are done; where `stop` is set,
    /// the rest is left out.
    ///
    /// # Errors
    /// [`RecognizeError`] where the device cannot hold the model or fails, or a song cannot be read. A folder that cannot be
    /// written is no error.
    pub fn hear(
        model: &Model,
        songs: &[&Song],
        device: &dyn Device,
        folder: Option<&Path>,
        progress: &mut dyn FnMut(usize),
        stop: &AtomicBool,
    ) -> Result<Self, RecognizeError> {
        let network = model.network()?;
        let inference = network.inference(1)?;
        let mut all = Self { width: inference.graph.shape(inference.embedding)[1], ..Self::default() };
        let folder = folder.map(|folder| folder.join(model.digest()));
        let file = |song: &Song| folder.as_ref().map(|folder| folder.join(&song.recording().digest));
        let mut unknown = Vec::new();
        for &song in songs {
            let digest = &song.recording().digest;
            if all.songs.contains_key(digest) {
                continue;
            }
            match file(song).and_then(|file| read(&file, all.width)) {
                Some(embedded) => drop(all.songs.insert(digest.clone(), embedded)),
                None => unknown.push(song),
            }
        }
        let mut done = songs.len() - unknown.len();
        progress(done);
        let mut embedder = None;
        for group in unknown.chunks(GROUP) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let embedder = match &mut embedder {
                Some(embedder) => embedder,
                none => none.insert(Embedder::of_model(model, device)?),
            };
            for (song, embedded) in group.iter().zip(embedder.embed(group)?) {
                if let Some(file) = file(song) {
                    // Where it cannot be kept, it is heard again next time.
                    let _ = write(&file, &embedded);
                }
                all.songs.insert(song.recording().digest.clone(), embedded);
            }
            done += group.len();
            progress(done);
        }
        Ok(all)
    }

    /// Of a song, where it was heard.
    pub fn of(&self, song: &Song) -> Option<&Embedded> {
        self.songs.get(&song.recording().digest)
    }

    /// The mean over a song's frames, E numbers; none where it was not heard or has no frame.
    pub fn mean(&self, song: &Song) -> Option<Vec<f32>> {
        let embedded = self.of(song).filter(|embedded| !embedded.starts.is_empty())?;
        let mut sums = vec![0f64; self.width];
        for frame in embedded.values.chunks_exact(self.width) {
            sums.iter_mut().zip(frame).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        Some(sums.into_iter().map(|sum| (sum / embedded.starts.len() as f64) as f32).collect())
    }

    /// Whether all of these were heard.
    pub fn cover<'a>(&self, mut songs: impl Iterator<Item = &'a Song>) -> bool {
        songs.all(|song| self.of(song).is_some())
    }
}

/// A file: the number of frames (u64), the first sample of each (u64), their values (f32), and the XXH3 of all that (u64),
/// little endian.
fn write(path: &Path, embedded: &Embedded) -> std::io::Result<()> {
    let mut bytes = (embedded.starts.len() as u64).to_le_bytes().to_vec();
    bytes.extend(embedded.starts.iter().flat_map(|&start| (start as u64).to_le_bytes()));
    bytes.extend(embedded.values.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    files::write_atomic(path, &bytes)
}

/// None where there is no such file, or it is not whole.
fn read(path: &Path, width: usize) -> Option<Embedded> {
    let bytes = fs::read(path).ok()?;
    let (body, digest) = bytes.split_last_chunk::<8>()?;
    if xxh3_64(body) != u64::from_le_bytes(*digest) {
        return None;
    }
    let (count, rest) = body.split_first_chunk::<8>()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let (starts, values) = rest.split_at_checked(count.checked_mul(8)?)?;
    if values.len() != count.checked_mul(width)?.checked_mul(4)? {
        return None;
    }
    let (starts, values) = (starts.as_chunks::<8>().0, values.as_chunks::<4>().0);
    let starts = starts.iter().map(|&bytes| u64::from_le_bytes(bytes) as usize).collect();
    let values: Vec<f32> = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    values.iter().all(|value| value.is_finite()).then_some(Embedded { starts, values })
}
