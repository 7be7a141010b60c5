use genre_recognizer::graph::Shape;
use genre_recognizer::ops::Op;
use genre_recognizer::ops::log::{Compress, CompressGrad, Decibel, DecibelGrad, Ln, LnGrad};
use genre_recognizer::rng::Rng;

use super::harness::{Case, normal};

const SHAPES: &[[usize; 4]] = &[[1, 1, 1, 1], [2, 3, 5, 7], [3, 1, 17, 31], [2, 2, 33, 65], [1, 1, 13, 1]];

/// Powers between 10^low and 10^high, evenly on the logarithmic scale.
fn powers(rng: &mut Rng, shape: [usize; 4], low: f32, high: f32) -> (Shape, Vec<f32>) {
    let shape = Shape::from(shape);
    let data = (0..shape.elements()).map(|_| 10f32.powf(rng.range(low, high))).collect();
    (shape, data)
}

fn check(op: impl Into<Op>, inputs: Vec<(Shape, Vec<f32>)>, reduction: usize, backward: bool) {
    Case { op: op.into(), inputs, reduction, backward }.check();
}

#[test]
fn natural() {
    let mut rng = Rng::new(31);
    let settings =
        [(1e-5, -9.0, 4.0), (1e-10, -12.0, -3.0), (0.0, -30.0, 30.0), (1.0, -3.0, 0.0), (1e-5, -2.0, 8.0)];
    for (&shape, (floor, low, high)) in SHAPES.iter().zip(settings) {
        let x = powers(&mut rng, shape, low, high);
        let dy = normal(&mut rng, shape, 1.0);
        check(Ln { floor }, vec![x.clone()], 1, false);
        check(LnGrad(Ln { floor }), vec![x, dy], 1, true);
    }
}

/// Where 1 + gain·x is 1, and where the 1 is lost; each range alone, so that errors show in the smallest values too.
#[test]
fn compress() {
    let mut rng = Rng::new(34);
    let settings =
        [(1.0, -3.0, 3.0), (1e4, -20.0, -12.0), (1e4, -9.0, -2.0), (1e4, -4.0, 8.0), (0.5, 10.0, 30.0)];
    for (&shape, (gain, low, high)) in SHAPES.iter().zip(settings) {
        let x = powers(&mut rng, shape, low, high);
        let dy = normal(&mut rng, shape, 1.0);
        check(Compress { gain }, vec![x.clone()], 1, false);
        check(CompressGrad(Compress { gain }), vec![x, dy], 1, true);
    }
}

#[test]
fn decibel() {
    let mut rng = Rng::new(32);
    for &shape in SHAPES {
        // All above the floor; many below it; below what counts as silence, where the range matters, and all
        // of it.
        for (low, high) in [(-4.0, 3.0), (-9.0, 3.0), (-14.0, -7.0), (-20.0, -11.0)] {
            let x = powers(&mut rng, shape, low, high);
            let dy = normal(&mut rng, shape, 1.0);
            let op = Decibel { range: 60.0 };
            check(op, vec![x.clone()], 1, false);
            check(DecibelGrad(op), vec![x, dy], shape[1..].iter().product(), true);
        }
    }
}

/// Of several equal maxima the first is the reference.
#[test]
fn decibel_ties() {
    let mut rng = Rng::new(33);
    let shape = [2, 1, 17, 37];
    let (x, dy) = (powers(&mut rng, shape, -3.0, 0.0), normal(&mut rng, shape, 1.0));
    for ties in [[3, 4, 628], [255, 256, 511], [600, 17, 290]] {
        let mut x = x.clone();
        for position in ties {
            x.1[position] = 2.0;
            x.1[629 + position] = 3.0;
        }
        check(DecibelGrad(Decibel { range: 80.0 }), vec![x, dy.clone()], 629, true);
    }
}
