//! Of several processes that work as one, the first alone prints; what the others would have said is kept until it is gathered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

static SILENT: AtomicBool = AtomicBool::new(false);

/// The lines of one of several processes, until they are gathered.
static KEPT: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Whether nothing is to be printed here.
pub fn is_silent() -> bool {
    SILENT.load(Ordering::Relaxed)
}

/// Keeps a line, where this is one of several processes.
pub fn keep(line: &str) {
    if let Some(kept) = &mut *KEPT.lock().unwrap_or_else(PoisonError::into_inner) {
        kept.push(line.to_owned());
    }
}

/// This is one of several processes; where it is not the first, another one prints.
#[cfg(feature = "mpi")]
pub fn be_one_of_several(first: bool) {
    SILENT.store(!first, Ordering::Relaxed);
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
}

/// The lines so far. From now on none are kept.
pub fn kept() -> Vec<String> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
}
