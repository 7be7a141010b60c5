//! A dataset from a library's own tags: a folder of links, a subfolder a genre, that training reads.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::LabelError;
use super::library::Songs;
use super::tags::{self, TagError};
use super::taxonomy::{Meaning, Taxonomy};
use crate::{audio, files, paths};

/// What was learnt of a library's tags.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Learnt {
    /// Songs of each genre that is taken.
    pub genres: BTreeMap<String, usize>,
    /// Every spelling: what it was taken for (none: nothing), and how many songs have it.
    pub spellings: BTreeMap<String, (Option<String>, usize)>,
    /// Spellings that the taxonomy does not name.
    pub unknown: BTreeMap<String, usize>,
    /// Songs without a genre that says anything.
    pub silent: usize,
    /// Songs of several genres.
    pub several: usize,
    /// Genres with too few songs that have no parent to go to, with their number.
    pub few: BTreeMap<String, usize>,
    /// Files whose tags cannot be read.
    pub unread: Vec<(String, String)>,
}

/// Reads the genres of all songs and gives each song that names one its genre. Genres of fewer than `least` songs go to
/// their parent, or are left out.
pub fn learn(songs: &Songs, taxonomy: &Taxonomy, least: usize) -> (Learnt, BTreeMap<String, Vec<PathBuf>>) {
    let mut learnt = Learnt::default();
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for song in &songs.found {
        let texts = match File::open(&song.path).map_err(TagError::from).and_then(|file| tags::genres(&file))
        {
            Ok(texts) => texts,
            Err(error) => {
                learnt.unread.push((song.name.clone(), unread(&song.path, error)));
                continue;
            }
        };
        let mut genres: Vec<String> = Vec::new();
        for (spelling, meaning) in texts.iter().flat_map(|text| taxonomy.read(text)) {
            let name = match meaning {
                Meaning::Genre(name) => Some(name),
                Meaning::Ignored => None,
                Meaning::Unknown => {
                    *learnt.unknown.entry(spelling).or_default() += 1;
                    continue;
                }
            };
            learnt.spellings.entry(spelling).or_insert((name.clone(), 0)).1 += 1;
            genres.extend(name.filter(|name| !genres.contains(name)));
        }
        // House, Electronic: it is House.
        let above = |genre: &String| {
            genres.iter().any(|other| other != genre && taxonomy.line(other).any(|g| g == genre))
        };
        let specific: Vec<&String> = genres.iter().filter(|genre| !above(genre)).collect();
        match specific[..] {
            [] => learnt.silent += 1,
            [genre] => found.entry(genre.clone()).or_default().push(song.path.clone()),
            _ => learnt.several += 1,
        }
    }
    // From the leaves up: the deepest first.
    let mut order: Vec<String> = found.keys().cloned().collect();
    order.sort_by_key(|genre| std::cmp::Reverse(taxonomy.line(genre).count()));
    let mut at = 0;
    while let Some(genre) = order.get(at).cloned() {
        at += 1;
        if found.get(&genre).is_none_or(|songs| songs.len() >= least) {
            continue;
        }
        let songs = found.remove(&genre).unwrap_or_default();
        let parent = taxonomy.line(&genre).nth(1).map(str::to_owned);
        match parent {
            Some(parent) => {
                found.entry(parent.clone()).or_default().extend(songs);
                if !order[at..].contains(&parent) {
                    order.push(parent);
                }
            }
            None => {
                learnt.few.insert(genre, songs.len());
            }
        }
    }
    learnt.genres = found.iter().map(|(genre, songs)| (genre.clone(), songs.len())).collect();
    (learnt, found)
}

/// Why the tags of a file cannot be read, in the words of a plan: that it is no song comes before what its tags are.
fn unread(path: &Path, error: TagError) -> String {
    match (error, audio::inspect(path)) {
        (TagError::Io(error), _) => format!("cannot be read: {error}"),
        (TagError::Refused(_), Err(error)) => error.fault.to_string(),
        (TagError::Refused(reason), Ok(_)) => reason,
    }
}

/// Whether the folder of links can be made: it is empty, or not there.
///
/// # Errors
/// [`LabelError`] where it is not empty, or is or lies in a file.
pub fn vacant(out: &Path) -> Result<(), LabelError> {
    let wrong = |path: &Path, what| LabelError::Other(format!("{} {what}", files::shown(path)));
    match out.ancestors().find(|path| path.exists()) {
        Some(there) if !there.is_dir() => Err(wrong(there, "is a file; name another folder with --out")),
        Some(there)
            if there == out && fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) =>
        {
            Err(wrong(out, "is not empty; name another folder with --out, or empty it"))
        }
        _ => Ok(()),
    }
}

/// Makes the folder of links. It must be empty, or not be there.
///
/// # Errors
/// As [`vacant`], and [`LabelError`] where it cannot be written.
pub fn link(found: &BTreeMap<String, Vec<PathBuf>>, out: &Path) -> Result<(), LabelError> {
    vacant(out)?;
    for (genre, songs) in found {
        let folder = out.join(genre.replace(['/', '\\', ':'], "-"));
        fs::create_dir_all(&folder).map_err(LabelError::at(&folder))?;
        for song in songs {
            let stem = files::stem(
                &paths::text(song.file_stem().unwrap_or_default()),
                song.as_os_str().as_encoded_bytes(),
            );
            let mut link = folder.join(stem);
            link.set_extension(song.extension().unwrap_or_default());
            symlink(song, &link).map_err(LabelError::at(&link))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn symlink(song: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(song, link)
}

#[cfg(windows)]
fn symlink(song: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_file(song, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(song: &Path, link: &Path) -> std::io::Result<()> {
    fs::copy(song, link).map(|_| ())
}
