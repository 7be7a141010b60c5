//! What can be wrong with a dataset, each with its cure.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::audio::AudioError;
use crate::files;

/// How the reason of a folder begins that the list of genres does not name.
pub(super) const UNLISTED: &str = "not a genre of";

/// A dataset that cannot be used. Prints as one line with the cure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The root does not exist.
    #[error("{}: no such folder; name one that has a subfolder of songs for each genre", files::shown(.0))]
    NoSuchFolder(PathBuf),
    /// The root is a file.
    #[error("{}: this is a file; name the folder that has a subfolder of songs for each genre", files::shown(.0))]
    NotAFolder(PathBuf),
    /// A folder or file could not be read.
    #[error("{}: cannot be read: {source}; check its permissions", files::shown(path))]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No subfolder has an audio file in it.
    #[error(
        "{}: no genre folders: put the songs into one subfolder for each genre, such as {}{}{}",
        files::shown(root),
        files::shown(&root.join("rock").join("song.mp3")),
        loose_note(*loose),
        unlisted_note(unlisted)
    )]
    NoGenres {
        /// The dataset's root.
        root: PathBuf,
        /// Audio files that lie in the root itself.
        loose: usize,
        /// Folders of songs that the list of genres does not name, and folders that are not looked into.
        unlisted: Vec<Problem>,
    },
    /// There is no audio file.
    #[error(
        "{}: no songs here; name a folder that has audio files in it, at any depth{}",
        files::shown(root),
        unlisted_note(problems)
    )]
    NoSongs {
        /// The folder.
        root: PathBuf,
        /// Folders that are not looked into.
        problems: Vec<Problem>,
    },
    /// `genres.txt` names nothing.
    #[error("{}: no genre in this list; name one a line, or delete it to take every folder as a genre", files::shown(.0))]
    NoListedGenres(PathBuf),
    /// Fewer than two genres have songs that can be used.
    #[error(
        "{}: songs of at least two genres are needed, and {}{}; add a second folder of songs{}",
        files::shown(root),
        match genres.as_slice() { [] => "no genre has any".to_owned(), names => format!("only \"{}\" has any", names.join("\", \"")) },
        problem_note(problems.len()),
        if !problems.is_empty() { ", or mend or convert the files" } else { "" }
    )]
    TooFewGenres {
        /// The dataset's root.
        root: PathBuf,
        /// Genres that do have songs.
        genres: Vec<String>,
        /// Files that could not be used.
        problems: Vec<Problem>,
    },
    /// A line of `tracks.csv` is not what it must be.
    #[error("{}, line {line}: {reason}", files::shown(path))]
    Tracks {
        /// The csv file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong, and the cure.
        reason: String,
    },
    /// Folds that are not possible.
    #[error("{} not possible: give 2 to {most}, the number of groups of songs that share no artist", folds_are(*count))]
    Folds {
        /// Folds asked for.
        count: usize,
        /// Most that are possible.
        most: usize,
    },
    /// Songs without a fold where the dataset's own are asked for.
    #[error(
        "{}: no fold is given for {}, and {} in all; give every song one in tracks.csv, or have folds dealt",
        files::shown(root),
        first,
        count
    )]
    NoFold {
        /// The dataset's root.
        root: PathBuf,
        /// The first song without one.
        first: String,
        /// Songs without one.
        count: usize,
    },
    /// A song can no longer be read.
    #[error(transparent)]
    Song(#[from] AudioError),
    /// The share of validation songs is not in [0, 1).
    #[error("a validation share of {0} leaves nothing to train on; give one from 0 to below 1, such as 0.2")]
    ValidationFraction(f64),
}

fn loose_note(loose: usize) -> String {
    match loose {
        0 => String::new(),
        n => format!(" (audio files in the folder itself, {n} of them, have no genre)"),
    }
}

fn folds_are(count: usize) -> String {
    if count == 1 { "1 fold is".to_owned() } else { format!("{count} folds are") }
}

fn unlisted_note(folders: &[Problem]) -> String {
    let (unlisted, refused): (Vec<_>, Vec<_>) =
        folders.iter().partition(|folder| folder.reason.starts_with(UNLISTED));
    let names: Vec<_> =
        unlisted.iter().filter_map(|p| p.path.file_name().map(|name| files::shown(name.as_ref()))).collect();
    let mut note = match names.as_slice() {
        [] => String::new(),
        names => format!(" (genres.txt there does not name {}: add them, or delete it)", names.join(", ")),
    };
    note.extend(refused.iter().map(|folder| format!(" ({folder})")));
    note
}

fn problem_note(problems: usize) -> String {
    match problems {
        0 => String::new(),
        1 => " (1 file cannot be used)".to_owned(),
        n => format!(" ({n} files cannot be used)"),
    }
}

/// A file or folder that was passed over, and why. Prints as one line: `path: reason`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file or folder.
    #[serde(serialize_with = "files::serialize_path")]
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", files::shown(&self.path), self.reason)
    }
}

impl From<AudioError> for Problem {
    fn from(error: AudioError) -> Self {
        Self { reason: error.fault.to_string(), path: error.path }
    }
}
