//! What was written, so that it can be undone: JSON Lines, synced before each file takes its new place.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::LabelError;
use super::foreign::{MARK, Wanted, foreign, unopened};
use super::plan::parse;
use super::tags::State;
use crate::{files, paths};

/// A journal's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalHeader {
    /// The version of the form: 1.
    pub journal: u32,
    /// The library's folder, absolute and without links.
    #[serde(with = "paths")]
    pub library: PathBuf,
}

/// A file that was about to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path in the library; of a link, that of its target.
    pub path: String,
    /// The digest of its audio.
    pub audio: String,
    /// The genre's fields of its tags before.
    pub before: Vec<State>,
    /// And after.
    pub after: Vec<State>,
}

/// A line of a journal that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// A journal that is open, and no other program's.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// How far it is whole.
    len: u64,
    header: JournalHeader,
    entries: Vec<Entry>,
    damaged: Vec<Damage>,
    /// The last entry of each path.
    last: HashMap<String, usize>,
}

/// What a journal begins with.
const BEGINNING: &[u8] = b"{\"journal\":";

/// How often a lock is tried for, and the pause between: a process that ends, and one that this one is about to start, hold
/// it for a moment.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(50);

impl Journal {
    /// Opens a journal, or begins one where there is none.
    ///
    /// # Errors
    /// [`LabelError`] where it is another library's, is damaged, is in use, or cannot be written.
    pub fn append(path: &Path, library: &Path) -> Result<Self, LabelError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| unopened(path, Wanted::Journal, error))?;
        let mut journal = Self::read(path, file, Some(library))?.of(library)?;
        if let Some(damage) = journal.damaged.first() {
            let reason =
                format!("{}; name another journal, and keep this one to undo what it says", damage.reason);
            return Err(LabelError::Line { path: path.to_owned(), line: damage.line, reason });
        }
        // What a killed program left half written.
        let whole = journal.len;
        journal.file.set_len(whole).map_err(LabelError::at(path))?;
        if whole == 0 {
            let header = journal.header.clone();
            journal.line(&header)?;
            files::sync_folder(path).map_err(LabelError::at(path))?;
        }
        Ok(journal)
    }

    fn of(self, library: &Path) -> Result<Self, LabelError> {
        if self.header.library == library {
            return Ok(self);
        }
        Err(LabelError::Other(format!(
            "{} is the journal of {}; name another with --journal",
            files::shown(&self.path),
            files::shown(&self.header.library)
        )))
    }

    /// Opens a journal to read what it says. Lines that are damaged are passed over ([`Journal::damaged`]).
    ///
    /// # Errors
    /// [`LabelError`] where its first line is damaged, it is in use, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, LabelError> {
        Self::read(path, File::open(path).map_err(|error| unopened(path, Wanted::Journal, error))?, None)
    }

    /// Opens the journal that [`Journal::append`] would go on with, and only to read it; none where it would begin one.
    ///
    /// # Errors
    /// As of [`Journal::append`].
    pub fn peek(path: &Path, library: &Path) -> Result<Option<Self>, LabelError> {
        if std::fs::metadata(path).map_or(true, |about| about.len() == 0) {
            return Ok(None);
        }
        Self::open(path)?.of(library).map(Some)
    }

    fn read(path: &Path, mut file: File, begun: Option<&Path>) -> Result<Self, LabelError> {
        let mut tries = 0;
        // Some file systems have no locks: any other error is no obstacle.
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            tries += 1;
            if tries == TRIES {
                let path = files::shown(path);
                return Err(LabelError::Other(format!("{path} is in use by another program")));
            }
            std::thread::sleep(PAUSE);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| unopened(path, Wanted::Journal, error))?;
        let len = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&bytes[..len]);
        let mut lines = text.strip_prefix(MARK).unwrap_or(&text).lines().zip(1..);
        let alien = |error| foreign(path, Wanted::Journal, &bytes, error);
        let header = match (lines.next(), begun) {
            (Some((first, _)), _) => parse(path, 1, first).map_err(alien)?,
            // What was begun, and killed within its first line, is begun anew; what is none stays.
            (None, Some(library)) if BEGINNING.starts_with(&bytes) || bytes.starts_with(BEGINNING) => {
                JournalHeader { journal: 1, library: library.to_owned() }
            }
            (None, _) => {
                let reason = "its first line is not whole".to_owned();
                return Err(alien(LabelError::Line { path: path.to_owned(), line: 1, reason }));
            }
        };
        if header.journal != 1 {
            let reason = format!("a journal of version {}; this program reads 1", header.journal);
            return Err(LabelError::Line { path: path.to_owned(), line: 1, reason });
        }
        let (mut entries, mut damaged) = (Vec::<Entry>::new(), Vec::new());
        for (text, line) in lines {
            match serde_json::from_str(text) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    let reason = error.to_string();
                    let reason = reason.split(" at line ").next().unwrap_or_default();
                    let reason = format!("the line is damaged: {reason} (column {})", error.column());
                    damaged.push(Damage { line, reason });
                }
            }
        }
        let last = entries.iter().enumerate().map(|(i, entry)| (entry.path.clone(), i)).collect();
        Ok(Self { file, path: path.to_owned(), len: len as u64, header, entries, damaged, last })
    }

    /// The library's folder.
    pub fn library(&self) -> &Path {
        &self.header.library
    }

    /// What was written, in order, before this program went on with it.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Its lines that cannot be read.
    pub fn damaged(&self) -> &[Damage] {
        &self.damaged
    }

    /// The last entry of a path, from before this program went on with it.
    pub fn last(&self, path: &str) -> Option<&Entry> {
        self.last.get(path).and_then(|&at| self.entries.get(at))
    }

    /// Adds an entry and syncs it. What cannot be written whole is taken back.
    ///
    /// # Errors
    /// [`LabelError::Full`] and [`LabelError::Io`].
    pub fn add(&mut self, entry: &Entry) -> Result<(), LabelError> {
        self.line(entry)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), LabelError> {
        let mut line = serde_json::to_vec(value).map_err(|error| LabelError::Other(error.to_string()))?;
        line.push(b'\n');
        let written = self
            .file
            .seek(SeekFrom::Start(self.len))
            .and_then(|_| self.file.write_all(&line))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            let _ = self.file.set_len(self.len);
            return Err(LabelError::at(&self.path)(error));
        }
        self.len += line.len() as u64;
        Ok(())
    }
}
