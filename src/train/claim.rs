//! Who trains in a folder: one process at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use super::TrainError;
use super::run::{MAKING, RunFolder};

/// The file in a run's folder that is locked while somebody trains there.
const LOCK: &str = ".lock";

/// A folder that others remove is made again so often.
const TRIES: usize = 100;

/// A folder that is this process's own for a training, from before songs are read until the training ends. Cloning shares
/// it; it ends with the last clone, by [`Claim::end`], or with the process, however that ends: the system drops the lock of a
/// file with the process that holds it.
#[derive(Clone, Debug)]
pub struct Claim {
    folder: PathBuf,
    held: Arc<Mutex<Option<Held>>>,
    guarded: bool,
}

#[derive(Debug)]
struct Held {
    lock: PathBuf,
    /// Locked until it is closed.
    _file: File,
    /// Folders that were made for the lock, the deepest first.
    made: Vec<PathBuf>,
}

impl Claim {
    /// Claims `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// [`TrainError::Busy`] where another process trains there, or this one; [`TrainError::Io`] where the folder cannot be
    /// made or nothing can be written there.
    pub fn new(folder: &Path) -> Result<Self, TrainError> {
        let fail = |source| TrainError::Io { path: folder.to_owned(), action: MAKING, source };
        // What fails leaves nothing behind.
        let mut held = Scaffold::of(folder);
        let path = folder.join(LOCK);
        let mut tries = 0;
        loop {
            fs::create_dir_all(folder).map_err(fail)?;
            let file = File::options().create(true).read(true).write(true).truncate(false).open(&path);
            let mut file = match file {
                // The one that held it before has removed the empty folder meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound && tries < TRIES => {
                    tries += 1;
                    continue;
                }
                file => file.map_err(fail)?,
            };
            let guarded = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => {
                    held.0.clear();
                    return Err(TrainError::Busy { folder: folder.to_owned(), process: holder(&path) });
                }
                // Some network file systems have no locks.
                Err(TryLockError::Error(_)) => false,
            };
            // The one that held it before may have removed the file between its opening and its locking.
            let sign = sign();
            file.set_len(0).and_then(|()| file.write_all(sign.as_bytes())).map_err(fail)?;
            if guarded && !fs::read_to_string(&path).is_ok_and(|found| found == sign) && cfg!(unix) {
                continue;
            }
            let made = std::mem::take(&mut held.0);
            let held = Some(Held { lock: path, _file: file, made });
            return Ok(Self { folder: folder.to_owned(), held: Arc::new(Mutex::new(held)), guarded });
        }
    }

    /// Claims `runs/<dataset>-<n>` with the lowest n that is free.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn next(runs: &Path, dataset: &str) -> Result<Self, TrainError> {
        let mut made = Scaffold::of(runs);
        let folder = RunFolder::next(runs, dataset)?.0;
        made.0.insert(0, folder.clone());
        let claim = Self::new(&folder)?;
        if let Some(held) = &mut *claim.lock() {
            held.made = std::mem::take(&mut made.0);
        }
        Ok(claim)
    }

    /// Makes sure that folders of runs can be made in `runs`, and leaves nothing behind.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn possible(runs: &Path) -> Result<(), TrainError> {
        let mut made = Scaffold::of(runs);
        let trial = runs.join(format!(".{}", std::process::id()));
        fs::create_dir_all(&trial).map_err(|source| TrainError::Io {
            path: runs.to_owned(),
            action: MAKING,
            source,
        })?;
        made.0.insert(0, trial);
        Ok(())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the file system has locks; where it has none, nothing keeps others out.
    pub fn is_guarded(&self) -> bool {
        self.guarded
    }

    /// Gives the folder back, before the last clone does. The folders that were made for it are removed where nothing
    /// was put there.
    pub fn end(&self) {
        let held = self.lock().take();
        drop(held);
    }

    /// What ends the claim, where it has not ended by then; it does not keep it alive.
    pub fn ender(&self) -> impl Fn() + Send + Sync + use<> {
        let held = Arc::downgrade(&self.held);
        move || {
            let held = held.upgrade().and_then(|held| locked(&held).take());
            drop(held);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        locked(&self.held)
    }
}

fn locked(held: &Mutex<Option<Held>>) -> MutexGuard<'_, Option<Held>> {
    held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Drop for Held {
    fn drop(&mut self) {
        // While it is still locked, so that it is nobody else's.
        let _ = fs::remove_file(&self.lock);
        drop(Scaffold(std::mem::take(&mut self.made)));
    }
}

/// Folders, the deepest first, that are removed again where they are empty.
struct Scaffold(Vec<PathBuf>);

impl Scaffold {
    /// Of `folder` and the folders above it those that are not there yet.
    fn of(folder: &Path) -> Self {
        let all = folder.ancestors().filter(|above| !above.as_os_str().is_empty());
        Self(all.take_while(|above| !above.exists()).map(Path::to_owned).collect())
    }
}

impl Drop for Scaffold {
    fn drop(&mut self) {
        for folder in &self.0 {
            if fs::remove_dir(folder).is_err_and(|error| error.kind() != ErrorKind::NotFound) {
                return;
            }
        }
    }
}

/// What no other claim writes: the process's number, and when and as which of its claims.
fn sign() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{} {now} {}\n", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The number of the process that holds a lock, where that can be read.
fn holder(lock: &Path) -> Option<u32> {
    let text: io::Result<String> = fs::read_to_string(lock);
    text.ok()?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_folder_is_one_trainings_at_a_time() {
        let runs = tempdir().unwrap();
        let folder = runs.path().join("deep/run");
        let first = Claim::new(&folder).unwrap();
        assert!(first.is_guarded() && first.folder() == folder);
        let error = Claim::new(&folder).unwrap_err();
        assert!(
            matches!(error, TrainError::Busy { process: Some(id), .. } if id == std::process::id()),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains("deep/run") && text.contains(&std::process::id().to_string()), "{text}");
        // The refusal took nothing away.
        assert!(folder.join(LOCK).exists());
        // A second way to the folder is no way around.
        assert!(Claim::new(&runs.path().join("deep/../deep/run")).is_err());
        let clone = first.clone();
        drop(first);
        assert!(Claim::new(&folder).is_err());
        drop(clone);
        // Nothing was put there: nothing is left.
        assert_eq!(fs::read_dir(runs.path()).unwrap().count(), 0);

        let second = Claim::new(&folder).unwrap();
        fs::write(folder.join("config.toml"), "").unwrap();
        second.end();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        // What a killed process left is no obstacle, and a folder that was there stays.
        fs::write(folder.join(LOCK), "123 4 5\n").unwrap();
        fs::remove_file(folder.join("config.toml")).unwrap();
        drop(Claim::new(&folder).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn of_many_one_has_it() {
        let runs = tempdir().unwrap();
        let folder = runs.path().join("run");
        let (inside, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let won = AtomicU64::new(0);
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    for _ in 0..200 {
                        let Ok(claim) = Claim::new(&folder) else { continue };
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        won.fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(claim);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert!(won.into_inner() > 8);
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_made_is_said_and_leaves_nothing() {
        let runs = tempdir().unwrap();
        fs::write(runs.path().join("file"), "").unwrap();
        for folder in [runs.path().join("file/run"), "/proc/none/run".into()] {
            let error = Claim::new(&folder).unwrap_err().to_string();
            assert!(error.contains("run") && error.contains(MAKING), "{error}");
        }
        assert_eq!(fs::read_dir(runs.path()).unwrap().count(), 1);
    }
}
