//! A random equaliser: peaking filters in series.

use std::f64::consts::TAU;

use crate::rng::Rng;
use crate::simd;

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

    /// The next output, from the two delays of the transposed direct form II.
    fn step(&self, [first, second]: &mut [f64; 2], x: f64) -> f64 {
        let Self { b, a } = self;
        let y = b[0] * x + *first;
        *first = b[1] * x - a[0] * y + *second;
        *second = b[2] * x - a[1] * y;
        y
    }
}

/// Samples that are filtered at once.
const BLOCK: usize = 8;
/// Delays of all sections.
const DELAYS: usize = 2 * BANDS;

/// What the answer to a block depends on: its samples, and the delays before it.
const INPUTS: usize = BLOCK + DELAYS;

/// Sections in series as they answer a block of samples: its outputs, and the delays behind it. The answer is linear in the
/// block's samples and in the delays before it, and so a sum of vectors, where sample by sample each output waits for the one
/// before (C. W. Barnes and S. Shinnaka, "Block-shift invariance and block implementation of discrete-time filters", IEEE
/// Transactions on Circuits and Systems 27, 1980).
struct Filter {
    sections: [Section; BANDS],
    /// The answer to each input alone.
    answers: [([f64; BLOCK], [f64; DELAYS]); INPUTS],
}

impl Filter {
    fn new(sections: [Section; BANDS]) -> Self {
        let unit = |input| {
            let mut delays = std::array::from_fn(|n| f64::from(u8::from(BLOCK + n == input)));
            let samples = std::array::from_fn(|n| f64::from(u8::from(n == input)));
            (samples.map(|sample| step(&sections, &mut delays, sample)), delays)
        };
        Self { sections, answers: std::array::from_fn(unit) }
    }

    fn apply(&self, samples: &mut [f32]) {
        let mut delays = [0.0; DELAYS];
        let (blocks, rest) = samples.as_chunks_mut();
        simd::vectorised(
            simd::arch(),
            #[inline(always)]
            || {
                for block in &mut *blocks {
                    self.block(block, &mut delays);
                }
            },
        );
        for sample in rest {
            *sample = step(&self.sections, &mut delays, f64::from(*sample)) as f32;
        }
    }

    /// Products and sums are rounded apart, so that every instruction set computes the same.
    #[inline(always)]
    fn block(&self, samples: &mut [f32; BLOCK], delays: &mut [f64; DELAYS]) {
        let mut inputs = [0.0; INPUTS];
        for n in 0..BLOCK {
            inputs[n] = f64::from(samples[n]);
        }
        inputs[BLOCK..].copy_from_slice(delays);
        let (mut outputs, mut behind) = ([0.0; BLOCK], [0.0; DELAYS]);
        for ((output, delay), input) in self.answers.iter().zip(inputs) {
            for i in 0..BLOCK {
                outputs[i] += output[i] * input;
            }
            for i in 0..DELAYS {
                behind[i] += delay[i] * input;
            }
        }
        for n in 0..BLOCK {
            samples[n] = outputs[n] as f32;
        }
        *delays = behind;
    }
}

/// The next output of sections in series.
fn step(sections: &[Section; BANDS], delays: &mut [f64; DELAYS], sample: f64) -> f64 {
    let (delays, _) = delays.as_chunks_mut();
    sections.iter().zip(delays).fold(sample, |value, (section, delays)| section.step(delays, value))
}

/// Raises or lowers the spectrum of every channel by up to `decibels` around [`BANDS`] random frequencies, from
/// [`LOWEST`] to 90 % of half the sample rate. `audio` is planar, channels of `length` samples.
pub fn equalise(audio: &mut [f32], length: usize, sample_rate: u32, decibels: f32, rng: &mut Rng) {
    let rate = f64::from(sample_rate);
    let octaves = (0.45 * rate / LOWEST).max(1.0).log2();
    let sections = [(); BANDS].map(|()| {
        let frequency = LOWEST * (octaves * rng.uniform_f64()).exp2();
        let quality = f64::from(rng.range(QUALITY.0, QUALITY.1));
        Section::peak(frequency, quality, f64::from(rng.range(-decibels, decibels)), rate)
    });
    let filter = Filter::new(sections);
    audio.chunks_exact_mut(length.max(1)).for_each(|channel| filter.apply(channel));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The level that a tone comes out with, in dB, through two sections.
    fn response(sections: [Section; BANDS], frequency: f64) -> f64 {
        let mut tone: Vec<f32> =
            (0..8_000).map(|n| (TAU * frequency * n as f64 / 8_000.0).sin() as f32).collect();
        Filter::new(sections).apply(&mut tone);
        let power = tone[4_000..].iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 4_000.0;
        10.0 * (2.0 * power).log10()
    }

    #[test]
    fn a_peak_is_as_high_as_asked_for_and_flat_elsewhere() {
        for decibels in [-12.0, 6.0] {
            let [low, high] = [300.0, 1_000.0].map(|f| Section::peak(f, 1.0, decibels, 8_000.0));
            let flat = Section::peak(2_000.0, 1.0, 0.0, 8_000.0);
            for sections in [[high, flat], [flat, high]] {
                assert!((response(sections, 1_000.0) - decibels).abs() < 0.05);
                assert!(response(sections, 20.0).abs() < 0.05);
                assert!(response(sections, 3_900.0).abs() < 0.2);
            }
            for frequency in [150.0, 300.0, 600.0, 1_000.0] {
                let sum = response([low, flat], frequency) + response([flat, high], frequency);
                assert!((response([low, high], frequency) - sum).abs() < 0.01);
            }
        }
    }

    #[test]
    fn blocks_are_what_samples_one_by_one_are() {
        let mut rng = Rng::new(5);
        // Blocks and a rest; a filter that rings for long.
        let noise: Vec<f32> = (0..10 * BLOCK + 3).map(|_| rng.normal()).collect();
        let sections =
            [Section::peak(60.0, 1.5, 12.0, 44_100.0), Section::peak(9_000.0, 0.5, -12.0, 44_100.0)];
        let mut blocks = noise.clone();
        Filter::new(sections).apply(&mut blocks);
        let mut delays = [0.0; DELAYS];
        for (sample, block) in noise.iter().zip(blocks) {
            let wanted = step(&sections, &mut delays, f64::from(*sample)) as f32;
            assert!((block - wanted).abs() <= 1e-6 * wanted.abs().max(1.0), "{block} {wanted}");
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
