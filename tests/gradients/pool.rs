use genre_recognizer::ops::pool::{AveragePool, MaxPool, Window, global_average_pool};
use genre_recognizer::rng::Rng;

use super::harness::{Case, distinct, signed};

/// Side by side, overlapping, with gaps, rectangular; sides that windows do not fill.
const WINDOWS: [Window; 10] = [
    Window { size: [2, 2], stride: [2, 2], ceil: false },
    Window { size: [3, 3], stride: [2, 2], ceil: false },
    Window { size: [3, 2], stride: [1, 1], ceil: false },
    Window { size: [1, 2], stride: [3, 3], ceil: false },
    Window { size: [2, 3], stride: [2, 1], ceil: false },
    Window { size: [5, 4], stride: [1, 2], ceil: false },
    // With what is left at the edges.
    Window { size: [2, 2], stride: [2, 2], ceil: true },
    Window { size: [3, 3], stride: [2, 2], ceil: true },
    Window { size: [3, 1], stride: [3, 1], ceil: true },
    Window { size: [2, 3], stride: [4, 5], ceil: true },
];

#[test]
fn max_pool() {
    let mut rng = Rng::new(80);
    for window in WINDOWS {
        for shape in [[2, 3, 5, 7], [1, 1, 7, 4]] {
            Case::of(MaxPool(window), vec![distinct(&mut rng, shape)], &[0]).check();
        }
    }
}

#[test]
fn average_pool() {
    let mut rng = Rng::new(81);
    for window in WINDOWS {
        for shape in [[2, 3, 5, 7], [1, 1, 7, 4]] {
            Case::of(AveragePool(window), vec![signed(&mut rng, shape)], &[0]).check();
        }
    }
}

#[test]
fn global_average() {
    let mut rng = Rng::new(82);
    for shape in [[2, 3, 5, 7], [3, 1, 1, 2]] {
        let case = Case {
            name: "average_pool",
            inputs: vec![signed(&mut rng, shape)],
            wrt: vec![0],
            build: Box::new(|graph, x| global_average_pool(graph, x[0]).unwrap()),
        };
        case.check();
    }
}
