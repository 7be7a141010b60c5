use genre_recognizer::graph::Shape;
use genre_recognizer::ops::loss::{
    BinaryCrossEntropy, BinaryCrossEntropyGrad, CrossEntropy, CrossEntropyGrad, Softmax, SoftmaxGrad,
};
use genre_recognizer::rng::Rng;

use super::harness::{Case, normal, uniform};

/// N and K; K across the 64 threads of a row.
const SHAPES: [[usize; 2]; 6] = [[1, 1], [3, 7], [2, 65], [67, 30], [5, 131], [1, 64]];

/// Logits whose rows differ in level, so that only the right row's maximum keeps the exponentials in range.
fn logits(rng: &mut Rng, shape: [usize; 2]) -> (Shape, Vec<f32>) {
    let (shape, mut data) = normal(rng, shape, 2.0);
    for row in data.chunks_exact_mut(shape[1]) {
        let level = 300.0 * rng.normal();
        row.iter_mut().for_each(|v| *v += level);
    }
    (shape, data)
}

/// Distributions over the classes.
fn labels(rng: &mut Rng, shape: [usize; 2]) -> (Shape, Vec<f32>) {
    let (shape, mut data) = uniform(rng, shape, 0.0, 1.0);
    for row in data.chunks_exact_mut(shape[1]) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
    (shape, data)
}

#[test]
fn softmax() {
    let mut rng = Rng::new(6);
    for shape in SHAPES {
        let inputs = vec![logits(&mut rng, shape)];
        Case { op: Softmax.into(), inputs, reduction: shape[1], backward: false }.check();
        let inputs = vec![labels(&mut rng, shape), normal(&mut rng, shape, 1.0)];
        Case { op: SoftmaxGrad.into(), inputs, reduction: shape[1], backward: true }.check();
    }
}

#[test]
fn cross_entropy() {
    let mut rng = Rng::new(7);
    for (shape, smoothing) in SHAPES.into_iter().zip([0.0, 0.1, 0.3, 0.1, 0.0, 0.05]) {
        let op = CrossEntropy { smoothing };
        let weights = uniform(&mut rng, [shape[1]], 0.3, 2.0);
        let mut inputs = vec![logits(&mut rng, shape), labels(&mut rng, shape), weights];
        let reduction = shape[0] * shape[1];
        Case { op: op.into(), inputs: inputs.clone(), reduction, backward: false }.check();
        inputs.push(normal(&mut rng, [1], 1.0));
        Case { op: CrossEntropyGrad(op).into(), inputs, reduction, backward: true }.check();
    }
}

#[test]
fn binary_cross_entropy() {
    let mut rng = Rng::new(8);
    for shape in SHAPES {
        // Logits around 0, and sure ones of either sign; labels soft and hard.
        for (scale, hard) in [(1.0, false), (40.0, true), (0.01, true)] {
            let mut labels = uniform(&mut rng, shape, 0.0, 1.0);
            labels.1.iter_mut().filter(|_| hard).for_each(|label| *label = label.round());
            let weights = uniform(&mut rng, [shape[1]], 0.3, 2.0);
            let mut inputs = vec![normal(&mut rng, shape, scale), labels, weights];
            let reduction = shape[0] * shape[1];
            let (op, inputs_of_loss) = (BinaryCrossEntropy.into(), inputs.clone());
            Case { op, inputs: inputs_of_loss, reduction, backward: false }.check();
            inputs.push(normal(&mut rng, [1], 1.0));
            Case { op: BinaryCrossEntropyGrad.into(), inputs, reduction: 1, backward: true }.check();
        }
    }
}

/// Sure and right about every label: neither the loss nor its gradient is lost to rounding.
#[test]
fn confident_about_every_label() {
    let shape = Shape::from([2, 3]);
    let logits = vec![12.0, -11.0, 15.0, -19.0, -18.0, 13.0];
    let labels = vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
    let mut inputs = vec![(shape.clone(), logits), (shape, labels), (Shape::from([3]), vec![1.0; 3])];
    Case { op: BinaryCrossEntropy.into(), inputs: inputs.clone(), reduction: 6, backward: false }.check();
    inputs.push((Shape::from([1]), vec![1.0]));
    Case { op: BinaryCrossEntropyGrad.into(), inputs, reduction: 1, backward: true }.check();
}

/// A network that is sure and right has a small loss, of which nothing may be lost to rounding.
#[test]
fn confident() {
    let shape = Shape::from([2, 3]);
    let logits = vec![12.0, -1.0, 0.5, -9.0, -8.0, 3.0];
    let labels = vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    let inputs = vec![(shape.clone(), logits), (shape, labels), (Shape::from([3]), vec![1.0; 3])];
    Case { op: CrossEntropy { smoothing: 0.0 }.into(), inputs, reduction: 6, backward: false }.check();
}
