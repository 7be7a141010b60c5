//! Folders of songs to training batches: scan → split → load → batches.
//!
//! A dataset is a folder whose subfolders are genres; see `dataset/README.md`. This module knows samples and labels
//! only: no tensors.

mod artists;
mod augment;
mod batches;
mod cache;
pub mod check;
pub mod demo;
#[cfg(feature = "cli")]
pub mod download;
mod error;
mod genres;
mod library;
mod names;
mod quotes;
mod scan;
mod split;
mod tracks;

pub use augment::Augmentation;
pub use batches::{Batch, BatchPlan, Batches, Sampling};
pub use cache::{Cache, Cleaned};
pub use error::{DatasetError, Problem};
#[cfg(any(test, feature = "internals"))]
pub use genres::genres;
pub use genres::{GENRES, parse_genres};
pub use library::Library;
pub use scan::{DEMO, Dataset, Entry, GENRES_FILE, scan};
pub use split::{Side, Sides, Split, folds, folds_given, read_sides, split};
pub use tracks::{Track, Tracks, parse_tracks};
