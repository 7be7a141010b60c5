//! A last layer on standardised features, in the making.

use crate::recognize::argmax;

/// Songs: the means of their frames' embeddings, and their genres.
pub struct Data<'a> {
    pub means: &'a [Vec<f32>],
    pub genres: &'a [usize],
    pub class_weights: &'a [f32],
}

/// A layer on standardised embeddings.
pub struct Layer {
    mean: Vec<f64>,
    /// 1/standard deviation.
    scale: Vec<f64>,
    /// [genres, E].
    pub weight: Vec<f64>,
    /// \[genres\].
    pub bias: Vec<f64>,
}

impl Layer {
    /// A layer for the features of some songs that says the same of every song.
    pub fn unknowing(data: &Data<'_>, songs: &[usize]) -> Self {
        let (mean, scale) = standard(data, songs);
        let genres = data.class_weights.len();
        Self { weight: vec![0.0; mean.len() * genres], bias: vec![0.0; genres], mean, scale }
    }

    pub fn standardised<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        values.iter().zip(&self.mean).zip(&self.scale).map(|((&v, m), s)| (f64::from(v) - m) * s)
    }

    pub fn width(&self) -> usize {
        self.mean.len()
    }

    pub fn genres(&self) -> usize {
        self.bias.len()
    }

    /// What it makes of a song, before softmax.
    pub fn logits(&self, values: &[f32]) -> Vec<f64> {
        let x: Vec<f64> = self.standardised(values).collect();
        let rows = self.weight.chunks_exact(self.width()).zip(&self.bias);
        rows.map(|(row, b)| b + row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>()).collect()
    }

    /// The mean of −ln p of songs' genres, and the share of right ones.
    pub fn judge(&self, data: &Data<'_>, songs: &[usize]) -> (f64, f64) {
        let (mut loss, mut right) = (0.0, 0);
        for &song in songs {
            let logits = self.logits(&data.means[song]);
            loss += surprise(&logits, data.genres[song], 1.0);
            let narrow: Vec<f32> = logits.iter().map(|&logit| logit as f32).collect();
            right += usize::from(argmax(&narrow) == data.genres[song]);
        }
        let count = songs.len().max(1) as f64;
        (loss / count, right as f64 / count)
    }

    /// Weight [genres, E] and bias of the same layer on embeddings as they are.
    pub fn plain(&self) -> (Vec<f32>, Vec<f32>) {
        let rows = self.weight.chunks_exact(self.width());
        let scaled = rows.clone().flat_map(|row| row.iter().zip(&self.scale).map(|(w, s)| (w * s) as f32));
        let shift = |row: &[f64]| -> f64 {
            row.iter().zip(&self.scale).zip(&self.mean).map(|((w, s), m)| w * s * m).sum()
        };
        let biases = rows.clone().zip(&self.bias).map(|(row, b)| (b - shift(row)) as f32);
        (scaled.collect(), biases.collect())
    }
}

/// −ln p of the genre, after softmax over the logits times `sharpness`.
pub fn surprise(logits: &[f64], genre: usize, sharpness: f64) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (sharpness * (logit - top)).exp()).sum();
    sharpness * (top - logits[genre]) + sum.ln()
}

/// Mean and 1/standard deviation of every feature over songs; a feature that does not vary is left out (0).
fn standard(data: &Data<'_>, songs: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let (width, count) = (data.means[songs[0]].len(), songs.len() as f64);
    let mut mean = vec![0.0; width];
    for &song in songs {
        mean.iter_mut().zip(&data.means[song]).for_each(|(m, &v)| *m += f64::from(v) / count);
    }
    let mut variance = vec![0.0; width];
    for &song in songs {
        let terms = data.means[song].iter().zip(&mean).map(|(&v, m)| (f64::from(v) - m).powi(2) / count);
        variance.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }
    let scale = variance.iter().map(|v| if *v > 1e-12 { v.sqrt().recip() } else { 0.0 }).collect();
    (mean, scale)
}
