//! Random choices of a song.

use crate::rng::Rng;

/// Uniform between `low` and `high`.
pub fn between(rng: &mut Rng, (low, high): (f32, f32)) -> f32 {
    low + (high - low) * rng.uniform()
}

pub fn chance(rng: &mut Rng, probability: f32) -> bool {
    rng.uniform() < probability
}

/// One of `items`; `None` only where there are none.
pub fn pick<'a, T>(rng: &mut Rng, items: &'a [T]) -> Option<&'a T> {
    items.get(rng.below(items.len()))
}

/// Normal with mean 0 and this standard deviation.
pub fn spread(rng: &mut Rng, deviation: f32) -> f32 {
    deviation * rng.normal()
}

/// A generator of its own for each song, so that songs render in any order and on any thread.
pub fn song_rng(seed: u64, genre: &str, song: usize) -> Rng {
    Rng::new(seed).split_str(genre).split(song as u64)
}
