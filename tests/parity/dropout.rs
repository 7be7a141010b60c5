use genre_recognizer::graph::Shape;
use genre_recognizer::ops::dropout::Dropout;
use genre_recognizer::rng::Rng;

use super::harness::{Case, normal};

/// The reference draws the mask, so a wrong mask shows as wrong values: kept elements are far from zero.
#[test]
fn dropout() {
    let mut rng = Rng::new(5);
    let cases = [
        ([3, 65], 0.3, 0, [7.0, 0.0], 0),
        ([257, 31], 0.5, 2, [16_777_215.0, 12_345.0], 0),
        ([1, 1], 0.0, 1, [0.0, 1.0], 3),
        ([17, 1033], 0.9, u32::MAX, [1.0, 16_777_215.0], 1 << 20),
        // Across the end of 2³² elements.
        ([17, 1033], 0.5, 3, [2.0, 5.0], u32::MAX - 9000),
    ];
    for (shape, rate, layer, counter, first) in cases {
        let (shape, mut data) = normal(&mut rng, shape, 1.0);
        data.iter_mut().for_each(|v| *v += v.signum());
        let inputs = vec![(shape, data), (Shape::from([2]), counter.to_vec())];
        Case { op: Dropout { rate, layer, first }.into(), inputs, reduction: 1, backward: false }.check();
    }
}
