//! `tracks.csv`: artist and fold of songs.

use std::collections::HashMap;
use std::path::Path;

use super::error::DatasetError;

/// What a row of `tracks.csv` says about a song.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Track {
    pub genre: Option<String>,
    pub artist: Option<String>,
    pub fold: Option<u32>,
    pub line: u64,
}

/// The rows of `tracks.csv` by path (relative to the root, with `/` between folders).
pub(super) type Tracks = HashMap<String, Track>;

/// Reads a `tracks.csv`. Columns: `path`, and optionally `genre`, `artist` (or `source`) and `fold`; others are
/// ignored, and so are blank cells.
pub(super) fn read_tracks(path: &Path) -> Result<Tracks, DatasetError> {
    let fail = |line, reason: String| DatasetError::Tracks { path: path.to_owned(), line, reason };
    let bytes = std::fs::read(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let line_of = |position: Option<&csv::Position>| position.map_or(1, |p| line_at(&bytes, p.byte()));
    let csv_error = |error: csv::Error| {
        let line = line_of(error.position());
        match error.into_kind() {
            csv::ErrorKind::Io(source) => DatasetError::Io { path: path.to_owned(), source },
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => fail(
                line,
                format!(
                    "{len} cells where the header has {expected_len}; put cells that contain commas in quotes"
                ),
            ),
            csv::ErrorKind::Utf8 { .. } => fail(line, "not UTF-8 text; save the file as UTF-8".to_owned()),
            _ => fail(line, "cannot be read as comma-separated values; see dataset/README.md".to_owned()),
        }
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes.as_slice());
    let headers = reader.headers().map_err(csv_error)?.clone();
    let column =
        |name: &str| headers.iter().position(|h| h.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name));
    let Some(path_column) = column("path") else {
        return Err(fail(
            1,
            "no column \"path\"; begin the file with a header line such as path,genre,artist,fold".to_owned(),
        ));
    };
    let (genre, artist, fold) = (column("genre"), column("artist").or(column("source")), column("fold"));

    let mut tracks = Tracks::new();
    for record in reader.records() {
        let record = record.map_err(csv_error)?;
        let line = line_of(record.position());
        let cell = |i: Option<usize>| i.and_then(|i| record.get(i)).filter(|c| !c.is_empty());
        let name = cell(Some(path_column))
            .ok_or_else(|| {
                fail(line, "no path; name the song's file relative to the dataset folder".to_owned())
            })?
            .replace('\\', "/");
        let name = name.trim_start_matches("./").to_owned();
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Err(fail(
                line,
                format!("the path \"{name}\" leaves the dataset folder; give it relative to that folder"),
            ));
        }
        let fold = cell(fold)
            .map(|text| {
                text.parse().map_err(|_| {
                    fail(line, format!("the fold \"{text}\" is not a whole number, such as 0 or 3"))
                })
            })
            .transpose()?;
        let track = Track {
            genre: cell(genre).map(str::to_owned),
            artist: cell(artist).map(str::to_owned),
            fold,
            line,
        };
        if let Some(first) = tracks.insert(name.clone(), track) {
            return Err(fail(
                line,
                format!("\"{name}\" was listed before, in line {}; remove one of them", first.line),
            ));
        }
    }
    Ok(tracks)
}

/// The line, from 1, of the record that starts at or after `offset`. The csv reader's own count is one short after
/// CRLF, and after blank lines.
fn line_at(bytes: &[u8], offset: u64) -> u64 {
    let offset = (offset as usize).min(bytes.len());
    let breaks = bytes[offset..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    1 + bytes[..offset + breaks].iter().filter(|&&b| b == b'\n').count() as u64
}
