//! What runs of samples are like, in one sweep that the compiler turns into vector instructions: accumulators side by
//! side, because sums and maxima of floats may not be reordered for us.

const LANES: usize = 16;

/// What a run of samples is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    /// Least and greatest sample; infinities, the other way round, where there is none.
    pub low: f32,
    pub high: f32,
    /// Sum of squares.
    pub squares: f64,
    /// Whether no sample is NaN or infinite.
    pub finite: bool,
}

/// Measures a run of samples; squares are summed in f32 over short runs, so give it no more than some thousands.
pub(super) fn measure(samples: &[f32]) -> Measure {
    let mut low = [f32::INFINITY; LANES];
    let mut high = [f32::NEG_INFINITY; LANES];
    let mut squares = [0.0f32; LANES];
    // 0 · x is 0, but for what is not finite.
    let mut zeros = [0.0f32; LANES];
    let mut take = |i: usize, s: f32| {
        low[i] = if s < low[i] { s } else { low[i] };
        high[i] = if s > high[i] { s } else { high[i] };
        squares[i] += s * s;
        zeros[i] += 0.0 * s;
    };
    let whole = samples.chunks_exact(LANES);
    let rest = whole.remainder();
    for run in whole {
        for (i, &s) in run.iter().enumerate() {
            take(i, s);
        }
    }
    rest.iter().enumerate().for_each(|(i, &s)| take(i, s));
    Measure {
        low: low.into_iter().fold(f32::INFINITY, f32::min),
        high: high.into_iter().fold(f32::NEG_INFINITY, f32::max),
        squares: squares.into_iter().map(f64::from).sum(),
        finite: zeros.into_iter().all(|z| z == 0.0),
    }
}

/// Sums of products of two runs of samples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Products {
    /// Sum of the squares of the first and of the second run.
    pub first: f32,
    pub second: f32,
    /// Sum of the products of both.
    pub both: f32,
}

/// The products of two runs of equal length.
pub(super) fn products(a: &[f32], b: &[f32]) -> Products {
    // Few enough for three sums to stay in the registers of every processor.
    const LANES: usize = 8;
    let (mut first, mut second, mut both) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in whole_a.iter().zip(whole_b) {
        for i in 0..LANES {
            first[i] += a[i] * a[i];
            second[i] += b[i] * b[i];
            both[i] += a[i] * b[i];
        }
    }
    for (i, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
        first[i] += a * a;
        second[i] += b * b;
        both[i] += a * b;
    }
    let sum = |lanes: [f32; LANES]| lanes.into_iter().sum();
    Products { first: sum(first), second: sum(second), both: sum(both) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn measures_runs_of_any_length() {
        let mut rng = Rng::new(1);
        for length in [0usize, 1, 15, 16, 17, 100, 1024] {
            let mut samples: Vec<f32> = (0..length).map(|_| rng.range(-1.0, 1.0)).collect();
            let m = measure(&samples);
            assert_eq!(m.low, samples.iter().copied().fold(f32::INFINITY, f32::min));
            assert_eq!(m.high, samples.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let squares: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
            assert!((m.squares - squares).abs() <= 1e-6 * squares && m.finite);
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for at in [0, length / 2, length.saturating_sub(1)] {
                    if let Some(place) = samples.get_mut(at) {
                        let kept = std::mem::replace(place, bad);
                        assert!(!measure(&samples).finite);
                        samples[at] = kept;
                    }
                }
            }
        }
    }

    #[test]
    fn products_are_sums() {
        let mut rng = Rng::new(2);
        for length in [0usize, 1, 16, 100] {
            let [a, b]: [Vec<f32>; 2] =
                std::array::from_fn(|_| (0..length).map(|_| rng.range(-1.0, 1.0)).collect());
            let sum = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let Products { first, second, both } = products(&a, &b);
            for (got, wanted) in [(first, sum(&a, &a)), (second, sum(&b, &b)), (both, sum(&a, &b))] {
                assert!((got - wanted).abs() < 1e-4, "{got} for {wanted}");
            }
        }
    }
}
