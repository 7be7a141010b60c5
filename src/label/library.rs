//! The songs of a library in any folder layout.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::LabelError;
use super::plan::Shard;
use crate::audio::has_audio_extension;
use crate::{files, paths};

/// A song of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path in the library, as [`paths::text`] gives it.
    pub name: String,
    /// Where it is, without links.
    pub path: PathBuf,
}

/// The songs of a library.
#[derive(Clone, Debug, Default)]
pub struct Songs {
    /// The folder, absolute and without links.
    pub root: PathBuf,
    /// Sorted by name, each file once.
    pub found: Vec<Found>,
    /// What could not be read, or leads out of the library, with the reason.
    pub problems: Vec<(PathBuf, String)>,
}

/// Finds the audio files below a folder, of all or of a part. Hidden files and folders are passed over, and links to folders
/// (those that lead out of the library are told); links to files are followed where they stay in the library.
///
/// # Errors
/// [`LabelError::Io`] where the folder cannot be read.
pub fn find(root: &Path, shard: Option<Shard>) -> Result<Songs, LabelError> {
    let wrong = |what: &str| LabelError::Other(format!("{}: {what}", files::shown(root)));
    let real = fs::canonicalize(root).map_err(|error| match error.kind() {
        ErrorKind::NotFound => wrong("there is no such folder"),
        _ => LabelError::at(root)(error),
    })?;
    if real.is_file() {
        return Err(wrong("it is a file; name the folder that it lies in"));
    }
    fs::read_dir(&real).map_err(LabelError::at(root))?;
    let mut songs = Songs { root: real.clone(), ..Songs::default() };
    let mut folders = vec![real.clone()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                songs.problems.push((folder, format!("cannot be read: {error}")));
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.file_type() {
                _ if entry.file_name().as_encoded_bytes().starts_with(b".") => {}
                Ok(kind) if kind.is_dir() => folders.push(path),
                // One that leads to a folder of the library hides nothing.
                Ok(kind)
                    if kind.is_symlink()
                        && path.is_dir()
                        && fs::canonicalize(&path).is_ok_and(|real| !real.starts_with(&songs.root)) =>
                {
                    let reason =
                        "a link to a folder out of the library; its songs are a library of their own";
                    songs.problems.push((path, reason.to_owned()));
                }
                Ok(kind) if has_audio_extension(&path) && (kind.is_file() || kind.is_symlink()) => {
                    songs.add(path, kind.is_symlink(), shard);
                }
                _ => {}
            }
        }
    }
    songs.found.sort_by(|a, b| a.name.cmp(&b.name));
    // A link and its target are one file.
    let mut seen = HashSet::new();
    songs.found.retain(|song| seen.insert(song.path.clone()));
    songs.problems.sort();
    Ok(songs)
}

impl Songs {
    /// Fails where there is none.
    ///
    /// # Errors
    /// [`LabelError::Other`].
    pub fn some(self) -> Result<Self, LabelError> {
        if !self.found.is_empty() {
            return Ok(self);
        }
        Err(LabelError::Other(format!(
            "{}: no song is below it that can be opened (songs are known by their extensions, such as .mp3 and .flac)",
            files::shown(&self.root)
        )))
    }

    fn add(&mut self, path: PathBuf, link: bool, shard: Option<Shard>) {
        let real = if link { fs::canonicalize(&path) } else { Ok(path.clone()) };
        let within = match &real {
            Ok(real) => real.strip_prefix(&self.root).map_err(|_| "a link out of the library".to_owned()),
            Err(error) => Err(format!("a link that leads nowhere: {error}")),
        };
        // By the target, so that links to it come to the same shard.
        let name = match within {
            Ok(name) => paths::text(name),
            Err(reason) => return self.problems.push((path, reason)),
        };
        if shard.is_none_or(|shard| shard.has(&name))
            && let Ok(real) = real
            && real.is_file()
        {
            self.found.push(Found { name, path: real });
        }
    }
}
