//! What has been downloaded: `attribution.csv` and `tracks.csv` for people and for splits, and an archive of the form
//! of yt-dlp's.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::error::DownloadError;
use super::table::Table;
use crate::files::{self, write_atomic};

const ATTRIBUTION: &str = "attribution.csv";
const TRACKS: &str = "tracks.csv";
const ARCHIVE: &str = ".download-archive.txt";

/// A song that was downloaded. Paths are relative to the dataset, with `/` between folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub path: String,
    pub genre: String,
    pub title: String,
    pub artist: String,
    pub licence: String,
    /// Its page, for people.
    pub url: String,
    /// Its [`key_of`].
    pub id: String,
    /// The address that it was fetched by.
    pub source: String,
    /// The day, as YYYY-MM-DD in UTC.
    pub downloaded: String,
}

/// What identifies a song: the site's name and number for it, where it has one; else its address.
pub(super) fn key_of(site: Option<String>, address: &str) -> String {
    site.unwrap_or_else(|| format!("url {address}"))
}

/// What is known of a song.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    New,
    /// It lies in this genre's folder, at this path.
    There(String, PathBuf),
    /// It was downloaded before and is not where it was put.
    Removed,
}

/// What has been downloaded into a dataset.
pub(super) struct Records {
    root: PathBuf,
    /// Genre and whereabouts by key.
    songs: HashMap<String, (String, PathBuf)>,
    archive: HashSet<String>,
    /// Genre and whereabouts of each row.
    rows: Vec<(String, PathBuf)>,
    /// Why `tracks.csv` is left alone, once it is.
    pub tracks: Option<String>,
}

impl Records {
    /// Reads the records of the dataset at `root`; none where there are none.
    pub fn open(root: &Path) -> Result<Self, DownloadError> {
        let mut records = Self {
            root: root.to_owned(),
            songs: HashMap::new(),
            archive: HashSet::new(),
            rows: Vec::new(),
            tracks: None,
        };
        records.archive = lines(&root.join(ARCHIVE))?.lines().map(|line| line.trim().to_owned()).collect();
        for [path, genre, id, source] in records.attribution()?.columns(["path", "genre", "id", "source"]) {
            records.note(path, genre, id, source);
        }
        Ok(records)
    }

    fn attribution(&self) -> Result<Table, DownloadError> {
        let header = ["path", "genre", "title", "artist", "licence", "url", "id", "source", "downloaded"];
        Table::open(&self.root.join(ATTRIBUTION), &header)
    }

    fn note(&mut self, path: &str, genre: &str, id: &str, source: &str) {
        let place = (genre.to_owned(), self.root.join(path));
        self.rows.push(place.clone());
        for key in [id.to_owned(), key_of(None, source)] {
            self.songs.insert(key, place.clone());
        }
    }

    /// How many songs that were downloaded for `genre` are there.
    pub fn there(&self, genre: &str) -> usize {
        self.rows.iter().filter(|(of, path)| of == genre && path.is_file()).count()
    }

    /// What is known of the song of this address, and of this key where the site has one.
    pub fn knows(&self, site: Option<&str>, address: &str) -> Known {
        let url = key_of(None, address);
        let keys = || site.into_iter().chain([url.as_str()]);
        match keys().find_map(|key| self.songs.get(key)) {
            Some((genre, path)) if path.is_file() => Known::There(genre.clone(), path.clone()),
            Some(_) => Known::Removed,
            None if keys().any(|key| self.archive.contains(key)) => Known::Removed,
            None => Known::New,
        }
    }

    /// Records a song that lies at its place. Recording it again changes nothing.
    pub fn add(&mut self, row: &Row) -> Result<(), DownloadError> {
        self.attribution()?.add(&[
            ("path", &row.path),
            ("genre", &row.genre),
            ("title", &row.title),
            ("artist", &row.artist),
            ("licence", &row.licence),
            ("url", &row.url),
            ("id", &row.id),
            ("source", &row.source),
            ("downloaded", &row.downloaded),
        ])?;
        if !row.artist.is_empty() && self.tracks.is_none() {
            let cells = [("path", row.path.as_str()), ("genre", &row.genre), ("artist", &row.artist)];
            let added = Table::open(&self.root.join(TRACKS), &["path", "genre", "artist"])
                .and_then(|mut table| table.add(&cells));
            match added {
                // A table of the user's own that cannot be read is theirs to mend; the artists are not lost.
                Err(DownloadError::Table { path, reason }) => {
                    let path = files::shown(&path);
                    self.tracks = Some(format!(
                        "{path}: {reason}; left as it is, and the artists are in {ATTRIBUTION} only"
                    ));
                }
                other => other?,
            }
        }
        self.archive(&[row.id.clone(), key_of(None, &row.source)])?;
        self.note(&row.path, &row.genre, &row.id, &row.source);
        Ok(())
    }

    fn archive(&mut self, keys: &[String]) -> Result<(), DownloadError> {
        let path = self.root.join(ARCHIVE);
        let mut text = lines(&path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for key in keys {
            if self.archive.insert(key.clone()) {
                text.push_str(key);
                text.push('\n');
            }
        }
        write_atomic(&path, text.as_bytes()).map_err(DownloadError::io(&path))
    }
}

/// The text of a file; none where there is no file.
fn lines(path: &Path) -> Result<String, DownloadError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(DownloadError::io(path)(error)),
    }
}

/// Today in UTC, as YYYY-MM-DD.
pub(super) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// The date so many days after 1970-01-01. Years are counted from March, so that the leap day ends them
/// (H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days).
fn date(days: u64) -> String {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str, site: Option<&str>, source: &str) -> Row {
        let id = key_of(site.map(str::to_owned), source);
        let text = |text: &str| text.to_owned();
        let genre = text(path.split('/').next().unwrap());
        Row { path: text(path), genre, artist: text("A"), id, source: text(source), ..Row::default() }
    }

    #[test]
    fn songs_are_known_by_key_and_address() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("rock")).unwrap();
        for name in ["a.wav", "b.wav"] {
            fs::write(root.join("rock").join(name), "x").unwrap();
        }
        let mut records = Records::open(root).unwrap();
        for _ in 0..2 {
            records.add(&row("rock/a.wav", Some("soundcloud 1"), "http://h/a")).unwrap();
            records.add(&row("rock/b.wav", None, "http://h/b")).unwrap();
        }
        fs::remove_file(root.join("rock/b.wav")).unwrap();
        let records = Records::open(root).unwrap();
        let rock = Known::There("rock".to_owned(), root.join("rock/a.wav"));
        assert_eq!(records.knows(Some("soundcloud 1"), "http://h/other"), rock);
        assert_eq!(records.knows(None, "http://h/a"), rock);
        assert_eq!(records.knows(None, "http://h/b"), Known::Removed);
        assert_eq!(records.knows(Some("soundcloud 2"), "http://h/c"), Known::New);
        assert_eq!((records.there("rock"), records.there("pop")), (1, 0));
        assert_eq!(
            fs::read_to_string(root.join(TRACKS)).unwrap(),
            "path,genre,artist\nrock/a.wav,rock,A\nrock/b.wav,rock,A\n"
        );
        assert_eq!(
            fs::read_to_string(root.join(ARCHIVE)).unwrap(),
            "soundcloud 1\nurl http://h/a\nurl http://h/b\n"
        );
        assert_eq!(fs::read_to_string(root.join(ATTRIBUTION)).unwrap().lines().count(), 3);
        // The archive alone remembers too.
        fs::remove_file(root.join(ATTRIBUTION)).unwrap();
        assert_eq!(Records::open(root).unwrap().knows(Some("soundcloud 1"), "http://h/x"), Known::Removed);
    }

    #[test]
    fn dates() {
        for (days, text) in
            [(0, "1970-01-01"), (11_016, "2000-02-29"), (11_017, "2000-03-01"), (20_453, "2025-12-31")]
        {
            assert_eq!(date(days), text);
        }
    }
}
