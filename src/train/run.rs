use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::TrainError;

/// What fails where a folder cannot be made.
pub(super) const MAKING: &str = "making the run's folder";

/// A training run's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFolder(pub PathBuf);

impl RunFolder {
    /// Makes `runs/<dataset>-<n>` with the lowest n that is free. Two programs never get the same one.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn next(runs: &Path, dataset: &str) -> Result<Self, TrainError> {
        Self(runs.to_owned()).make()?;
        let mut n = 1u64;
        loop {
            let folder = runs.join(format!("{dataset}-{n}"));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => n += 1,
                Err(source) => return Err(TrainError::Io { path: folder, action: MAKING, source }),
            }
        }
    }

    /// The settings, `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// A row per epoch, `history.csv`.
    pub fn history(&self) -> PathBuf {
        self.0.join("history.csv")
    }

    /// Who trains and who validates.
    pub fn split(&self) -> PathBuf {
        self.0.join("split.csv")
    }

    /// The final figures, `metrics.json`.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.json")
    }

    /// Everything that a stopped run goes on from.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// The model with the best validation so far.
    pub fn best(&self) -> PathBuf {
        self.0.join("best.safetensors")
    }

    /// The page that shows how the run went.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// Makes sure that a new run can begin here, where its folder exists or not.
    ///
    /// # Errors
    /// [`TrainError::Occupied`] where a run is in it already.
    pub fn vacant(&self) -> Result<(), TrainError> {
        let files = [self.config(), self.checkpoint(), self.history(), self.best(), self.metrics()];
        if files.iter().any(|file| file.exists()) {
            return Err(TrainError::Occupied(self.0.clone()));
        }
        Ok(())
    }

    /// Makes the folder, unless it is there.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn make(&self) -> Result<(), TrainError> {
        let fail = |source| TrainError::Io { path: self.0.clone(), action: MAKING, source };
        fs::create_dir_all(&self.0).map_err(fail)
    }

    /// Whether the run went on to its last epoch.
    pub fn is_finished(&self) -> bool {
        self.metrics().exists()
    }

    /// The run below `runs` whose checkpoint is newest.
    pub fn latest(runs: &Path) -> Option<Self> {
        newest(runs, |folder| RunFolder(folder).checkpoint()).map(Self)
    }
}

/// The run below `runs` whose best model is newest.
#[cfg(feature = "cli")]
pub fn latest_model(runs: &Path) -> Option<RunFolder> {
    newest(runs, |folder| RunFolder(folder).best()).map(RunFolder)
}

/// Of the folders in `runs` that have the file, the one where it is newest.
fn newest(runs: &Path, file: impl Fn(PathBuf) -> PathBuf) -> Option<PathBuf> {
    let age = |path: &Path| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    fs::read_dir(runs)
        .ok()?
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            Some((age(&file(folder.clone()))?, folder))
        })
        .max()
        .map(|(_, folder)| folder)
}
