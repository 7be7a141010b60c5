//! References against what can be said without computing: closed forms, symmetries, and numbers worked out
//! elsewhere.

mod decibel;
mod mel;
mod stft;

use approx::abs_diff_eq;
use genre_recognizer::graph::{GraphOp, Shape};
use genre_recognizer::ops::Op;

/// The reference of an operation in f64.
fn reference(op: impl Into<Op>, inputs: &[(Shape, Vec<f64>)]) -> Vec<f64> {
    let op = op.into();
    let shapes: Vec<&Shape> = inputs.iter().map(|(shape, _)| shape).collect();
    let op = op.prepare(&shapes).unwrap();
    let inputs: Vec<&[f64]> = inputs.iter().map(|(_, data)| &data[..]).collect();
    let mut output = vec![f64::NAN; op.output.elements()];
    op.reference(&inputs, &mut output);
    output
}

/// Fails where `actual` is farther from `expected` than `tolerance` (NaN too).
#[track_caller]
fn near(actual: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(abs_diff_eq!(actual, expected, epsilon = tolerance), "{what}: {actual}, not {expected}");
}
