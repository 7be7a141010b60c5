use genre_recognizer::ops::bias::{Bias, BiasGrad};
use genre_recognizer::rng::Rng;

use super::harness::{Case, normal};

#[test]
fn bias() {
    let mut rng = Rng::new(4);
    let shapes = [vec![3, 5], vec![2, 3, 7, 5], vec![1, 17, 33], vec![13, 1, 1, 2], vec![5, 2, 31, 65]];
    for shape in shapes {
        let (n, c, k) = (shape[0], shape[1], shape.iter().product::<usize>() / shape[1]);
        let x = normal(&mut rng, shape.as_slice(), 1.0);
        let inputs = vec![x.clone(), normal(&mut rng, [c], 2.0)];
        Case { op: Bias.into(), inputs, reduction: 2, backward: false }.check();
        assert!(k >= n);
        Case { op: BiasGrad.into(), inputs: vec![x], reduction: k, backward: true }.check();
    }
}
