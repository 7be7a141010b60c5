//! The matrix product in its three forms.

use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::rng::Rng;
use proptest::prelude::*;

use crate::harness::{Case, normal};

fn check(form: Form, [m, n, k]: [usize; 3], seed: u64) {
    let mut rng = Rng::new(seed);
    let (a, b) = match form {
        Form::Plain => ([m, k], [k, n]),
        Form::TransposeB => ([m, k], [n, k]),
        Form::TransposeA => ([k, m], [k, n]),
    };
    let inputs = vec![normal(&mut rng, a, 1.0), normal(&mut rng, b, 0.5)];
    Case { op: Matmul { form }.into(), inputs, reduction: k, backward: form != Form::TransposeB }.check();
}

fn check_forms(sizes: [usize; 3], seed: u64) {
    for form in [Form::Plain, Form::TransposeB, Form::TransposeA] {
        check(form, sizes, seed);
    }
}

#[test]
fn odd_sizes() {
    check_forms([1, 1, 1], 1);
    check_forms([5, 2, 3], 2);
    check_forms([13, 33, 17], 3);
    check_forms([3, 65, 31], 4);
}

/// Across the borders of tiles of both sides.
#[test]
fn beyond_one_tile() {
    check_forms([67, 131, 33], 11);
    check_forms([130, 49, 65], 12);
}

/// Long sums, alone and over several tiles.
#[test]
fn long_sums() {
    check_forms([2, 3, 4099], 21);
    check(Form::TransposeB, [33, 65, 1031], 22);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sizes(sizes in [1usize..40, 1usize..70, 1usize..40], seed in any::<u64>()) {
        check_forms(sizes, seed);
    }
}
