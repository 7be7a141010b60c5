//! From a folder of songs to batches: scanning, splitting, loading, caching, drawing.

mod batches;
mod cache;
mod common;
mod library;
mod scan;
mod split;
