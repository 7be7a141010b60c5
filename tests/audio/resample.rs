//! Sample rate conversion: exact length, no delay, flat pass band, no aliases.

use std::f64::consts::TAU;

use genre_recognizer::audio::{Resampler, resample};
use proptest::prelude::*;

fn tone(frequency: f64, rate: u32, seconds: f64) -> Vec<f32> {
    let n = (seconds * f64::from(rate)) as usize;
    (0..n).map(|i| (TAU * frequency * i as f64 / f64::from(rate)).sin() as f32).collect()
}

fn one(signal: &[f32], from: u32, to: u32) -> Vec<f32> {
    resample(&[signal], from, to).unwrap().remove(0)
}

fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-12).log10()
}

/// (gain of the sine in dB, everything else against the sine in dB) in the middle of a resampled unit sine.
fn gain_and_residue(output: &[f32], frequency: f64, rate: u32) -> (f64, f64) {
    let middle = output.len() / 4..output.len() * 3 / 4;
    let n = middle.len() as f64;
    let at = |i: usize| {
        let phase = TAU * frequency * i as f64 / f64::from(rate);
        // A Hann window keeps the ends' leakage out of the sums.
        let window = 0.5 - 0.5 * (TAU * ((i - middle.start) as f64 + 0.5) / n).cos();
        (phase.sin(), phase.cos(), window)
    };
    let (mut in_phase, mut quadrature, mut weight) = (0.0, 0.0, 0.0);
    for i in middle.clone() {
        let (s, c, w) = at(i);
        in_phase += 2.0 * w * s * f64::from(output[i]);
        quadrature += 2.0 * w * c * f64::from(output[i]);
        weight += w;
    }
    let (a, b) = (in_phase / weight, quadrature / weight);
    let residue: f64 = middle
        .clone()
        .map(|i| {
            let (s, c, _) = at(i);
            (f64::from(output[i]) - a * s - b * c).powi(2)
        })
        .sum();
    let amplitude = a.hypot(b);
    (decibels(amplitude), decibels((2.0 * residue / n).sqrt() / amplitude))
}

#[test]
fn pass_band_is_flat_and_clean() {
    let mut worst = (0.0f64, f64::NEG_INFINITY);
    for (from, to, tones) in [
        (48_000, 44_100, &[50.0, 1_000.0, 10_000.0, 19_000.0, 20_000.0, 21_000.0][..]),
        (44_100, 48_000, &[50.0, 1_000.0, 20_000.0]),
        (22_050, 44_100, &[440.0, 5_000.0, 10_000.0]),
        (96_000, 44_100, &[997.0, 20_000.0]),
        (192_000, 44_100, &[997.0, 20_000.0]),
        (8_000, 44_100, &[100.0, 3_600.0]),
        (44_100, 22_050, &[1_000.0, 10_000.0]),
        (44_100, 16_000, &[1_000.0, 7_300.0]),
    ] {
        for &frequency in tones {
            let output = one(&tone(frequency, from, 1.0), from, to);
            let (gain, residue) = gain_and_residue(&output, frequency, to);
            assert!(gain.abs() < 0.1, "{from} to {to} Hz, {frequency} Hz: gain {gain:.3} dB");
            assert!(residue < -90.0, "{from} to {to} Hz, {frequency} Hz: distortion {residue:.1} dB");
            worst = (worst.0.max(gain.abs()), worst.1.max(residue));
        }
    }
    println!("worst gain error {:.5} dB, worst distortion {:.1} dB", worst.0, worst.1);
}

#[test]
fn aliases_are_at_least_90_db_down() {
    let mut worst = f64::NEG_INFINITY;
    for (from, to, tones) in [
        (48_000, 44_100, &[22_100.0, 22_500.0, 23_000.0, 23_900.0][..]),
        (96_000, 44_100, &[22_100.0, 23_000.0, 30_000.0, 43_000.0, 47_000.0]),
        (192_000, 44_100, &[22_100.0, 44_000.0, 60_000.0, 88_000.0]),
        (44_100, 22_050, &[11_050.0, 12_000.0, 20_000.0]),
        (44_100, 16_000, &[8_050.0, 12_000.0, 15_900.0]),
    ] {
        for &frequency in tones {
            let output = one(&tone(frequency, from, 1.0), from, to);
            // The tone's onset is a click with a spectrum of its own, so the middle is looked at.
            let middle = &output[output.len() / 4..output.len() * 3 / 4];
            let power: f64 = middle.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / middle.len() as f64;
            let level = decibels((2.0 * power).sqrt());
            assert!(level < -90.0, "{from} to {to} Hz: {frequency} Hz comes through at {level:.1} dB");
            worst = worst.max(level);
        }
    }
    println!("loudest alias {worst:.1} dB");
}

/// The samples of a chirp of constant amplitude 1 whose frequency rises linearly from `low` to `high` Hz in 2 s.
fn chirp(low: f64, high: f64, rate: u32, n: usize) -> impl Fn(usize) -> f64 {
    let (seconds, rate) = (2.0, f64::from(rate));
    assert!(n as f64 <= seconds * rate + 1.0);
    move |i| {
        let t = i as f64 / rate;
        (TAU * (low * t + (high - low) * t * t / (2.0 * seconds))).sin()
    }
}

/// A sweep goes through every frequency, so that nothing hides between tones: below 20 kHz (or the share of the lower
/// Nyquist frequency that stands for it) it comes out as the same sweep at the other rate, sample by sample; above the
/// lower Nyquist frequency nothing of it comes out.
#[test]
fn sweeps_pass_unchanged_or_not_at_all() {
    for (from, to, flat) in [
        (48_000, 44_100, 20_000.0),
        (96_000, 44_100, 20_000.0),
        (44_100, 48_000, 20_000.0),
        (22_050, 44_100, 10_000.0),
        (44_100, 16_000, 7_250.0),
    ] {
        let sweep = |low: f64, high: f64| -> Vec<f32> {
            let n = 2 * from as usize;
            (0..n).map(chirp(low, high, from, n)).map(|s| s as f32).collect()
        };
        let output = one(&sweep(20.0, flat), from, to);
        let wanted = chirp(20.0, flat, to, output.len());
        // Ends of the sweep are clicks with a spectrum of their own.
        let inner = to as usize / 20..output.len() - to as usize / 20;
        // Flat within 0.1 dB and without distortion or delay: no sample differs by more than 10^(0.1/20) − 1 of 1.
        let error = inner.clone().map(|i| (f64::from(output[i]) - wanted(i)).abs()).fold(0.0, f64::max);
        assert!(error < 0.01, "{from} to {to} Hz: {error}");
        println!("{from} to {to} Hz: a sweep to {flat} Hz comes within {:.1} dB", decibels(error));

        let nyquist = f64::from(to) / 2.0;
        if f64::from(from) / 2.0 > nyquist * 1.01 {
            let output = one(&sweep(nyquist * 1.004, f64::from(from) / 2.0), from, to);
            let loudest = inner.map(|i| f64::from(output[i]).abs()).fold(0.0, f64::max);
            assert!(decibels(loudest) < -90.0, "{from} to {to} Hz: {:.1} dB come through", decibels(loudest));
            println!("{from} to {to} Hz: above, the loudest sample has {:.1} dB", decibels(loudest));
        }
    }
}

#[test]
fn a_pulse_stays_where_it_is() {
    for (from, to) in [
        (48_000, 44_100),
        (44_100, 48_000),
        (8_000, 44_100),
        (11_025, 16_000),
        (44_100, 22_050),
        (44_101, 44_100),
        (192_000, 44_100),
        (1_000, 44_100),
    ] {
        // A Gaussian too smooth to be touched by the filter: all that can differ is when it comes.
        let width = 4.0 / f64::from(from.min(to));
        let gauss = |rate: u32, n: usize| -> Vec<f32> {
            (0..n)
                .map(|i| (-0.5 * ((i as f64 / f64::from(rate) - 0.3) / width).powi(2)).exp() as f32)
                .collect()
        };
        let input = gauss(from, from as usize / 2);
        let output = one(&input, from, to);
        let wanted = gauss(to, output.len());
        let error = output.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < 2e-5, "{from} to {to} Hz: {error}");
    }
}

#[test]
fn channels_do_not_mix_and_equal_rates_copy() {
    let (a, b) = (tone(300.0, 48_000, 0.1), tone(700.0, 48_000, 0.1));
    let both = resample(&[&a, &b], 48_000, 44_100).unwrap();
    assert_eq!(both, [one(&a, 48_000, 44_100), one(&b, 48_000, 44_100)]);
    assert_eq!(one(&a, 48_000, 48_000), a);
    assert!(resample(&[&a[..], &b[..9]], 48_000, 44_100).is_err());
    assert!(resample(&[&a], 48_000, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn length_is_exact_and_chunks_do_not_matter(
        from in prop::sample::select(vec![8_000u32, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000]),
        to in prop::sample::select(vec![16_000u32, 22_050, 44_100, 48_000]),
        length in 0usize..9_000,
        cut in 1usize..4_000,
    ) {
        let input: Vec<f32> = (0..length).map(|i| (i as f32 * 0.05).sin()).collect();
        let whole = one(&input, from, to);
        let (n, from64, to64) = (length as u64, u64::from(from), u64::from(to));
        // |length · from − n · to| ≤ from / 2, in whole numbers.
        prop_assert!((whole.len() as u64 * from64).abs_diff(n * to64) * 2 <= from64);
        let mut pieces = vec![Vec::new()];
        let mut stream = Resampler::new(from, to, 1).unwrap();
        for chunk in input.chunks(cut) {
            stream.push(&[chunk], &mut pieces).unwrap();
        }
        stream.finish(&mut pieces).unwrap();
        prop_assert_eq!(&pieces[0], &whole);
    }
}
