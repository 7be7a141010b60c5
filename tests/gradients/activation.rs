use genre_recognizer::ops::activation::LeakyRelu;
use genre_recognizer::ops::bias::Bias;
use genre_recognizer::ops::dropout::Dropout;
use genre_recognizer::ops::mask::Mask;
use genre_recognizer::rng::Rng;

use super::harness::{Case, signed};

#[test]
fn leaky_relu() {
    let mut rng = Rng::new(10);
    for slope in [0.3, 0.01, 0.0] {
        for shape in [&[7][..], &[3, 5], &[2, 3, 5, 1]] {
            Case::of(LeakyRelu { slope }, vec![signed(&mut rng, shape)], &[0]).check();
        }
    }
}

#[test]
fn bias() {
    let mut rng = Rng::new(12);
    for shape in [&[3, 5][..], &[1, 7], &[5, 1], &[2, 3, 5, 7], &[3, 2, 13]] {
        let inputs = vec![signed(&mut rng, shape), signed(&mut rng, [shape[1]])];
        Case::of(Bias, inputs, &[0, 1]).check();
    }
}

#[test]
fn dropout() {
    let mut rng = Rng::new(13);
    for (layer, rate) in [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.8)] {
        let counter = (vec![2][..].into(), vec![77.0, 1234.0]);
        let inputs = vec![signed(&mut rng, [5, 13]), counter];
        Case::of(Dropout { rate, layer, first: 0 }, inputs, &[0]).check();
    }
}

/// Of real factors, and of stripes of 0 and 1.
#[test]
fn mask() {
    let mut rng = Rng::new(14);
    for shape in [[2, 3, 5, 7], [3, 1, 2, 1], [1, 2, 1, 13]] {
        let [n, _, h, w] = shape;
        let real = [signed(&mut rng, [n, h]), signed(&mut rng, [n, w])];
        let stripes = [h, w].map(|size| {
            let factors = (0..n * size).map(|i| f64::from(u8::from(i % 3 != 1))).collect();
            (vec![n, size][..].into(), factors)
        });
        for [rows, columns] in [real, stripes] {
            Case::of(Mask, vec![signed(&mut rng, shape), rows, columns], &[0]).check();
        }
    }
}
