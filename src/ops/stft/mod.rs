//! Power spectrogram by the short-time Fourier transform, differentiable to the audio.
//!
//! A frame is an STFT frame in this folder: n_fft samples, one column of the spectrogram.

mod cpu;
mod fft;
pub(super) mod gpu;
mod lanes;
mod polyphase;
mod reference;
mod spectra;

use std::f64::consts::PI;

pub(super) use cpu::{share, store};
pub(super) use fft::{Complex, Point};
pub(super) use lanes::Block;
pub(super) use spectra::{Spectra, Visit};

use super::kernel::{CpuKernel, GpuKernel, Real};
use super::prepared::Prepared;
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
    /// Samples from one column to the next.
    pub hop: usize,
    /// Whether column t is centred on sample t·hop.
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

    /// T, the number of STFT frames of `samples` samples.
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

    fn signals(&self, audio: &Shape) -> Result<Signals, String> {
        let [n, c, samples] = audio.dims("audio [N, C, L]")?;
        self.check(samples)?;
        Ok(Signals { count: n * c, samples, frames: self.frames(samples) })
    }

    fn flops(&self, Signals { count, frames, .. }: Signals) -> usize {
        // The usual count for a real transform of length n: 2.5·n·log2(n); window and power besides.
        let per_frame = 2.5 * self.n_fft as f64 * (self.n_fft as f64).log2();
        ((count * frames) as f64 * (per_frame + self.n_fft as f64 + 3.0 * self.bins() as f64)) as usize
    }
}

/// The sizes of audio as signals.
#[derive(Clone, Copy, Debug)]
pub struct Signals {
    /// N·C.
    pub count: usize,
    /// L.
    pub samples: usize,
    /// T.
    pub frames: usize,
}

impl Operation for PowerStft {
    type Sizes = Signals;

    fn name(&self) -> &'static str {
        "stft"
    }

    fn settings(&self) -> String {
        let centred = if self.centred { ", centred" } else { "" };
        format!("n_fft {}, hop {}{centred}", self.n_fft, self.hop)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Signals>, String> {
        let [audio] = arity(inputs)?;
        let signals = self.signals(audio)?;
        let output = Shape::from([audio[0], audio[1], self.bins(), signals.frames]);
        Ok(Prepared::new(output, signals).flops(self.flops(signals)).rows(&[0]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.input(0), backward.upstream()];
        Ok(vec![backward.add_for(0, PowerStftGrad(*self).into(), &inputs)?])
    }

    fn reference<T: Real>(&self, signals: &Signals, inputs: &[&[T]], output: &mut [T]) {
        reference::forward(self, *signals, inputs[0], output);
    }

    fn cpu(&self, signals: &Signals, _: Option<usize>) -> CpuKernel {
        cpu::forward(Spectra::new(*self, signals.samples), signals.count)
    }

    fn gpu(&self, signals: &Signals, _: Option<usize>) -> GpuKernel {
        gpu::forward(*self, *signals)
    }
}

impl Operation for PowerStftGrad {
    type Sizes = Signals;

    fn name(&self) -> &'static str {
        "stft_grad"
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Signals>, String> {
        let [audio, dy] = arity(inputs)?;
        let Prepared { output, sizes, .. } = self.0.prepare(&[audio])?;
        same(&output, dy, "the spectrogram and its gradient")?;
        Ok(Prepared::new(audio.clone(), sizes).flops(2 * self.0.flops(sizes)).rows(&[0, 1]))
    }

    fn reference<T: Real>(&self, signals: &Signals, inputs: &[&[T]], output: &mut [T]) {
        reference::gradient(&self.0, *signals, inputs[0], inputs[1], output);
    }

    fn cpu(&self, signals: &Signals, _: Option<usize>) -> CpuKernel {
        cpu::gradient(Spectra::new(self.0, signals.samples), signals.count)
    }

    fn gpu(&self, signals: &Signals, _: Option<usize>) -> GpuKernel {
        gpu::gradient(self.0, *signals)
    }
}
