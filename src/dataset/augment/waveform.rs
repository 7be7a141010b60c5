//! Changes of the samples themselves.

use super::equaliser::equalise;
use super::{Augmentation, stream};
use crate::audio::{AudioError, Song};
use crate::rng::Rng;

/// dB; noise is never further below the frame's level than this.
const QUIETEST_NOISE: f32 = -60.0;

/// Writes the crop of `song` that starts at sample `start` to `frame` (planar, `frame.len() / channels` samples a channel),
/// changed as `augmentation` says. `scratch` is memory to work in.
///
/// # Errors
/// [`AudioError`] where the song's storage fails.
pub fn apply(
    song: &Song,
    start: usize,
    channels: usize,
    augmentation: &Augmentation,
    rng: &Rng,
    scratch: &mut Vec<f32>,
    frame: &mut [f32],
) -> Result<(), AudioError> {
    let length = frame.len() / channels;
    if augmentation.speed > 0.0 {
        let change = rng.split(stream::SPEED).range(-augmentation.speed, augmentation.speed);
        read_at_speed(song, start, (channels, length), 1.0 + f64::from(change), scratch, frame)?;
    } else {
        song.write_frame(start, frame)?;
    }
    if augmentation.equaliser > 0.0 {
        let mut rng = rng.split(stream::EQUALISER);
        equalise(frame, length, song.sample_rate(), augmentation.equaliser, &mut rng);
    }
    if augmentation.noise > 0.0 {
        add_noise(frame, QUIETEST_NOISE + augmentation.noise, &mut rng.split(stream::NOISE));
    }
    let mut rng = rng.split(stream::LEVEL);
    let decibels = rng.range(-1.0, 1.0) * augmentation.gain;
    let sign = if rng.below(2) == 1 && augmentation.polarity { -1.0 } else { 1.0 };
    let factor = sign * 10f32.powf(decibels / 20.0);
    if factor != 1.0 {
        frame.iter_mut().for_each(|sample| *sample *= factor);
    }
    Ok(())
}

/// The crop at another speed (1: as it is): pitch and tempo change together, as on a turntable.
fn read_at_speed(
    song: &Song,
    start: usize,
    (channels, length): (usize, usize),
    speed: f64,
    scratch: &mut Vec<f32>,
    out: &mut [f32],
) -> Result<(), AudioError> {
    // A sample before the crop and two behind it for the interpolation.
    let window = (speed * length as f64).ceil() as usize + 3;
    // A faster crop is longer in the song: it may have to begin earlier.
    let first = start.min(song.len().saturating_sub(window));
    scratch.resize(window * channels, 0.0);
    song.write_frame(first, scratch)?;
    // Positions in 2⁻³² of a sample.
    let step = (speed * 2f64.powi(32)).round() as u64;
    for (from, to) in scratch.chunks_exact(window).zip(out.chunks_exact_mut(length)) {
        let mut position = 0;
        for sample in to {
            let t = (position as u32 >> 8) as f32 * 2f32.powi(-24);
            *sample = catmull_rom(&from[(position >> 32) as usize..][..4], t);
            position += step;
        }
    }
    Ok(())
}

/// The cubic through four samples' middle two (Catmull and Rom 1974), at `t` from the second (0) to the third (1). Its error
/// is that of an old tape: a few dB lost in the top octave, aliases from 40 dB down. What it is for is to sound different.
fn catmull_rom(samples: &[f32], t: f32) -> f32 {
    let [a, b, c, d] = [samples[0], samples[1], samples[2], samples[3]];
    let cubic = 0.5 * (d - a) + 1.5 * (b - c);
    let square = a - 2.5 * b + 2.0 * c - 0.5 * d;
    ((cubic * t + square) * t + 0.5 * (c - a)) * t + b
}

/// White noise, evenly distributed, from [`QUIETEST_NOISE`] to `loudest` dB relative to the frame's root mean square.
fn add_noise(audio: &mut [f32], loudest: f32, rng: &mut Rng) {
    let power = audio.iter().map(|&s| f64::from(s * s)).sum::<f64>() / audio.len().max(1) as f64;
    let decibels = rng.range(QUIETEST_NOISE, loudest);
    // Even noise within ±a has the power a²/3.
    let amplitude = (3.0 * power).sqrt() as f32 * 10f32.powf(decibels / 20.0);
    audio.iter_mut().for_each(|sample| *sample += rng.range(-amplitude, amplitude));
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;
    use std::ops::Range;

    use super::*;

    const RATE: u32 = 8_000;

    fn tone(frequency: f32) -> Song {
        let sample = |n: u32| 0.5 * (TAU * frequency * n as f32 / RATE as f32).sin();
        Song::from_samples(&[(0..RATE).map(sample).collect()], RATE)
    }

    fn crop(augmentation: &Augmentation, seed: u64) -> Vec<f32> {
        let song = tone(440.0);
        let mut out = vec![0.0; 2_000];
        apply(&song, 3_000, 1, augmentation, &Rng::new(seed), &mut Vec::new(), &mut out).unwrap();
        out
    }

    fn crossings(samples: &[f32]) -> f32 {
        samples.windows(2).filter(|pair| (pair[0] < 0.0) != (pair[1] < 0.0)).count() as f32
    }

    fn level(samples: &[f32]) -> f32 {
        20.0 * (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt().log10()
    }

    #[test]
    fn without_augmentation_a_crop_is_as_it_is() {
        let mut plain = vec![0.0; 2_000];
        tone(440.0).write_frame(3_000, &mut plain).unwrap();
        assert_eq!(crop(&Augmentation::NONE, 1), plain);
    }

    #[test]
    fn every_change_does_what_it_says_within_its_bounds() {
        let plain = crop(&Augmentation::NONE, 0);
        let (mut turned, mut levels, mut pitches, mut snrs) = (0, vec![], vec![], vec![]);
        for seed in 0..60 {
            let gained = crop(&Augmentation { gain: 6.0, ..Augmentation::NONE }, seed);
            levels.push(level(&gained) - level(&plain));
            let polar = crop(&Augmentation { polarity: true, ..Augmentation::NONE }, seed);
            let negative: Vec<f32> = plain.iter().map(|s| -s).collect();
            assert!(polar == plain || polar == negative);
            turned += usize::from(polar == negative);
            let fast = crop(&Augmentation { speed: 0.1, ..Augmentation::NONE }, seed);
            pitches.push(crossings(&fast) / crossings(&plain));
            let noisy = crop(&Augmentation { noise: 30.0, ..Augmentation::NONE }, seed);
            let noise: Vec<f32> = noisy.iter().zip(&plain).map(|(a, b)| a - b).collect();
            snrs.push(level(&plain) - level(&noise));
        }
        let span = |values: &[f32]| {
            values.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)))
        };
        assert!((15..=45).contains(&turned));
        let within = |(low, high): (f32, f32), lows: Range<f32>, highs: Range<f32>| {
            assert!(lows.contains(&low) && highs.contains(&high), "{low} to {high}");
        };
        within(span(&levels), -6.01..-4.0, 4.0..6.01);
        within(span(&pitches), 0.89..0.95, 1.05..1.11);
        within(span(&snrs), 29.5..35.0, 55.0..60.5);
    }

    #[test]
    fn speed_keeps_a_low_tone_a_tone() {
        let song = tone(100.0);
        let mut out = vec![0.0; 2_000];
        let augmentation = Augmentation { speed: 0.1, ..Augmentation::NONE };
        apply(&song, 7_500, 1, &augmentation, &Rng::new(4), &mut Vec::new(), &mut out).unwrap();
        // A crop that would reach beyond the end begins earlier: no silence, the tone's full amplitude throughout.
        for part in out.chunks(200) {
            let peak = part.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
            assert!((peak - 0.5).abs() < 0.01, "{peak}");
        }
    }

    #[test]
    fn a_song_shorter_than_a_faster_crop_ends_in_silence() {
        let song = Song::from_samples(&[vec![0.5; 100]], RATE);
        let mut out = vec![9.0; 100];
        let augmentation = Augmentation { speed: 0.5, ..Augmentation::NONE };
        for seed in 0..20 {
            apply(&song, 0, 1, &augmentation, &Rng::new(seed), &mut Vec::new(), &mut out).unwrap();
            assert!(out.iter().all(|s| s.is_finite() && s.abs() < 0.6));
        }
    }
}
