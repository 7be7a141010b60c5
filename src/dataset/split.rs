//! Which songs train and which validate.
//!
//! Songs that belong together stay together: all that share an artist, whichever of their artists that is, over all
//! genres, and all copies of one recording; and what belongs to one of them belongs to all. Such groups are dealt to parts, so that each part comes as near as a local search gets to the number of songs of each genre
//! that it should have.

use std::collections::{BTreeSet, HashMap};

use super::error::DatasetError;
use super::scan::Dataset;
use crate::rng::Rng;

/// Indices into [`Dataset::songs`], ascending: every song is on exactly one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Songs to train on.
    pub train: Vec<usize>,
    /// Songs that are never trained on.
    pub validation: Vec<usize>,
}

impl Split {
    /// A table of the songs with their side: path, genre, artist, split.
    pub fn to_csv(&self, dataset: &Dataset) -> String {
        let mut table = csv::Writer::from_writer(Vec::new());
        let sides = [(&self.train, "train"), (&self.validation, "validation")];
        let songs = sides.iter().flat_map(|&(songs, side)| songs.iter().map(move |&song| (song, side)));
        let rows = songs.map(|(song, side)| {
            let song = &dataset.songs[song];
            [song.name.clone(), dataset.genres[song.genre].clone(), song.artists.join("; "), side.to_owned()]
        });
        let header = ["path", "genre", "artist", "split"].map(str::to_owned);
        for row in std::iter::once(header).chain(rows) {
            // Writing to memory does not fail.
            let _ = table.write_record(row);
        }
        let bytes = table.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Splits the songs so that each genre has about `validation_fraction` of its songs in validation, and no artist (of
/// several that a song has, none) and no recording is on both sides (not even with songs of different genres).
///
/// Every genre with songs of at least two artists (or at least two songs without one) has a song on each side; where
/// artists with songs in several genres make that impossible, as many genres as the search finds. The result depends
/// on the songs' names, artists, contents and genres and on `seed`, not on the order of the file system or where the
/// dataset lies.
///
/// # Errors
/// [`DatasetError::ValidationFraction`] unless 0 ≤ `validation_fraction` < 1.
pub fn split(dataset: &Dataset, validation_fraction: f64, seed: u64) -> Result<Split, DatasetError> {
    if !(0.0..1.0).contains(&validation_fraction) {
        return Err(DatasetError::ValidationFraction(validation_fraction));
    }
    let mut groups = groups(dataset, seed);
    if validation_fraction > 0.0 {
        let target = |songs: i64, groups: i64| {
            let part = (songs as f64 * validation_fraction).round() as i64;
            let part = if groups >= 2 { part.clamp(1, songs - 1) } else { 0 };
            vec![songs - part, part]
        };
        Balance::new(dataset, &groups, 2, target).search(&mut groups);
    }
    let parts = part_of(&groups, dataset.songs.len());
    Ok(sides(dataset, |song| parts[song] == 1))
}

/// Deals the songs to `count` folds, each with about the same number of songs of every genre, by the rules of [`split`]:
/// one split a fold, which validates on it.
///
/// # Errors
/// [`DatasetError::Folds`] unless 2 ≤ `count` ≤ number of groups of songs that share no artist.
pub fn folds(dataset: &Dataset, count: usize, seed: u64) -> Result<Vec<Split>, DatasetError> {
    let mut groups = groups(dataset, seed);
    if !(2..=groups.len()).contains(&count) {
        return Err(DatasetError::Folds { count, most: groups.len() });
    }
    // The parts that get one song more differ from genre to genre, so that all parts come out about as large.
    let mut more = 0;
    let target = |songs: i64, _: i64| {
        let parts = count as i64;
        let (each, rest) = (songs / parts, songs % parts);
        let first = more;
        more += rest;
        (0..parts).map(|part| each + i64::from((part - first).rem_euclid(parts) < rest)).collect()
    };
    Balance::new(dataset, &groups, count, target).search(&mut groups);
    let parts = part_of(&groups, dataset.songs.len());
    Ok((0..count).map(|fold| sides(dataset, |song| parts[song] == fold)).collect())
}

/// The folds that `tracks.csv` gives, in ascending order of their numbers: (number, split).
///
/// # Errors
/// [`DatasetError::NoFold`] where a song has none; [`DatasetError::Folds`] where all have the same.
pub fn folds_given(dataset: &Dataset) -> Result<Vec<(u32, Split)>, DatasetError> {
    let mut without = dataset.songs.iter().filter(|song| song.fold.is_none());
    if let Some(first) = without.next() {
        let (root, first) = (dataset.root.clone(), first.name.clone());
        return Err(DatasetError::NoFold { root, first, count: 1 + without.count() });
    }
    let numbers: BTreeSet<u32> = dataset.songs.iter().filter_map(|song| song.fold).collect();
    if numbers.len() < 2 {
        return Err(DatasetError::Folds { count: numbers.len(), most: dataset.songs.len() });
    }
    let side = |fold| sides(dataset, |song| dataset.songs[song].fold == Some(fold));
    Ok(numbers.into_iter().map(|fold| (fold, side(fold))).collect())
}

fn sides(dataset: &Dataset, validates: impl Fn(usize) -> bool) -> Split {
    let (validation, train) = (0..dataset.songs.len()).partition(|&song| validates(song));
    Split { train, validation }
}

/// For every genre, in how many groups that stay together its songs are.
#[cfg(feature = "cli")]
pub(super) fn groups_of_genres(dataset: &Dataset) -> Vec<usize> {
    let mut counts = vec![0; dataset.genres.len()];
    for (genre, _) in groups(dataset, 0).iter().flat_map(|group| &group.counts) {
        counts[*genre] += 1;
    }
    counts
}

/// Songs that stay together.
struct Group {
    songs: Vec<usize>,
    /// (genre, number of songs).
    counts: Vec<(usize, i64)>,
    part: usize,
}

/// The part of every song.
fn part_of(groups: &[Group], songs: usize) -> Vec<usize> {
    let mut parts = vec![0; songs];
    for group in groups {
        for &song in &group.songs {
            parts[song] = group.part;
        }
    }
    parts
}

/// The groups in an order that only the songs' names and the seed decide.
fn groups(dataset: &Dataset, seed: u64) -> Vec<Group> {
    let songs = &dataset.songs;
    let mut together = Together::new(songs.len());
    let mut first: HashMap<(bool, String), usize> = HashMap::new();
    for (i, song) in songs.iter().enumerate() {
        let artists = song.artist_keys().map(|artist| (true, artist));
        let content = song.content.as_ref().map(|content| (false, content.clone()));
        for key in artists.chain(content) {
            together.join(i, *first.entry(key).or_insert(i));
        }
    }
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for i in 0..songs.len() {
        members.entry(together.root(i)).or_default().push(i);
    }
    let root = Rng::new(seed);
    let mut keyed: Vec<_> = members
        .into_values()
        .map(|mut members| {
            members.sort_by(|&a, &b| songs[a].name.cmp(&songs[b].name));
            let name = &songs[members[0]].name;
            (root.split_str(name).next_u64(), name.as_str(), members)
        })
        .collect();
    keyed.sort();
    keyed
        .into_iter()
        .map(|(_, _, members)| {
            let mut counts: Vec<(usize, i64)> = Vec::new();
            for &song in &members {
                let genre = songs[song].genre;
                match counts.iter_mut().find(|(g, _)| *g == genre) {
                    Some((_, n)) => *n += 1,
                    None => counts.push((genre, 1)),
                }
            }
            Group { songs: members, counts, part: 0 }
        })
        .collect()
}

/// Disjoint sets of songs (union–find with path halving).
struct Together(Vec<usize>);

impl Together {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&mut self, mut i: usize) -> usize {
        while self.0[i] != i {
            self.0[i] = self.0[self.0[i]];
            i = self.0[i];
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// How far the parts are from what they should be, genre by genre.
struct Balance {
    parts: usize,
    /// Songs that a part should have, and has: [genre × parts].
    target: Vec<i64>,
    have: Vec<i64>,
}

/// Weighs a genre without a song in one part heavier than any deviation from the target.
const MISSING: i64 = 1 << 40;

impl Balance {
    /// All groups in part 0. `target` gives the number of songs that each part should have of a genre with so many songs
    /// in so many groups.
    fn new(
        dataset: &Dataset,
        groups: &[Group],
        parts: usize,
        mut target: impl FnMut(i64, i64) -> Vec<i64>,
    ) -> Self {
        let songs = dataset.counts();
        let mut of_genre = vec![0; songs.len()];
        for (genre, _) in groups.iter().flat_map(|g| &g.counts) {
            of_genre[*genre] += 1;
        }
        let targets = songs.iter().zip(&of_genre).flat_map(|(&n, &groups)| target(n as i64, groups));
        let mut balance = Self { parts, target: targets.collect(), have: vec![0; songs.len() * parts] };
        for (genre, n) in songs.into_iter().enumerate() {
            balance.have[genre * parts] = n as i64;
        }
        balance
    }

    /// Cost of a part that had `have` songs of a genre.
    fn cost(&self, place: usize, have: i64) -> i64 {
        (have - self.target[place]).pow(2) + if have == 0 { MISSING } else { 0 }
    }

    /// Change of the total cost if `group` went to part `to`, and `back` from there to the group's part.
    fn gain(&self, group: &Group, to: usize, back: Option<&Group>) -> i64 {
        let of = |g: &Group, genre| g.counts.iter().find(|(k, _)| *k == genre).map_or(0, |&(_, n)| n);
        let mut genres: Vec<usize> = group.counts.iter().map(|&(genre, _)| genre).collect();
        for &(genre, _) in back.iter().flat_map(|g| &g.counts) {
            if !genres.contains(&genre) {
                genres.push(genre);
            }
        }
        genres
            .into_iter()
            .map(|genre| {
                let moved = of(group, genre) - back.map_or(0, |g| of(g, genre));
                let change = |part: usize, by: i64| {
                    let place = genre * self.parts + part;
                    self.cost(place, self.have[place] + by) - self.cost(place, self.have[place])
                };
                change(group.part, -moved) + change(to, moved)
            })
            .sum()
    }

    fn put(&mut self, group: &mut Group, part: usize) {
        for &(genre, n) in &group.counts {
            self.have[genre * self.parts + group.part] -= n;
            self.have[genre * self.parts + part] += n;
        }
        group.part = part;
    }

    /// Moves groups, then exchanges pairs of groups, as long as that lowers the cost. Each step lowers an integer, so it
    /// ends.
    fn search(&mut self, groups: &mut [Group]) {
        loop {
            let mut moved = false;
            for group in groups.iter_mut() {
                let best = (0..self.parts)
                    .filter(|&part| part != group.part)
                    .map(|part| (self.gain(group, part, None), part))
                    .min();
                if let Some((_, part)) = best.filter(|&(gain, _)| gain < 0) {
                    self.put(group, part);
                    moved = true;
                }
            }
            if !moved && !self.exchange(groups) {
                return;
            }
        }
    }

    /// Exchanges the first pair of groups of different parts that lowers the cost.
    fn exchange(&mut self, groups: &mut [Group]) -> bool {
        for i in 0..groups.len() {
            // Where all the group's genres are on target in every part, no exchange betters them.
            let exact = groups[i].counts.iter().all(|&(genre, _)| {
                let places = genre * self.parts..(genre + 1) * self.parts;
                self.have[places.clone()] == self.target[places]
            });
            if exact {
                continue;
            }
            for j in 0..groups.len() {
                let (one, other) = (&groups[i], &groups[j]);
                if one.part != other.part && self.gain(one, other.part, Some(other)) < 0 {
                    let (from, to) = (one.part, other.part);
                    self.put(&mut groups[i], to);
                    self.put(&mut groups[j], from);
                    return true;
                }
            }
        }
        false
    }
}
