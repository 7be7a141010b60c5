use genre_recognizer::ops::concat::{Concat, Pad, Slice};
use genre_recognizer::ops::elementwise::Binary::{Add, Mul, Sub};
use genre_recognizer::ops::elementwise::Unary::{Sigmoid, Square};
use genre_recognizer::ops::elementwise::{Axes, Expand, Reduce};
use genre_recognizer::rng::Rng;

use super::harness::{Case, signed, uniform};

/// Of one shape, and with either tensor, or both, repeated along outer, middle and inner axes.
#[test]
fn arithmetic() {
    let mut rng = Rng::new(80);
    for [a, b] in [
        [&[2, 3, 5][..], &[2, 3, 5]],
        [&[3, 5], &[1, 5]],
        [&[3, 1], &[3, 5]],
        [&[3, 1], &[1, 5]],
        [&[2, 3, 2, 3], &[1, 3, 1, 1]],
        [&[1, 3, 1, 3], &[2, 1, 2, 1]],
    ] {
        for op in [Add, Sub, Mul] {
            let inputs = vec![signed(&mut rng, a), signed(&mut rng, b)];
            Case::of(op, inputs, &[0, 1]).check();
        }
    }
}

/// Of one tensor with itself.
#[test]
fn with_itself() {
    let mut rng = Rng::new(81);
    for (op, name) in [(Add, "add"), (Mul, "mul")] {
        let twice = Case {
            name,
            inputs: vec![signed(&mut rng, [7])],
            wrt: vec![0],
            build: Box::new(move |graph, x| graph.add(op.into(), &[x[0], x[0]]).unwrap()),
        };
        twice.check();
    }
}

#[test]
fn expand() {
    let mut rng = Rng::new(82);
    for (x, repeats, factor) in
        [(&[3, 5][..], &[][..], -1.5), (&[1, 5], &[3][..], 1.0), (&[2, 1, 3, 1], &[1, 3, 1, 2], 0.5)]
    {
        let op = Expand { factor, repeats: repeats.to_vec() };
        Case::of(op, vec![signed(&mut rng, x)], &[0]).check();
    }
}

#[test]
fn square_and_sigmoid() {
    let mut rng = Rng::new(83);
    for op in [Square, Sigmoid] {
        Case::of(op, vec![uniform(&mut rng, [3, 5], -2.0, 2.0)], &[0]).check();
    }
}

#[test]
fn sums_and_means() {
    let mut rng = Rng::new(84);
    for axes in [Axes::All, Axes::These(vec![0]), Axes::These(vec![1]), Axes::These(vec![0, 2])] {
        for mean in [false, true] {
            let op = Reduce { mean, axes: axes.clone() };
            Case::of(op, vec![signed(&mut rng, [2, 3, 4])], &[0]).check();
        }
    }
}

#[test]
fn concat_slice_and_pad() {
    let mut rng = Rng::new(85);
    for (axis, shapes) in [(0, [[2, 3], [1, 3], [2, 3]]), (1, [[2, 3], [2, 1], [2, 2]])] {
        let inputs = shapes.into_iter().map(|shape| signed(&mut rng, shape)).collect();
        Case::of(Concat { axis }, inputs, &[0, 1, 2]).check();
    }
    for (axis, start, len) in [(0, 1, 2), (1, 0, 2), (2, 3, 2)] {
        Case::of(Slice { axis, start, len }, vec![signed(&mut rng, [3, 2, 5])], &[0]).check();
        let pad = Pad { axis, before: start, behind: len };
        Case::of(pad, vec![signed(&mut rng, [2, 2, 2])], &[0]).check();
    }
}
