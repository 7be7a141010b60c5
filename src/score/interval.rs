use crate::rng::Rng;

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// How often [`bootstrap`] draws anew.
pub const RESAMPLES: usize = 1000;

/// The 95 % interval of an accuracy by Wilson's score method (Wilson 1927): the accuracies p₀ with which `accuracy` over `n`
/// independent songs lies within 1.96 standard errors of p₀,
///
/// (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n).
///
/// It stays within [0, 1] and says something where all or none are right. \[0, 1\] where `n` is 0. Where songs were judged
/// several times (by networks of several seeds), `accuracy` is over all judgements and `n` the number of songs: more
/// judgements of a song are no more songs.
pub fn wilson(accuracy: f64, n: usize) -> [f64; 2] {
    if n == 0 {
        return [0.0, 1.0];
    }
    let (p, n) = (accuracy.clamp(0.0, 1.0), n as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    // Rounding must not put the ends of all and none on the wrong side.
    [(middle - half).clamp(0.0, p), (middle + half).clamp(p, 1.0)]
}

/// The 95 % percentile interval of a statistic of `count` songs by the bootstrap (Efron 1979): the statistic of
/// [`RESAMPLES`] draws of `count` songs with replacement, of which the outer 2.5 % on each side are cut off. The same `seed`
/// gives the same interval.
///
/// `statistic` gets the indices drawn. Of one song, or where all songs fare alike, the interval has no width, which is the
/// method's limit and no certainty.
pub fn bootstrap(count: usize, seed: u64, mut statistic: impl FnMut(&[usize]) -> f64) -> [f64; 2] {
    let mut rng = Rng::new(seed);
    let mut drawn = vec![0; count];
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            drawn.iter_mut().for_each(|place| *place = rng.below(count));
            statistic(&drawn)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    [quantile(&values, 0.025), quantile(&values, 0.975)]
}

/// The quantile of sorted values, linear between them.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let (low, part) = (position.floor(), position.fract());
    let next = sorted[(low as usize + 1).min(sorted.len() - 1)];
    sorted[low as usize] + part * (next - sorted[low as usize])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    #[test]
    fn known_intervals() {
        // The roots of (p − p₀)² = z² p₀(1 − p₀)/n, by bisection.
        for (right, of, low, high) in [
            (5, 10, 0.236_593, 0.763_407),
            (8, 10, 0.490_162, 0.943_318),
            (0, 10, 0.0, 0.277_533),
            (10, 10, 0.722_467, 1.0),
            (97, 160, 0.528_905, 0.678_612),
        ] {
            let [a, b] = wilson(f64::from(right) / f64::from(of), of as usize);
            assert!((a - low).abs() < 2e-6 && (b - high).abs() < 2e-6, "{right}/{of}: {a} {b}");
        }
        assert_eq!(wilson(0.0, 0), [0.0, 1.0]);
    }

    #[test]
    fn covers_the_truth_as_often_as_it_says() {
        let mut rng = Rng::new(3);
        for (truth, n) in [(0.7, 100), (0.9, 40), (0.5, 25)] {
            let covered = (0..4000).filter(|_| {
                let right = (0..n).filter(|_| rng.uniform_f64() < truth).count();
                let [low, high] = wilson(right as f64 / n as f64, n);
                low <= truth && truth <= high
            });
            let share = covered.count() as f64 / 4000.0;
            assert!((0.93..0.98).contains(&share), "{truth} of {n}: {share}");
        }
    }

    #[test]
    fn a_mean_varies_as_its_standard_error_says() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i % 10)).collect();
        let mean = |drawn: &[usize]| drawn.iter().map(|&i| values[i]).sum::<f64>() / drawn.len() as f64;
        let [low, high] = bootstrap(values.len(), 1, mean);
        let error = (99.0f64 / 12.0 / 200.0).sqrt();
        assert!((low - (4.5 - 1.96 * error)).abs() < 0.15 * error, "{low}");
        assert!((high - (4.5 + 1.96 * error)).abs() < 0.15 * error, "{high}");
        assert_eq!(bootstrap(values.len(), 1, mean), [low, high]);
        assert_ne!(bootstrap(values.len(), 2, mean), [low, high]);
        // No song and one song.
        assert_eq!(bootstrap(0, 1, |drawn| drawn.len() as f64), [0.0, 0.0]);
        assert_eq!(bootstrap(1, 1, |drawn| 7.0 * (1 - drawn[0]) as f64), [7.0, 7.0]);
    }

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.0), 1.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 1.0), 4.0);
    }

    proptest! {
        #[test]
        fn holds_the_accuracy_and_mirrors(right in 0usize..=300, more in 0usize..300) {
            let n = (right + more).max(1);
            let p = right as f64 / n as f64;
            let [low, high] = wilson(p, n);
            prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0);
            let [mirrored_low, mirrored_high] = wilson(1.0 - p, n);
            prop_assert!((mirrored_low - (1.0 - high)).abs() < 1e-12);
            prop_assert!((mirrored_high - (1.0 - low)).abs() < 1e-12);
            // More songs, a narrower interval.
            let [l, h] = wilson(p, 4 * n);
            prop_assert!(h - l < high - low);
        }
    }
}
