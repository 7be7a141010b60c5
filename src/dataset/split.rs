//! Which songs train and which validate.

use std::collections::HashMap;

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

/// Songs that stay together: all of one artist, over all genres, or one song whose artist is not known.
struct Group {
    songs: Vec<usize>,
    /// (genre, number of songs).
    counts: Vec<(usize, i64)>,
    validation: bool,
}

/// Splits the songs so that each genre has about `validation_fraction` of its songs in validation, and no artist is on
/// both sides (not even with songs of different genres).
///
/// Every genre with songs of at least two artists (or at least two songs without one) has a song on each side; where
/// artists with songs in several genres make that impossible, as many genres as the search finds. The result depends
/// on the songs' names, artists and genres and on `seed`, not on the order of the file system or where the dataset lies.
///
/// # Errors
/// [`DatasetError::ValidationFraction`] unless 0 ≤ `validation_fraction` < 1.
pub fn split(dataset: &Dataset, validation_fraction: f64, seed: u64) -> Result<Split, DatasetError> {
    if !(0.0..1.0).contains(&validation_fraction) {
        return Err(DatasetError::ValidationFraction(validation_fraction));
    }
    let mut groups = groups(dataset, seed);
    let mut balance = Balance::new(dataset, &groups, validation_fraction);
    if validation_fraction > 0.0 {
        balance.search(&mut groups);
    }
    let mut split = Split { train: Vec::new(), validation: Vec::new() };
    for group in groups {
        let side = if group.validation { &mut split.validation } else { &mut split.train };
        side.extend(group.songs);
    }
    split.train.sort_unstable();
    split.validation.sort_unstable();
    Ok(split)
}

/// The groups in an order that only their names and the seed decide.
fn groups(dataset: &Dataset, seed: u64) -> Vec<Group> {
    let mut by_key: HashMap<(bool, String), Vec<usize>> = HashMap::new();
    for (i, song) in dataset.songs.iter().enumerate() {
        let key = match &song.artist {
            Some(artist) => (true, artist.trim().to_lowercase()),
            None => (false, song.name.clone()),
        };
        by_key.entry(key).or_default().push(i);
    }
    let root = Rng::new(seed);
    let mut keyed: Vec<_> = by_key
        .into_iter()
        .map(|(key, songs)| (root.split(u64::from(key.0)).split_str(&key.1).next_u64(), key, songs))
        .collect();
    keyed.sort();
    keyed
        .into_iter()
        .map(|(_, _, songs)| {
            let mut counts: Vec<(usize, i64)> = Vec::new();
            for &song in &songs {
                let genre = dataset.songs[song].genre;
                match counts.iter_mut().find(|(g, _)| *g == genre) {
                    Some((_, n)) => *n += 1,
                    None => counts.push((genre, 1)),
                }
            }
            Group { songs, counts, validation: false }
        })
        .collect()
}

/// How far the validation side is from what it should be, genre by genre.
struct Balance {
    /// Songs that validation should have.
    target: Vec<i64>,
    /// Songs that validation has.
    have: Vec<i64>,
    total: Vec<i64>,
    /// Whether the genre has at least two groups, so that both sides can have a song.
    divisible: Vec<bool>,
}

/// Weighs a genre without a song on one side heavier than any deviation from the target.
const MISSING: i64 = 1 << 40;

impl Balance {
    fn new(dataset: &Dataset, groups: &[Group], fraction: f64) -> Self {
        let total: Vec<i64> = dataset.counts().iter().map(|&n| n as i64).collect();
        let mut parts = vec![0; total.len()];
        for (genre, _) in groups.iter().flat_map(|g| &g.counts) {
            parts[*genre] += 1;
        }
        let divisible: Vec<bool> = parts.iter().map(|&n| n >= 2).collect();
        let target = total
            .iter()
            .zip(&divisible)
            .map(
                |(&n, &divisible)| {
                    if divisible { ((n as f64 * fraction).round() as i64).clamp(1, n - 1) } else { 0 }
                },
            )
            .collect();
        Self { have: vec![0; total.len()], target, total, divisible }
    }

    /// Squared deviation of one genre whose validation side had `have` songs.
    fn cost(&self, genre: usize, have: i64) -> i64 {
        let missing = self.divisible[genre] && (have == 0 || have == self.total[genre]);
        (have - self.target[genre]).pow(2) + if missing { MISSING } else { 0 }
    }

    /// Change of the total cost if `group` changed sides, beside the changes of `with`.
    fn gain(&self, group: &Group, with: Option<&Group>) -> i64 {
        let delta = |g: &Group, genre| {
            let n = g.counts.iter().find(|(k, _)| *k == genre).map_or(0, |&(_, n)| n);
            if g.validation { -n } else { n }
        };
        let mut genres: Vec<usize> = group.counts.iter().map(|&(genre, _)| genre).collect();
        for &(genre, _) in with.iter().flat_map(|g| &g.counts) {
            if !genres.contains(&genre) {
                genres.push(genre);
            }
        }
        genres
            .into_iter()
            .map(|genre| {
                let have = self.have[genre];
                let then = have + delta(group, genre) + with.map_or(0, |g| delta(g, genre));
                self.cost(genre, then) - self.cost(genre, have)
            })
            .sum()
    }

    fn flip(&mut self, group: &mut Group) {
        for &(genre, n) in &group.counts {
            self.have[genre] += if group.validation { -n } else { n };
        }
        group.validation = !group.validation;
    }

    /// Moves groups, then pairs of groups, as long as that lowers the cost. Each step lowers an integer, so it ends.
    fn search(&mut self, groups: &mut [Group]) {
        loop {
            let mut moved = false;
            for group in groups.iter_mut() {
                if self.gain(group, None) < 0 {
                    self.flip(group);
                    moved = true;
                }
            }
            if !moved && !self.exchange(groups) {
                return;
            }
        }
    }

    /// Exchanges the first pair of groups, one of each side, that lowers the cost.
    fn exchange(&mut self, groups: &mut [Group]) -> bool {
        let exact = |b: &Self, g: &Group| g.counts.iter().all(|&(genre, _)| b.have[genre] == b.target[genre]);
        for i in 0..groups.len() {
            // Where all the group's genres are on target, no exchange betters them.
            if exact(self, &groups[i]) {
                continue;
            }
            for j in 0..groups.len() {
                if groups[i].validation != groups[j].validation && self.gain(&groups[i], Some(&groups[j])) < 0
                {
                    self.flip(&mut groups[i]);
                    self.flip(&mut groups[j]);
                    return true;
                }
            }
        }
        false
    }
}
