//! Looks a dataset over: what is in it, which files cannot be used, and what would make a figure dishonest.

mod findings;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::Serialize;

pub use findings::{Concern, Finding};

use super::artists;
use super::cache::Cache;
use super::error::{DatasetError, Problem};
use super::scan::{Dataset, Entry, survey};
use crate::audio::{self, AudioError, AudioFault, AudioSpec, FileInfo, RecordError};
use crate::paths;

/// How thoroughly files are read.
#[derive(Clone, Copy, Debug)]
pub enum Depth<'a> {
    /// Headers and tags only: damage further in goes unnoticed.
    Headers,
    /// Every sample is decoded; where there is a cache, into it.
    Samples(Option<&'a Cache>),
}

/// What a dataset is like.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The folder.
    pub dataset: String,
    /// Songs that can be used, and their length in hours.
    pub songs: usize,
    pub hours: f64,
    pub genres: Vec<GenreReport>,
    /// Files and folders that cannot be used, with the reason.
    pub problems: Vec<Problem>,
    /// What is to be known, or mended, about the others.
    pub findings: Vec<Finding>,
    /// Files that no audio extension marks as songs.
    pub other_files: usize,
    /// Whether something needs a hand: a problem, or a finding that says so.
    pub needs_attention: bool,
}

/// What a genre is like.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GenreReport {
    pub genre: String,
    /// Songs that can be used, and their length in hours.
    pub songs: usize,
    pub hours: f64,
    /// Songs by format (container, and codec where it has another name), sample rate in Hz, and channels.
    pub formats: BTreeMap<String, usize>,
    pub sample_rates: BTreeMap<u32, usize>,
    pub channels: BTreeMap<usize, usize>,
    /// Different artists, and songs whose artist is not known.
    pub artists: usize,
    pub songs_without_artist: usize,
    /// Files that cannot be used.
    pub problems: usize,
}

/// A song that can be used.
struct Fact {
    entry: Entry,
    seconds: f64,
    source: FileInfo,
}

/// Looks `root` over. `progress` is called after each song, from any thread, with the number of songs done, that of all
/// songs, and the song's path.
///
/// # Errors
/// [`DatasetError`] where the folder or its `tracks.csv` cannot be read, or has no genre at all. Anything less is in the
/// report.
pub fn check(
    root: &Path,
    spec: &AudioSpec,
    min_seconds: f64,
    depth: Depth<'_>,
    progress: impl Fn(usize, usize, &Path) + Sync,
) -> Result<Report, DatasetError> {
    let data = survey(root)?;
    let done = AtomicUsize::new(0);
    let looked: Vec<Result<Fact, AudioError>> = data
        .songs
        .par_iter()
        // Songs differ in length, so threads take one at a time.
        .with_max_len(1)
        .map(|entry| {
            let fact = look(entry, spec, min_seconds, depth);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, data.songs.len(), &entry.path);
            fact
        })
        .collect();
    Ok(report(&data, looked, depth))
}

fn look(entry: &Entry, spec: &AudioSpec, min_seconds: f64, depth: Depth<'_>) -> Result<Fact, AudioError> {
    let fail = |fault| AudioError { path: entry.path.clone(), fault };
    let (seconds, source, content) = match depth {
        Depth::Headers => {
            let source = audio::inspect(&entry.path)?;
            let seconds = source.seconds.unwrap_or(0.0);
            if source.seconds.is_some_and(|seconds| seconds < min_seconds) {
                return Err(fail(AudioFault::TooShort { seconds, minimum: min_seconds }));
            }
            (seconds, source, None)
        }
        Depth::Samples(cache) => {
            let recording = match cache {
                Some(cache) => {
                    let song = cache.load(&entry.path, spec, min_seconds)?;
                    song.verify()?;
                    song.recording().clone()
                }
                None => audio::record(&entry.path, spec, &mut io::sink()).map_err(|error| match error {
                    RecordError::Audio(error) => error,
                    RecordError::Write(error) => fail(error.into()),
                })?,
            };
            recording.check(min_seconds).map_err(fail)?;
            (recording.seconds(), recording.source, Some(recording.digest))
        }
    };
    let artists = artists::known(entry, &source);
    Ok(Fact { entry: Entry { artists, content, ..entry.clone() }, seconds, source })
}

fn report(data: &Dataset, looked: Vec<Result<Fact, AudioError>>, depth: Depth<'_>) -> Report {
    let mut genres: Vec<GenreReport> = data
        .genres
        .iter()
        .map(|genre| GenreReport { genre: genre.clone(), ..GenreReport::default() })
        .collect();
    let mut problems = data.problems.clone();
    let mut facts = Vec::new();
    for (entry, looked) in data.songs.iter().zip(looked) {
        match looked {
            Ok(fact) => facts.push(fact),
            Err(error) => {
                genres[entry.genre].problems += 1;
                problems.push(error.into());
            }
        }
    }
    let mut artists = vec![BTreeSet::new(); genres.len()];
    for Fact { entry, seconds, source } in &facts {
        let genre = &mut genres[entry.genre];
        genre.songs += 1;
        genre.hours += seconds / 3600.0;
        let format = if source.codec.starts_with(&source.container) {
            source.codec.clone()
        } else {
            format!("{} ({})", source.container, source.codec)
        };
        *genre.formats.entry(format).or_default() += 1;
        *genre.sample_rates.entry(source.sample_rate).or_default() += 1;
        *genre.channels.entry(source.channels).or_default() += 1;
        genre.songs_without_artist += usize::from(entry.artists.is_empty());
        artists[entry.genre].extend(entry.artist_keys());
    }
    for (genre, artists) in genres.iter_mut().zip(&artists) {
        genre.artists = artists.len();
    }
    let findings = findings::all(data, &genres, &facts, depth);
    Report {
        dataset: paths::text(&data.root),
        songs: facts.len(),
        hours: genres.iter().map(|genre| genre.hours).sum(),
        needs_attention: !problems.is_empty() || findings.iter().any(|finding| finding.needs_attention),
        genres,
        problems,
        findings,
        other_files: data.other_files,
    }
}
