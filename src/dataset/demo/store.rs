//! The demo set on disk: a manifest that says what it holds, and a rename that makes it appear whole.

use super::{GENRES, RATE, Spec};
use crate::audio::wav::write_wav;
use crate::files;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The file that marks a folder as a demo set.
pub const MANIFEST: &str = "demo.toml";

/// Raised whenever the same seed would give other samples: sets of other versions are rendered anew.
const VERSION: u32 = 1;

/// Whether a set was rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was there, complete.
    Found,
    /// So many songs were written.
    Rendered(usize),
}

/// Why the demo set could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", files::shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder holds something else.
    #[error(
        "{} is not part of a demo set, so {} is not replaced by one: move it away, or name another folder",
        files::shown(file),
        files::shown(dir)
    )]
    Foreign {
        /// The folder.
        dir: PathBuf,
        /// What in it is not of a demo set.
        file: PathBuf,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DemoError + '_ {
    move |source| DemoError::Io { path: path.to_owned(), source }
}

/// What a complete set says of itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    seed: u64,
    sample_rate: u32,
    genres: Vec<String>,
    songs_per_genre: usize,
    seconds: (f32, f32),
    /// Bytes of all songs together: a set that lost some is not complete.
    bytes: u64,
}

impl Manifest {
    fn new(spec: &Spec, bytes: u64) -> Self {
        Self {
            version: VERSION,
            seed: spec.seed,
            sample_rate: RATE,
            genres: GENRES.iter().map(|g| g.name.to_owned()).collect(),
            songs_per_genre: spec.songs_per_genre,
            seconds: spec.seconds,
            bytes,
        }
    }
}

/// `<genre>/<genre>-<number>.wav`
fn song_path(dir: &Path, genre: &str, index: usize) -> PathBuf {
    dir.join(genre).join(format!("{genre}-{index:02}.wav"))
}

/// Whether `dir` is a demo set, complete or not: not a genre, whatever it is called.
#[cfg(feature = "cli")]
pub fn is_demo(dir: &Path) -> bool {
    dir.join(MANIFEST).is_file()
}

/// Whether `dir` holds all songs of `spec`, in this version.
pub fn is_complete(spec: &Spec, dir: &Path) -> bool {
    let Ok(text) = fs::read_to_string(dir.join(MANIFEST)) else {
        return false;
    };
    let Ok(found) = toml::from_str::<Manifest>(&text) else {
        return false;
    };
    let sizes: Option<u64> = GENRES
        .iter()
        .flat_map(|genre| (0..spec.songs_per_genre).map(|i| song_path(dir, genre.name, i)))
        .map(|path| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|m| m.len()))
        .sum();
    sizes.is_some_and(|bytes| found == Manifest::new(spec, bytes))
}

/// See [`super::render`].
pub fn render(
    spec: &Spec,
    dir: &Path,
    progress: &(impl Fn(usize, usize) + Sync),
) -> Result<Outcome, DemoError> {
    if is_complete(spec, dir) {
        return Ok(Outcome::Found);
    }
    refuse_foreign(dir)?;
    let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or("demo");
    let prefix = format!(".{name}-partial-");
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // hidden, so that no scan takes it for a genre; one's own, so that two programs do not write into one
    let scratch = parent.join(format!("{prefix}{}", std::process::id()));
    let result = write(spec, &scratch, progress).and_then(|songs| publish(&scratch, dir).map(|()| songs));
    match result {
        Ok(songs) => {
            sweep(parent, &prefix);
            Ok(Outcome::Rendered(songs))
        }
        Err(error) => {
            // best effort: the error matters more
            let _ = fs::remove_dir_all(&scratch);
            // another program may have been faster
            if is_complete(spec, dir) { Ok(Outcome::Found) } else { Err(error) }
        }
    }
}

/// Renders all songs, and the manifest when they are written.
fn write(spec: &Spec, dir: &Path, progress: &(impl Fn(usize, usize) + Sync)) -> Result<usize, DemoError> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(at(dir))?;
    }
    for genre in GENRES {
        let folder = dir.join(genre.name);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
    }
    let total = GENRES.len() * spec.songs_per_genre;
    let done = AtomicUsize::new(0);
    progress(0, total);
    // genres take different times: single songs, interleaved over genres, share the work evenly
    let bytes = (0..total)
        .into_par_iter()
        .with_max_len(1)
        .map(|job| {
            let (genre, index) = (&GENRES[job % GENRES.len()], job / GENRES.len());
            let path = song_path(dir, genre.name, index);
            let song = spec.song(genre, index);
            write_wav(&path, RATE, &[&song.samples]).map_err(at(&path))?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            Ok(fs::metadata(&path).map_err(at(&path))?.len())
        })
        .try_reduce(|| 0, |a, b| Ok(a + b))?;

    let path = dir.join(MANIFEST);
    let text = toml::to_string(&Manifest::new(spec, bytes))
        .map_err(|e| DemoError::Io { path: path.clone(), source: io::Error::other(e) })?;
    let mut file = File::create(&path).map_err(at(&path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&path))?;
    Ok(total)
}

/// Puts a finished set in its place.
fn publish(scratch: &Path, dir: &Path) -> Result<(), DemoError> {
    if dir.exists() {
        refuse_foreign(dir)?;
        fs::remove_dir_all(dir).map_err(at(dir))?;
    }
    fs::rename(scratch, dir).map_err(at(dir))
}

/// Removes what interrupted runs left beside the set.
fn sweep(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            // best effort: a folder left over costs only space
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A set is replaced whole, so nothing may stand in its folder that is not of a set's making.
fn refuse_foreign(dir: &Path) -> Result<(), DemoError> {
    let foreign = |file: PathBuf| Err(DemoError::Foreign { dir: dir.to_owned(), file });
    if !dir.exists() {
        return Ok(());
    }
    if !dir.is_dir() {
        return foreign(dir.to_owned());
    }
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let path = entry.map_err(at(dir))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if name == MANIFEST {
            continue;
        }
        if !path.is_dir() {
            return foreign(path);
        }
        for song in fs::read_dir(&path).map_err(at(&path))? {
            let song = song.map_err(at(&path))?.path();
            if !song.file_name().and_then(|n| n.to_str()).is_some_and(|file| is_song_of(file, &name)) {
                return foreign(song);
            }
        }
    }
    Ok(())
}

/// Whether `file` is called `<genre>-<number>.wav`.
fn is_song_of(file: &str, genre: &str) -> bool {
    file.strip_prefix(genre)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_suffix(".wav"))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
