use genre_recognizer::ops::mel::{Mel, MelScale, MelSpec};
use genre_recognizer::rng::Rng;

use super::harness::{Case, uniform};

const CASES: &[(usize, usize, f64, f64, [usize; 3])] = &[
    // n_fft, filters, low, high, [N, C, T]
    (64, 5, 0.0, 11025.0, [2, 3, 7]),
    (64, 1, 1000.0, 2000.0, [1, 1, 1]),
    (128, 13, 30.0, 8000.0, [3, 2, 31]),
    // More filters than bins: some are empty.
    (128, 65, 0.0, 11025.0, [1, 2, 17]),
    (1024, 33, 30.0, 11000.0, [1, 1, 65]),
];

#[test]
fn filters_and_transpose() {
    let mut rng = Rng::new(21);
    for &(n_fft, mels, low, high, [n, c, t]) in CASES {
        let mel =
            Mel::new(MelSpec { sample_rate: 22050, n_fft, mels, low, high, scale: MelScale::Htk }).unwrap();
        let transposed = Mel { transposed: true, ..mel.clone() };
        let power = uniform(&mut rng, [n, c, mel.columns(), t], 0.0, 100.0);
        let dy = uniform(&mut rng, [n, c, mel.rows(), t], -1.0, 1.0);
        let reduction = n_fft / 2 + 1;
        Case { op: mel.into(), inputs: vec![power], reduction, backward: false }.check();
        Case { op: transposed.into(), inputs: vec![dy], reduction, backward: true }.check();
    }
}
