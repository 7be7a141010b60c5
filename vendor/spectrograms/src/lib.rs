//! The part of the `spectrograms` crate's interface that the Opus decoder `ruopus` uses, over rustfft.
//!
//! `ruopus` takes its FFT from `spectrograms`, which brings ten crates that have nothing to do with decoding and need a
//! newer Rust than this project does. Without that feature its transforms are O(n²), which is a hundred times slower.

use std::convert::Infallible;
use std::sync::Arc;

pub use rustfft::num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

/// Complex transforms of one length, in place and not scaled.
pub trait C2cPlan<T> {
    /// X\[k\] = Σ x\[n\] e^(−2πi kn/N).
    ///
    /// # Errors
    /// Never.
    fn forward(&mut self, buffer: &mut [Complex<T>]) -> Result<(), Infallible>;

    /// x\[n\] = Σ X\[k\] e^(+2πi kn/N).
    ///
    /// # Errors
    /// Never.
    fn inverse(&mut self, buffer: &mut [Complex<T>]) -> Result<(), Infallible>;
}

/// A [`C2cPlan`] of rustfft's.
pub struct RealFftC2cPlan<T: FftNum> {
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: FftNum> RealFftC2cPlan<T> {
    /// Plans transforms of `length` complex numbers.
    #[must_use]
    pub fn new(length: usize) -> Self {
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
        let scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        Self { forward, inverse, scratch: vec![Complex::new(T::zero(), T::zero()); scratch] }
    }
}

impl<T: FftNum> C2cPlan<T> for RealFftC2cPlan<T> {
    fn forward(&mut self, buffer: &mut [Complex<T>]) -> Result<(), Infallible> {
        self.forward.process_with_scratch(buffer, &mut self.scratch);
        Ok(())
    }

    fn inverse(&mut self, buffer: &mut [Complex<T>]) -> Result<(), Infallible> {
        self.inverse.process_with_scratch(buffer, &mut self.scratch);
        Ok(())
    }
}
