//! The last layer, fitted to the means of what a base hears in songs.
//!
//! It is the mean of two linear layers: logistic regression, which bends to the songs at the borders of genres, and discriminant
//! analysis, which looks at where genres lie and errs less with few songs. A mean of logits is the geometric mean of
//! probabilities, and a linear layer again. Penalty, shrinkage and sharpness are chosen by folds of the songs trained on,
//! artists apart, as is the rule for all splits.

use super::Embeddings;
use super::discriminant::Discriminant;
use super::layer::{Data, Layer, surprise};
use super::logistic;
use crate::dataset::{self, Library, Split};
use crate::device::{self, Device, DeviceChoice};
use crate::model::{HEAD_BIAS, HEAD_WEIGHT, Tensor};
use crate::train::TrainError;

/// Of logistic regression, from little to much; songs are worth one each.
const PENALTIES: [f64; 7] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];
/// Where the songs cannot be dealt to folds.
const USUAL: f64 = 100.0;
/// Of discriminant analysis.
const SHRINKAGES: [f64; 5] = [0.2, 0.4, 0.6, 0.8, 0.95];
/// What its logits are multiplied with: features that say the same are counted as often as there are of them.
const SHARPNESSES: [f64; 9] = [0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3];
const FOLDS: usize = 3;

/// A last layer that was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// [genres, E].
    weight: Vec<f32>,
    /// \[genres\].
    bias: Vec<f32>,
    /// Of the songs fitted to: the mean of −ln p, and the share of right ones.
    pub loss: f64,
    pub accuracy: f64,
}

impl Fitted {
    /// As a network's parameters.
    pub fn tensors(&self, genres: usize) -> [(String, Tensor); 2] {
        let width = self.weight.len() / genres.max(1);
        let weight = Tensor { shape: [genres, width].into(), data: self.weight.clone() };
        let bias = Tensor { shape: [genres].into(), data: self.bias.clone() };
        [(HEAD_WEIGHT.into(), weight), (HEAD_BIAS.into(), bias)]
    }
}

/// Fits a last layer for the library's genres to some of its songs, whose genres have these weights.
///
/// # Errors
/// [`TrainError`] where the CPU device fails.
pub fn fit_head(
    embeddings: &Embeddings,
    library: &Library,
    songs: &[usize],
    class_weights: &[f32],
    seed: u64,
) -> Result<Fitted, TrainError> {
    // Of a song without frames nothing can be learnt.
    let heard: Vec<(usize, Vec<f32>)> = songs
        .iter()
        .filter_map(|&song| embeddings.mean(&library.songs[song]).map(|mean| (song, mean)))
        .collect();
    if heard.is_empty() {
        return Err(TrainError::NoTrainingSongs);
    }
    // The few numbers of a last layer are no work for a GPU, and come out alike wherever the rest is computed.
    let device = device::open(DeviceChoice::Cpu)?;
    let (songs, means): (Vec<usize>, Vec<Vec<f32>>) = heard.into_iter().unzip();
    let genres: Vec<usize> = songs.iter().map(|&song| library.dataset.songs[song].genre).collect();
    let data = Data { means: &means, genres: &genres, class_weights };
    let part = library.dataset.part(&songs);
    let folds = dataset::folds(&part, FOLDS, seed).unwrap_or_default();
    let folds = if folds.iter().any(|fold| fold.train.is_empty() || fold.validation.is_empty()) {
        Vec::new()
    } else {
        folds
    };
    let all: Vec<usize> = (0..songs.len()).collect();
    let penalty = penalty(&data, &folds, device.as_ref())?;
    let mut layer = logistic::fit(&data, &all, penalty, device.as_ref())?;
    if let Some((other, sharpness)) = shrinkage(&data, &folds).and_then(|(shrinkage, sharpness)| {
        Discriminant::new(&data, &all).layer(shrinkage).map(|layer| (layer, sharpness))
    }) {
        blend(&mut layer, &other, sharpness);
    }
    let (loss, accuracy) = layer.judge(&data, &all);
    let (weight, bias) = layer.plain();
    Ok(Fitted { weight, bias, loss, accuracy })
}

/// The penalty under which layers fitted to two of three folds say most of the third.
fn penalty(data: &Data<'_>, folds: &[Split], device: &dyn Device) -> Result<f64, TrainError> {
    let mut best = (f64::INFINITY, USUAL);
    for penalty in PENALTIES {
        let mut loss = 0.0;
        for fold in folds {
            let layer = logistic::fit(data, &fold.train, penalty, device)?;
            loss += layer.judge(data, &fold.validation).0 * fold.validation.len() as f64;
        }
        if !folds.is_empty() && loss < best.0 {
            best = (loss, penalty);
        }
    }
    Ok(best.1)
}

/// Shrinkage and sharpness, chosen alike; none where there is nothing to choose them by.
fn shrinkage(data: &Data<'_>, folds: &[Split]) -> Option<(f64, f64)> {
    let mut fitted: Vec<Discriminant> =
        folds.iter().map(|fold| Discriminant::new(data, &fold.train)).collect();
    let mut best = None;
    let mut least = f64::INFINITY;
    for shrinkage in SHRINKAGES {
        let mut losses = [0.0; SHARPNESSES.len()];
        for (discriminant, fold) in fitted.iter_mut().zip(folds) {
            let judged = discriminant.judge(data, &fold.validation, shrinkage)?;
            for (logits, &song) in judged.iter().zip(&fold.validation) {
                let genre = data.genres[song];
                losses.iter_mut().zip(SHARPNESSES).for_each(|(sum, s)| *sum += surprise(logits, genre, s));
            }
        }
        for (loss, sharpness) in losses.into_iter().zip(SHARPNESSES) {
            if !folds.is_empty() && loss < least {
                (least, best) = (loss, Some((shrinkage, sharpness)));
            }
        }
    }
    best
}

/// The mean of a layer and another, whose logits are multiplied with `sharpness`.
fn blend(layer: &mut Layer, other: &Layer, sharpness: f64) {
    let pairs = layer.weight.iter_mut().zip(&other.weight).chain(layer.bias.iter_mut().zip(&other.bias));
    pairs.for_each(|(a, b)| *a = (*a + sharpness * b) / 2.0);
}
