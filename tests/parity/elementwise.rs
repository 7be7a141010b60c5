use genre_recognizer::ops::Op;
use genre_recognizer::ops::elementwise::Binary::{Add, Mul, Sub};
use genre_recognizer::ops::elementwise::Unary::{Sigmoid, Square};
use genre_recognizer::ops::elementwise::{Axes, Expand, Reduce};
use genre_recognizer::rng::Rng;

use super::harness::{Case, devices, normal, uniform};

/// One element, under and over a workgroup, over a task of the CPU device, and fours of elements.
const SHAPES: [&[usize]; 5] = [&[1], &[2, 3, 5, 7], &[1, 17, 33, 31], &[2, 3, 21, 22], &[7, 13]];

#[test]
fn of_one_shape() {
    let devices = devices();
    let mut rng = Rng::new(1);
    for shape in SHAPES {
        for op in [Add, Sub, Mul] {
            let inputs = vec![normal(&mut rng, shape, 1.0), normal(&mut rng, shape, 2.0)];
            Case { op: op.into(), inputs, reduction: 2, backward: false }.check_on(&devices);
        }
    }
}

/// Either tensor is repeated along outer, middle and inner axes, alone and in turn; both are; rows of more
/// than a task.
const BROADCAST: [[&[usize]; 2]; 10] = [
    [&[5, 7], &[1, 7]],
    [&[5, 7], &[5, 1]],
    [&[1, 7], &[5, 7]],
    [&[5, 1], &[1, 7]],
    [&[3, 5, 7, 11], &[1, 5, 1, 1]],
    [&[3, 5, 7, 11], &[3, 1, 7, 1]],
    [&[1, 5, 1, 11], &[3, 5, 7, 11]],
    [&[3, 1, 7, 1], &[1, 5, 1, 11]],
    [&[2, 1, 1, 17_001], &[2, 3, 1, 17_001]],
    [&[4, 4, 1, 3], &[4, 4, 8, 3]],
];

#[test]
fn with_broadcasting() {
    let devices = devices();
    let mut rng = Rng::new(2);
    for [a, b] in BROADCAST {
        for op in [Add, Sub, Mul] {
            let inputs = vec![normal(&mut rng, a, 1.0), normal(&mut rng, b, 2.0)];
            Case { op: op.into(), inputs, reduction: 2, backward: false }.check_on(&devices);
        }
    }
}

#[test]
fn expand() {
    let devices = devices();
    let mut rng = Rng::new(3);
    for (x, repeats, factor) in [
        (&[5, 7][..], &[][..], -1.0),
        (&[2, 3, 4, 4], &[1, 1], 0.3),
        (&[1, 7], &[5], 2.0),
        (&[5, 1], &[1, 7], 0.25),
        (&[3, 1, 7, 1], &[1, 5, 1, 11], -0.5),
        (&[1, 5, 1, 11], &[3, 1, 7, 1], 1.0),
        (&[1], &[20_001], 1e-3),
    ] {
        let op = Expand { factor, repeats: repeats.to_vec() };
        Case { op: op.into(), inputs: vec![normal(&mut rng, x, 1.0)], reduction: 1, backward: true }
            .check_on(&devices);
    }
}

#[test]
fn square_and_sigmoid() {
    let devices = devices();
    let mut rng = Rng::new(4);
    for shape in SHAPES {
        for (op, size) in [(Square, 3.0), (Sigmoid, 5.0), (Sigmoid, 80.0)] {
            let inputs = vec![uniform(&mut rng, shape, -size, size)];
            Case { op: op.into(), inputs, reduction: 2, backward: false }.check_on(&devices);
        }
    }
}

/// Sums along rows and along columns; of few terms, of a chunk, and of several; axes apart, and all.
#[test]
fn sums_and_means() {
    let devices = devices();
    let mut rng = Rng::new(5);
    for (x, axes) in [
        (&[1][..], None),
        (&[7, 13], None),
        (&[3, 67, 89], None),
        (&[1, 2, 4096], None),
        (&[5, 7], Some(&[0][..])),
        (&[5, 7], Some(&[1])),
        (&[257, 3], Some(&[0])),
        (&[300, 67], Some(&[0])),
        (&[3, 4099], Some(&[1])),
        (&[3, 5, 7, 11], Some(&[0, 2])),
        (&[3, 5, 7, 11], Some(&[1, 3])),
        (&[3, 5, 7, 11], Some(&[0, 2, 3])),
        (&[3, 5, 7, 131], Some(&[1, 2])),
        (&[2, 65, 3, 129], Some(&[3, 1])),
        (&[4, 6], Some(&[])),
    ] {
        for mean in [false, true] {
            let axes = axes.map_or(Axes::All, |axes| Axes::These(axes.to_vec()));
            let op: Op = Reduce { mean, axes }.into();
            // Off zero, so that sums are not small beside their terms.
            let inputs = vec![uniform(&mut rng, x, -1.0, 3.0)];
            let reduction = x.iter().product();
            Case { op, inputs, reduction, backward: false }.check_on(&devices);
        }
    }
}
