//! `tracks.csv`: artist and fold of songs.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::path::Path;

use super::error::DatasetError;
use super::quotes::unbalanced;

/// What a row of `tracks.csv` says about a song.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The genre, where given.
    pub genre: Option<String>,
    /// Who made it, where given.
    pub artist: Option<String>,
    /// What else it is called, where given: labels that do not exclude each other.
    pub tags: Vec<String>,
    /// The fold of a cross-validation that it belongs to, where given.
    pub fold: Option<u32>,
    /// Line of the file, from 1.
    pub line: u64,
}

/// The rows of `tracks.csv` by path: relative to the dataset's root, with one `/` between folders, and without `.` and
/// `..`.
pub type Tracks = HashMap<String, Track>;

/// Reads the file at `path` as [`parse_tracks`] does.
pub(super) fn read_tracks(path: &Path) -> Result<Tracks, DatasetError> {
    let bytes = std::fs::read(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    parse_tracks(&bytes, path)
}

/// Parses the bytes of a `tracks.csv`; `path` only names it in errors. Columns: `path`, and optionally `genre`, `artist`
/// (or `source`), `fold` and `tags`, which semicolons separate; others are ignored, and so are blank cells.
///
/// # Errors
/// [`DatasetError::Tracks`] with the line: a quote that is never closed, no column `path`, a row with another number of cells than the header, text
/// that is not UTF-8, a path that is missing, leaves the dataset or was listed before, or a fold that is no whole number.
pub fn parse_tracks(bytes: &[u8], path: &Path) -> Result<Tracks, DatasetError> {
    let fail = |line, reason: String| DatasetError::Tracks { path: path.to_owned(), line, reason };
    if let Some(quote) = unbalanced(bytes) {
        return Err(fail(line_at(bytes, quote.byte), quote.reason().to_owned()));
    }
    let mut lines = Lines::new(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => return Err(csv_error(error, path, &mut lines)),
    };
    let column = |name: &str| headers.iter().position(|h| h.eq_ignore_ascii_case(name));
    let Some(path_column) = column("path") else {
        let separator = match headers.iter().any(|h| h.contains([';', '\t'])) {
            true => " (cells are separated by commas, not by semicolons or tabs)",
            false => "",
        };
        let reason = "no column \"path\"; begin the file with a header line such as path,genre,artist,fold";
        return Err(fail(lines.of(headers.position()), format!("{reason}{separator}")));
    };
    let (genre, artist, fold) = (column("genre"), column("artist").or(column("source")), column("fold"));
    let tags = column("tags");

    let mut tracks = Tracks::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => return Err(csv_error(error, path, &mut lines)),
        };
        let line = lines.of(record.position());
        let cell = |i: Option<usize>| i.and_then(|i| record.get(i)).filter(|c| !c.is_empty());
        let given = cell(Some(path_column)).ok_or_else(|| {
            fail(line, "no path; name the song's file relative to the dataset folder".to_owned())
        })?;
        let name = relative(given).ok_or_else(|| {
            let reason = "leaves the dataset folder or names no file in it; give it relative to that folder";
            fail(line, format!("the path {given:?} {reason}"))
        })?;
        let fold = cell(fold)
            .map(|text| {
                text.parse().map_err(|_| {
                    fail(line, format!("the fold {text:?} is not a whole number, such as 0 or 3"))
                })
            })
            .transpose()?;
        let track = Track {
            genre: cell(genre).map(str::to_owned),
            artist: cell(artist).map(str::to_owned),
            tags: cell(tags)
                .into_iter()
                .flat_map(|cell| cell.split(';'))
                .map(str::trim)
                .filter(|tag| !tag.is_empty())
                .map(str::to_owned)
                .collect(),
            fold,
            line,
        };
        match tracks.entry(name) {
            Slot::Vacant(slot) => slot.insert(track),
            Slot::Occupied(slot) => {
                let (name, first) = (slot.key(), slot.get().line);
                return Err(fail(
                    line,
                    format!("{name:?} was listed before, in line {first}; remove one of them"),
                ));
            }
        };
    }
    Ok(tracks)
}

/// What `error` of the csv reader means, and its cure.
fn csv_error(error: csv::Error, path: &Path, lines: &mut Lines) -> DatasetError {
    let line = lines.of(error.position());
    let reason = match error.into_kind() {
        csv::ErrorKind::Io(source) => return DatasetError::Io { path: path.to_owned(), source },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "{len} cells where the header has {expected_len}; put cells that contain commas in quotes"
            )
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8 text; save the file as UTF-8".to_owned(),
        _ => "cannot be read as comma-separated values; see dataset/README.md".to_owned(),
    };
    DatasetError::Tracks { path: path.to_owned(), line, reason }
}

/// A path with single `/` between its parts, without `.`; `None` where it is absolute (on any system), has `..` or
/// names nothing.
pub(super) fn relative(path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let drive = matches!(parts.first()?.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic());
    let leaves = path.starts_with('/') || drive || parts.contains(&"..");
    (!leaves).then(|| parts.join("/"))
}

/// The line, from 1, of a byte.
fn line_at(bytes: &[u8], byte: u64) -> u64 {
    let mut lines = Lines::new(bytes);
    while (lines.at as u64) < byte {
        lines.step();
    }
    lines.line
}

/// Counts lines as editors do: after LF, CRLF or CR. The csv reader's own count is short by one after CRLF, and after
/// blank lines.
struct Lines<'a> {
    bytes: &'a [u8],
    /// How many bytes were looked at, and the line that the next one is in.
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, line: 1 }
    }

    /// The line, from 1, of the record that starts at or after a position. Positions must not go back, so that a whole
    /// file is looked at once.
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position.map_or(0, |p| p.byte() as usize);
        while let Some(&byte) = self.bytes.get(self.at)
            && (self.at < start || matches!(byte, b'\r' | b'\n'))
        {
            self.step();
        }
        self.line
    }

    /// Goes on by a byte, if there is one.
    fn step(&mut self) {
        let byte = self.bytes.get(self.at);
        self.at += 1;
        let ends = byte == Some(&b'\n') || byte == Some(&b'\r') && self.bytes.get(self.at) != Some(&b'\n');
        self.line += u64::from(ends);
    }
}
