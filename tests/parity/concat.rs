use genre_recognizer::ops::concat::{Concat, Pad, Slice};
use genre_recognizer::rng::Rng;

use super::harness::{Case, devices, normal};

/// Along the first, a middle and the last axis; one, two and several inputs.
#[test]
fn concat() {
    let devices = devices();
    let mut rng = Rng::new(1);
    for (axis, shapes) in [
        (0, vec![&[2, 3][..], &[5, 3], &[1, 3]]),
        (1, vec![&[2, 3], &[2, 1], &[2, 4]]),
        (1, vec![&[3, 2, 5, 7], &[3, 3, 5, 7]]),
        (3, vec![&[2, 1, 65, 7], &[2, 1, 65, 130]]),
        (0, vec![&[7]]),
    ] {
        let inputs = shapes.into_iter().map(|shape| normal(&mut rng, shape, 1.0)).collect();
        Case { op: Concat { axis }.into(), inputs, reduction: 1, backward: false }.check_on(&devices);
    }
}

#[test]
fn slice_and_pad() {
    let devices = devices();
    let mut rng = Rng::new(2);
    for (x, axis, start, len) in [
        (&[7][..], 0, 2, 3),
        (&[5, 7], 0, 0, 2),
        (&[5, 7], 1, 6, 1),
        (&[3, 5, 7, 11], 1, 1, 3),
        (&[3, 2, 65, 131], 3, 1, 129),
        (&[3, 5], 1, 0, 5),
    ] {
        let inputs = vec![normal(&mut rng, x, 1.0)];
        Case { op: Slice { axis, start, len }.into(), inputs, reduction: 1, backward: false }
            .check_on(&devices);
        let inputs = vec![normal(&mut rng, x, 1.0)];
        let op = Pad { axis, before: start, behind: len }.into();
        Case { op, inputs, reduction: 1, backward: true }.check_on(&devices);
    }
}
