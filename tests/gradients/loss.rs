use genre_recognizer::ops::loss::{BinaryCrossEntropy, CrossEntropy, Softmax};
use genre_recognizer::rng::Rng;

use super::harness::{Case, Tensor, signed, uniform};

#[test]
fn softmax() {
    let mut rng = Rng::new(60);
    for shape in [[3, 5], [1, 2], [7, 13]] {
        Case::of(Softmax, vec![signed(&mut rng, shape)], &[0]).check();
    }
}

/// Rows that sum to 1.
fn distributions(rng: &mut Rng, n: usize, k: usize) -> Tensor {
    let (shape, mut data) = uniform(rng, [n, k], 0.1, 1.0);
    for row in data.chunks_exact_mut(k) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
    (shape, data)
}

#[test]
fn cross_entropy() {
    let mut rng = Rng::new(61);
    for smoothing in [0.0, 0.1, 0.7] {
        for (n, k) in [(3, 5), (1, 2), (2, 13)] {
            let weights = uniform(&mut rng, [k], 0.2, 2.0);
            let inputs = vec![signed(&mut rng, [n, k]), distributions(&mut rng, n, k), weights];
            Case::of(CrossEntropy { smoothing }, inputs, &[0]).check();
        }
    }
}

#[test]
fn binary_cross_entropy() {
    let mut rng = Rng::new(63);
    for (n, l) in [(3, 5), (1, 2), (2, 13)] {
        let (labels, weights) = (uniform(&mut rng, [n, l], 0.0, 1.0), uniform(&mut rng, [l], 0.2, 2.0));
        Case::of(BinaryCrossEntropy, vec![signed(&mut rng, [n, l]), labels, weights], &[0]).check();
    }
}

/// Labels need not sum to 1: the rule must not rely on it.
#[test]
fn cross_entropy_of_any_labels() {
    let mut rng = Rng::new(62);
    let inputs =
        vec![signed(&mut rng, [3, 5]), uniform(&mut rng, [3, 5], 0.1, 1.0), uniform(&mut rng, [5], 0.2, 2.0)];
    Case::of(CrossEntropy { smoothing: 0.1 }, inputs, &[0]).check();
}
