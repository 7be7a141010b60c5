//! Linear discriminant analysis on standardised features (Hastie, Tibshirani and Friedman 2009, 4.3), with a shrunken
//! covariance.
//!
//! Songs of a genre are taken to lie around its mean μ, all genres alike, with the covariance Σ. Then ln p of a genre is
//! `xᵀΣ⁻¹μ − μᵀΣ⁻¹μ/2 + ln prior` but for a constant: a linear layer, in closed form. Few songs tell little of Σ, so that it is
//! shrunk towards a multiple of the identity (Friedman 1989): `(1 − shrinkage)·Σ + shrinkage·(trace Σ/E)·1`.

use super::layer::{Data, Layer};

/// So many songs more are counted for every genre, so that one without songs, in a fold, is not impossible (Jeffreys).
const PRIOR: f64 = 0.5;

/// Genres' means and the covariance about them.
pub struct Discriminant {
    layer: Layer,
    /// [genres, E], and ln prior \[genres\].
    means: Vec<Vec<f64>>,
    priors: Vec<f64>,
    /// [E, E].
    covariance: Vec<f64>,
}

impl Discriminant {
    /// Of some songs.
    pub fn new(data: &Data<'_>, songs: &[usize]) -> Self {
        let layer = Layer::unknowing(data, songs);
        let (width, genres) = (layer.width(), layer.genres());
        let rows: Vec<Vec<f64>> =
            songs.iter().map(|&song| layer.standardised(&data.means[song]).collect()).collect();
        let mut counts = vec![0.0; genres];
        let mut means = vec![vec![0.0; width]; genres];
        for (row, &song) in rows.iter().zip(songs) {
            counts[data.genres[song]] += 1.0;
            means[data.genres[song]].iter_mut().zip(row).for_each(|(mean, v)| *mean += v);
        }
        for (mean, &count) in means.iter_mut().zip(&counts) {
            mean.iter_mut().for_each(|v| *v /= f64::max(count, 1.0));
        }
        let mut covariance = vec![0.0; width * width];
        for (row, &song) in rows.iter().zip(songs) {
            let apart: Vec<f64> = row.iter().zip(&means[data.genres[song]]).map(|(v, m)| v - m).collect();
            for (line, a) in covariance.chunks_exact_mut(width).zip(&apart) {
                line.iter_mut().zip(&apart).for_each(|(sum, b)| *sum += a * b / songs.len() as f64);
            }
        }
        let share: Vec<f64> =
            counts.iter().zip(data.class_weights).map(|(n, &w)| (n + PRIOR) * f64::from(w)).collect();
        let all: f64 = share.iter().sum();
        let priors = share.iter().map(|share| (share / all).max(f64::MIN_POSITIVE).ln()).collect();
        Self { layer, means, priors, covariance }
    }

    /// The layer that follows; none where songs do not differ from their genres' means.
    pub fn layer(mut self, shrinkage: f64) -> Option<Layer> {
        let solved = self.solve(shrinkage)?;
        self.set(&solved);
        Some(self.layer)
    }

    /// What the layer makes of songs, for each shrinkage.
    pub fn judge(&mut self, data: &Data<'_>, songs: &[usize], shrinkage: f64) -> Option<Vec<Vec<f64>>> {
        let solved = self.solve(shrinkage)?;
        self.set(&solved);
        Some(songs.iter().map(|&song| self.layer.logits(&data.means[song])).collect())
    }

    fn set(&mut self, solved: &[Vec<f64>]) {
        let halves = solved.iter().zip(&self.means).map(|(w, m)| dot(w, m) / 2.0);
        self.layer.bias = self.priors.iter().zip(halves).map(|(prior, half)| prior - half).collect();
        self.layer.weight = solved.concat();
    }

    /// Σ⁻¹μ of every genre.
    fn solve(&self, shrinkage: f64) -> Option<Vec<Vec<f64>>> {
        let width = self.layer.width();
        let trace: f64 = self.covariance.iter().step_by(width + 1).sum();
        let mut shrunken: Vec<f64> = self.covariance.iter().map(|v| (1.0 - shrinkage) * v).collect();
        shrunken.iter_mut().step_by(width + 1).for_each(|v| *v += shrinkage * trace / width as f64);
        let factor = cholesky(shrunken, width)?;
        Some(self.means.iter().map(|mean| substitute(&factor, mean)).collect())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The lower triangle L of a symmetric matrix LLᵀ; none where it is not positive definite.
fn cholesky(mut matrix: Vec<f64>, width: usize) -> Option<Vec<f64>> {
    for i in 0..width {
        let (above, rest) = matrix.split_at_mut(i * width);
        let row = &mut rest[..width];
        for (j, other) in above.chunks_exact(width).enumerate() {
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let square = row[i] - dot(&row[..i], &row[..i]);
        if square.is_nan() || square <= 0.0 {
            return None;
        }
        row[i] = square.sqrt();
    }
    Some(matrix)
}

/// x of LLᵀx = b.
fn substitute(factor: &[f64], b: &[f64]) -> Vec<f64> {
    let width = b.len();
    let mut x = b.to_vec();
    for (i, row) in factor.chunks_exact(width).enumerate() {
        x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
    }
    for (i, row) in factor.chunks_exact(width).enumerate().rev() {
        x[i] /= row[i];
        let (before, here) = x.split_at_mut(i);
        before.iter_mut().zip(row).for_each(|(x, l)| *x -= l * here[0]);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        let matrix = vec![4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let x = substitute(&cholesky(matrix.clone(), 3).unwrap(), &[1.0, -2.0, 0.5]);
        for (row, b) in matrix.chunks(3).zip([1.0, -2.0, 0.5]) {
            approx::assert_relative_eq!(dot(row, &x), b, epsilon = 1e-12);
        }
        assert!(cholesky(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
    }

    /// Two genres on a line, one of which has three times the songs: the border is where their densities, times their shares,
    /// are equal.
    #[test]
    fn the_border_is_where_both_are_equally_likely() {
        let means: Vec<Vec<f32>> =
            [-2.0, -1.0, -3.0, 1.0, 2.0, 3.0, 1.0, 3.0, 2.0, 1.0, 3.0, 2.0].map(|v| vec![v]).into();
        let genres = [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        let data = Data { means: &means, genres: &genres, class_weights: &[1.0, 1.0] };
        let songs: Vec<usize> = (0..12).collect();
        let layer = Discriminant::new(&data, &songs).layer(0.5).unwrap();
        // Means −2 and 2, variance 8/12 about them: the border is at σ²/4·ln(share of 0/share of 1).
        let border = 8.0 / 12.0 / 4.0 * (3.5f64 / 9.5).ln();
        let logits = layer.logits(&[border as f32]);
        approx::assert_relative_eq!(logits[0], logits[1], epsilon = 1e-5);
        assert_eq!(layer.judge(&data, &songs).1, 1.0);
    }

    #[test]
    fn without_any_spread_there_is_none() {
        let means = [vec![1.0f32, 0.0], vec![0.0, 1.0]];
        let data = Data { means: &means, genres: &[0, 1], class_weights: &[1.0, 1.0] };
        assert!(Discriminant::new(&data, &[0, 1]).layer(0.5).is_none());
    }
}
