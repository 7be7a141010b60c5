//! Power spectrogram by the short-time Fourier transform, differentiable to the audio.

mod comb;
mod cpu;
mod fft;
pub(super) mod gpu;
mod lanes;
mod reference;
mod spectra;

use std::f64::consts::PI;

pub(super) use cpu::{share, store};
pub(super) use fft::{Complex, Point};
pub(super) use lanes::Block;
pub(super) use spectra::{Spectra, Visit};

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

/// Audio [N, C, L] → power spectrogram [N, C, F, T], F = n_fft/2 + 1:
/// `y[f, t] = |Σ_i w[i] · x[t·hop + i − pad] · e^(−2πi·f·i/n_fft)|²` with a periodic Hann window `w`.
///
/// Centred, `pad = n_fft/2`, the audio is extended by reflection that does not repeat the edge, and
/// T = 1 + L/hop; else `pad = 0` and T = 1 + (L − n_fft)/hop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerStft {
    /// A power of two from 64 to 4096.
    pub n_fft: usize,
    pub hop: usize,
    pub centred: bool,
}

/// (audio [N, C, L], dy [N, C, F, T]) → gradient to the audio [N, C, L].
///
/// With X the spectrum of a frame, `dframe[i] = w[i] · Σ_f 2·dy[f]·Re(conj(X[f])·e^(−2πi·f·i/n_fft))`, frames
/// are added where they overlap, and what fell on a reflected sample goes to the sample that was reflected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerStftGrad(pub PowerStft);

impl PowerStft {
    /// How many samples are put before the audio.
    pub fn padding(&self) -> usize {
        if self.centred { self.n_fft / 2 } else { 0 }
    }

    /// F, the number of frequency bins.
    pub fn bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    /// T, the number of frames of `samples` samples.
    pub fn frames(&self, samples: usize) -> usize {
        1 + (samples + 2 * self.padding() - self.n_fft) / self.hop
    }

    /// The periodic Hann window, `sin²(πi/n_fft)`.
    pub fn window(&self) -> Vec<f64> {
        (0..self.n_fft).map(|i| (PI * i as f64 / self.n_fft as f64).sin().powi(2)).collect()
    }

    fn check(&self, samples: usize) -> Result<(), String> {
        if !self.n_fft.is_power_of_two() || !(64..=4096).contains(&self.n_fft) {
            return Err(format!("n_fft must be a power of two from 64 to 4096, not {}", self.n_fft));
        }
        if self.hop == 0 {
            return Err("the hop must be at least 1".into());
        }
        let wanted = if self.centred { self.padding() + 1 } else { self.n_fft };
        if samples < wanted {
            return Err(format!("{samples} samples are too few; at least {wanted} are needed"));
        }
        Ok(())
    }

    /// The sample that stands at `position` of the padded audio, reflected into `0..samples`.
    pub fn source(&self, position: usize, samples: usize) -> usize {
        let p = position as isize - self.padding() as isize;
        let last = samples as isize - 1;
        let p = if p < 0 { -p } else { p };
        (if p > last { 2 * last - p } else { p }) as usize
    }

    fn transform_operations(&self, spectrogram: &Shape) -> u64 {
        let frames = spectrogram.elements() / self.bins();
        // The usual count for a real transform of length n: 2.5·n·log2(n); window and power besides.
        let per_frame = 2.5 * self.n_fft as f64 * (self.n_fft as f64).log2();
        (frames as f64 * (per_frame + self.n_fft as f64 + 3.0 * self.bins() as f64)) as u64
    }
}

impl Operation for PowerStft {
    fn name(&self) -> &'static str {
        "stft"
    }

    fn settings(&self) -> String {
        let centred = if self.centred { ", centred" } else { "" };
        format!("n_fft {}, hop {}{centred}", self.n_fft, self.hop)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [audio] = arity(inputs)?;
        let [n, c, l] = audio.dims("audio [N, C, L]")?;
        self.check(l)?;
        Ok(Shape::from([n, c, self.bins(), self.frames(l)]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.input(0), backward.upstream()];
        Ok(vec![backward.add_for(0, PowerStftGrad(*self).into(), &inputs)?])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        reference::forward(self, inputs[0], output, shape);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::forward(*self, io.inputs[0])
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::forward(self, io.inputs[0])
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        self.transform_operations(io.output)
    }
}

impl Operation for PowerStftGrad {
    fn name(&self) -> &'static str {
        "stft_grad"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [audio, dy] = arity(inputs)?;
        same(&self.0.shape(&[audio])?, dy, "the spectrogram and its gradient")?;
        Ok(audio.clone())
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        reference::gradient(&self.0, inputs[0], inputs[1], output);
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::gradient(self.0, io.inputs[0])
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::gradient(&self.0, io.inputs[0])
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 1])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        2 * self.0.transform_operations(io.inputs[1])
    }
}
