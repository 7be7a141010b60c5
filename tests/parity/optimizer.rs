use genre_recognizer::graph::Shape;
use genre_recognizer::ops::Op;
use genre_recognizer::ops::optimizer::{Adam, GlobalNorm, Sgd, UpdateSettings};
use genre_recognizer::rng::Rng;

use super::harness::{Case, normal, uniform};

const BROKEN: [f32; 4] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN];

#[test]
fn global_norm() {
    let mut rng = Rng::new(8);
    for len in [1, 7, 257, 4097, 13_001] {
        let (shape, data) = normal(&mut rng, [len], 3.0);
        let case = |data| Case {
            op: GlobalNorm.into(),
            inputs: vec![(shape.clone(), data)],
            reduction: len,
            backward: true,
        };
        case(data.clone()).check();
        let mut broken = data;
        for (i, value) in BROKEN.into_iter().enumerate() {
            broken[(i * 3001 + 6) % len] = value;
        }
        case(broken).check();
    }
}

fn updates(common: UpdateSettings) -> [(Op, usize); 3] {
    let adam = Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false, common };
    [
        (Sgd { momentum: 0.9, common }.into(), 2),
        (adam.into(), 3),
        (Adam { decoupled: true, ..adam }.into(), 3),
    ]
}

/// State, gradients of a loss of this scale, norm, schedule; the state's last row is a second moment, so no
/// value of it may be negative.
fn inputs(
    rng: &mut Rng,
    rows: usize,
    len: usize,
    [norm, broken]: [f32; 2],
    scale: f32,
) -> Vec<(Shape, Vec<f32>)> {
    let (shape, mut state) = normal(rng, [rows, len], 1.0);
    state[2.min(rows) * len..].iter_mut().for_each(|v| *v *= *v);
    let schedule = (Shape::from([4]), vec![0.03, 0.271, 0.002_997, scale.recip()]);
    let norm = vec![scale * norm, broken];
    vec![(shape, state), uniform(rng, [len], -2.0 * scale, 3.0 * scale), (Shape::from([2]), norm), schedule]
}

/// By fours on a GPU where the length and what decays divide.
#[test]
fn update() {
    let mut rng = Rng::new(9);
    for (len, decayed, max_norm) in [
        (1, 1, 1.0),
        (7, 3, f32::INFINITY),
        (523, 257, 0.5),
        (263, 0, 100.0),
        (1028, 516, 0.5),
        (1028, 515, 0.5),
    ] {
        let common = UpdateSettings { max_norm, ..UpdateSettings::new(0.1, decayed) };
        for (op, rows) in updates(common) {
            for (broken, scale) in [(0.0, 1.0), (2.0, 1.0), (0.0, 4096.0)] {
                let inputs = inputs(&mut rng, rows, len, [7.5, broken], scale);
                Case { op: op.clone(), inputs, reduction: 4, backward: true }.check();
            }
        }
    }
}
