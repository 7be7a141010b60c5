use genre_recognizer::graph::Shape;
use genre_recognizer::ops::log::{Decibel, DecibelGrad, Ln, LnGrad};

use super::{near, reference};

const KAPRE: Decibel = Decibel { range: 80.0 };

/// 10·log10(max(x, 1e-10)) less each sample's own maximum, and no less than −80.
#[test]
fn kapre_semantics() {
    let x = vec![
        1.0, 0.1, 1e-4, 1e-7, 1e-9, 0.0, // against 0 dB; the last two lie below the floor
        1e-6, 1e-10, 1e-12, 0.0, 2e-6, 1e-7, // the quietest count as 1e-10, 43 dB below the maximum
        0.0, 1e-11, 0.0, 0.0, 1e-20, 0.0, // silence is its own maximum
    ];
    let three = 10.0 * 2f64.log10();
    let quiet = -40.0 - three;
    let expected = [
        [0.0, -10.0, -40.0, -70.0, -80.0, -80.0],
        [-three, quiet, quiet, quiet, 0.0, -10.0 - three],
        [0.0; 6],
    ];
    let y = reference(KAPRE, &[(Shape::from([3, 1, 2, 3]), x)]);
    for (y, expected) in y.iter().zip(expected.as_flattened()) {
        near(*y, *expected, 1e-12, "decibels");
    }
}

/// Loudness does not matter: the scale is relative to the sample's maximum.
#[test]
fn relative_to_the_maximum() {
    let x: Vec<f64> = (1..=12).map(|i| 1e-3 * f64::from(i * i)).collect();
    let louder: Vec<f64> = x.iter().map(|x| 1e4 * x).collect();
    let shape = Shape::from([2, 1, 3, 2]);
    let (one, other) = (reference(KAPRE, &[(shape.clone(), x)]), reference(KAPRE, &[(shape, louder)]));
    for (one, other) in one.iter().zip(other) {
        near(*one, other, 1e-12, "decibels");
    }
}

/// Because of that, moving along x (scaling a sample) changes nothing above the floor: ⟨x, dx⟩ = 0; and the
/// first maximum carries the reference.
#[test]
fn gradient_is_blind_to_loudness() {
    let shape = Shape::from([1, 1, 2, 3]);
    let x = vec![0.5, 2.0, 0.25, 2.0, 1e-12, 1.0];
    let dy = vec![0.3, -1.0, 2.0, 0.7, 5.0, 1.1];
    let dx = reference(DecibelGrad(KAPRE), &[(shape.clone(), x.clone()), (shape, dy)]);
    let along: f64 = x.iter().zip(&dx).map(|(x, dx)| x * dx).sum();
    near(along, 0.0, 1e-12, "along x");
    let slope = 10.0 / std::f64::consts::LN_10;
    near(dx[0], 0.3 * slope / 0.5, 1e-12, "an ordinary value");
    near(dx[3], 0.7 * slope / 2.0, 1e-12, "the second maximum");
    near(dx[1], (-1.0 - (0.3 - 1.0 + 2.0 + 0.7 + 1.1)) * slope / 2.0, 1e-12, "the first maximum");
    assert_eq!(dx[4], 0.0);
}

#[test]
fn natural_logarithm() {
    let x = (Shape::from([3]), vec![0.0, 1.0 - 1e-5f32 as f64, 1e-5f32 as f64 * 9.0]);
    let y = reference(Ln { floor: 1e-5 }, std::slice::from_ref(&x));
    let floor = f64::from(1e-5f32).ln();
    near(y[0], floor, 1e-12, "silence");
    near(y[1], 0.0, 1e-12, "one");
    near(y[2], floor + 10f64.ln(), 1e-12, "ten floors");
    let dx = reference(LnGrad(Ln { floor: 1e-5 }), &[x, (Shape::from([3]), vec![1e-5, 2.0, 0.0])]);
    near(dx[0], 1.0, 1e-6, "at silence");
    near(dx[1], 2.0, 1e-12, "at one");
    assert_eq!(dx[2], 0.0);
}
