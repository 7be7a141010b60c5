use genre_recognizer::ops::log::{Compress, Decibel, Ln};
use genre_recognizer::ops::mel::{Mel, MelScale, MelSpec};
use genre_recognizer::ops::stft::PowerStft;
use genre_recognizer::rng::Rng;

use super::harness::{Case, signed, uniform};

/// Centred or not; hops that divide nothing, that overlap much, and that leave samples between frames; the
/// shortest audio there is.
#[test]
fn stft() {
    let mut rng = Rng::new(50);
    for (n_fft, hop, centred, shape) in [
        (64, 17, true, [1, 1, 131]),
        (64, 17, false, [1, 1, 131]),
        (64, 31, true, [2, 1, 33]),
        (64, 7, false, [1, 2, 71]),
        (64, 71, false, [1, 1, 150]),
        (128, 53, true, [1, 1, 149]),
    ] {
        let stft = PowerStft { n_fft, hop, centred };
        Case::of(stft, vec![uniform(&mut rng, shape, -0.5, 0.5)], &[0]).check();
    }
}

#[test]
fn mel() {
    let mut rng = Rng::new(51);
    let spec = MelSpec { sample_rate: 8, n_fft: 64, mels: 7, low: 0.1, high: 3.7, scale: MelScale::Htk };
    // A sampling rate of 8 Hz makes filters of unit area weigh about 1.
    let mel = Mel::new(spec).unwrap();
    let transposed = Mel { transposed: true, ..mel.clone() };
    Case::of(mel, vec![signed(&mut rng, [1, 2, 33, 3])], &[0]).check();
    Case::of(transposed, vec![signed(&mut rng, [2, 1, 7, 3])], &[0]).check();
}

#[test]
fn ln() {
    let mut rng = Rng::new(52);
    for floor in [1e-5, 0.5] {
        Case::of(Ln { floor }, vec![uniform(&mut rng, [2, 3, 5], 0.2, 3.0)], &[0]).check();
    }
}

#[test]
fn compress() {
    let mut rng = Rng::new(54);
    for (gain, high) in [(1.0, 3.0), (10_000.0, 1e-3)] {
        Case::of(Compress { gain }, vec![uniform(&mut rng, [2, 3, 5], 0.1 * high, high)], &[0]).check();
    }
}

/// Values above and below the floor, at it in no sample; and values below the smallest power.
#[test]
fn decibel() {
    let mut rng = Rng::new(53);
    for (range, shape) in [(20.0, [3, 1, 5, 7]), (80.0, [2, 2, 3, 3])] {
        let (shape, mut x) = uniform(&mut rng, shape, 0.3, 1.0);
        let sample = x.len() / shape[0];
        for (i, x) in x.iter_mut().enumerate() {
            match i % sample {
                // One clear maximum a sample, not the first element.
                4 => *x = 2.0 + rng.uniform_f64(),
                at if at % 3 == 1 => *x *= 1e-3,
                _ => {}
            }
        }
        Case::of(Decibel { range }, vec![(shape, x)], &[0]).check();
    }
    let silent = (vec![2, 4][..].into(), vec![-0.5, 1.0, 0.5, 0.3, 0.4, -0.1, 0.6, 0.2]);
    Case::of(Decibel { range: 200.0 }, vec![silent], &[0]).check();
}
