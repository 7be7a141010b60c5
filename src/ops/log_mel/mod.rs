//! Mel power, or its logarithm, straight from audio: the power spectrogram is never stored.

mod cpu;
mod gpu;

use super::kernel::{CpuKernel, GpuKernel, Real};
use super::log::Ln;
use super::mel::{Mel, MelSizes};
use super::prepared::Prepared;
use super::stft::{PowerStft, Signals};
use super::{Operation, arity};
use crate::graph::Shape;

/// Audio [N, C, L] → [N, C, H, T]: [`PowerStft`], [`Mel`] and, where there is one, [`Ln`] in one step.
///
/// It has no gradient rule: fusion makes it, after differentiation.
#[derive(Clone, Debug)]
pub struct LogMel {
    pub stft: PowerStft,
    /// The filters, not transposed.
    pub mel: Mel,
    /// None leaves the mel power as it is, for other scales.
    pub ln: Option<Ln>,
}

impl Operation for LogMel {
    type Sizes = (Signals, MelSizes);

    fn name(&self) -> &'static str {
        if self.ln.is_some() { "log_mel" } else { "mel_power" }
    }

    fn settings(&self) -> String {
        let parts = [self.stft.settings(), self.mel.settings()];
        parts.into_iter().chain(self.ln.map(|ln| ln.settings())).collect::<Vec<_>>().join(", ")
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<(Signals, MelSizes)>, String> {
        let [_] = arity(inputs)?;
        if self.mel.transposed {
            return Err("the mel filters must not be transposed".into());
        }
        let stft = self.stft.prepare(inputs)?;
        let mel = self.mel.prepare(&[&stft.output])?;
        let ln = self.ln.map_or(0, |_| mel.output.elements() as u64);
        let flops = stft.flops + mel.flops + ln;
        Ok(Prepared { flops, ..mel.map(|mel| (stft.sizes, mel)) })
    }

    /// One definition after the other.
    fn reference<T: Real>(&self, (signals, mel): &(Signals, MelSizes), inputs: &[&[T]], output: &mut [T]) {
        let mut power = vec![T::zero(); signals.count * self.stft.bins() * signals.frames];
        self.stft.reference(signals, inputs, &mut power);
        self.mel.reference(mel, &[&power], output);
        if let Some(ln) = self.ln {
            let mel = output.to_vec();
            ln.reference(&mel.len(), &[&mel], output);
        }
    }

    fn cpu(&self, (signals, _): &(Signals, MelSizes), _: Option<usize>) -> CpuKernel {
        cpu::forward(self, *signals)
    }

    fn gpu(&self, (signals, _): &(Signals, MelSizes), _: Option<usize>) -> GpuKernel {
        gpu::forward(self, *signals)
    }
}
