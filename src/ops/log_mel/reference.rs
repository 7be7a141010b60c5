//! One definition after the other.

use super::LogMel;
use crate::graph::Shape;
use crate::ops::Operation;
use crate::ops::kernel::{Operand, Real};

pub fn forward<T: Real>(op: &LogMel, audio: Operand<'_, T>, out: &mut [T], shape: &Shape) {
    let spectrogram = Shape::from([shape[0], shape[1], op.stft.bins(), shape[3]]);
    let mut power = vec![T::zero(); spectrogram.elements()];
    op.stft.reference(&[audio], &mut power, &spectrogram);
    op.mel.reference(&[Operand { data: &power, shape: &spectrogram }], out, shape);
    if let Some(ln) = op.ln {
        let mel = out.to_vec();
        ln.reference(&[Operand { data: &mel, shape }], out, shape);
    }
}
