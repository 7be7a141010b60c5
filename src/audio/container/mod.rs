//! Readers of containers: our own where symphonia's does not read what other programs write, and what has to be mended
//! before symphonia's reads a file. `docs/formats.md` says which is which, and why.

pub(super) mod ogg;
pub(super) mod window;
