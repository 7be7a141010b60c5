use std::path::Path;

use serde::{Deserialize, Serialize};

use super::tensors::{self, FileError};
use super::{ModelConfig, Network, Weights};
use crate::score::Decision;

/// The version of what stands in a model file's metadata. Files of version 1 are read too.
pub const FORMAT: u32 = 2;

/// The model that comes with this package; models/README.md is about it.
const INCLUDED: &[u8] = include_bytes!("../../models/genres14.safetensors");

/// The metadata's key.
const KEY: &str = "genre-recognizer";

/// What a model was trained on and how well it did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The dataset folder's name.
    pub dataset: String,
    /// Songs trained on.
    pub training_songs: usize,
    /// Songs kept apart for validation.
    pub validation_songs: usize,
    /// Epochs trained until these weights.
    pub epochs: usize,
    /// The training's seed.
    pub seed: u64,
    /// Share of validation songs whose genre was recognised.
    pub song_accuracy: Option<f64>,
    /// Share of validation frames whose genre was recognised.
    pub frame_accuracy: Option<f64>,
    /// What it began with; none where it was trained from nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Box<Ancestor>>,
    /// Whom it has learnt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taught: Option<Box<Taught>>,
    /// Where it was trained by others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// A model that another began with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Its digest, [`Model::digest`].
    pub digest: String,
    /// How many labels it told apart.
    pub labels: usize,
    /// What it was trained on, and what it began with.
    pub provenance: Provenance,
}

/// How a model was taught by others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    /// Whose embeddings and tags it imitates.
    pub teachers: Vec<Ancestor>,
    /// The share of the variance of the teachers' embeddings that it explains, on songs that it was not taught on.
    pub explained: Option<f64>,
    /// What it heard, validation songs not counted.
    pub heard: Vec<Heard>,
}

/// Songs that a model heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// Their folder.
    pub folder: String,
    /// How many.
    pub songs: usize,
    /// Their licence, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// Whose work a model is that was not trained by this program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// What it is a part of, and who made it.
    pub name: String,
    /// The licence's name.
    pub licence: String,
    /// What the licence wants to go along: copyright and permission.
    pub notice: String,
}

/// Everything that recognition needs besides the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The version of the format, [`FORMAT`].
    pub format: u32,
    /// The genres in the order of the network's outputs.
    pub genres: Vec<String>,
    /// Preprocessing and architecture.
    pub config: ModelConfig,
    /// What it was trained on and how well it did.
    pub provenance: Provenance,
    /// How a song's genre is decided from its frames.
    #[serde(default)]
    pub decision: Decision,
    /// How well networks like this one did on songs that they were not trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_validation: Option<CrossValidation>,
}

/// The outcome of a cross-validation: networks of the same settings, each trained on all folds but one, and judged on that
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// How many folds.
    pub folds: usize,
    /// How many seeds; every song was judged once for each.
    pub seeds: usize,
    /// Distinct songs.
    pub songs: usize,
    /// The share of right judgements.
    pub song_accuracy: f64,
    /// 95 % interval of `song_accuracy` by Wilson's method, over distinct songs.
    pub interval: [f64; 2],
    /// The mean F1 of the genres.
    pub macro_f1: f64,
    /// The share of right frames.
    pub frame_accuracy: f64,
}

/// A trained network with its card.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Everything but the weights.
    pub card: ModelCard,
    /// Parameters and running statistics.
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

    /// What tells this model from others: a digest of what its network computes and of its weights, in hexadecimal.
    pub fn digest(&self) -> String {
        let config = serde_json::to_value(&self.card.config).unwrap_or_default();
        tensors::digest(&self.weights, &config)
    }

    /// What a model says of this one that begins with it.
    pub fn as_ancestor(&self) -> Ancestor {
        let (labels, provenance) = (self.card.genres.len(), self.card.provenance.clone());
        Ancestor { digest: self.digest(), labels, provenance }
    }

    /// Writes the model atomically.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        tensors::write(path, (KEY, &self.card), &self.weights)
    }

    /// The name by which [`Model::load`] gives the model that comes with this package; a file of that name is `./included`.
    pub const INCLUDED: &str = "included";

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
        let (weights, mut card) = if path == Path::new(Self::INCLUDED) {
            tensors::parse(INCLUDED, path, "model", KEY)?
        } else {
            tensors::read(path, "model", KEY)?
        };
        ModelConfig::complete(card.get_mut("config"));
        let Version { format } = Version::deserialize(&card).map_err(|e| damaged(e.to_string()))?;
        if !(1..=FORMAT).contains(&format) {
            return Err(FileError::Format { path: path.into(), found: format, wanted: FORMAT });
        }
        let mut card: ModelCard = serde_json::from_value(card).map_err(|e| damaged(e.to_string()))?;
        card.format = FORMAT;
        card.decision.check().map_err(|e| damaged(e.to_string()))?;
        let model = Self { card, weights };
        let network = model.network().map_err(|e| damaged(e.to_string()))?;
        let inference = network.inference(1).map_err(|e| damaged(e.to_string()))?;
        let fits = model.weights.scatter(&inference.layout, &inference.running);
        fits.map_err(|e| damaged(e.to_string()))?;
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Aggregation;

    fn model() -> Model {
        let config = ModelConfig { filters: vec![2], dense: vec![2], ..ModelConfig::default() };
        let weights = Network::new(config.clone(), 2).unwrap().initialise(1).unwrap();
        let card = ModelCard {
            format: FORMAT,
            genres: ["a", "b"].map(String::from).to_vec(),
            config,
            provenance: Provenance::default(),
            decision: Decision::default(),
            cross_validation: None,
        };
        Model { card, weights }
    }

    /// What loading a model whose card is changed like this comes to.
    fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Model, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let model = model();
        let mut card = serde_json::to_value(&model.card).unwrap();
        change(&mut card);
        tensors::write(&path, (KEY, &card), &model.weights).unwrap();
        Model::load(&path)
    }

    #[test]
    fn the_decision_and_the_cross_validation_are_kept() {
        let decision =
            Decision { aggregation: Aggregation::Vote, temperature: 0.7, unsure_below: Some(0.25) };
        let figures =
            CrossValidation { folds: 3, seeds: 2, songs: 240, interval: [0.5, 0.7], ..Default::default() };
        let mut model = model();
        model.card.decision = decision;
        model.card.cross_validation = Some(figures);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        model.save(&path).unwrap();
        assert_eq!(Model::load(&path).unwrap(), model);
    }

    #[test]
    fn files_from_before_decisions_still_load() {
        let old = changed(|card| {
            card.as_object_mut().unwrap().remove("decision").unwrap();
        });
        assert_eq!(old.unwrap().card.decision, Decision::default());
    }

    #[test]
    fn decisions_that_cannot_be_made_are_refused() {
        for (key, value) in [
            ("temperature", serde_json::json!(0.0)),
            ("temperature", serde_json::json!(-1.0)),
            ("temperature", serde_json::json!(1e30)),
            ("temperature", serde_json::json!(1e300)),
            ("temperature", serde_json::json!(null)),
            ("unsure_below", serde_json::json!(1.5)),
            ("unsure_below", serde_json::json!(-0.5)),
            ("aggregation", serde_json::json!("guess")),
        ] {
            let error = changed(|card| card["decision"][key] = value.clone()).unwrap_err();
            assert!(matches!(error, FileError::Damaged { kind: "model", .. }), "{key} {value}: {error}");
        }
        let error = changed(|card| card["decision"]["temperature"] = serde_json::json!(0.0)).unwrap_err();
        assert!(error.to_string().contains("the temperature is 0, but it must be above 0"), "{error}");
        let error = changed(|card| card["decision"]["unsure_below"] = serde_json::json!(1.5)).unwrap_err();
        assert!(error.to_string().contains("unsure below 1.5"), "{error}");
        assert_eq!(
            changed(|card| card["decision"]["unsure_below"] = serde_json::json!(null))
                .unwrap()
                .card
                .decision
                .unsure_below,
            None
        );
    }
}
