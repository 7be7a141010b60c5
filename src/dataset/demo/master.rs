//! Mastering: what a song's long-term spectrum and loudness are is decided here, by the same dice for all genres.
//!
//! Genres would differ in their mean spectra alone (an ambient pad has no treble, a hi-hat no bass), and a
//! recogniser could name them without listening. So each song's spectrum is pulled, as mastering engineers match
//! theirs to a reference, towards a random target, and a random background fills its gaps.

use super::dice::{between, chance, spread};
use super::dsp::{Noise, SR, Svf, gain, rms};
use crate::rng::Rng;
use realfft::{RealFftPlanner, num_complex::Complex};

/// The equaliser's bands: this many, spaced evenly in log frequency from `LOW` to `HIGH` Hz.
const BANDS: usize = 14;
const LOW: f32 = 45.0;
const HIGH: f32 = 15_000.0;
/// FFT size of the measurement; and of the filtering, whose filter has `TAPS` taps.
const FFT: usize = 4_096;
const TAPS: usize = 1_025;

/// Where a frequency lies among the bands: 0 is the first one's centre.
fn position(hz: f32) -> f32 {
    (hz.max(1.0) / LOW).ln() / (HIGH / LOW).ln() * (BANDS - 1) as f32
}

/// Mean power density in dB around each band's centre, from Hann-windowed spectra of half of the song.
fn measure(x: &[f32], planner: &mut RealFftPlanner<f32>) -> [f32; BANDS] {
    let fft = planner.plan_fft_forward(FFT);
    let (mut frame, mut bins) = (fft.make_input_vec(), fft.make_output_vec());
    let mut power = vec![0.0f32; bins.len()];
    for chunk in x.chunks_exact(FFT).step_by(2) {
        for (i, (f, v)) in frame.iter_mut().zip(chunk).enumerate() {
            *f = v * (0.5 - 0.5 * (std::f32::consts::TAU * i as f32 / FFT as f32).cos());
        }
        // the lengths are the plan's own, so this cannot fail
        if fft.process(&mut frame, &mut bins).is_ok() {
            power.iter_mut().zip(&bins).for_each(|(p, b)| *p += b.norm_sqr());
        }
    }
    let mut bands = [(0.0f32, 0.0f32); BANDS];
    for (bin, p) in power.iter().enumerate().skip(1) {
        let at = position(bin as f32 * SR / FFT as f32);
        for (band, (sum, weight)) in bands.iter_mut().enumerate() {
            let near = (1.0 - (at - band as f32).abs()).max(0.0);
            *sum += near * p;
            *weight += near;
        }
    }
    bands.map(|(sum, weight)| 10.0 * (sum / weight.max(1e-6) + 1e-9).log10())
}

/// Filters `x` by gains in dB at the bands, interpolated in log frequency: a linear-phase filter, overlap-add.
fn equalise(x: &mut [f32], gains: &[f32; BANDS], planner: &mut RealFftPlanner<f32>) {
    let (forward, inverse) = (planner.plan_fft_forward(FFT), planner.plan_fft_inverse(FFT));
    let (mut time, mut bins) = (forward.make_input_vec(), forward.make_output_vec());
    let scale = 1.0 / FFT as f32;
    for (bin, b) in bins.iter_mut().enumerate() {
        let at = position(bin as f32 * SR * scale).clamp(0.0, (BANDS - 1) as f32);
        let (low, part) = ((at as usize).min(BANDS - 2), at - (at as usize).min(BANDS - 2) as f32);
        *b = Complex::new(gain(gains[low] + (gains[low + 1] - gains[low]) * part), 0.0);
    }
    // the wanted response's impulse, centred, cut to TAPS by a Hann window
    let mut filter = bins.clone();
    if inverse.process(&mut bins, &mut time).is_err() {
        return;
    }
    let mut taps = vec![0.0; FFT];
    for (i, tap) in taps.iter_mut().take(TAPS).enumerate() {
        let window = 0.5 - 0.5 * (std::f32::consts::TAU * (i + 1) as f32 / (TAPS + 1) as f32).cos();
        *tap = time[(i + FFT - TAPS / 2) % FFT] * window * scale;
    }
    if forward.process(&mut taps, &mut filter).is_err() {
        return;
    }

    let block = FFT - TAPS + 1;
    let mut out = vec![0.0; x.len() + FFT];
    for (b, chunk) in x.chunks(block).enumerate() {
        time.fill(0.0);
        time[..chunk.len()].copy_from_slice(chunk);
        if forward.process(&mut time, &mut bins).is_err() {
            return;
        }
        bins.iter_mut().zip(&filter).for_each(|(s, f)| *s *= f * scale);
        if inverse.process(&mut bins, &mut time).is_err() {
            return;
        }
        out[b * block..].iter_mut().zip(&time).for_each(|(o, t)| *o += t);
    }
    x.copy_from_slice(&out[TAPS / 2..TAPS / 2 + x.len()]);
}

/// Noise of a random colour and level, some of it crackling, as old tapes, records and rooms have.
fn background(x: &mut [f32], rng: &mut Rng) {
    let level = rms(x) * gain(between(rng, (-48.0, -26.0)));
    let crackling = chance(rng, 0.25);
    let mut noise = Noise::new(rng.next_u64());
    let mut colour = Svf::new(between(rng, (300.0, 9_000.0)), 0.5);
    for v in x {
        let hiss = noise.next();
        let crack = if crackling && noise.next() > 0.9996 { 40.0 * noise.next() } else { 0.0 };
        *v += level * (hiss + 1.5 * colour.low(hiss) + crack);
    }
}

/// Masters `x`: matched spectrum, background, loudness, soft limit. Peaks stay below 1.
pub fn master(x: &mut [f32], rng: &mut Rng) {
    let level = rms(x).max(1e-6);
    x.iter_mut().for_each(|v| *v *= 0.1 / level);
    background(x, rng);

    let mut planner = RealFftPlanner::new();
    let measured = measure(x, &mut planner);
    let slope = between(rng, (-5.5, -2.5)); // dB an octave; music's lie around −4.5
    let octaves_a_band = (HIGH / LOW).log2() / (BANDS - 1) as f32;
    let target: [f32; BANDS] =
        std::array::from_fn(|band| slope * octaves_a_band * band as f32 + spread(rng, 2.5));
    let mean = |curve: &[f32]| curve.iter().sum::<f32>() / curve.len() as f32;
    let lift = mean(&measured) - mean(&target);
    let strength = between(rng, (0.55, 0.85));
    let gains: [f32; BANDS] =
        std::array::from_fn(|band| (strength * (target[band] + lift - measured[band])).clamp(-24.0, 14.0));
    equalise(x, &gains, &mut planner);

    let level = rms(x).max(1e-6);
    let loudness = gain(between(rng, (-25.0, -13.0)));
    let press = between(rng, (0.8, 2.5));
    for v in x.iter_mut() {
        // compression and limit in one curve: straight for small samples, flat before 1
        *v = (*v * loudness / level * press).tanh() / press.max(1.0) * 0.98;
    }
    let fade = (0.01 * SR) as usize;
    let length = x.len();
    for i in 0..fade.min(length / 2) {
        let ramp = i as f32 / fade as f32;
        x[i] *= ramp;
        x[length - 1 - i] *= ramp;
    }
}
