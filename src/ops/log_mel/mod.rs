//! Mel power, or its logarithm, straight from audio: the power spectrogram is never stored.

mod cpu;
mod gpu;
mod reference;

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::log::Ln;
use super::mel::Mel;
use super::split::Split;
use super::stft::PowerStft;
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
    fn name(&self) -> &'static str {
        if self.ln.is_some() { "log_mel" } else { "mel_power" }
    }

    fn settings(&self) -> String {
        let parts = [self.stft.settings(), self.mel.settings()];
        parts.into_iter().chain(self.ln.map(|ln| ln.settings())).collect::<Vec<_>>().join(", ")
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [audio] = arity(inputs)?;
        if self.mel.transposed {
            return Err("the mel filters must not be transposed".into());
        }
        self.mel.shape(&[&self.stft.shape(&[audio])?])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::forward(self, inputs[0], output, shape);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::forward(self, io.inputs[0])
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::forward(self, io.inputs[0])
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        let [n, c, _, t] = [0, 1, 2, 3].map(|axis| io.output[axis]);
        let power = Shape::from([n, c, self.stft.bins(), t]);
        let stft = self.stft.operations(&Io { inputs: io.inputs, output: &power, in_place: false });
        let mel = self.mel.operations(&Io { inputs: &[&power], output: io.output, in_place: false });
        stft + mel + self.ln.map_or(0, |_| io.output.elements() as u64)
    }
}
