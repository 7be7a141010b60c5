use std::f64::consts::{PI, TAU};

use genre_recognizer::graph::Shape;
use genre_recognizer::ops::stft::{PowerStft, PowerStftGrad};
use genre_recognizer::rng::Rng;

use super::{near, reference};

const N: usize = 64;
const BINS: usize = N / 2 + 1;
const SINGLE: PowerStft = PowerStft { n_fft: N, hop: N, centred: false };

fn audio(data: Vec<f64>) -> (Shape, Vec<f64>) {
    (Shape::from([1, 1, data.len()]), data)
}

fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| f64::from(rng.normal())).collect()
}

fn hann(i: usize) -> f64 {
    0.5 - 0.5 * (TAU * i as f64 / N as f64).cos()
}

fn power(stft: PowerStft, data: Vec<f64>) -> Vec<f64> {
    reference(stft, &[audio(data)])
}

/// A cosine of amplitude a on bin k: the Hann window's spectrum n/2, −n/4 on both sides, zero elsewhere,
/// times a/2.
#[test]
fn tone_on_a_bin() {
    let (a, n) = (0.7, N as f64);
    for (k, phase) in [(2, 0.0), (5, 0.3), (17, -1.1), (30, 2.0)] {
        let tone = (0..N).map(|i| a * (TAU * (k * i) as f64 / n + phase).cos()).collect();
        for (f, &y) in power(SINGLE, tone).iter().enumerate() {
            let expected = match f.abs_diff(k) {
                0 => (a * n / 4.0).powi(2),
                1 => (a * n / 8.0).powi(2),
                _ => 0.0,
            };
            near(y, expected, 1e-9, &format!("tone on bin {k}, bin {f}"));
        }
    }
}

/// The first and the last bin have no mirror image: a constant and an alternating signal arrive undivided.
#[test]
fn constant_and_alternating() {
    let n = N as f64;
    for (peak, neighbour, sign) in [(0, 1, 1.0), (BINS - 1, BINS - 2, -1.0f64)] {
        let y = power(SINGLE, (0..N as i32).map(|i| sign.powi(i)).collect());
        near(y[peak], (n / 2.0).powi(2), 1e-9, "peak");
        near(y[neighbour], (n / 4.0).powi(2), 1e-9, "neighbour");
        let rest: f64 = y.iter().sum::<f64>() - y[peak] - y[neighbour];
        near(rest, 0.0, 1e-9, "the rest");
    }
}

/// |w[p]·e^(−iωp)|² is w[p]² for every frequency.
#[test]
fn impulse_is_flat() {
    for p in [0, 1, 13, 32, 63] {
        let mut data = vec![0.0; N];
        data[p] = 3.0;
        for y in power(SINGLE, data) {
            near(y, (3.0 * (PI * p as f64 / N as f64).sin().powi(2)).powi(2), 1e-12, "impulse");
        }
    }
}

/// Parseval: the power over all n frequencies is n times the windowed frame's energy.
#[test]
fn energy_is_kept() {
    let data = noise(N, 1);
    let energy: f64 = data.iter().enumerate().map(|(i, x)| (hann(i) * x).powi(2)).sum();
    let y = power(SINGLE, data);
    let both_halves = 2.0 * y.iter().sum::<f64>() - y[0] - y[BINS - 1];
    near(both_halves, N as f64 * energy, 1e-8, "energy");
}

#[test]
fn power_is_quadratic() {
    let (stft, data) = (PowerStft { n_fft: N, hop: 17, centred: true }, noise(151, 2));
    let scaled = power(stft, data.iter().map(|x| -3.0 * x).collect());
    for (nine, one) in scaled.iter().zip(power(stft, data)) {
        near(*nine, 9.0 * one, 1e-9, "scaled by −3");
    }
}

/// A delay of one hop moves the frames by one.
#[test]
fn delay_moves_frames() {
    let (stft, data) = (PowerStft { n_fft: N, hop: 23, centred: false }, noise(N + 3 * 23, 3));
    let late = power(stft, [noise(23, 4), data.clone()].concat());
    let early = power(stft, data);
    for f in 0..BINS {
        for t in 0..4 {
            near(late[f * 5 + t + 1], early[f * 4 + t], 1e-12, "delayed frame");
        }
    }
}

/// Centred frames are the uncentred frames of audio that was extended by hand.
#[test]
fn reflection_at_the_edges() {
    let data: Vec<f64> = noise(N + 5, 5);
    let (last, pad) = (data.len() - 1, N / 2);
    let before: Vec<f64> = (1..=pad).rev().map(|i| data[i]).collect();
    let behind: Vec<f64> = (1..=pad).map(|i| data[last - i]).collect();
    let extended = [before, data.clone(), behind].concat();
    for hop in [1, 7, 33] {
        let centred = power(PowerStft { n_fft: N, hop, centred: true }, data.clone());
        let explicit = power(PowerStft { n_fft: N, hop, centred: false }, extended.clone());
        assert_eq!(centred.len(), BINS * (1 + data.len() / hop));
        assert_eq!(centred, explicit, "hop {hop}");
    }
}

/// With the hop a quarter of the window the squared windows add up to 3/2, so the gradient of all power (both
/// halves of the spectrum) is 2·n·3/2·x wherever all frames are there.
#[test]
fn gradient_of_energy() {
    let stft = PowerStft { n_fft: N, hop: N / 4, centred: false };
    let data = noise(4 * N, 6);
    let frames = stft.frames(data.len());
    let dy = (0..BINS * frames).map(|i| if matches!(i / frames, 0 | 32) { 1.0 } else { 2.0 }).collect();
    let inputs = [audio(data.clone()), (Shape::from([1, 1, BINS, frames]), dy)];
    let dx = reference(PowerStftGrad(stft), &inputs);
    for i in 3 * N / 4..data.len() - 3 * N / 4 {
        near(dx[i], 3.0 * N as f64 * data[i], 1e-8, "gradient");
    }
    near(dx[0], 0.0, 1e-12, "under the window's zero");
}

#[test]
fn refuses_what_cannot_be() {
    use genre_recognizer::ops::Operation;
    let shape = |n_fft, hop, centred, samples: usize| {
        PowerStft { n_fft, hop, centred }
            .prepare(&[&Shape::from([1, 1, samples])])
            .map(|prepared| prepared.output)
    };
    assert_eq!(shape(2048, 512, true, 44_100).unwrap(), Shape::from([1, 1, 1025, 87]));
    assert_eq!(shape(64, 10, false, 83).unwrap(), Shape::from([1, 1, 33, 2]));
    assert!(shape(32, 16, true, 100).is_err());
    assert!(shape(8192, 16, true, 10_000).is_err());
    assert!(shape(96, 16, true, 100).is_err());
    assert!(shape(64, 0, true, 100).is_err());
    assert!(shape(64, 16, false, 63).is_err());
    assert!(shape(64, 16, true, 32).is_err());
    assert!(shape(64, 16, true, 33).is_ok());
}
