use serde::{Deserialize, Serialize};

use super::decision::FLOOR;
use super::{argmax, share};

/// Bins of [`Calibration::bins`] from probability 0 to 1.
const BINS: usize = 10;

/// Songs whose genre was named with about the same probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The bin is [low, high); the last one includes 1.
    pub low: f64,
    pub high: f64,
    pub songs: usize,
    /// The mean probability with which the songs' genres were named.
    pub confidence: f64,
    /// The share of them named rightly; as high as `confidence` where probabilities mean what they say.
    pub accuracy: f64,
}

/// Whether probabilities mean what they say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Mean negative log-likelihood: of −ln p of the song's genre.
    pub nll: f64,
    /// Brier score (1950), of all genres: the mean of Σ_g (p_g − \[g is the song's genre\])²; 0 to 2.
    pub brier: f64,
    /// Expected calibration error (Naeini, Cooper, Hauskrecht 2015): Σ over bins of (share of songs) × |accuracy −
    /// confidence|.
    pub ece: f64,
    /// Ten bins of equal width of the probability of the genre named; those without songs are left out.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Of songs' probabilities, each with the song's genre. A genre beyond the probabilities has probability 0.
    pub fn of<'a>(songs: impl IntoIterator<Item = (&'a [f32], usize)>) -> Self {
        let mut filled = [(0usize, 0.0f64, 0usize); BINS];
        let (mut nll, mut brier) = (0.0, 0.0);
        for (probabilities, truth) in songs {
            let p = |genre: usize| probabilities.get(genre).map_or(0.0, |&p| f64::from(p));
            nll -= p(truth).max(f64::from(FLOOR)).ln();
            let square = |genre: usize| (p(genre) - f64::from(u8::from(genre == truth))).powi(2);
            brier += (0..probabilities.len()).map(square).sum::<f64>();
            let named = argmax(probabilities);
            let bin = &mut filled[((p(named) * BINS as f64) as usize).min(BINS - 1)];
            bin.0 += 1;
            bin.1 += p(named);
            bin.2 += usize::from(named == truth);
        }
        let songs: usize = filled.iter().map(|bin| bin.0).sum();
        let width = 1.0 / BINS as f64;
        let bins: Vec<Bin> = (0..BINS)
            .zip(filled)
            .filter(|(_, (songs, ..))| *songs > 0)
            .map(|(i, (songs, confidence, right))| Bin {
                low: i as f64 * width,
                high: (i + 1) as f64 * width,
                songs,
                confidence: confidence / songs as f64,
                accuracy: share(right, songs),
            })
            .collect();
        let ece =
            bins.iter().map(|bin| share(bin.songs, songs) * (bin.accuracy - bin.confidence).abs()).sum();
        let mean = |sum: f64| sum / songs.max(1) as f64;
        Self { nll: mean(nll), brier: mean(brier), ece, bins }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn known_values() {
        let songs: [(&[f32], usize); 3] = [(&[0.75, 0.25], 0), (&[0.75, 0.25], 1), (&[0.125, 0.875], 1)];
        let c = Calibration::of(songs);
        let nll = -(0.75f64.ln() + 0.25f64.ln() + 0.875f64.ln()) / 3.0;
        assert!((c.nll - nll).abs() < 1e-12);
        let brier = (2.0 * 0.0625 + 2.0 * 0.5625 + 2.0 * 0.015625) / 3.0;
        assert!((c.brier - brier).abs() < 1e-12);
        let bins: Vec<_> = c.bins.iter().map(|b| (b.songs, b.confidence, b.accuracy)).collect();
        assert_eq!(bins, [(2, 0.75, 0.5), (1, 0.875, 1.0)]);
        assert!((c.bins[0].low - 0.7).abs() < 1e-12 && (c.bins[0].high - 0.8).abs() < 1e-12);
        assert!((c.ece - (2.0 / 3.0 * 0.25 + 1.0 / 3.0 * 0.125)).abs() < 1e-12);
    }

    #[test]
    fn certainty_is_free_when_right_and_finite_when_wrong() {
        let right = Calibration::of([(&[0.0f32, 1.0][..], 1)]);
        assert_eq!((right.nll, right.brier, right.ece), (0.0, 0.0, 0.0));
        let wrong = Calibration::of([(&[0.0f32, 1.0][..], 0)]);
        assert_eq!((wrong.brier, wrong.ece), (2.0, 1.0));
        assert!(wrong.nll > 87.0 && wrong.nll < 88.0);
        assert_eq!(Calibration::of([]), Calibration::default());
    }

    #[test]
    fn songs_as_likely_as_they_say_are_calibrated() {
        let mut rng = Rng::new(5);
        let probabilities: Vec<[f32; 2]> = (0..20_000)
            .map(|_| {
                let p = rng.uniform();
                [p, 1.0 - p]
            })
            .collect();
        let truths: Vec<usize> = probabilities.iter().map(|p| usize::from(rng.uniform() >= p[0])).collect();
        let c = Calibration::of(probabilities.iter().map(|p| &p[..]).zip(truths.iter().copied()));
        assert!(c.ece < 0.015, "{}", c.ece);
        let doubted = Calibration::of(probabilities.iter().map(|p| &p[..]).zip(truths.iter().map(|t| 1 - t)));
        assert!(doubted.ece > 0.4, "{}", doubted.ece);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(songs in prop::collection::vec((0.0f32..=1.0, 0usize..2), 1..40)) {
            let songs: Vec<([f32; 2], usize)> = songs.into_iter().map(|(p, t)| ([p, 1.0 - p], t)).collect();
            let forth = Calibration::of(songs.iter().map(|(p, t)| (&p[..], *t)));
            let back = Calibration::of(songs.iter().rev().map(|(p, t)| (&p[..], *t)));
            prop_assert!((forth.nll - back.nll).abs() < 1e-9 && (forth.brier - back.brier).abs() < 1e-9);
            prop_assert!((forth.ece - back.ece).abs() < 1e-9 && (0.0..=1.0).contains(&forth.ece));
            prop_assert_eq!(forth.bins.iter().map(|b| b.songs).sum::<usize>(), songs.len());
            for bin in forth.bins {
                prop_assert!(bin.low <= bin.confidence + 1e-6 && bin.confidence <= bin.high + 1e-6);
            }
        }
    }
}
