use genre_recognizer::graph::Shape;
use genre_recognizer::ops::log::Ln;
use genre_recognizer::ops::log_mel::LogMel;
use genre_recognizer::ops::mel::{Mel, MelScale, MelSpec};
use genre_recognizer::ops::stft::PowerStft;
use genre_recognizer::rng::Rng;

use super::harness::{Case, devices, hardware, normal};

const CASES: &[(usize, usize, bool, usize, [usize; 3])] = &[
    // n_fft, hop, centred, filters, audio [N, C, L]
    (64, 17, true, 5, [3, 2, 211]),
    (64, 1, true, 1, [1, 1, 33]),
    // More filters than bins: some are empty.
    (128, 37, false, 97, [2, 3, 999]),
    (256, 300, false, 13, [1, 2, 701]),
    (512, 127, false, 20, [2, 1, 1733]),
    (1024, 251, true, 40, [1, 2, 1801]),
    (2048, 509, true, 128, [2, 1, 9001]),
    (4096, 1021, true, 31, [1, 1, 2051]),
];

#[test]
fn with_logarithm_and_without() {
    let mut rng = Rng::new(13);
    let (all, hardware) = (devices(), hardware());
    for &(n_fft, hop, centred, mels, audio) in CASES {
        let audio = normal(&mut rng, audio, 1.0);
        for ln in [None, Some(Ln { floor: 1e-5 }), Some(Ln { floor: 0.5 })] {
            let mel = Mel::new(MelSpec {
                sample_rate: 22050,
                n_fft,
                mels,
                low: 0.0,
                high: 11025.0,
                scale: MelScale::Htk,
            })
            .unwrap();
            let op = LogMel { stft: PowerStft { n_fft, hop, centred }, mel, ln };
            // The transform does not know the logarithm, and `stft` has the other lengths.
            let some = n_fft == 64 || (![512, 4096].contains(&n_fft) && ln == Some(Ln { floor: 1e-5 }));
            let devices = if some { &all } else { &hardware };
            let inputs = vec![audio.clone()];
            Case { op: op.into(), inputs, reduction: n_fft, backward: false }.check_on(devices);
        }
    }
}

/// Silence is the logarithm of the floor, exactly as the reference has it.
#[test]
fn silence() {
    let mel = Mel::new(MelSpec {
        sample_rate: 22050,
        n_fft: 64,
        mels: 5,
        low: 0.0,
        high: 11025.0,
        scale: MelScale::Htk,
    })
    .unwrap();
    let stft = PowerStft { n_fft: 64, hop: 17, centred: true };
    let op = LogMel { stft, mel, ln: Some(Ln { floor: 1e-5 }) };
    let audio = (Shape::from([3, 2, 211]), vec![0.0; 6 * 211]);
    Case { op: op.into(), inputs: vec![audio], reduction: 1, backward: false }.check();
}
