//! Networks that learn what others hear: embeddings and tags of trained networks, imitated on any songs, with genres or
//! without. A teacher hears the stretch around a frame; the student hears the frame alone.

mod agreement;
mod hear;

use std::path::{Path, PathBuf, absolute};

use serde::{Deserialize, Serialize};

pub use agreement::Agreement;
pub(super) use agreement::agree;
pub(super) use hear::{Hearing, hear_lessons};

use super::TrainError;
use super::options::{Balance, RunConfig};
use crate::dataset::{Augmentation, Dataset, Split};
use crate::model::{Heard, Labels, Model, Taught};

/// Whom a network learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// The file of a trained model.
    #[serde(with = "crate::paths")]
    pub model: PathBuf,
    /// The model's digest, [`Model::digest`].
    pub digest: String,
}

impl Teacher {
    /// Reads the model.
    ///
    /// # Errors
    /// [`TrainError::Teacher`] where it cannot be read, the file holds another model by now, or it has no tags.
    pub fn load(&self) -> Result<Model, TrainError> {
        let refuse = |reason| TrainError::Teacher { model: self.model.clone(), reason };
        let model =
            Model::load(&self.model).map_err(|error| refuse(format!("it cannot be read ({error})")))?;
        let digest = model.digest();
        if digest != self.digest {
            return Err(refuse(format!("its digest was {}, now it is {digest}", self.digest)));
        }
        if model.card.config.labels != Labels::Tags {
            return Err(refuse(
                "its labels are genres, one a song; a teacher has tags, each by itself, as imported models do".into(),
            ));
        }
        Ok(model)
    }
}

impl RunConfig {
    /// Settings for a folder of songs, in any layout, that learn what the models in these files hear; what is not the
    /// teachers' has its default.
    ///
    /// # Errors
    /// As [`RunConfig::learn_from`].
    pub fn taught_by(folder: impl Into<PathBuf>, teachers: &[&Path]) -> Result<Self, TrainError> {
        let mut config = Self::for_dataset(folder);
        config.learn_from(teachers)?;
        Ok(config)
    }

    /// Learns from the models in these files: an embedding as wide as theirs together, tags, no dropout, and frames changed in
    /// level alone, beside masks, because the teachers hear the songs as they are.
    ///
    /// # Errors
    /// [`TrainError::File`] where one cannot be read; [`TrainError::Teacher`] where one cannot teach, or is there twice.
    pub fn learn_from(&mut self, files: &[&Path]) -> Result<(), TrainError> {
        let mut width = 0;
        let mut teachers: Vec<Teacher> = Vec::new();
        for &file in files {
            let digest = Model::load(file)?.digest();
            let included = file == Path::new(Model::INCLUDED);
            let model = if included { file.into() } else { absolute(file).unwrap_or_else(|_| file.into()) };
            let teacher = Teacher { model, digest };
            width += embedding_width(&teacher.load()?)?;
            if teachers.iter().any(|other| other.digest == teacher.digest) {
                let reason = "it is named twice; name each teacher once".into();
                return Err(TrainError::Teacher { model: teacher.model, reason });
            }
            teachers.push(teacher);
        }
        self.teachers = teachers;
        self.model.labels = Labels::Tags;
        self.model.embedding = Some(width);
        self.model.dropout = 0.0;
        let usual = Augmentation::default();
        self.training.augmentation = Augmentation {
            gain: usual.gain,
            polarity: usual.polarity,
            frequency_masks: 2,
            mask_width: usual.mask_width,
            ..Augmentation::NONE
        };
        Ok(())
    }

    /// Checks the settings of a network that is taught.
    ///
    /// # Errors
    /// [`TrainError::Setting`].
    pub(super) fn check_lessons(&self) -> Result<(), TrainError> {
        if self.teachers.is_empty() {
            return Ok(());
        }
        let require = |ok: bool, setting, value: String, wanted: &str| {
            if ok { Ok(()) } else { Err(TrainError::Setting { setting, value, wanted: wanted.to_owned() }) }
        };
        let base = self.base.as_ref().map(|base| crate::paths::text(&base.model)).unwrap_or_default();
        require(self.base.is_none(), "base", base, "a network that is taught begins with nothing")?;
        let labels = format!("{:?}", self.model.labels).to_lowercase();
        require(self.model.labels == Labels::Tags, "labels", labels, "what is taught is tags")?;
        let mixup = self.training.augmentation.mixup;
        let wanted = "a teacher does not hear mixed frames; 0 is possible";
        require(mixup == 0.0, "mixup", mixup.to_string(), wanted)?;
        let slices = self.training.slices;
        let wanted = "a network that is taught computes its batches whole, in one process; 1 is possible";
        require(slices == 1, "slices", slices.to_string(), wanted)?;
        let balance = format!("{:?}", self.training.balance).to_lowercase();
        let wanted = "a network that is taught does not look at genres; none is possible";
        require(self.training.balance == Balance::None, "balance", balance, wanted)?;
        let fold = self.training.fold.map(|fold| fold.to_string()).unwrap_or_default();
        let wanted = "a network that is taught does not look at genres; give a share of songs to validate on";
        require(self.training.fold.is_none(), "fold", fold, wanted)
    }
}

/// Numbers of a model's embedding.
pub(super) fn embedding_width(model: &Model) -> Result<usize, TrainError> {
    let inference = model.network()?.inference(1)?;
    Ok(inference.graph.shape(inference.embedding)[1])
}

/// The tags of teachers, each once, with its place among each teacher's own.
pub(super) struct Tags {
    pub names: Vec<String>,
    /// For each name the number of the first teacher that has it, and its number there.
    pub places: Vec<(usize, usize)>,
}

impl Tags {
    pub fn of(teachers: &[Model]) -> Self {
        let mut tags = Self { names: Vec::new(), places: Vec::new() };
        for (t, teacher) in teachers.iter().enumerate() {
            for (i, name) in teacher.card.genres.iter().enumerate() {
                if !tags.names.contains(name) {
                    tags.names.push(name.clone());
                    tags.places.push((t, i));
                }
            }
        }
        tags
    }
}

/// What a model says of its teachers.
pub(super) fn taught(teachers: &[Model], dataset: &Dataset, split: &Split, explained: Option<f64>) -> Taught {
    let mut heard: Vec<Heard> = Vec::new();
    for &song in &split.train {
        let name = &dataset.songs[song].name;
        let folder = name.split_once('/').map_or("", |(folder, _)| folder);
        match heard.iter_mut().find(|heard| heard.folder == folder) {
            Some(heard) => heard.songs += 1,
            None => heard.push(Heard { folder: folder.into(), songs: 1, licence: licence(dataset, folder) }),
        }
    }
    Taught { teachers: teachers.iter().map(Model::as_ancestor).collect(), explained, heard }
}

/// The first line of a folder's `LICENCE.txt`, where it has one.
fn licence(dataset: &Dataset, folder: &str) -> Option<String> {
    /// Longer lines are cut off.
    const MOST: usize = 300;
    let file = dataset.root.join(crate::paths::path(folder)).join("LICENCE.txt");
    let text = std::fs::read(file).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(MOST).collect())
}
