use genre_recognizer::ops::activation::{LeakyRelu, LeakyReluGrad};
use genre_recognizer::rng::Rng;

use super::harness::{Case, devices, normal};

/// One element, under and over a workgroup, over a task of the CPU device, and fours of elements.
const SHAPES: [[usize; 4]; 5] = [[1, 1, 1, 1], [2, 3, 5, 7], [1, 17, 3, 31], [3, 1, 65, 97], [2, 3, 21, 22]];

#[test]
fn leaky_relu() {
    let devices = devices();
    let mut rng = Rng::new(2);
    for (shape, slope) in SHAPES.into_iter().zip([0.3, 0.0, 0.01, 0.3, 0.3]) {
        let (shape, mut x) = normal(&mut rng, shape, 1.0);
        x[0] = 0.0; // at the kink
        let op = LeakyRelu { slope }.into();
        Case { op, inputs: vec![(shape, x)], reduction: 1, backward: false }.check_on(&devices);
    }
}

#[test]
fn leaky_relu_grad() {
    let devices = devices();
    let mut rng = Rng::new(3);
    for (shape, slope) in SHAPES.into_iter().zip([0.3, 0.0, 0.01, 0.3, 0.3]) {
        let (y_shape, mut y) = normal(&mut rng, shape, 1.0);
        if y.len() > 1 {
            y[0] = 0.0; // at the kink: the slope holds
        }
        let inputs = vec![(y_shape, y), normal(&mut rng, shape, 1.0)];
        let op = LeakyReluGrad(LeakyRelu { slope }).into();
        Case { op, inputs, reduction: 1, backward: true }.check_on(&devices);
    }
}
