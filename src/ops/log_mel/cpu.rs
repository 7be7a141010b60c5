//! Mel bands and logarithm of a block's spectra while they are in the cache; see `stft/spectra.rs`.

use pulp::Simd;
use rayon::prelude::*;

use super::LogMel;
use crate::ops::kernel::CpuKernel;
use crate::ops::log::ln;
use crate::ops::mel::Band;
use crate::ops::stft::{Block, Complex, Point, Signals, Spectra, Visit, share, store};
use crate::simd::mul_add;

/// Makes the features [H, T] of a signal.
struct Features<'a> {
    bands: &'a [Band],
    floor: Option<f32>,
    /// The power of every bin of a block.
    power: &'a mut [f32],
    /// The features of a block.
    rows: &'a mut [f32],
    y: &'a mut [f32],
}

impl Visit for Features<'_> {
    #[inline(always)]
    fn visit<S: Simd>(&mut self, simd: S, spectra: &Spectra, points: &mut [Point<S>], block: Block) {
        let last = spectra.bins() - 1;
        let power = &mut S::as_mut_simd_f32s(self.power).0[..=last];
        for (k, &(twiddle, at)) in spectra.pairs.iter().enumerate() {
            let [low, high] = Spectra::pair(simd, points, twiddle, at);
            power[k] = Complex(simd).power(low);
            power[last - k] = Complex(simd).power(high);
        }
        let rows = &mut self.rows[..self.bands.len() * S::F32_LANES];
        for (row, band) in S::as_mut_simd_f32s(rows).0.iter_mut().zip(self.bands) {
            *row = simd.splat_f32s(0.0);
            for (&power, &weight) in power[band.start..].iter().zip(&band.weights) {
                *row = mul_add(simd, simd.splat_f32s(weight), power, *row);
            }
        }
        if let Some(floor) = self.floor {
            rows.iter_mut().for_each(|value| *value = ln(*value + floor));
        }
        for (h, &row) in S::as_simd_f32s(rows).0.iter().enumerate() {
            store::<S>(&mut self.y[h * spectra.frames + block.first..], row, block.new.1);
        }
    }
}

/// Audio [N, C, L] → [N, C, H, T], in parallel over signals.
pub fn forward(op: &LogMel, Signals { count, samples, .. }: Signals) -> CpuKernel {
    let spectra = Spectra::new(op.stft, samples);
    let (mel, floor) = (op.mel.clone(), op.ln.map(|ln| ln.floor));
    let (power, rows) = (spectra.lanes() * spectra.bins(), spectra.lanes() * mel.rows());
    let (share, size) = (share(count), spectra.workspace() + power + rows);
    let features = mel.rows() * spectra.frames;
    CpuKernel::with_workspace(count.div_ceil(share) * size, move |inputs, y, workspace| {
        let bands = mel.bands();
        let parts = y.par_chunks_mut(share * features).zip(workspace.par_chunks_mut(size));
        parts.zip(inputs[0].par_chunks(share * samples)).for_each(|((y, workspace), audio)| {
            let (workspace, rest) = workspace.split_at_mut(spectra.workspace());
            let (power, rows) = rest.split_at_mut(power);
            for (audio, y) in audio.chunks_exact(samples).zip(y.chunks_exact_mut(features)) {
                let mut features = Features { bands, floor, power, rows, y };
                spectra.visit(audio, workspace, &mut features);
            }
        });
    })
}
