//! Finds the genres and songs of a dataset folder.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::artists::artists;
use super::error::{DatasetError, Problem, UNLISTED};
use super::genres::{parse_genres, warnings};
use super::names::{composed, folded, place, squeezed};
use super::tracks::{Tracks, read_tracks};
use crate::audio::has_audio_extension;
use crate::{files, paths};

/// The folder of synthesised songs under a dataset's root. It is a dataset of its own, never a genre.
pub const DEMO: &str = "demo";

/// The name of the optional table of artists and folds in a dataset's root.
const TRACKS: &str = "tracks.csv";

/// The name of the optional list of genres in a dataset's root.
pub const GENRES_FILE: &str = "genres.txt";

/// Files in a dataset's root that belong to it.
const OWN_FILES: [&str; 3] = [TRACKS, GENRES_FILE, "attribution.csv"];

/// The songs of a folder, by genre.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// The folder.
    pub root: PathBuf,
    /// Labels: the names of the genre folders in Unicode's composed form, sorted, or in the order of `genres.txt`.
    pub genres: Vec<String>,
    /// Songs, sorted by [`Entry::name`].
    pub songs: Vec<Entry>,
    /// Files that were passed over because their extension is not one of audio.
    pub other_files: usize,
    /// What could not be read, and rows of `tracks.csv` without a file.
    pub problems: Vec<Problem>,
    /// What is probably not meant although it can be used, each with its cure: genres that look alike, or
    /// whose names tags cannot hold.
    pub warnings: Vec<String>,
}

/// A song of a [`Dataset`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the file is (the root included).
    pub path: PathBuf,
    /// The path relative to the root with `/` between folders, as [`paths::text`] gives it: the same wherever the dataset
    /// lies, and another for every file.
    pub name: String,
    /// Index into [`Dataset::genres`].
    pub genre: usize,
    /// Everybody who made it, where `tracks.csv` or, once it was decoded, the file's own tags say so.
    pub artists: Vec<String>,
    /// What else it is called, where `tracks.csv` says so: labels that do not exclude each other.
    pub tags: Vec<String>,
    /// The fold of a cross-validation that it belongs to, where `tracks.csv` says so.
    pub fold: Option<u32>,
    /// A digest of its samples, once it was decoded: songs with the same one are one recording.
    pub content: Option<String>,
}

impl Entry {
    /// The artists as they are compared: however upper and lower case, blanks and accents are written.
    pub fn artist_keys(&self) -> impl Iterator<Item = String> + use<'_> {
        self.artists.iter().map(|artist| folded(artist))
    }
}

/// Scans `root`: its subfolders are genres, and the audio files in them, at any depth, are songs.
///
/// Hidden files and folders, the folder [`DEMO`] directly under the root, and folders without an audio file are passed
/// over. Files are recognised by their extension; what they hold is not looked at. Genres and songs are sorted, so that
/// the result does not depend on the file system's order.
///
/// Links to files are followed, wherever they lead; links to folders where they stay in `root` and do not lead to a
/// folder that holds them, each folder once a genre. Other links are a problem.
///
/// Where the root has a [`GENRES_FILE`], only the genres that it names are taken, in its order; other folders are a
/// problem. Names in it, in `tracks.csv` and of folders meet whether their accents are composed or not; folders whose
/// names differ in nothing else are one genre.
///
/// # Errors
/// [`DatasetError`]: the root is missing or unreadable, no genre folder, fewer than two genres, or a malformed
/// `tracks.csv`.
pub fn scan(root: &Path) -> Result<Dataset, DatasetError> {
    let data = survey(root)?;
    data.require_two_genres(&[])?;
    Ok(data)
}

/// All audio files under `root`, at any depth, whatever their genres: songs to be heard without labels, of one genre that
/// is called as the folder. Links are followed as [`scan`] does; of a `tracks.csv` everything but genres counts.
///
/// # Errors
/// [`DatasetError`]: the root is missing or unreadable, holds no audio file, or has a malformed `tracks.csv`.
pub fn scan_songs(root: &Path) -> Result<Dataset, DatasetError> {
    if !root.is_dir() {
        let error = if root.exists() { DatasetError::NotAFolder } else { DatasetError::NoSuchFolder };
        return Err(error(root.to_owned()));
    }
    let fail = |source| DatasetError::Io { path: root.to_owned(), source };
    let real = fs::canonicalize(root).map_err(fail)?;
    let genre = real.file_name().map_or_else(String::new, paths::text);
    let mut data = Dataset { root: root.to_owned(), genres: vec![genre], ..Dataset::default() };
    let mut walk = Walk::new(&real);
    for (name, path) in list(root).map_err(fail)? {
        if path.is_dir() {
            data.collect(&path, &name, 0, &mut walk);
        } else {
            data.take(path, name, 0);
        }
    }
    if data.songs.is_empty() {
        return Err(DatasetError::NoSongs { root: root.to_owned(), problems: data.problems });
    }
    data.songs.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.path.cmp(&b.path)));
    let csv = root.join(TRACKS);
    if csv.is_file() {
        let mut tracks = read_tracks(&csv)?;
        tracks.values_mut().for_each(|track| track.genre = None);
        data.apply(&csv, tracks)?;
    }
    Ok(data)
}

/// As [`scan`], but one genre is enough.
pub(super) fn survey(root: &Path) -> Result<Dataset, DatasetError> {
    if !root.is_dir() {
        let error = if root.exists() { DatasetError::NotAFolder } else { DatasetError::NoSuchFolder };
        return Err(error(root.to_owned()));
    }
    let entries = list(root).map_err(|source| DatasetError::Io { path: root.to_owned(), source })?;
    let real = fs::canonicalize(root).map_err(|source| DatasetError::Io { path: root.to_owned(), source })?;
    let mut data = Dataset { root: root.to_owned(), ..Dataset::default() };
    let listed = listed_genres(root)?;
    let mut loose = 0;
    for (name, path) in entries {
        if !path.is_dir() {
            if has_audio_extension(&path) {
                loose += 1;
                data.problems.push(Problem { path, reason: "not in a genre folder".to_owned() });
            } else if !OWN_FILES.contains(&name.as_str()) {
                data.other_files += 1;
            }
            continue;
        }
        if name == DEMO {
            continue;
        }
        let folder = name;
        let name = composed(&folder);
        if listed.as_ref().is_some_and(|listed| !listed.contains(&name)) {
            let mut ignored = Dataset { root: root.to_owned(), ..Dataset::default() };
            ignored.collect(&path, &folder, 0, &mut Walk::new(&real));
            if !ignored.songs.is_empty() {
                let songs = ignored.songs.len();
                let alike = listed.iter().flatten().find(|genre| squeezed(genre) == squeezed(&name));
                let alike = alike.map(|genre| format!(" (it has \"{genre}\")")).unwrap_or_default();
                let reason = format!(
                    "{UNLISTED} {GENRES_FILE}{alike}, left out with its songs ({songs}); add a line \"{name}\", or delete the list"
                );
                data.problems.push(Problem { path, reason });
            }
            continue;
        }
        let songs = data.songs.len();
        let known = data.genres.iter().position(|genre| *genre == name);
        data.collect(&path, &folder, known.unwrap_or(data.genres.len()), &mut Walk::new(&real));
        match known {
            _ if data.songs.len() == songs => {}
            None => data.genres.push(name),
            Some(_) => data.warnings.push(format!(
                "two folders are called \"{name}\", alike but for the form of their accents (Unicode composes them or not): \
                 taken as one genre; move the songs into one of them"
            )),
        }
    }
    data.warnings.extend(warnings(&data.genres));
    if data.genres.is_empty() {
        let unlisted = data.problems.iter().filter(|problem| problem.path.is_dir()).cloned().collect();
        return Err(DatasetError::NoGenres { root: root.to_owned(), loose, unlisted });
    }
    let order = listed.unwrap_or_else(|| {
        let mut sorted = data.genres.clone();
        sorted.sort();
        sorted
    });
    data.order(&order);
    data.songs.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.path.cmp(&b.path)));
    let csv = root.join(TRACKS);
    if csv.is_file() {
        data.apply(&csv, read_tracks(&csv)?)?;
    }
    Ok(data)
}

/// The genres of the list in `root`, if there is one.
fn listed_genres(root: &Path) -> Result<Option<Vec<String>>, DatasetError> {
    let path = root.join(GENRES_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let fail = |source| DatasetError::Io { path: path.clone(), source };
    let bytes = fs::read(&path).map_err(fail)?;
    let listed: Vec<String> =
        parse_genres(&String::from_utf8_lossy(&bytes)).iter().map(|genre| composed(genre)).collect();
    if listed.is_empty() {
        return Err(DatasetError::NoListedGenres(path));
    }
    Ok(Some(listed))
}

/// The visible entries of a folder, (name as [`paths::text`] gives it, path), sorted by name.
fn list(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut entries = fs::read_dir(folder)?
        .map(|entry| entry.map(|e| (paths::text(e.file_name()), e.path())))
        .collect::<Result<Vec<_>, _>>()?;
    entries.retain(|(name, _)| !name.starts_with('.'));
    entries.sort();
    Ok(entries)
}

/// The way through a genre's folders. It ends, because it does not leave the dataset and visits no folder twice.
struct Walk<'a> {
    /// The real path of the dataset's root.
    root: &'a Path,
    /// The real paths of the folders seen.
    visited: HashSet<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Path) -> Self {
        Self { root, visited: HashSet::new() }
    }

    /// What is in a folder, unless it was seen before.
    ///
    /// # Errors
    /// Why it is not looked into.
    fn enter(&mut self, folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let real = fs::canonicalize(folder).map_err(unreadable)?;
        if !real.starts_with(self.root) {
            let shown = files::shown(&real);
            return Err(format!(
                "a link out of the dataset's folder, to {shown}: not followed; put its songs here, or link them file by file"
            ));
        }
        // Where the folder, or the link to it, lies.
        let within = fs::canonicalize(folder.parent().unwrap_or(folder)).map_err(unreadable)?;
        if within.starts_with(&real) && !self.visited.contains(&real) {
            return Err("a link to a folder that it lies in: not followed; remove it".to_owned());
        }
        if self.visited.insert(real) { list(folder).map_err(unreadable) } else { Ok(Vec::new()) }
    }
}

impl Dataset {
    /// These songs, in this order, of the same genres.
    pub fn part(&self, songs: &[usize]) -> Self {
        let songs = songs.iter().map(|&song| self.songs[song].clone()).collect();
        let (root, genres) = (self.root.clone(), self.genres.clone());
        Self { root, genres, songs, other_files: 0, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Adds the songs under `folder`, whose name relative to the root is `name`.
    fn collect(&mut self, folder: &Path, name: &str, genre: usize, walk: &mut Walk<'_>) {
        let entries = match walk.enter(folder) {
            Ok(entries) => entries,
            Err(reason) => return self.problems.push(Problem { path: folder.to_owned(), reason }),
        };
        for (entry, path) in entries {
            let name = format!("{name}/{entry}");
            if path.is_dir() {
                self.collect(&path, &name, genre, walk);
            } else {
                self.take(path, name, genre);
            }
        }
    }

    /// Adds a file, where it is one of audio.
    fn take(&mut self, path: PathBuf, name: String, genre: usize) {
        if has_audio_extension(&path) {
            let (artists, tags) = (Vec::new(), Vec::new());
            self.songs.push(Entry { path, name, genre, artists, tags, fold: None, content: None });
        } else {
            self.other_files += 1;
        }
    }

    /// Puts the genres into the order of a list that has them all.
    fn order(&mut self, listed: &[String]) {
        let place = |name: &String| listed.iter().position(|l| l == name);
        let mut order: Vec<usize> = (0..self.genres.len()).collect();
        order.sort_by_key(|&genre| place(&self.genres[genre]));
        for song in &mut self.songs {
            song.genre = order.iter().position(|&genre| genre == song.genre).unwrap_or(song.genre);
        }
        self.genres.sort_by_key(place);
    }

    /// Adds what `tracks.csv` says: of the song that is called as a row says, or else of the only one that has the same
    /// [`place`].
    fn apply(&mut self, csv: &Path, mut tracks: Tracks) -> Result<(), DatasetError> {
        let mut found: Vec<_> = self.songs.iter().map(|song| tracks.remove(&song.name)).collect();
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        if !tracks.is_empty() {
            for (i, song) in self.songs.iter().enumerate().filter(|(i, _)| found[*i].is_none()) {
                places.entry(place(&song.name)).or_default().push(i);
            }
        }
        let mut missing: Vec<_> = tracks.into_iter().collect();
        missing.sort_by_key(|(_, track)| track.line);
        for (name, track) in missing {
            let reason = match places.get(&place(&name)).map(Vec::as_slice) {
                Some(&[song]) if found[song].is_none() => {
                    found[song] = Some(track);
                    continue;
                }
                Some([_, _, ..]) => "but several files are called so; write the path as split.csv does",
                _ => "but not there",
            };
            let reason = format!("listed in {TRACKS}, line {}, {reason}", track.line);
            self.problems.push(Problem { path: self.root.join(name), reason });
        }
        for (song, track) in self.songs.iter_mut().zip(found) {
            let Some(track) = track else { continue };
            let folder = &self.genres[song.genre];
            if let Some(genre) = track.genre.filter(|genre| composed(genre) != *folder) {
                let reason = format!(
                    "\"{}\" is of genre \"{genre}\" here, and in folder \"{folder}\"; move the file or mend the line",
                    song.name
                );
                return Err(DatasetError::Tracks { path: csv.to_owned(), line: track.line, reason });
            }
            song.artists = track.artist.as_deref().map_or_else(Vec::new, artists);
            song.tags = track.tags;
            song.fold = track.fold;
        }
        Ok(())
    }

    /// Fails where fewer than two genres are left.
    pub(super) fn require_two_genres(&self, problems: &[Problem]) -> Result<(), DatasetError> {
        if self.genres.len() >= 2 {
            return Ok(());
        }
        let (root, genres, problems) = (self.root.clone(), self.genres.clone(), problems.to_vec());
        Err(DatasetError::TooFewGenres { root, genres, problems })
    }

    /// The dataset with other genres, by name, whether its accents are composed or not; songs of genres that these do not name are left out. Also: the names of
    /// those.
    pub fn with_genres(mut self, genres: &[String]) -> (Self, Vec<String>) {
        let place: Vec<Option<usize>> = self
            .genres
            .iter()
            .map(|name| genres.iter().position(|genre| composed(genre) == composed(name)))
            .collect();
        let unknown = self.genres.iter().zip(&place).filter(|(_, place)| place.is_none());
        let unknown = unknown.map(|(name, _)| name.clone()).collect();
        self.songs.retain(|song| place[song.genre].is_some());
        for song in &mut self.songs {
            song.genre = place[song.genre].unwrap_or(song.genre);
        }
        self.genres = genres.to_vec();
        (self, unknown)
    }

    /// Number of songs of each genre.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.genres.len()];
        for song in &self.songs {
            counts[song.genre] += 1;
        }
        counts
    }
}
