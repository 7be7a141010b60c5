use genre_recognizer::ops::batch_norm::{BatchNorm, BatchStats};
use genre_recognizer::rng::Rng;

use super::harness::{Case, Tensor, signed, uniform};

/// [N, C, H, W], [N, C, W] and [N, C], down to three elements a channel.
const SHAPES: [&[usize]; 6] = [&[2, 3, 5, 7], &[3, 1, 2, 5], &[5, 7], &[3, 2], &[1, 2, 3, 1], &[3, 2, 7]];

/// Statistics, scale and shift of x, all in the graph.
fn training_case(x: Tensor, affine: Tensor, epsilon: f64) -> Case {
    Case {
        name: "batch_norm (training)",
        inputs: vec![x, affine],
        wrt: vec![0, 1],
        build: Box::new(move |graph, inputs| {
            let stats = graph.add(BatchStats.into(), &inputs[..1]).unwrap();
            let norm = BatchNorm { training: true, slope: None, epsilon };
            graph.add(norm.into(), &[inputs[0], stats, inputs[1]]).unwrap()
        }),
    }
}

#[test]
fn training() {
    let mut rng = Rng::new(20);
    for shape in SHAPES {
        let (x, affine) = (signed(&mut rng, shape), signed(&mut rng, [2, shape[1]]));
        training_case(x, affine, 0.1).check();
    }
}

/// A variance no larger than what is added to it; two elements a channel, whose gradient would else vanish.
#[test]
fn training_with_small_variance() {
    let mut rng = Rng::new(22);
    for shape in [&[2, 3][..], &[2, 3, 1, 5]] {
        let (shape, mut x) = signed(&mut rng, shape);
        x.iter_mut().for_each(|x| *x *= 0.003);
        let affine = signed(&mut rng, [2, shape[1]]);
        training_case((shape, x), affine, BatchNorm::EPSILON).check();
    }
}

#[test]
fn inference() {
    let mut rng = Rng::new(21);
    for shape in SHAPES {
        let norm = BatchNorm { training: false, slope: None, epsilon: 0.1 };
        // Means may have any sign, but variances are positive; so all are here.
        let stats = uniform(&mut rng, [2, shape[1]], 0.2, 2.0);
        let inputs = vec![signed(&mut rng, shape), stats, signed(&mut rng, [2, shape[1]])];
        Case { name: "batch_norm (inference)", ..Case::of(norm, inputs, &[0, 2]) }.check();
    }
}
