//! The decoded songs of a dataset.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::artists;
use super::cache::Cache;
use super::error::{DatasetError, Problem};
use super::scan::{Dataset, Entry};
use crate::audio::{self, AudioSpec, Song};
use crate::paths;

/// Songs that are ready to be read, with what is known about them.
#[derive(Clone, Debug)]
pub struct Library {
    /// What the library holds: the songs that could be used, and the genres that have any.
    pub dataset: Dataset,
    /// One for each of `dataset.songs`.
    pub songs: Vec<Song>,
    /// What every song was made into.
    pub spec: AudioSpec,
    /// Files that were passed over.
    pub problems: Vec<Problem>,
}

/// The folder of every genre that has songs.
fn folders(dataset: &Dataset) -> Vec<Option<PathBuf>> {
    let folder =
        |entry: &Entry| dataset.root.join(paths::path(entry.name.split('/').next().unwrap_or_default()));
    let of = |genre| dataset.songs.iter().find(|entry| entry.genre == genre).map(folder);
    (0..dataset.genres.len()).map(of).collect()
}

impl Library {
    /// Decodes all songs of `dataset` on rayon's threads, into memory or `cache`. Artists that the dataset does not name
    /// are taken from the files' tags. Songs that cannot be used, or are shorter than `min_seconds`,
    /// are passed over and listed in [`Library::problems`]; so is a genre that has no other song.
    ///
    /// `progress` is called after each song, from any thread, with the number of songs done, that of all songs, and
    /// the song's path.
    ///
    /// # Errors
    /// [`DatasetError::TooFewGenres`] where fewer than two genres have a song that can be used.
    pub fn load(
        dataset: &Dataset,
        spec: &AudioSpec,
        min_seconds: f64,
        cache: Option<&Cache>,
        progress: impl Fn(usize, usize, &Path) + Sync,
    ) -> Result<Self, DatasetError> {
        let mut library = Self::load_as_is(dataset, spec, min_seconds, cache, progress);
        let files = library.problems.len();
        library.drop_empty_genres(&folders(dataset));
        library.dataset.require_two_genres(&library.problems[..files])?;
        Ok(library)
    }

    /// As [`Library::load`], but the genres stay as they are, be there songs of them or not: what is only recognised need
    /// not have songs of every genre.
    pub fn load_as_is(
        dataset: &Dataset,
        spec: &AudioSpec,
        min_seconds: f64,
        cache: Option<&Cache>,
        progress: impl Fn(usize, usize, &Path) + Sync,
    ) -> Self {
        let total = dataset.songs.len();
        let done = AtomicUsize::new(0);
        let loaded: Vec<_> = dataset
            .songs
            .par_iter()
            // Songs differ in length, so threads take one at a time.
            .with_max_len(1)
            .map(|entry| {
                let song = match cache {
                    Some(cache) => cache.load(&entry.path, spec, min_seconds),
                    None => audio::load(&entry.path, spec, min_seconds),
                };
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total, &entry.path);
                song
            })
            .collect();

        let mut library = Self {
            dataset: Dataset { songs: Vec::new(), ..dataset.clone() },
            songs: Vec::new(),
            spec: spec.clone(),
            problems: dataset.problems.clone(),
        };
        for (entry, song) in dataset.songs.iter().zip(loaded) {
            match song {
                Ok(song) => {
                    let recording = song.recording();
                    library.dataset.songs.push(Entry {
                        artists: artists::known(entry, &recording.source),
                        content: Some(recording.digest.clone()),
                        ..entry.clone()
                    });
                    library.songs.push(song);
                }
                Err(error) => library.problems.push(error.into()),
            }
        }
        library
    }

    /// Removes the genres that no song is left of.
    fn drop_empty_genres(&mut self, folders: &[Option<PathBuf>]) {
        let counts = self.dataset.counts();
        let mut kept = Vec::new();
        let mut index = vec![0; counts.len()];
        for (old, name) in std::mem::take(&mut self.dataset.genres).into_iter().enumerate() {
            if counts[old] > 0 {
                index[old] = kept.len();
                kept.push(name);
            } else {
                let path = folders[old].clone().unwrap_or_else(|| self.dataset.root.join(paths::path(&name)));
                self.problems.push(Problem { path, reason: "no usable song: genre left out".to_owned() });
            }
        }
        self.dataset.genres = kept;
        for song in &mut self.dataset.songs {
            song.genre = index[song.genre];
        }
    }
}
