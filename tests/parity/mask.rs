use genre_recognizer::graph::Shape;
use genre_recognizer::ops::mask::Mask;
use genre_recognizer::rng::Rng;

use super::harness::{Case, normal, uniform};

/// Factors of 0 and 1, more often 1.
fn stripes(rng: &mut Rng, shape: [usize; 2]) -> (Shape, Vec<f32>) {
    let (shape, mut factors) = uniform(rng, shape, 0.0, 1.0);
    factors.iter_mut().for_each(|factor| *factor = f32::from(*factor > 0.3));
    (shape, factors)
}

/// Odd sizes, rows of one element, more rows than a task takes, several channels, and the default features.
#[test]
fn mask() {
    let mut rng = Rng::new(6);
    for shape in [
        [2, 3, 5, 7],
        [1, 1, 1, 1],
        [3, 2, 4, 1],
        [5, 2, 1, 3],
        [2, 2, 257, 67],
        [3, 1, 128, 87],
        [1, 2, 3, 17_001],
    ] {
        let [n, _, h, w] = shape;
        let x = normal(&mut rng, shape, 1.0);
        let real =
            vec![x.clone(), uniform(&mut rng, [n, h], -2.0, 2.0), uniform(&mut rng, [n, w], -2.0, 2.0)];
        let drawn = vec![x, stripes(&mut rng, [n, h]), stripes(&mut rng, [n, w])];
        for inputs in [real, drawn] {
            Case { op: Mask.into(), inputs, reduction: 1, backward: false }.check();
        }
    }
}
