//! References against what can be said without computing: closed forms, symmetries, and numbers worked out elsewhere.

mod decibel;
mod mel;
mod stft;

use genre_recognizer::graph::{GraphOp, Shape};
use genre_recognizer::ops::Op;
use genre_recognizer::ops::kernel::Operand;

/// The reference of an operation in f64.
fn reference(op: impl Into<Op>, inputs: &[(Shape, Vec<f64>)]) -> Vec<f64> {
    let op = op.into();
    let shapes: Vec<&Shape> = inputs.iter().map(|(shape, _)| shape).collect();
    let shape = op.shape(&shapes).unwrap();
    let operands: Vec<Operand<'_, f64>> =
        inputs.iter().map(|(shape, data)| Operand { data, shape }).collect();
    let mut output = vec![f64::NAN; shape.elements()];
    op.reference(&operands, &mut output, &shape);
    output
}

/// Fails where `actual` is farther from `expected` than `tolerance` (NaN too).
#[track_caller]
fn near(actual: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (actual - expected).abs();
    assert!(error <= tolerance, "{what}: {actual}, not {expected} (off by {error:e})");
}
