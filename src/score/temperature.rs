use super::argmax;

/// The temperatures that [`fit_temperature`] searches.
pub const TEMPERATURES: [f32; 2] = [0.05, 20.0];

/// From fewer songs no temperature is fitted.
pub const FEWEST_SONGS: usize = 10;

/// Steps of the search; each leaves 0.618 of the interval, which after these is 6 × 10⁻⁹ wide in ln T.
const STEPS: usize = 43;

/// The temperature T that makes probabilities softmax(scores / T) mean what they say: the one within [`TEMPERATURES`] with the
/// least mean negative log-likelihood over songs, each given by its scores and its genre (Guo et al. 2017). In 1/T that is a
/// convex function, so that a golden-section search on ln T finds it; the same songs give the same temperature.
///
/// What few songs cannot say is not read from them. With fewer than [`FEWEST_SONGS`] songs the temperature is 1. Where all n
/// songs are right, likelihood alone asks for certainty; then 1 of n + 2 is taken to be wrong (Laplace's rule of succession,
/// as in Platt 1999), with the other genres equally probable. Songs without a score of their genre are passed over. Where the
/// temperature makes no difference, it is 1.
pub fn fit_temperature(songs: &[(&[f64], usize)]) -> f32 {
    let songs: Vec<(&[f64], usize)> =
        songs.iter().copied().filter(|&(scores, truth)| truth < scores.len() && scores.len() > 1).collect();
    if songs.len() < FEWEST_SONGS {
        return 1.0;
    }
    let all_right = songs.iter().all(|(scores, truth)| argmax(scores) == *truth);
    let doubt = if all_right { 1.0 / (songs.len() + 2) as f64 } else { 0.0 };
    let loss = |ln_t: f64| {
        let sharpness = (-ln_t).exp();
        songs.iter().map(|(scores, truth)| cross_entropy(scores, *truth, sharpness, doubt)).sum::<f64>()
    };
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let [mut low, mut high] = TEMPERATURES.map(|t| f64::from(t).ln());
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut loss_a, mut loss_b) = (loss(a), loss(b));
    for _ in 0..STEPS {
        if loss_a <= loss_b {
            (high, b, loss_b) = (b, a, loss_a);
            a = high - golden * (high - low);
            loss_a = loss(a);
        } else {
            (low, a, loss_a) = (a, b, loss_b);
            b = low + golden * (high - low);
            loss_b = loss(b);
        }
    }
    let found = (low + high) / 2.0;
    let gain = loss(0.0) - loss(found);
    // A gain that is lost in rounding is none; nor is one that is no number.
    if gain > 1e-9 * songs.len() as f64 {
        return (found.exp() as f32).clamp(TEMPERATURES[0], TEMPERATURES[1]);
    }
    1.0
}

/// −Σ_g t_g ln softmax(`scores` × `sharpness`)_g with t = 1 − `doubt` for the song's genre and `doubt` spread over the
/// others.
fn cross_entropy(scores: &[f64], truth: usize, sharpness: f64, doubt: f64) -> f64 {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let below = |score: f64| (score - top) * sharpness;
    let ln_sum = scores.iter().map(|&score| below(score).exp()).sum::<f64>().ln();
    let right = ln_sum - below(scores[truth]);
    if doubt == 0.0 {
        return right;
    }
    let all: f64 = scores.iter().map(|&score| ln_sum - below(score)).sum();
    (1.0 - doubt) * right + doubt * (all - right) / (scores.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Rng;
    use crate::score::Decision;

    fn fit(songs: &[(Vec<f64>, usize)]) -> f32 {
        fit_temperature(&songs.iter().map(|(scores, truth)| (&scores[..], *truth)).collect::<Vec<_>>())
    }

    /// `right` of `of` songs of two genres, all with scores this far apart.
    fn pairs(apart: f64, right: usize, of: usize) -> Vec<(Vec<f64>, usize)> {
        (0..of).map(|i| (vec![apart, 0.0], usize::from(i >= right))).collect()
    }

    #[test]
    fn two_genres_have_a_closed_form() {
        // Best is e^(d/T) = right / wrong.
        for (apart, right, of) in [(2.0, 15, 20), (0.3, 9, 10), (4.0, 60, 100)] {
            let wanted = apart / (right as f64 / (of - right) as f64).ln();
            let found = f64::from(fit(&pairs(apart, right, of)));
            assert!((found / wanted - 1.0).abs() < 1e-5, "{found} {wanted}");
            let decision = Decision { temperature: found as f32, ..Decision::default() };
            let p = decision.probabilities(&[apart, 0.0])[0];
            assert!((f64::from(p) - right as f64 / of as f64).abs() < 1e-5);
        }
    }

    #[test]
    fn what_the_songs_cannot_say() {
        assert_eq!(fit(&[]), 1.0);
        assert_eq!(fit(&pairs(2.0, 6, 9)), 1.0);
        // All right: as if one of n + 2 were wrong.
        let found = f64::from(fit(&pairs(2.0, 30, 30)));
        assert!((found - 2.0 / 31f64.ln()).abs() < 1e-4, "{found}");
        // No better than chance, or worse: as flat as it gets.
        assert!((fit(&pairs(2.0, 2, 20)) / TEMPERATURES[1] - 1.0).abs() < 1e-5);
        // Nothing to go by, and no genre to go for.
        assert_eq!(fit(&vec![(vec![1.0, 1.0], 0); 20]), 1.0);
        assert_eq!(fit(&vec![(vec![1.0, 0.0], 2); 20]), 1.0);
        assert_eq!(fit(&vec![(vec![f64::NAN, 0.0], 0); 20]), 1.0);
    }

    #[test]
    fn finds_the_temperature_that_the_songs_were_drawn_with() {
        let mut rng = Rng::new(11);
        for truth in [0.4, 1.0, 2.5] {
            let decision = Decision { temperature: truth, ..Decision::default() };
            let songs: Vec<(Vec<f64>, usize)> = (0..20_000)
                .map(|_| {
                    let scores: Vec<f64> = (0..5).map(|_| 2.0 * f64::from(rng.normal())).collect();
                    let mut u = rng.uniform();
                    let genre = decision.probabilities(&scores).iter().position(|p| {
                        u -= p;
                        u < 0.0
                    });
                    (scores, genre.unwrap_or(4))
                })
                .collect();
            let found = fit(&songs);
            assert!((found / truth - 1.0).abs() < 0.04, "{found} {truth}");
        }
    }

    proptest! {
        /// No temperature of a fine grid is better than the one found.
        #[test]
        fn is_the_minimum(songs in prop::collection::vec((prop::collection::vec(-6.0f64..6.0, 3), 0usize..3), 10..40)) {
            prop_assume!(songs.iter().any(|(scores, truth)| argmax(scores) != *truth));
            let loss = |t: f64| songs.iter().map(|(s, g)| cross_entropy(s, *g, 1.0 / t, 0.0)).sum::<f64>();
            let found = fit(&songs);
            prop_assert!((TEMPERATURES[0]..=TEMPERATURES[1]).contains(&found));
            let least = loss(f64::from(found));
            for i in 0..200 {
                let t = 0.05 * 400f64.powf(f64::from(i) / 199.0);
                prop_assert!(least <= loss(t) + 1e-6, "{} at {}, {} at {}", least, found, loss(t), t);
            }
            prop_assert_eq!(fit(&songs), found);
            let back: Vec<_> = songs.iter().rev().cloned().collect();
            prop_assert!((fit(&back) / found - 1.0).abs() < 1e-3);
        }

        /// Scores in another unit only change the temperature's.
        #[test]
        fn scales_with_the_scores(right in 12usize..19, unit in 0.5f64..4.0) {
            let (one, other) = (fit(&pairs(1.0, right, 20)), fit(&pairs(unit, right, 20)));
            prop_assert!((f64::from(other) / f64::from(one) / unit - 1.0).abs() < 1e-4);
        }
    }
}
