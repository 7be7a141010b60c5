use genre_recognizer::graph::GraphOp;
use genre_recognizer::ops::Op;
use genre_recognizer::ops::pool::{AveragePool, AveragePoolGrad, MaxPool, MaxPoolGrad, Window};
use genre_recognizer::rng::Rng;

use super::harness::{Case, normal};

/// x [N, C, H, W], window and stride: side by side, overlapping, with gaps, the whole plane, a single
/// element; a whole axis, wider than the CPU's vectors and not.
const SHAPES: [([usize; 4], [usize; 2], [usize; 2]); 12] = [
    ([2, 3, 7, 5], [2, 2], [2, 2]),
    ([1, 2, 6, 34], [2, 2], [2, 2]),
    ([3, 1, 7, 9], [3, 2], [2, 1]),
    ([2, 5, 5, 7], [3, 3], [1, 1]),
    ([1, 3, 11, 8], [2, 1], [3, 4]),
    ([2, 3, 13, 17], [13, 17], [13, 17]),
    ([1, 1, 1, 1], [1, 1], [1, 1]),
    ([1, 7, 3, 2], [1, 2], [1, 2]),
    ([2, 3, 11, 37], [11, 1], [11, 1]),
    ([1, 2, 8, 70], [3, 1], [2, 1]),
    ([2, 3, 1, 77], [1, 77], [1, 77]),
    ([1, 3, 5, 83], [2, 35], [2, 35]),
];

/// All of them as they are and with what is left at the edges.
fn windows() -> impl Iterator<Item = ([usize; 4], Window)> {
    let window = |ceil| move |(x, size, stride)| (x, Window { size, stride, ceil });
    SHAPES.into_iter().map(window(false)).chain(SHAPES.into_iter().map(window(true)))
}

fn check(op: Op, inputs: Vec<([usize; 4], bool)>, reduction: usize, backward: bool, rng: &mut Rng) {
    let inputs = inputs.into_iter().map(|(shape, ties)| {
        let (shape, mut data) = normal(rng, shape, 1.0);
        // Whole numbers, so that many windows have several maxima.
        data.iter_mut().filter(|_| ties).for_each(|v| *v = v.round());
        (shape, data)
    });
    Case { op, inputs: inputs.collect(), reduction, backward }.check();
}

fn pooled(x: [usize; 4], window: Window) -> [usize; 4] {
    let shape = Op::from(MaxPool(window)).prepare(&[&x.into()]).unwrap().output;
    [shape[0], shape[1], shape[2], shape[3]]
}

#[test]
fn max_pool() {
    let mut rng = Rng::new(2);
    for (x, window) in windows() {
        for ties in [false, true] {
            check(MaxPool(window).into(), vec![(x, ties)], 1, false, &mut rng);
            let inputs = vec![(x, ties), (pooled(x, window), false)];
            check(MaxPoolGrad(window).into(), inputs, window.size[0] * window.size[1], true, &mut rng);
        }
    }
}

#[test]
fn average_pool() {
    let mut rng = Rng::new(3);
    for (x, window) in windows() {
        let k = window.size[0] * window.size[1];
        check(AveragePool(window).into(), vec![(x, false)], k, false, &mut rng);
        let op = AveragePoolGrad { window, input: [x[2], x[3]] };
        check(op.into(), vec![(pooled(x, window), false)], k, true, &mut rng);
    }
}
