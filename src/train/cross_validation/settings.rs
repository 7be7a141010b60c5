use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::difference::difference;
use super::super::options::{RunConfig, TrainOptions};
use super::super::trainer::digest;
use super::super::{RunFolder, TrainError};
use super::folds::Folds;
use crate::dataset::{Library, Split};
use crate::files;

/// `folds.toml`: everything that decides the figures of a cross-validation but its seeds, to which later ones may be added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How the songs are divided.
    pub folds: Folds,
    /// A digest of the dataset: names, genres and contents of the songs.
    pub songs: String,
    /// What every network is trained with; its seed, and what is said of a split and of
    /// validation, have no meaning here.
    pub config: RunConfig,
}

const NAME: &str = "folds.toml";

impl Settings {
    /// The settings of a cross-validation of these songs.
    pub fn new(folds: Folds, config: &RunConfig, library: &Library) -> Self {
        let all = Split { train: (0..library.songs.len()).collect(), validation: Vec::new() };
        let plain = TrainOptions::default();
        let mut config = config.clone();
        (config.training.fold, config.training.folds) = (None, plain.folds);
        (config.training.seed, config.training.validation) = (plain.seed, plain.validation);
        (config.training.keep, config.training.validate_every) = (plain.keep, plain.validate_every);
        Self { folds, songs: digest(library, &all), config }
    }

    /// The folder below `runs` of a cross-validation with these settings: the one that was begun, if any, or else a new one,
    /// `<name>-<number>`. Whether it was begun.
    ///
    /// # Errors
    /// [`TrainError::Io`] where it cannot be made.
    pub fn folder(&self, runs: &Path, name: &str) -> Result<(PathBuf, bool), TrainError> {
        let begun = (1u64..).map(|n| runs.join(format!("{name}-{n}"))).take_while(|folder| folder.exists());
        for folder in begun {
            if Self::read(&folder)
                .is_ok_and(|found| found.is_some_and(|found| self.difference(&found).is_none()))
            {
                return Ok((folder, true));
            }
        }
        Ok((RunFolder::next(runs, name)?.0, false))
    }

    /// Makes sure that the folder is one of these settings: begins it, or compares with what it was begun with.
    ///
    /// # Errors
    /// [`TrainError::OtherFolds`] where they differ; [`TrainError::Occupied`] where something else is in it; [`TrainError::Io`].
    pub fn claim(&self, folder: &Path) -> Result<(), TrainError> {
        if let Some(found) = Self::read(folder)? {
            return match self.difference(&found) {
                None => Ok(()),
                Some(difference) => Err(TrainError::OtherFolds { folder: folder.into(), difference }),
            };
        }
        let run = RunFolder(folder.to_owned());
        run.vacant()?;
        run.make()?;
        let path = folder.join(NAME);
        let text = toml::to_string(self)
            .map_err(|error| TrainError::Config { path: path.clone(), reason: error.to_string() })?;
        files::write_atomic(&path, text.as_bytes()).map_err(|source| TrainError::Io {
            path,
            action: "writing",
            source,
        })
    }

    /// The settings in a folder, where it has any.
    fn read(folder: &Path) -> Result<Option<Self>, TrainError> {
        let path = folder.join(NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrainError::Io { path, action: "reading", source }),
        };
        let fail = |error: toml::de::Error| {
            let reason = files::printable(error.message());
            TrainError::Config { path, reason: format!("{reason}; name another folder") }
        };
        toml::from_str(&text).map(Some).map_err(fail)
    }

    /// What `found` says otherwise, in words. Where the dataset lies does not matter.
    fn difference(&self, found: &Self) -> Option<String> {
        if found.songs != self.songs {
            return Some(format!(
                "the songs were {}, now they are {}",
                files::printable(&found.songs),
                self.songs
            ));
        }
        let mut found = found.clone();
        found.config.dataset.clone_from(&self.config.dataset);
        difference(&found, self)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    fn settings() -> Settings {
        Settings { folds: Folds::Given, songs: "3 songs, digest 7".to_string(), config: RunConfig::default() }
    }

    #[test]
    fn a_folder_is_taken_by_its_settings() {
        let runs = tempdir().unwrap();
        let one = settings();
        let (folder, begun) = one.folder(runs.path(), "music-folds").unwrap();
        assert!(folder.ends_with("music-folds-1") && !begun);
        one.claim(&folder).unwrap();
        assert_eq!(one.folder(runs.path(), "music-folds").unwrap(), (folder.clone(), true));
        // Where the songs lie is no setting.
        let mut moved = one.clone();
        moved.config.dataset = "elsewhere".into();
        moved.claim(&folder).unwrap();

        let mut other = one.clone();
        other.config.training.epochs = 3;
        let (second, begun) = other.folder(runs.path(), "music-folds").unwrap();
        assert!(second.ends_with("music-folds-2") && !begun);
        let error = other.claim(&folder).unwrap_err().to_string();
        assert!(error.contains("config.training.epochs was 20, now it is 3"), "{error}");
        let mut other = one.clone();
        other.config.model.frame_step = Some(0.5);
        let error = other.claim(&folder).unwrap_err().to_string();
        assert!(error.contains("config.model.frame_step was not set, now it is 0.5"), "{error}");
        let error =
            Settings { songs: "4 songs".into(), ..one.clone() }.claim(&folder).unwrap_err().to_string();
        assert!(error.contains("the songs were 3 songs, digest 7, now they are 4 songs"), "{error}");
        let error =
            Settings { folds: Folds::Dealt(3), ..one.clone() }.claim(&folder).unwrap_err().to_string();
        assert!(error.contains("folds was \"csv\", now it is \"3\""), "{error}");

        std::fs::write(folder.join(NAME), "folds = 9").unwrap();
        assert!(one.claim(&folder).unwrap_err().to_string().contains("another folder"));
        std::fs::write(second.join("config.toml"), "").unwrap();
        assert!(matches!(one.claim(&second), Err(TrainError::Occupied(_))));
    }
}
