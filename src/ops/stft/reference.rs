//! The discrete Fourier transform by its definition, frame by frame.

use std::f64::consts::TAU;

use super::{PowerStft, Signals};
use crate::ops::kernel::Real;

/// `(cos, sin)` of 2πk/n for k in 0..n.
fn twiddles<T: Real>(n: usize) -> Vec<(T, T)> {
    (0..n).map(|k| (TAU * k as f64 / n as f64).sin_cos()).map(|(sin, cos)| (T::of(cos), T::of(sin))).collect()
}

/// The spectrum of the frame that starts at `start` of the padded audio: `(real, imaginary)` for every bin.
fn spectrum<T: Real>(
    stft: &PowerStft,
    audio: &[T],
    start: usize,
    window: &[f64],
    twiddles: &[(T, T)],
) -> Vec<(T, T)> {
    let n = stft.n_fft;
    let frame: Vec<T> =
        (0..n).map(|i| audio[stft.source(start + i, audio.len())] * T::of(window[i])).collect();
    (0..stft.bins())
        .map(|f| {
            let (mut re, mut im) = (T::zero(), T::zero());
            for (i, &x) in frame.iter().enumerate() {
                let (cos, sin) = twiddles[f * i % n];
                re += x * cos;
                im -= x * sin;
            }
            (re, im)
        })
        .collect()
}

pub fn forward<T: Real>(stft: &PowerStft, signals: Signals, audio: &[T], out: &mut [T]) {
    let Signals { samples, frames, .. } = signals;
    let bins = stft.bins();
    let (window, twiddles) = (stft.window(), twiddles(stft.n_fft));
    for (signal, y) in audio.chunks_exact(samples).zip(out.chunks_exact_mut(bins * frames)) {
        for t in 0..frames {
            let spectrum = spectrum(stft, signal, t * stft.hop, &window, &twiddles);
            for (f, (re, im)) in spectrum.into_iter().enumerate() {
                y[f * frames + t] = re * re + im * im;
            }
        }
    }
}

pub fn gradient<T: Real>(stft: &PowerStft, signals: Signals, audio: &[T], dy: &[T], dx: &mut [T]) {
    let Signals { samples, frames, .. } = signals;
    let (n, bins) = (stft.n_fft, stft.bins());
    let (window, twiddles) = (stft.window(), twiddles::<T>(n));
    let two = T::of(2.0);
    dx.fill(T::zero());
    let signals = audio.chunks_exact(samples);
    let upstream = dy.chunks_exact(bins * frames);
    for ((signal, dy), dx) in signals.zip(upstream).zip(dx.chunks_exact_mut(samples)) {
        for t in 0..frames {
            let spectrum = spectrum(stft, signal, t * stft.hop, &window, &twiddles);
            for i in 0..n {
                let mut sum = T::zero();
                for (f, &(re, im)) in spectrum.iter().enumerate() {
                    // ∂(re² + im²)/∂frame[i] = 2·(re·cos − im·sin)
                    let (cos, sin) = twiddles[f * i % n];
                    sum += two * dy[f * frames + t] * (re * cos - im * sin);
                }
                dx[stft.source(t * stft.hop + i, samples)] += T::of(window[i]) * sum;
            }
        }
    }
}
