use serde::{Deserialize, Serialize};

use super::history::Keep;
use super::options::{RunConfig, TrainOptions};
use super::schedule::ScheduleKind;
use crate::dataset::Augmentation;
use crate::model::{Convolution, Features, ModelConfig, OptimizerKind};

/// A network and its recipe under one name; figures in docs/recognition.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The default: 0.3 million parameters.
    #[default]
    Small,
    /// Twice the filters: about four times the operations.
    Medium,
    /// Four times the filters: about sixteen times the operations, for a hardware GPU.
    Large,
    /// The network and recipe of the Keras program that this one re-imagines (2019): one separable block of 64 filters that
    /// adds last on a power spectrogram 512/256, a dense layer of 1024, Adam, the learning rate halved on a plateau, an early
    /// end, no augmentation. Three things differ: batch norm on the spectrogram, and global average pooling before the dense
    /// layers, without which it did not run; and the best model is kept, where its inverted monitor kept the worst.
    Original,
}

impl Preset {
    /// The settings.
    pub fn config(self) -> RunConfig {
        let (model, training) = (ModelConfig::default(), TrainOptions::default());
        let wider = |by: usize| model.filters.iter().map(|filters| filters * by).collect();
        let (model, training) = match self {
            Self::Small => (model, training),
            Self::Medium => (ModelConfig { filters: wider(2), ..model }, training),
            Self::Large => (ModelConfig { filters: wider(4), ..model }, training),
            Self::Original => (original_model(), original_training()),
        };
        RunConfig { model, training, ..RunConfig::default() }
    }
}

fn original_model() -> ModelConfig {
    ModelConfig {
        features: Features::Power,
        n_fft: 512,
        hop: 256,
        stem: false,
        filters: vec![64],
        convolutions: 1,
        convolution: Convolution::Separable,
        addition_last: true,
        dense: vec![1024],
        dropout: 0.0,
        ..ModelConfig::default()
    }
}

fn original_training() -> TrainOptions {
    TrainOptions {
        epochs: 100,
        optimizer: OptimizerKind::Adam,
        learning_rate: 1e-3,
        schedule: ScheduleKind::Plateau,
        patience: 20,
        keep: Keep::Best,
        weight_decay: 0.0,
        clip: 0.0,
        label_smoothing: 0.0,
        augmentation: Augmentation::NONE,
        ..TrainOptions::default()
    }
}
