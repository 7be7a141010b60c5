//! Networks that begin with what another has learnt: its weights and preprocessing, and a new last layer, which is fitted
//! first to what the network hears in the songs. Then everything is tuned, gently; with no epochs the last layer is all that is
//! trained.

mod discriminant;
mod embeddings;
mod fit;
mod head;
mod layer;
mod lbfgs;
mod logistic;

use std::path::{Path, PathBuf, absolute};

use serde::{Deserialize, Serialize};

pub use embeddings::Embeddings;
pub(super) use fit::{Fitted, fit_head};
pub(super) use head::HeadClassifier;

use super::TrainError;
use super::difference::difference;
use super::options::RunConfig;
use crate::dataset::Augmentation;
use crate::model::{Labels, Model, ModelConfig, Network, Weights};

/// What a network begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The file of a trained model.
    #[serde(with = "crate::paths")]
    pub model: PathBuf,
    /// The model's digest, [`Model::digest`].
    pub digest: String,
    /// The learning rate of what was there, as a share of that of the new layer.
    #[serde(default = "Base::usual_rate")]
    pub rate: f32,
}

impl Base {
    /// The default of [`Base::rate`].
    pub const RATE: f32 = 1.0;
    /// The learning rate where a network begins with another: what is there already is not to be forgotten at once.
    pub const LEARNING_RATE: f32 = 2e-5;

    fn usual_rate() -> f32 {
        Self::RATE
    }

    /// Checks that a network of these settings can begin with the model.
    ///
    /// # Errors
    /// [`TrainError::OtherBase`] with the first setting that differs, or as [`Base::load`].
    #[cfg(feature = "cli")]
    pub(crate) fn suits(&self, config: &ModelConfig) -> Result<(), TrainError> {
        fits(self, &self.load()?, config)
    }

    /// Reads the model.
    ///
    /// # Errors
    /// [`TrainError::OtherBase`] where it cannot be read, or the file holds another model by now.
    pub fn load(&self) -> Result<Model, TrainError> {
        let model = Model::load(&self.model).map_err(|error| {
            let difference = format!("it is what the training begins with, and cannot be read ({error})");
            TrainError::OtherBase { model: self.model.clone(), difference }
        })?;
        let digest = model.digest();
        if digest != self.digest {
            let difference = format!("its digest was {}, now it is {digest}", self.digest);
            return Err(TrainError::OtherBase { model: self.model.clone(), difference });
        }
        Ok(model)
    }

    /// Checks the settings that do not depend on the model.
    ///
    /// # Errors
    /// [`TrainError::Setting`].
    pub fn check(&self) -> Result<(), TrainError> {
        if (0.0..=1.0).contains(&self.rate) {
            return Ok(());
        }
        let (setting, value) = ("base.rate", self.rate.to_string());
        Err(TrainError::Setting { setting, value, wanted: "it must lie within 0 and 1".into() })
    }
}

impl RunConfig {
    /// Settings for a folder of songs that begin with the model in a file; what is not the network's has its default.
    ///
    /// # Errors
    /// [`TrainError::File`] where the model cannot be read.
    pub fn from_model(folder: impl Into<PathBuf>, model: &Path) -> Result<Self, TrainError> {
        let mut config = Self::for_dataset(folder);
        config.begin_with(model)?;
        Ok(config)
    }

    /// Begins with the model in a file: takes its preprocessing and architecture, without dropout, and a gentle recipe: the
    /// learning rate [`Base::LEARNING_RATE`], and no augmentation but of the level. Stronger ones undo more than they teach
    /// where songs are few (docs/rejected.md).
    ///
    /// # Errors
    /// [`TrainError::File`] where it cannot be read.
    pub fn begin_with(&mut self, path: &Path) -> Result<(), TrainError> {
        let model = Model::load(path)?;
        let named = if path == Path::new(Model::INCLUDED) {
            path.into()
        } else {
            absolute(path).unwrap_or_else(|_| path.into())
        };
        // The new last layer is fitted without dropout, and would not stand it.
        self.model = ModelConfig { labels: Labels::Genres, dropout: 0.0, ..model.card.config.clone() };
        self.training.learning_rate = Base::LEARNING_RATE;
        self.training.augmentation =
            Augmentation { gain: self.training.augmentation.gain, ..Augmentation::NONE };
        self.base = Some(Base { model: named, digest: model.digest(), rate: Base::RATE });
        Ok(())
    }
}

/// Makes sure that a network of these settings can begin with the model.
///
/// # Errors
/// [`TrainError::OtherBase`] with the first setting that differs.
pub(super) fn fits(base: &Base, model: &Model, config: &ModelConfig) -> Result<(), TrainError> {
    // What a network may do otherwise than its base: no weight depends on the length of a frame.
    let ModelConfig { labels, dropout, frame_seconds, frame_step, drop_below, .. } = *config;
    let wanted =
        ModelConfig { labels, dropout, frame_seconds, frame_step, drop_below, ..model.card.config.clone() };
    match difference(&wanted, config) {
        None => Ok(()),
        Some(difference) => Err(TrainError::OtherBase { model: base.model.clone(), difference }),
    }
}

/// The base as it hears songs for a network of these settings: cut as that network cuts them.
pub(super) fn listener(base: &Model, config: &ModelConfig) -> Model {
    let mut listener = base.clone();
    let ModelConfig { frame_seconds, frame_step, drop_below, .. } = *config;
    listener.card.config = ModelConfig { frame_seconds, frame_step, drop_below, ..listener.card.config };
    listener
}

/// The weights of the base, with another last layer.
pub(super) fn adopt(model: &Model, network: &Network, fitted: &Fitted) -> Weights {
    let mut weights = model.weights.clone();
    weights.0.extend(fitted.tensors(network.genres));
    weights
}
