use genre_recognizer::ops::residual_add::Add;
use genre_recognizer::rng::Rng;

use super::harness::{Case, normal};

#[test]
fn add() {
    let mut rng = Rng::new(1);
    for shape in [[1, 1, 1, 1], [2, 3, 5, 7], [1, 17, 33, 31], [2, 3, 21, 22]] {
        let inputs = vec![normal(&mut rng, shape, 1.0), normal(&mut rng, shape, 2.0)];
        Case { op: Add.into(), inputs, reduction: 2, backward: false }.check();
    }
}
