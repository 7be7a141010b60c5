//! An imported network as a model of ours.

use std::collections::BTreeMap;

use super::Imported;
use super::musicnn::{Convolution, Sizes};
use super::settings::Preprocessing;
use crate::audio::Normalise;
use crate::model::{
    Architecture, Branch, FORMAT, Features, Labels, Model, ModelCard, ModelConfig, Musicnn, Provenance,
    Source, Tensor, Weights,
};
use crate::ops::mel::MelScale;
use crate::score::{Aggregation, Decision};

/// What the published networks' batch norms add to a variance.
const EPSILON: f64 = 1e-3;
/// The share of the dense layers' inputs that they drop in training.
const DROPOUT: f32 = 0.5;

impl Imported {
    /// The model. Its file is checked as any other's when it is read.
    pub fn into_model(self) -> Model {
        let Self { network, tensors, sizes, preprocessing, tags, licence, source } = self;
        let card = ModelCard {
            format: FORMAT,
            genres: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            config: config(&sizes, &preprocessing),
            provenance: Provenance {
                dataset: network.to_owned(),
                source: Some(Source {
                    name: format!("{network} of {source}"),
                    licence: licence_name(&licence),
                    notice: licence,
                }),
                ..Provenance::default()
            },
            // As the package does it.
            decision: Decision {
                aggregation: Aggregation::Independent,
                unsure_below: None,
                ..Decision::default()
            },
            cross_validation: None,
        };
        let tensors: BTreeMap<String, Tensor> = tensors
            .into_iter()
            .map(|(name, (shape, data))| (name, Tensor { shape: shape[..].into(), data }))
            .collect();
        Model { card, weights: Weights(tensors) }
    }
}

/// A song is cut as the package cuts it: into spectrograms of so many columns, one behind the other. The transforms of a frame
/// lie within it.
fn config(sizes: &Sizes, settings: &Preprocessing) -> ModelConfig {
    let &Preprocessing { sample_rate, n_fft, hop, mels, frames } = settings;
    let seconds = |samples: usize| samples as f64 / sample_rate as f64;
    let by_height = |c: &Convolution| Branch { filters: c.filters, length: c.height };
    let by_width = |c: &Convolution| Branch { filters: c.filters, length: c.width };
    let (timbral, temporal): (Vec<&Convolution>, Vec<&Convolution>) =
        sizes.front.iter().partition(|convolution| convolution.height > 1);
    ModelConfig {
        sample_rate: sample_rate as u32,
        frame_seconds: seconds((frames - 1) * hop + n_fft),
        frame_step: Some(seconds(frames * hop)),
        normalise: Normalise::None,
        features: Features::CompressedMel,
        n_fft,
        hop,
        mels,
        low: 0.0,
        high: f64::from(sample_rate as u32) / 2.0,
        mel_scale: MelScale::Slaney,
        centred: false,
        architecture: Architecture::Musicnn(Musicnn {
            timbral_width: timbral.first().map_or(1, |convolution| convolution.width),
            timbral: timbral.into_iter().map(by_height).collect(),
            temporal: temporal.into_iter().map(by_width).collect(),
            middle: sizes.middle.iter().map(|convolution| convolution.filters).collect(),
            middle_width: sizes.middle[0].width,
        }),
        labels: Labels::Tags,
        epsilon: EPSILON,
        dense: vec![sizes.dense],
        dropout: DROPOUT,
        slope: 0.0,
        ..ModelConfig::default()
    }
}

/// The name of the licence whose text this is.
fn licence_name(text: &str) -> String {
    if text.contains("Permission to use, copy, modify, and/or distribute this software") {
        "ISC"
    } else {
        "its own"
    }
    .to_owned()
}
