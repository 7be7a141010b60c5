//! A random equaliser: peaking filters in series.

use std::f64::consts::TAU;

use crate::rng::Rng;

/// Filters in series.
const BANDS: usize = 2;
/// Hz; where the lowest lies.
const LOWEST: f64 = 60.0;
/// Of a filter: from rather broad (about 2 octaves) to one octave.
const QUALITY: (f32, f32) = (0.5, 1.5);

/// A second-order section, `y[n] = b0·x[n] + b1·x[n−1] + b2·x[n−2] − a1·y[n−1] − a2·y[n−2]`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Section {
    b: [f64; 3],
    a: [f64; 2],
}

impl Section {
    /// A peaking filter (R. Bristow-Johnson, "Audio EQ cookbook"): `decibels` at `frequency` Hz, 0 dB far from it.
    fn peak(frequency: f64, quality: f64, decibels: f64, sample_rate: f64) -> Self {
        let omega = TAU * frequency / sample_rate;
        let (amplitude, alpha) = (10f64.powf(decibels / 40.0), omega.sin() / (2.0 * quality));
        let norm = 1.0 + alpha / amplitude;
        let middle = -2.0 * omega.cos() / norm;
        Self {
            b: [(1.0 + alpha * amplitude) / norm, middle, (1.0 - alpha * amplitude) / norm],
            a: [middle, (1.0 - alpha / amplitude) / norm],
        }
    }

    fn apply(&self, samples: &mut [f32]) {
        let Self { b, a } = self;
        // Transposed direct form II: two delays.
        let (mut first, mut second) = (0.0, 0.0);
        for sample in samples {
            let x = f64::from(*sample);
            let y = b[0] * x + first;
            first = b[1] * x - a[0] * y + second;
            second = b[2] * x - a[1] * y;
            *sample = y as f32;
        }
    }
}

/// Raises or lowers the spectrum of every channel by up to `decibels` around [`BANDS`] random frequencies, from
/// [`LOWEST`] to 90 % of half the sample rate. `audio` is planar, channels of `length` samples.
pub fn equalise(audio: &mut [f32], length: usize, sample_rate: u32, decibels: f32, rng: &mut Rng) {
    let rate = f64::from(sample_rate);
    let octaves = (0.45 * rate / LOWEST).max(1.0).log2();
    for _ in 0..BANDS {
        let frequency = LOWEST * (octaves * rng.uniform_f64()).exp2();
        let quality = f64::from(rng.range(QUALITY.0, QUALITY.1));
        let section = Section::peak(frequency, quality, f64::from(rng.range(-decibels, decibels)), rate);
        audio.chunks_exact_mut(length.max(1)).for_each(|channel| section.apply(channel));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The level that a tone comes out with, in dB.
    fn response(section: &Section, frequency: f64) -> f64 {
        let mut tone: Vec<f32> =
            (0..8_000).map(|n| (TAU * frequency * n as f64 / 8_000.0).sin() as f32).collect();
        section.apply(&mut tone);
        let power = tone[4_000..].iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 4_000.0;
        10.0 * (2.0 * power).log10()
    }

    #[test]
    fn a_peak_is_as_high_as_asked_for_and_flat_elsewhere() {
        for decibels in [-12.0, 6.0] {
            let section = Section::peak(1_000.0, 1.0, decibels, 8_000.0);
            assert!((response(&section, 1_000.0) - decibels).abs() < 0.05);
            assert!(response(&section, 20.0).abs() < 0.05);
            assert!(response(&section, 3_900.0).abs() < 0.2);
        }
    }

    #[test]
    fn channels_are_filtered_alike_and_stay_finite() {
        let mut audio = vec![0.0f32; 2_000];
        let mut rng = Rng::new(3);
        (0..1_000).for_each(|n| audio[n] = rng.normal());
        audio.copy_within(..1_000, 1_000);
        let before = audio.clone();
        equalise(&mut audio, 1_000, 8_000, 12.0, &mut rng);
        assert_eq!(audio[..1_000], audio[1_000..]);
        assert!(audio != before && audio.iter().all(|s| s.is_finite()));
    }
}
