//! What is to be known, or mended, about songs that can be used.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3Default;

use super::super::scan::Dataset;
use super::super::split::groups_of_genres;
use super::{Depth, Fact, GenreReport};
use crate::files;

/// Something to be known about the songs of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub concern: Concern,
    /// Whether somebody should do something about it.
    pub needs_attention: bool,
    /// What it is, and the cure where there is one.
    pub what: String,
    /// The songs it is about, where it is about some.
    pub songs: Vec<String>,
}

/// What a [`Finding`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concern {
    /// Too few genres, genres without songs that can be told apart, genres that look alike, or
    /// whose names tags cannot hold.
    Genres,
    /// Songs that can be used although a part of them is missing.
    Losses,
    /// Genres that differ much in size.
    Imbalance,
    /// One file or one recording more than once.
    Duplicates,
    /// An artist with songs in several genres, or songs of unknown artists.
    Artists,
}

/// A genre with fewer songs than the largest one's share is called small.
const IMBALANCE: f64 = 1.0 / 3.0;

pub(super) fn all(data: &Dataset, genres: &[GenreReport], facts: &[Fact], depth: Depth<'_>) -> Vec<Finding> {
    let mut findings = few(data, genres, facts);
    findings.extend(data.warnings.iter().map(|warning| Finding {
        concern: Concern::Genres,
        needs_attention: true,
        what: warning.clone(),
        songs: Vec::new(),
    }));
    findings.extend(losses(facts));
    findings.extend(imbalance(genres));
    findings.extend(duplicates(data, facts, depth));
    findings.extend(artists(data, genres, facts));
    findings
}

fn few(data: &Dataset, genres: &[GenreReport], facts: &[Fact]) -> Vec<Finding> {
    let names = |which: &dyn Fn(&&GenreReport) -> bool| -> Vec<String> {
        genres.iter().filter(which).map(|genre| genre.genre.clone()).collect()
    };
    let finding =
        |what: String| Finding { concern: Concern::Genres, needs_attention: true, what, songs: Vec::new() };
    let mut findings = Vec::new();
    if genres.iter().filter(|genre| genre.songs > 0).count() < 2 {
        findings.push(finding(format!(
            "songs of at least two genres are needed to train; add folders to {}",
            files::shown(&data.root)
        )));
    }
    let empty = names(&|genre| genre.songs == 0);
    if !empty.is_empty() {
        findings.push(finding(format!("no song can be used of {}", empty.join(", "))));
    }
    let songs = facts.iter().map(|fact| fact.entry.clone()).collect();
    let groups = groups_of_genres(&Dataset { songs, ..data.clone() });
    let single: Vec<String> = data
        .genres
        .iter()
        .zip(groups)
        .filter(|(_, groups)| *groups == 1)
        .map(|(name, _)| name.clone())
        .collect();
    if !single.is_empty() {
        findings.push(finding(format!(
            "only one artist (or one song, or songs that all share artists) in {}: nothing can be kept apart to validate with; \
             add songs of another artist",
            single.join(", ")
        )));
    }
    findings
}

/// Songs of which a part is missing, each with how much.
fn losses(facts: &[Fact]) -> impl Iterator<Item = Finding> {
    facts.iter().filter_map(|fact| {
        let loss = fact.source.loss.as_ref()?;
        Some(Finding {
            concern: Concern::Losses,
            needs_attention: false,
            what: format!("partly lost, and used as far as it goes: {loss}"),
            songs: vec![fact.entry.name.clone()],
        })
    })
}

fn imbalance(genres: &[GenreReport]) -> Option<Finding> {
    let largest = genres.iter().map(|genre| genre.songs).max()?;
    let limit = IMBALANCE * largest as f64;
    let small: Vec<String> = genres
        .iter()
        .filter(|genre| genre.songs > 0 && (genre.songs as f64) < limit)
        .map(|genre| format!("{} ({})", genre.genre, genre.songs))
        .collect();
    (!small.is_empty()).then(|| Finding {
        concern: Concern::Imbalance,
        needs_attention: true,
        what: format!(
            "less than a third of the largest genre's {largest} songs in {}: small genres are recognised too seldom; add \
             songs, or take some from the large ones",
            small.join(", ")
        ),
        songs: Vec::new(),
    })
}

/// Songs that are one file, or decode to the same samples.
fn duplicates(data: &Dataset, facts: &[Fact], depth: Depth<'_>) -> Vec<Finding> {
    let groups = match depth {
        Depth::Samples(_) => alike(facts.iter().map(|fact| fact.entry.content.clone())),
        // Only files of one size can be equal.
        Depth::Headers => {
            let sizes = facts.iter().map(|fact| std::fs::metadata(&fact.entry.path).ok().map(|m| m.len()));
            let candidates: Vec<usize> = alike(sizes).into_iter().flatten().collect();
            let digests: Vec<_> = candidates.par_iter().map(|&i| digest(&facts[i].entry.path).ok()).collect();
            let groups = alike(digests.into_iter());
            groups.into_iter().map(|group| group.into_iter().map(|i| candidates[i]).collect()).collect()
        }
    };
    groups
        .into_iter()
        .map(|group: Vec<usize>| {
            let entries: Vec<_> = group.iter().map(|&i| &facts[i].entry).collect();
            let files: BTreeSet<_> = entries.iter().map(|entry| digest(&entry.path).ok()).collect();
            let kind = if files.len() == 1 { "one file" } else { "one recording in different files" };
            let genres: BTreeSet<_> = entries.iter().map(|entry| &data.genres[entry.genre]).collect();
            let what = if genres.len() > 1 {
                let genres: Vec<_> = genres.into_iter().map(String::as_str).collect();
                format!("{kind}, in several genres ({}): keep one", genres.join(", "))
            } else {
                format!("{kind}, {} times: keep one (all stay on one side of a split)", group.len())
            };
            let songs = entries.iter().map(|entry| entry.name.clone()).collect();
            Finding { concern: Concern::Duplicates, needs_attention: true, what, songs }
        })
        .collect()
}

/// The groups of at least two that have the same value, in the order of their first members.
fn alike<T: std::hash::Hash + Eq>(values: impl Iterator<Item = Option<T>>) -> Vec<Vec<usize>> {
    let mut groups: HashMap<T, Vec<usize>> = HashMap::new();
    for (i, value) in values.enumerate() {
        if let Some(value) = value {
            groups.entry(value).or_default().push(i);
        }
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|group| group.len() > 1).collect();
    groups.sort();
    groups
}

/// XXH3 (128 bits) of a file's bytes.
fn digest(path: &Path) -> io::Result<u128> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut hash = Xxh3Default::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(hash.digest128()),
            count => hash.update(&piece[..count]),
        }
    }
}

fn artists(data: &Dataset, genres: &[GenreReport], facts: &[Fact]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut of_artist: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for Fact { entry, .. } in facts {
        for artist in entry.artist_keys() {
            let genre = data.genres[entry.genre].as_str();
            *of_artist.entry(artist).or_default().entry(genre).or_default() += 1;
        }
    }
    for (artist, genres) in of_artist.iter().filter(|(_, genres)| genres.len() > 1) {
        let counts: Vec<String> = genres.iter().map(|(genre, count)| format!("{count} in {genre}")).collect();
        findings.push(Finding {
            concern: Concern::Artists,
            needs_attention: false,
            what: format!(
                "\"{artist}\" is in several genres ({}): see whether all are right",
                counts.join(", ")
            ),
            songs: Vec::new(),
        });
    }
    let unknown: usize = genres.iter().map(|genre| genre.songs_without_artist).sum();
    if unknown > 0 {
        findings.push(Finding {
            concern: Concern::Artists,
            needs_attention: false,
            what: format!(
                "the artist of {unknown} of {} songs is not known, neither from tags nor from tracks.csv: such songs are \
                 split one by one, and accuracy comes out too high where one artist has several",
                facts.len()
            ),
            songs: Vec::new(),
        });
    }
    findings
}
