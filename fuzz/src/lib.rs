//! What the targets share: a limit on memory, and a list of the panics that the program catches.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator with a limit on what is held at once. Beyond it allocations fail, so that the process
/// aborts and libFuzzer keeps the input. (libFuzzer's own limit counts only pages that were touched, once a second.)
pub struct Limited {
    held: AtomicUsize,
    limit: usize,
}

impl Limited {
    /// At most `limit` bytes at once.
    pub const fn new(limit: usize) -> Self {
        Self { held: AtomicUsize::new(0), limit }
    }

    fn take(&self, size: usize) -> bool {
        let fits = self.held.fetch_add(size, Relaxed).saturating_add(size) <= self.limit;
        if !fits {
            self.give(size);
        }
        fits
    }

    fn give(&self, size: usize) {
        self.held.fetch_sub(size, Relaxed);
    }
}

// SAFETY: every call goes to `System` with the caller's arguments, or returns null, which stands for failure.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !self.take(layout.size()) {
            return std::ptr::null_mut();
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !self.take(layout.size()) {
            return std::ptr::null_mut();
        }
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.give(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    // The old block and the new one may both be there while one is copied to the other.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.take(size) {
            return std::ptr::null_mut();
        }
        self.give(layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Panics by place, with how often each was seen. Panics that nothing catches end the process, so what is left here
/// are those that the program turns into errors.
static CAUGHT: Mutex<Option<HashMap<String, Panics>>> = Mutex::new(None);

struct Panics {
    count: u64,
    /// Whether the input was kept.
    kept: bool,
}

/// The path of a source file from its crate's folder on, where it is not ours.
fn inside_crates(file: &str) -> &str {
    let inside = |file| Some(str::split_once(str::split_once(file, "/registry/src/")?.1, '/')?.1);
    inside(file).unwrap_or(file)
}

/// Notes every panic before the hooks that are there now see it. Call it once, after the program has set its own.
pub fn note_panics() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Some(location) = info.location() {
            let place = format!("{}:{}", inside_crates(location.file()), location.line());
            let mut caught = CAUGHT.lock().unwrap_or_else(|e| e.into_inner());
            let entry = caught.get_or_insert_default().entry(place.clone());
            let panics = entry.or_insert(Panics { count: 0, kept: false });
            panics.count += 1;
            // 1, 10, 100 ...: libFuzzer leaves no place for a last word.
            if panics.count == 10u64.pow(panics.count.ilog10()) {
                let (count, why) = (panics.count, info.payload_as_str().unwrap_or_default());
                eprintln!("panic, seen {count} ×, at {place}: {why}");
            }
        }
        previous(info);
    }));
}

/// Keeps `input` beside libFuzzer's artifacts where it made a panic at a new place that was caught.
pub fn keep_panic(input: &[u8]) {
    let mut caught = CAUGHT.lock().unwrap_or_else(|e| e.into_inner());
    let places = caught.iter_mut().flatten().filter(|(_, panics)| !panics.kept);
    for (place, panics) in places {
        panics.kept = true;
        let prefix = std::env::args().find_map(|a| Some(a.strip_prefix("-artifact_prefix=")?.to_owned()));
        let path = format!("{}caught-{}", prefix.unwrap_or_default(), place.replace(['/', ':'], "-"));
        if let Err(error) = std::fs::write(&path, input) {
            eprintln!("{path}: {error}");
        }
    }
}
