use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::tensors::{self, FileError};
use super::{ModelConfig, Network, Weights};

/// The version of what stands in a model file's metadata.
pub const FORMAT: u32 = 1;

/// The metadata's key.
const KEY: &str = "genre-recognizer";

/// What a model was trained on and how well it did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The dataset folder's name.
    pub dataset: String,
    pub training_songs: usize,
    pub validation_songs: usize,
    /// Epochs trained until these weights.
    pub epochs: usize,
    pub seed: u64,
    /// Share of validation songs whose genre was recognised.
    pub song_accuracy: Option<f64>,
    /// Share of validation frames whose genre was recognised.
    pub frame_accuracy: Option<f64>,
}

/// Everything that recognition needs besides the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    pub format: u32,
    /// The genres in the order of the network's outputs.
    pub genres: Vec<String>,
    pub config: ModelConfig,
    pub provenance: Provenance,
}

/// A trained network with its card.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub card: ModelCard,
    pub weights: Weights,
}

impl Model {
    /// The network that the card describes.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn network(&self) -> Result<Network, super::ModelError> {
        Network::new(self.card.config.clone(), self.card.genres.len())
    }

    /// Writes the model atomically.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let card = serde_json::to_string(&self.card).map_err(|error| FileError::Io {
            path: path.into(),
            action: "writing",
            source: error.into(),
        })?;
        tensors::write(path, &self.weights, HashMap::from([(KEY.to_string(), card)]))
    }

    /// Reads a model, and checks that its weights are those of its network.
    ///
    /// # Errors
    /// [`FileError`] where the file is unreadable, damaged, foreign or of another format.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |reason: String| FileError::damaged(path, "model", &reason);
        let (weights, metadata) = tensors::read(path, "model")?;
        let card = metadata.get(KEY).ok_or_else(|| damaged("it has no model card".into()))?;
        let Version { format } = serde_json::from_str(card).map_err(|e| damaged(e.to_string()))?;
        if format != FORMAT {
            return Err(FileError::Format { path: path.into(), found: format, wanted: FORMAT });
        }
        let card = serde_json::from_str(card).map_err(|e| damaged(e.to_string()))?;
        let model = Self { card, weights };
        let network = model.network().map_err(|e| damaged(e.to_string()))?;
        let inference = network.inference(1).map_err(|e| damaged(e.to_string()))?;
        let fits = model.weights.scatter(&inference.layout, &inference.running);
        fits.map_err(|e| damaged(e.to_string()))?;
        Ok(model)
    }
}
