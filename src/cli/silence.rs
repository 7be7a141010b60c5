//! Of several processes that work as one, the first alone prints.

use std::sync::atomic::{AtomicBool, Ordering};

static SILENT: AtomicBool = AtomicBool::new(false);

/// Whether nothing is to be printed here.
pub fn is_silent() -> bool {
    SILENT.load(Ordering::Relaxed)
}

/// Another process prints.
#[cfg(feature = "mpi")]
pub fn be_silent() {
    SILENT.store(true, Ordering::Relaxed);
}
