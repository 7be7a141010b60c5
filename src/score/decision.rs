use serde::{Deserialize, Serialize};

use super::argmax;

/// What a probability of 0 counts as where its logarithm is taken: the smallest normal f32.
pub const FLOOR: f32 = f32::MIN_POSITIVE;

/// What a song's genres score, from the probabilities of its frames: s_g of genre g over n frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregation {
    /// The mean of ln p: the logarithm of the geometric mean. What is certain in one frame weighs much; one that is certain
    /// that a genre is not vetoes it. The default, because it measured best (docs/recognition.md).
    #[default]
    MeanLogProbability,
    /// ln of the mean of p.
    MeanProbability,
    /// ln of the share of frames whose most probable genre it is, with Laplace's one vote more for every genre:
    /// (votes + 1) / (n + G).
    Vote,
    /// ln of the mean of p, of labels that do not exclude each other: the song's probabilities are these means.
    Independent,
}

impl Aggregation {
    /// All of those that choose one genre.
    pub const ALL: [Self; 3] = [Self::MeanLogProbability, Self::MeanProbability, Self::Vote];

    /// The name that it has in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanLogProbability => "mean-log-probability",
            Self::MeanProbability => "mean-probability",
            Self::Vote => "vote",
            Self::Independent => "independent",
        }
    }

    /// The scores of the genres, all finite, from the frames' probabilities of them; none where there are no frames.
    pub fn scores<'a>(self, frames: impl IntoIterator<Item = &'a [f32]>) -> Vec<f64> {
        let mut sums: Vec<f64> = Vec::new();
        let mut count = 0usize;
        for frame in frames {
            sums.resize(sums.len().max(frame.len()), 0.0);
            count += 1;
            match self {
                Self::MeanLogProbability => {
                    sums.iter_mut().zip(frame).for_each(|(sum, &p)| *sum += f64::from(p.max(FLOOR)).ln());
                }
                Self::MeanProbability | Self::Independent => {
                    // Not a number and below 0 are no probabilities: they count as 0.
                    sums.iter_mut().zip(frame).for_each(|(sum, &p)| *sum += f64::from(p.max(0.0)));
                }
                Self::Vote => sums.iter_mut().skip(argmax(frame)).take(1).for_each(|votes| *votes += 1.0),
            }
        }
        let (n, genres) = (count as f64, sums.len() as f64);
        for sum in &mut sums {
            *sum = match self {
                Self::MeanLogProbability => *sum / n,
                Self::MeanProbability | Self::Independent => (*sum / n).max(f64::from(FLOOR)).ln(),
                Self::Vote => ((*sum + 1.0) / (n + genres)).ln(),
            };
        }
        sums
    }
}

/// How a song's genre is decided from its frames: softmax(s / `temperature`) of the scores s of `aggregation`, but for
/// [`Aggregation::Independent`].
///
/// With [`Aggregation::MeanProbability`] and temperature 1 these are the plain means of the frames' probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// What a genre scores from the frames.
    pub aggregation: Aggregation,
    /// Above 1, probabilities come closer to each other; below 1, the highest comes closer to 1 (Guo et al. 2017, "On
    /// calibration of modern neural networks"). The order of the genres stays.
    pub temperature: f32,
    /// A song whose genre is named with a probability below this is unsure; none: no song is. With 0.5 these are the songs
    /// that are more probably named wrongly than rightly.
    pub unsure_below: Option<f32>,
}

impl Default for Decision {
    fn default() -> Self {
        Self { aggregation: Aggregation::default(), temperature: 1.0, unsure_below: Some(0.5) }
    }
}

/// A decision that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum DecisionError {
    #[error("the temperature is {0}, but it must be above 0 and at most 1000")]
    Temperature(f32),
    #[error("songs are unsure below {0}, but it must lie within 0 and 1")]
    UnsureBelow(f32),
}

impl Decision {
    /// Checks what a file says.
    ///
    /// # Errors
    /// [`DecisionError`] where the temperature is not in (0, 1000], or the threshold not in [0, 1].
    pub fn check(&self) -> Result<(), DecisionError> {
        if !(self.temperature > 0.0 && self.temperature <= 1000.0) {
            return Err(DecisionError::Temperature(self.temperature));
        }
        match self.unsure_below {
            Some(below) if !(0.0..=1.0).contains(&below) => Err(DecisionError::UnsureBelow(below)),
            _ => Ok(()),
        }
    }

    /// The song's probabilities of the genres from those of its frames; none where it has no frames.
    pub fn song<'a>(&self, frames: impl IntoIterator<Item = &'a [f32]>) -> Vec<f32> {
        self.probabilities(&self.aggregation.scores(frames))
    }

    /// softmax(`scores` / temperature), or of labels that do not exclude each other exp(`scores`). Computed in f64 around the maximum, so that nothing overflows.
    pub fn probabilities(&self, scores: &[f64]) -> Vec<f32> {
        if self.aggregation == Aggregation::Independent {
            return scores.iter().map(|score| score.exp() as f32).collect();
        }
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> =
            scores.iter().map(|score| ((score - top) / f64::from(self.temperature)).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| (weight / sum) as f32).collect()
    }

    /// Whether a song with these probabilities is unsure.
    pub fn unsure(&self, song: &[f32]) -> bool {
        self.unsure_below.is_some_and(|below| song.get(argmax(song)).is_some_and(|&top| top < below))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(aggregation: Aggregation, temperature: f32) -> Decision {
        Decision { aggregation, temperature, ..Decision::default() }
    }

    /// Songs of 1 to 12 frames with 2 to 6 genres.
    fn songs() -> impl Strategy<Value = Vec<Vec<f32>>> {
        (2usize..7, 1usize..13).prop_flat_map(|(genres, frames)| {
            let frame = prop::collection::vec(1e-3f32..1.0, genres).prop_map(|raw| {
                let sum: f32 = raw.iter().sum();
                raw.into_iter().map(|p| p / sum).collect::<Vec<f32>>()
            });
            prop::collection::vec(frame, frames)
        })
    }

    fn rows(frames: &[Vec<f32>]) -> impl Iterator<Item = &[f32]> {
        frames.iter().map(Vec::as_slice)
    }

    #[test]
    fn closed_forms() {
        let frames: [&[f32]; 3] = [&[0.5, 0.5], &[0.75, 0.25], &[0.125, 0.875]];
        let near = |a: &[f32], b: [f64; 2]| a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6);
        let song = |a, t| with(a, t).song(frames);
        // (0.5 + 0.75 + 0.125) / 3.
        assert!(near(&song(Aggregation::MeanProbability, 1.0), [1.375 / 3.0, 1.625 / 3.0]));
        // Odds of the geometric means: ∛(1 × 3 × 1/7).
        let odds = (3.0f64 / 7.0).cbrt();
        let wanted = [odds / (1.0 + odds), 1.0 / (1.0 + odds)];
        assert!(near(&song(Aggregation::MeanLogProbability, 1.0), wanted));
        // At temperature 1/3 that is the product of the frames' odds.
        let wanted = [3.0 / 10.0, 7.0 / 10.0];
        assert!(near(&song(Aggregation::MeanLogProbability, 1.0 / 3.0), wanted));
        // Two votes (the tie goes to the first) and one: (2 + 1) / (3 + 2) and (1 + 1) / (3 + 2).
        assert!(near(&song(Aggregation::Vote, 1.0), [0.6, 0.4]));
    }

    #[test]
    fn zeros_ones_and_no_numbers_stay_finite() {
        let frames: [&[f32]; 3] = [&[0.0, 1.0, 0.0], &[1.0, 0.0, 0.0], &[f32::NAN, -1.0, f32::NAN]];
        for aggregation in Aggregation::ALL {
            for temperature in [f32::MIN_POSITIVE, 1.0, 1000.0] {
                let song = with(aggregation, temperature).song(frames);
                let sum: f32 = song.iter().sum();
                assert!(song.iter().all(|p| p.is_finite()) && (sum - 1.0).abs() < 1e-5, "{song:?}");
            }
            assert!(with(aggregation, 1.0).song([]).is_empty());
        }
    }

    #[test]
    fn hostile_settings_are_refused() {
        for temperature in [0.0, -1.0, 1000.5, f32::NAN, f32::INFINITY] {
            let error = with(Aggregation::Vote, temperature).check().unwrap_err();
            assert!(error.to_string().contains("temperature"), "{error}");
        }
        for below in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            let decision = Decision { unsure_below: Some(below), ..Decision::default() };
            assert!(matches!(decision.check(), Err(DecisionError::UnsureBelow(_))));
        }
        for decision in
            [Decision::default(), Decision { unsure_below: None, ..with(Aggregation::Vote, 1000.0) }]
        {
            assert_eq!(decision.check(), Ok(()));
        }
    }

    #[test]
    fn files_name_things_in_words() {
        let decision = Decision { temperature: 1.25, ..with(Aggregation::MeanLogProbability, 1.0) };
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(text, r#"{"aggregation":"mean-log-probability","temperature":1.25,"unsure_below":0.5}"#);
        assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision);
        assert_eq!(serde_json::from_str::<Decision>("{}").unwrap(), Decision::default());
        assert_eq!(serde_json::from_str::<Decision>(r#"{"unsure_below":null}"#).unwrap().unsure_below, None);
        for aggregation in Aggregation::ALL {
            assert_eq!(serde_json::to_value(aggregation).unwrap(), aggregation.name());
        }
    }

    #[test]
    fn unsure_is_below_the_threshold() {
        let at = |unsure_below| Decision { unsure_below, ..Decision::default() };
        assert!(at(Some(0.5)).unsure(&[0.4, 0.3, 0.3]));
        assert!(!at(Some(0.5)).unsure(&[0.5, 0.3, 0.2]));
        assert!(!at(Some(0.0)).unsure(&[0.4, 0.3, 0.3]) && !at(None).unsure(&[0.4, 0.3, 0.3]));
        assert!(!at(Some(0.5)).unsure(&[]));
    }

    proptest! {
        #[test]
        fn the_mean_probability_is_the_plain_mean(frames in songs()) {
            let decision = Decision { aggregation: Aggregation::MeanProbability, ..Decision::default() };
            let song = decision.song(rows(&frames));
            for (g, p) in song.iter().enumerate() {
                let mean = frames.iter().map(|frame| frame[g]).sum::<f32>() / frames.len() as f32;
                prop_assert!((p - mean).abs() < 1e-6, "{} {}", p, mean);
            }
        }

        #[test]
        fn temperature_keeps_the_order(frames in songs(), exponent in -4.0f32..3.0) {
            let temperature = 10f32.powf(exponent).min(1000.0);
            for aggregation in Aggregation::ALL {
                let scores = aggregation.scores(rows(&frames));
                let song = with(aggregation, temperature).probabilities(&scores);
                prop_assert_eq!(song[argmax(&scores)], song[argmax(&song)]);
                for (a, p) in scores.iter().zip(&song) {
                    for (b, q) in scores.iter().zip(&song) {
                        prop_assert!(a < b || p >= q);
                    }
                }
                let sum: f32 = song.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-5);
            }
        }

        #[test]
        fn the_order_of_frames_does_not_matter(frames in songs()) {
            for aggregation in Aggregation::ALL {
                let forth = aggregation.scores(rows(&frames));
                let back = aggregation.scores(frames.iter().rev().map(Vec::as_slice));
                for (a, b) in forth.iter().zip(&back) {
                    prop_assert!((a - b).abs() < 1e-9);
                }
            }
        }

        /// A song played twice is the same song, but for the vote's smoothing.
        #[test]
        fn a_song_twice_is_the_song(frames in songs()) {
            for aggregation in [Aggregation::MeanLogProbability, Aggregation::MeanProbability] {
                let once = aggregation.scores(rows(&frames));
                let twice = aggregation.scores(rows(&frames).chain(rows(&frames)));
                for (a, b) in once.iter().zip(&twice) {
                    prop_assert!((a - b).abs() < 1e-9);
                }
            }
        }
    }
}
