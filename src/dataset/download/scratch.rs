//! The hidden folder in a dataset where songs arrive, and the journal that makes moving and recording one step.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::DownloadError;
use super::records::{Records, Row};
use crate::files::write_atomic;

const FOLDER: &str = ".download";
const SONG: &str = "song-";

/// The scratch folder of a dataset, held by this process alone.
pub(super) struct Scratch {
    folder: PathBuf,
    count: usize,
    /// Locked until it is closed.
    _lock: File,
}

impl Scratch {
    /// Takes the scratch folder of the dataset at `root`, which is made where there is none, and throws away what
    /// earlier downloads that were ended have left there.
    ///
    /// # Errors
    /// [`DownloadError::Busy`] where another process has it; [`DownloadError::Io`].
    pub fn open(root: &Path) -> Result<Self, DownloadError> {
        let folder = std::path::absolute(root).map_err(DownloadError::io(root))?.join(FOLDER);
        fs::create_dir_all(&folder).map_err(DownloadError::io(&folder))?;
        let scratch = Self { _lock: lock(&folder.join("lock"))?, folder, count: 0 };
        for entry in fs::read_dir(&scratch.folder).map_err(DownloadError::io(&scratch.folder))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(SONG) {
                // What a program that outlived its parent still writes to may stay: nobody looks there again.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(scratch)
    }

    /// Where yt-dlp keeps what it learns about sites.
    pub fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    /// A new empty folder for one song.
    pub fn song(&mut self) -> Result<PathBuf, DownloadError> {
        self.count += 1;
        // The process's number, so that no program left over from another process writes to it.
        let folder = self.folder.join(format!("{SONG}{}-{}", std::process::id(), self.count));
        fs::create_dir(&folder).map_err(DownloadError::io(&folder))?;
        Ok(folder)
    }

    /// Moves `file` to its place under `root` and records it. Once the journal is written, a process that is ended
    /// anywhere leaves enough for [`Scratch::recover`].
    pub fn place(
        &self,
        file: &Path,
        root: &Path,
        row: &Row,
        records: &mut Records,
    ) -> Result<(), DownloadError> {
        let target = root.join(&row.path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(DownloadError::io(folder))?;
        }
        let journal = self.journal();
        let text = serde_json::to_vec(row).map_err(|error| DownloadError::io(&journal)(error.into()))?;
        write_atomic(&journal, &text).map_err(DownloadError::io(&journal))?;
        rename(file, &target).map_err(DownloadError::io(&target))?;
        records.add(row)?;
        fs::remove_file(&journal).map_err(DownloadError::io(&journal))
    }

    /// Records the song that was moved but not recorded, if there is one.
    pub fn recover(&self, root: &Path, records: &mut Records) -> Result<(), DownloadError> {
        let journal = self.journal();
        let Ok(text) = fs::read(&journal) else { return Ok(()) };
        if let Ok(row) = serde_json::from_slice::<Row>(&text)
            && root.join(&row.path).is_file()
        {
            records.add(&row)?;
        }
        fs::remove_file(&journal).map_err(DownloadError::io(&journal))
    }

    fn journal(&self) -> PathBuf {
        self.folder.join("pending.json")
    }
}

/// Renames a file after its contents are on the disk; where a genre's folder is a link to another disk, through a
/// hidden copy there.
fn rename(file: &Path, target: &Path) -> std::io::Result<()> {
    File::open(file)?.sync_all()?;
    match fs::rename(file, target) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            write_atomic(target, &fs::read(file)?)?;
            fs::remove_file(file)
        }
        other => other,
    }
}

/// Locks the file, for as long as it is open: no lock outlives its holder.
fn lock(path: &Path) -> Result<File, DownloadError> {
    let open = File::options().create(true).write(true).truncate(false).open(path);
    let file = open.map_err(DownloadError::io(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DownloadError::Busy(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(DownloadError::io(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Scratch::open(folder.path()).unwrap();
        assert!(matches!(Scratch::open(folder.path()), Err(DownloadError::Busy(_))));
        drop(first);
        Scratch::open(folder.path()).unwrap();
    }

    #[test]
    fn a_song_that_was_moved_gets_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut scratch = Scratch::open(root).unwrap();
        let left = scratch.song().unwrap();
        let row = Row { path: "rock/a.wav".into(), genre: "rock".into(), id: "x 1".into(), ..Row::default() };
        write_atomic(&scratch.journal(), &serde_json::to_vec(&row).unwrap()).unwrap();
        drop(scratch);

        // Ended before the move.
        let scratch = Scratch::open(root).unwrap();
        assert!(!left.exists());
        let mut records = Records::open(root).unwrap();
        scratch.recover(root, &mut records).unwrap();
        assert_eq!(records.there("rock"), 0);
        assert!(!scratch.journal().exists() && !root.join("attribution.csv").exists());

        // Ended after the move.
        write_atomic(&scratch.journal(), &serde_json::to_vec(&row).unwrap()).unwrap();
        fs::create_dir(root.join("rock")).unwrap();
        fs::write(root.join("rock/a.wav"), "x").unwrap();
        scratch.recover(root, &mut records).unwrap();
        assert_eq!(Records::open(root).unwrap().there("rock"), 1);
        assert!(!scratch.journal().exists());
    }
}
