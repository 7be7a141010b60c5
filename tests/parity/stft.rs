use std::sync::Arc;

use genre_recognizer::device::Device;
use genre_recognizer::graph::Shape;
use genre_recognizer::ops::Operation;
use genre_recognizer::ops::stft::{PowerStft, PowerStftGrad};
use genre_recognizer::rng::Rng;

use super::harness::{Case, devices, hardware, normal};

const CASES: &[(usize, usize, bool, [usize; 3])] = &[
    // n_fft, hop, centred, audio [N, C, L]
    (64, 17, true, [3, 2, 211]),
    (64, 16, false, [1, 3, 64]),
    (64, 1, true, [1, 1, 33]),
    (512, 700, true, [1, 1, 2111]),
    (4096, 1021, true, [1, 1, 2051]),
];

/// Not on software adapters. There each length is transformed in one test alone, that of `log_mel` for these.
const MORE_ON_HARDWARE: &[(usize, usize, bool, [usize; 3])] = &[
    (128, 31, true, [2, 1, 65]),
    (128, 37, false, [2, 3, 999]),
    (256, 61, true, [1, 2, 701]),
    (512, 127, false, [2, 1, 1733]),
    (1024, 251, true, [1, 2, 1801]),
    (2048, 509, true, [1, 1, 2049]),
    (2048, 331, false, [1, 1, 2711]),
    (4096, 4096, false, [2, 1, 4096]),
];

fn check(op: PowerStft, audio: [usize; 3], scale: f32, rng: &mut Rng, devices: &[Arc<dyn Device>]) {
    let audio = normal(rng, audio, scale);
    let spectrogram = op.prepare(&[&audio.0]).unwrap().output;
    let dy = normal(rng, &spectrogram[..], 1.0);
    let (reduction, hardware) = (op.n_fft, hardware());
    let forward = Case { op: op.into(), inputs: vec![audio.clone()], reduction, backward: false };
    // The gradient transforms the frames too.
    forward.check_on(if op.n_fft == 64 { devices } else { &hardware });
    let inputs = vec![audio, dy];
    Case { op: PowerStftGrad(op).into(), inputs, reduction, backward: true }.check_on(devices);
}

#[test]
fn power_and_gradient() {
    let mut rng = Rng::new(11);
    for (cases, devices) in [(CASES, devices()), (MORE_ON_HARDWARE, hardware())] {
        for &(n_fft, hop, centred, audio) in cases {
            check(PowerStft { n_fft, hop, centred }, audio, 1.0, &mut rng, &devices);
        }
    }
}

/// The squares of such samples are still far from the ends of f32's range.
#[test]
fn loud_and_faint() {
    let mut rng = Rng::new(12);
    let (all, hardware) = (devices(), hardware());
    for scale in [1e6, 1e-6] {
        check(PowerStft { n_fft: 256, hop: 67, centred: true }, [2, 1, 607], scale, &mut rng, &hardware);
        check(PowerStft { n_fft: 64, hop: 17, centred: true }, [3, 2, 211], scale, &mut rng, &all);
    }
}

/// A tone over silence: neighbouring frames of very different power share a block, and must not leak.
#[test]
fn frames_keep_apart() {
    let op = PowerStft { n_fft: 64, hop: 64, centred: false };
    let mut data = vec![0.0; 16 * 64];
    for (i, sample) in data.iter_mut().enumerate() {
        *sample = if i < 64 { 1e4 * (i as f32 * 0.3).sin() } else { 1e-4 * (i as f32 * 0.7).cos() };
    }
    let audio = (Shape::from([1, 1, data.len() - 64]), data[64..].to_vec());
    Case { op: op.into(), inputs: vec![audio], reduction: 64, backward: false }.check();
    let quiet = run(op, &data[64..]);
    let both = run(op, &data);
    for f in 0..op.bins() {
        assert_eq!(both[f * 16 + 1..][..15], quiet[f * 15..][..15], "bin {f}");
    }
}

fn run(op: PowerStft, audio: &[f32]) -> Vec<f32> {
    let shape = Shape::from([1, 1, audio.len()]);
    let prepared = op.prepare(&[&shape]).unwrap();
    let kernel = op.cpu(&prepared.sizes, None);
    let mut power = vec![f32::NAN; prepared.output.elements()];
    kernel.run(&[audio], &mut power, &mut vec![f32::NAN; kernel.workspace]);
    power
}
