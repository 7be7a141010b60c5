//! The demo set: synthesised music in ten genres, so that the program can be tried on a machine without any.
//!
//! Genres differ in rhythm, harmony and instrumentation (`genres.rs` is all of it, as data). Tempo, key, loudness,
//! brightness and background are drawn by the same dice for all of them, and their long-term spectra are pulled
//! together (`master.rs`), so that no single global statistic tells them apart: they have to be listened to.
//!
//! ```text
//! genres (data) → score: tempo, key, chords → notes → voices → parts → mix → master → 16-bit WAV
//! ```

mod arrange;
mod dice;
mod drums;
mod dsp;
mod genres;
mod instruments;
mod master;
mod song;
mod store;
mod theory;
mod voices;

pub use dsp::RATE;
pub use genres::{GENRES, Genre};
pub use song::Song;
#[cfg(feature = "cli")]
pub use store::is_demo;
pub use store::{DemoError, MANIFEST, Outcome, is_complete};

use std::path::Path;

/// What the demo set holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// The same seed gives the same songs.
    pub seed: u64,
    /// Songs of each of the ten genres.
    pub songs_per_genre: usize,
    /// Lengths of the shortest and the longest song, in seconds.
    pub seconds: (f32, f32),
}

impl Default for Spec {
    fn default() -> Self {
        Self { seed: 1, songs_per_genre: 20, seconds: (10.0, 13.0) }
    }
}

impl Spec {
    /// Renders song `index` of `genre`.
    pub fn song(&self, genre: &Genre, index: usize) -> Song {
        Song::render(genre, index, self.seed, self.seconds)
    }
}

/// Writes the default demo set into `dir`, as `<genre>/<genre>-<number>.wav` and a manifest, [`MANIFEST`]. A complete
/// set found there is left alone. `progress` hears (songs done, songs in all), from any thread.
///
/// Songs are rendered in parallel into a folder beside `dir`, which is renamed when it is whole: an interruption
/// leaves no half-written set. The bytes do not depend on the number of threads.
///
/// # Errors
/// [`DemoError::Foreign`] where `dir` holds anything that a demo set does not; [`DemoError::Io`] from the file system.
pub fn render(dir: &Path, progress: impl Fn(usize, usize) + Sync) -> Result<Outcome, DemoError> {
    render_with(&Spec::default(), dir, progress)
}

/// [`render`], for a set of any size.
///
/// # Errors
/// As [`render`].
pub fn render_with(
    spec: &Spec,
    dir: &Path,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Outcome, DemoError> {
    store::render(spec, dir, &progress)
}
