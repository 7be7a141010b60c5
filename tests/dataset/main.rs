//! From a folder of songs to batches: scanning, splitting, loading, caching, drawing.

mod batches;
mod cache;
mod check;
mod common;
mod library;
mod scan;
mod split;
mod tracks;
