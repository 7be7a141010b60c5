use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::rng::Rng;

use super::harness::{Case, signed};

#[test]
fn all_three_forms() {
    let mut rng = Rng::new(40);
    for [m, n, k] in [[3, 5, 7], [1, 13, 2], [5, 1, 3], [2, 3, 1]] {
        for (form, a, b) in [
            (Form::Plain, [m, k], [k, n]),
            (Form::TransposeB, [m, k], [n, k]),
            (Form::TransposeA, [k, m], [k, n]),
        ] {
            let inputs = vec![signed(&mut rng, a), signed(&mut rng, b)];
            Case::of(Matmul { form }, inputs, &[0, 1]).check();
        }
    }
}

/// Both operands are one tensor: its gradient is the sum of two.
#[test]
fn product_with_itself() {
    let mut rng = Rng::new(41);
    for (form, shape) in [(Form::Plain, [3, 3]), (Form::TransposeB, [2, 5]), (Form::TransposeA, [5, 2])] {
        let case = Case {
            name: "matmul",
            inputs: vec![signed(&mut rng, shape)],
            wrt: vec![0],
            build: Box::new(move |graph, x| graph.add(Matmul { form }.into(), &[x[0], x[0]]).unwrap()),
        };
        case.check();
    }
}
