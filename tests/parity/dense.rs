//! The matrix product in its three forms.

use std::sync::Arc;

use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::rng::Rng;
use proptest::prelude::*;

use super::harness::{Case, normal};

fn check(form: Form, sizes: [usize; 3], seed: u64) {
    case(form, sizes, seed).check();
}

fn case(form: Form, [m, n, k]: [usize; 3], seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let (a, b) = match form {
        Form::Plain => ([m, k], [k, n]),
        Form::TransposeB => ([m, k], [n, k]),
        Form::TransposeA => ([k, m], [k, n]),
    };
    let inputs = vec![normal(&mut rng, a, 1.0), normal(&mut rng, b, 0.5)];
    Case { op: Matmul { form }.into(), inputs, reduction: k, backward: form != Form::TransposeB }
}

const FORMS: [Form; 3] = [Form::Plain, Form::TransposeB, Form::TransposeA];

fn check_forms(sizes: [usize; 3], seed: u64) {
    for form in FORMS {
        check(form, sizes, seed);
    }
}

#[test]
fn odd_sizes() {
    check(Form::TransposeB, [1, 1, 1], 1);
    check_forms([13, 33, 17], 2);
}

/// Across the borders of tiles of both sides.
#[test]
fn beyond_one_tile() {
    check(Form::TransposeB, [67, 131, 33], 11);
    // Enough tiles for the larger ones on a GPU.
    check(Form::TransposeA, [515, 520, 5], 12);
    check(Form::Plain, [1030, 1030, 3], 13);
}

/// Long sums, alone and over several tiles.
#[test]
fn long_sums() {
    check_forms([2, 3, 4099], 21);
    check(Form::TransposeB, [33, 65, 1031], 22);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// On the CPU only: a software adapter compiles every size anew.
    #[test]
    fn any_sizes(sizes in [1usize..40, 1usize..70, 1usize..40], seed in any::<u64>()) {
        for form in FORMS {
            case(form, sizes, seed).check_on(&[Arc::new(Cpu)]);
        }
    }
}
