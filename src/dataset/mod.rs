//! Folders of songs to training batches: scan → split → load → batches.
//!
//! A dataset is a folder whose subfolders are genres; see `dataset/README.md`. This module knows samples and labels
//! only: no tensors.

mod artists;
mod augment;
mod batches;
mod cache;
#[cfg(feature = "cli")]
pub mod check;
pub mod demo;
#[cfg(feature = "cli")]
pub mod download;
mod error;
mod genres;
mod lessons;
mod library;
mod names;
mod quotes;
mod scan;
#[cfg(feature = "cli")]
mod sides;
mod split;
mod tracks;

pub use augment::Augmentation;
pub use batches::{Batch, BatchPlan, Batches, Sampling};
pub use cache::{Cache, Cleaned};
pub use error::{DatasetError, Problem};
#[cfg(any(feature = "cli", feature = "internals"))]
pub use genres::GENRES;
#[cfg(any(test, feature = "internals"))]
pub use genres::genres;
pub use genres::parse_genres;
#[cfg(feature = "cli")]
pub use genres::unwritable;
pub use lessons::{Lesson, Lessons};
pub use library::Library;
pub use scan::{DEMO, Dataset, Entry, GENRES_FILE, scan, scan_songs};
#[cfg(feature = "cli")]
pub use sides::{Side, Sides, read_sides};
pub use split::{Split, folds, folds_given, split};
pub use tracks::{Track, Tracks, parse_tracks};
