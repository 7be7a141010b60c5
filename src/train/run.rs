use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::TrainError;

/// A training run's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFolder(pub PathBuf);

impl RunFolder {
    /// `runs/<dataset>-<n>` with the lowest n that is free.
    pub fn next(runs: &Path, dataset: &str) -> Self {
        let folder = |n: u32| runs.join(format!("{dataset}-{n}"));
        let n = (1..u32::MAX).find(|&n| !folder(n).exists()).unwrap_or(u32::MAX);
        Self(folder(n))
    }

    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    pub fn history(&self) -> PathBuf {
        self.0.join("history.csv")
    }

    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.json")
    }

    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// The model with the best validation so far.
    pub fn best(&self) -> PathBuf {
        self.0.join("best.safetensors")
    }

    /// Makes the folder for a new run.
    ///
    /// # Errors
    /// [`TrainError::Occupied`] where a run is in it already, and [`TrainError::Io`].
    pub fn create(&self) -> Result<(), TrainError> {
        if self.config().exists() || self.checkpoint().exists() {
            return Err(TrainError::Occupied(self.0.clone()));
        }
        fs::create_dir_all(&self.0).map_err(|source| TrainError::Io {
            path: self.0.clone(),
            action: "making the run's folder",
            source,
        })
    }

    /// The run below `runs` whose checkpoint is newest.
    pub fn latest(runs: &Path) -> Option<Self> {
        newest(runs, |folder| RunFolder(folder).checkpoint()).map(|(folder, _)| Self(folder))
    }
}

/// The newest best model of the runs below `runs`.
pub fn latest_model(runs: &Path) -> Option<PathBuf> {
    newest(runs, |folder| RunFolder(folder).best()).map(|(_, file)| file)
}

/// Of the folders in `runs` that have the file, the one where it is newest, and the file.
fn newest(runs: &Path, file: impl Fn(PathBuf) -> PathBuf) -> Option<(PathBuf, PathBuf)> {
    let age = |path: &Path| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    fs::read_dir(runs)
        .ok()?
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            let file = file(folder.clone());
            Some((age(&file)?, folder, file))
        })
        .max()
        .map(|(_, folder, file)| (folder, file))
}
