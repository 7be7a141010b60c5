//! Who trained and who validated, as a run's `split.csv` has it.

use std::path::Path;

use super::error::DatasetError;
use super::names::Places;

/// On which side of a [`Split`](super::Split) a song is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Train,
    Validation,
}

/// The sides of songs by their names.
#[derive(Clone, Debug)]
pub struct Sides(Places<Side>);

impl Sides {
    /// The side of the song with this [`Entry::name`]: of the one that is called so, or else of the only one whose name
    /// differs in nothing but the form of its accents, as after a copy to another file system.
    ///
    /// [`Entry::name`]: super::Entry::name
    pub fn get(&self, name: &str) -> Option<Side> {
        self.0.get(name).copied()
    }

    /// How many songs are on a side.
    pub fn count(&self, side: Side) -> usize {
        self.0.values().filter(|&&of| of == side).count()
    }
}

/// The sides of songs, from a table that [`Split::to_csv`](super::Split::to_csv) made. Other columns than `path` and `split` are
/// ignored.
///
/// # Errors
/// [`DatasetError::Io`] where the file cannot be read; [`DatasetError::Tracks`] with the line that is no row of such a table.
pub fn read_sides(path: &Path) -> Result<Sides, DatasetError> {
    let bytes = std::fs::read(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let fail = |line: u64, reason: &str| DatasetError::Tracks {
        path: path.to_owned(),
        line,
        reason: format!("{reason}; this is not a table that a training wrote"),
    };
    let mut table = csv::Reader::from_reader(&bytes[..]);
    let header = table.headers().map_err(|_| fail(1, "no header"))?.clone();
    let column = |name: &str| {
        header.iter().position(|cell| cell == name).ok_or_else(|| fail(1, &format!("no column \"{name}\"")))
    };
    let (name, side) = (column("path")?, column("split")?);
    let row = |row: Result<csv::StringRecord, csv::Error>| {
        let row = row.map_err(|e| {
            fail(e.position().map_or(1, csv::Position::line), "a row that does not fit the header")
        })?;
        let side = match row.get(side) {
            Some("train") => Side::Train,
            Some("validation") => Side::Validation,
            _ => {
                let line = row.position().map_or(1, csv::Position::line);
                return Err(fail(line, "a split that is neither \"train\" nor \"validation\""));
            }
        };
        Ok((row.get(name).unwrap_or_default().to_owned(), side))
    };
    Ok(Sides(Places::new(table.records().map(row).collect::<Result<_, _>>()?)))
}
