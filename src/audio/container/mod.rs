//! Readers of containers: our own where symphonia's does not read what other programs write, and what has to be mended
//! before symphonia's reads a file. `docs/formats.md` says which is which, and why.

pub(super) mod aiff;
pub(super) mod around;
pub(super) mod caf;
mod chunks;
mod coding;
mod ebml;
pub(super) mod elementary;
pub(super) mod flac;
pub(super) mod flac_frame;
pub(super) mod flac_info;
pub(super) mod frame;
mod info;
pub(super) mod matroska;
pub(super) mod mp4;
mod names;
pub(super) mod ogg;
mod page;
mod pcm;
pub(super) mod splice;
mod tracks;
pub(super) mod wave;
pub(super) mod window;
