//! Comma-separated tables that only ever grow.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::DownloadError;
use crate::dataset::quotes::unbalanced;
use crate::files::write_atomic;

/// A table with a column "path". Rows are added at its end; what was there keeps every byte, so that a table of the
/// user's own loses nothing.
pub(super) struct Table {
    path: PathBuf,
    bytes: Vec<u8>,
    header: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    /// Reads a table; where there is none, it begins with `header`.
    pub fn open(path: &Path, header: &[&str]) -> Result<Self, DownloadError> {
        let fail = |reason: String| DownloadError::Table { path: path.to_owned(), reason };
        let mut bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(DownloadError::io(path)(error)),
        };
        if bytes.is_empty() {
            bytes = line(header).map_err(fail)?;
        } else if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        // A row that is added behind such a quote would be a part of it.
        if let Some(quote) = unbalanced(&bytes) {
            let line = 1 + bytes.iter().take(quote.byte as usize).filter(|&&byte| byte == b'\n').count();
            return Err(fail(format!("line {line}: {}", quote.reason())));
        }
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes.as_slice());
        let parse = |error: csv::Error| fail(format!("cannot be read as comma-separated values ({error})"));
        let names = reader.headers().map_err(parse)?.iter();
        let names: Vec<_> =
            names.map(|name| name.trim_start_matches('\u{feff}').to_ascii_lowercase()).collect();
        let rows = reader.records().collect::<Result<Vec<_>, _>>().map_err(parse)?;
        if !names.iter().any(|name| name == "path") {
            return Err(fail("no column \"path\"".to_owned()));
        }
        Ok(Self { path: path.to_owned(), header: names, rows, bytes })
    }

    /// The cells of the columns `names` in every row; empty where there is no such column.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> impl Iterator<Item = [&str; N]> {
        let at = names.map(|name| self.header.iter().position(|have| have == name));
        self.rows.iter().map(move |row| at.map(|i| i.and_then(|i| row.get(i)).unwrap_or_default()))
    }

    /// Adds a row with these cells (column, text), unless one has its path already. Columns that the table lacks are
    /// left out, and those that the row lacks are empty. The file is replaced at once.
    pub fn add(&mut self, cells: &[(&str, &str)]) -> Result<(), DownloadError> {
        let cell =
            |name: &str| cells.iter().find(|(column, _)| *column == name).map_or("", |(_, text)| *text);
        let same = |path: &str| path.replace('\\', "/").trim_start_matches("./") == cell("path");
        if self.columns(["path"]).any(|[path]| same(path)) {
            return Ok(());
        }
        let row: Vec<&str> = self.header.iter().map(|name| cell(name)).collect();
        let record = csv::StringRecord::from(row.clone());
        let row = line(&row).map_err(|reason| DownloadError::Table { path: self.path.clone(), reason })?;
        self.bytes.extend(row);
        // Through a link, to what it points to.
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        write_atomic(&target, &self.bytes).map_err(DownloadError::io(&self.path))?;
        self.rows.push(record);
        Ok(())
    }
}

/// One line of comma-separated values.
fn line(cells: &[&str]) -> Result<Vec<u8>, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(|error| error.to_string())?;
    writer.into_inner().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tracks.csv");
        let own = "Fold,PATH,note,artist\r\n3,rock/a.wav,\"x, \"\"y\"\"\",A";
        fs::write(&path, own).unwrap();
        let mut table = Table::open(&path, &["path"]).unwrap();
        table.add(&[("path", "rock/a.wav"), ("artist", "other")]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), own);
        table.add(&[("path", "rock/b.wav"), ("artist", "B, \"C\""), ("genre", "rock")]).unwrap();
        table.add(&[("path", "rock/b.wav"), ("artist", "twice")]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{own}\n,rock/b.wav,,\"B, \"\"C\"\"\"\n"));
        let again = Table::open(&path, &["path"]).unwrap();
        let rows: Vec<_> = again.columns(["path", "artist", "none"]).collect();
        assert_eq!(rows, [["rock/a.wav", "A", ""], ["rock/b.wav", "B, \"C\"", ""]]);
    }

    #[test]
    fn a_new_table_has_its_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.csv");
        let mut table = Table::open(&path, &["path", "genre"]).unwrap();
        assert!(!path.exists());
        table.add(&[("genre", "pop"), ("path", "pop/a.wav")]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "path,genre\npop/a.wav,pop\n");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        for bytes in [&b"a,b\n1,2\n"[..], b"path,b\n1\n", b"path\n\xff\n", b"path,b\nx,\"y\nz,w\n"] {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(Table::open(&path, &["path"]), Err(DownloadError::Table { .. })));
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
}
