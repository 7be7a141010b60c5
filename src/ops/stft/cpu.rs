//! The spectrogram and its gradient on the CPU.
//!
//! Gradient: ∂/∂x[i] of Σ_k dy[k]·|X[k]|² over the bins 0..=m is Re Σ_k 2·dy[k]·X[k]·e^(2πi·k·i/n). As a sum
//! over all n bins of a spectrum with G[n−k] = conj(G[k]), each bin strictly between 0 and m appears twice
//! and so takes half: G[k] = dy[k]·X[k], but G[k] = 2·dy[k]·X[k] for k = 0 and m. The sum over all bins
//! splits for even and odd i into inverse transforms of length m of A = G[k] + conj(G[m−k]) and B = (G[k] −
//! conj(G[m−k]))·W⁻ᵏ, together one of A + iB. With u = G[k], v = conj(G[m−k]) and q = i·W⁻ᵏ·(u − v) that is
//! u + v + q at k, and conj(u + v − q) at m − k.

use pulp::Simd;
use rayon::prelude::*;

use super::fft::{Complex, Point};
use super::lanes::Block;
use super::spectra::{Spectra, Visit};
use crate::ops::kernel::CpuKernel;

/// How many signals a part takes, each part with a workspace of its own; the result does not depend on it.
pub fn share(signals: usize) -> usize {
    signals.div_ceil(2 * rayon::current_num_threads()).max(1)
}

/// |X[k]|² for every bin, into the spectrogram [F, T] of a signal.
struct Power<'a> {
    y: &'a mut [f32],
}

impl Visit for Power<'_> {
    #[inline(always)]
    fn visit<S: Simd>(&mut self, simd: S, spectra: &Spectra, points: &mut [Point<S>], block: Block) {
        let frames = spectra.frames;
        let last = spectra.bins() - 1;
        for (k, &(twiddle, at)) in spectra.pairs.iter().enumerate() {
            let [low, high] = Spectra::pair(simd, points, twiddle, at);
            let (low, high) = (Complex(simd).power(low), Complex(simd).power(high));
            store::<S>(&mut self.y[k * frames + block.first..], low, block.new.1);
            store::<S>(&mut self.y[(last - k) * frames + block.first..], high, block.new.1);
        }
    }
}

/// Writes the first `count` lanes.
#[inline(always)]
pub fn store<S: Simd>(to: &mut [f32], vector: S::f32s, count: usize) {
    match S::as_mut_simd_f32s(to).0.first_mut() {
        Some(to) if count == S::F32_LANES => *to = vector,
        _ => to[..count].copy_from_slice(&bytemuck::cast_slice(&[vector])[..count]),
    }
}

/// Audio [N, C, L] → power [N, C, F, T], in parallel over signals.
pub fn forward(spectra: Spectra, signals: usize) -> CpuKernel {
    let (share, size) = (share(signals), spectra.workspace());
    let (samples, spectrogram) = (spectra.samples(), spectra.bins() * spectra.frames);
    CpuKernel::with_workspace(signals.div_ceil(share) * size, move |inputs, y, workspace| {
        let parts = y.par_chunks_mut(share * spectrogram).zip(workspace.par_chunks_mut(size));
        parts.zip(inputs[0].par_chunks(share * samples)).for_each(|((y, workspace), audio)| {
            for (audio, y) in audio.chunks_exact(samples).zip(y.chunks_exact_mut(spectrogram)) {
                spectra.visit(audio, workspace, &mut Power { y });
            }
        });
    })
}

/// From spectra and the gradient to the power [F, T] to polyphase components of the gradient to the samples.
struct Gradient<'a> {
    dy: &'a [f32],
    phases: &'a mut [f32],
}

impl Visit for Gradient<'_> {
    #[inline(always)]
    fn visit<S: Simd>(&mut self, simd: S, spectra: &Spectra, points: &mut [Point<S>], block: Block) {
        let complex = Complex(simd);
        let frames = spectra.frames;
        let last = spectra.bins() - 1;
        for (k, &(twiddle, at)) in spectra.pairs.iter().enumerate() {
            let [low, high] = Spectra::pair(simd, points, twiddle, at);
            let twice = simd.splat_f32s(if k == 0 { 2.0 } else { 1.0 });
            let of_low = fetch::<S>(simd, &self.dy[k * frames + block.first..], block.new);
            let of_high = fetch::<S>(simd, &self.dy[(last - k) * frames + block.first..], block.new);
            let u = complex.scaled(low, simd.mul_f32s(twice, of_low));
            let v = complex.scaled(high, simd.mul_f32s(twice, of_high));
            let q = complex.mul_conj(complex.sub(u, v), twiddle);
            let sum = complex.add(u, v);
            points[at[1]] = complex.conj(complex.sub_i(sum, q));
            // Where both are one bin (k = 0, which has no mirror, and k = m/2), this is the value that
            // counts.
            points[at[0]] = complex.add_i(sum, q);
        }
        spectra.add_back(simd, points, block, self.phases);
    }
}

/// The lanes of a range; the others are zero.
#[inline(always)]
fn fetch<S: Simd>(simd: S, from: &[f32], (start, end): (usize, usize)) -> S::f32s {
    match S::as_simd_f32s(from).0.first() {
        Some(&vector) if (start, end) == (0, S::F32_LANES) => vector,
        _ => {
            let mut vector = [simd.splat_f32s(0.0)];
            bytemuck::cast_slice_mut::<_, f32>(&mut vector)[start..end].copy_from_slice(&from[start..end]);
            vector[0]
        }
    }
}

/// Audio [N, C, L], dy [N, C, F, T] → dx [N, C, L], in parallel over signals; what falls on a sample is added
/// in a fixed order.
pub fn gradient(spectra: Spectra, signals: usize) -> CpuKernel {
    let (share, size) = (share(signals), spectra.polyphase.len() + spectra.workspace());
    let (samples, spectrogram) = (spectra.samples(), spectra.bins() * spectra.frames);
    CpuKernel::with_workspace(signals.div_ceil(share) * size, move |inputs, dx, workspace| {
        let parts = dx.par_chunks_mut(share * samples).zip(workspace.par_chunks_mut(size));
        let given = inputs[0].par_chunks(share * samples).zip(inputs[1].par_chunks(share * spectrogram));
        parts.zip(given).for_each(|((dx, workspace), (audio, dy))| {
            let (phases, workspace) = workspace.split_at_mut(spectra.polyphase.len());
            let signals = audio.chunks_exact(samples).zip(dy.chunks_exact(spectrogram));
            for ((audio, dy), dx) in signals.zip(dx.chunks_exact_mut(samples)) {
                phases.fill(0.0);
                spectra.visit(audio, workspace, &mut Gradient { dy, phases });
                spectra.polyphase.collect(phases, dx, spectra.scratch(workspace).1);
            }
        });
    })
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Lanes;
    use super::super::{PowerStft, Signals, reference};
    use super::*;
    use crate::rng::Rng;

    fn run(kernel: &CpuKernel, inputs: &[&[f32]], len: usize) -> Vec<f32> {
        let mut output = vec![f32::NAN; len];
        kernel.run(inputs, &mut output, &mut vec![f32::NAN; kernel.workspace]);
        output
    }

    fn compare(what: &str, actual: &[f32], expected: &[f64]) {
        let rms = (expected.iter().map(|r| r * r).sum::<f64>() / expected.len() as f64).sqrt();
        for (i, (&g, &r)) in actual.iter().zip(expected).enumerate() {
            assert!(
                (f64::from(g) - r).abs() <= 1e-5 * (rms + r.abs()),
                "{what}: element {i} is {g}, not {r}"
            );
        }
    }

    /// Vectors of 4, of 16, of both, and the machine's, for fewer frames than lanes, as many, and more.
    #[test]
    fn whatever_the_lanes() {
        let mut rng = Rng::new(17);
        for (n_fft, hop, centred, frames) in [
            (64, 17, true, 3),
            (64, 16, true, 4),
            (128, 160, false, 21),
            (64, 1, true, 37),
            (256, 61, false, 16),
        ] {
            let stft = PowerStft { n_fft, hop, centred };
            let samples = (frames - 1) * hop + n_fft - 2 * stft.padding() + hop.min(5) - 1;
            let samples = samples.max(stft.padding() + 1);
            let signals = Signals { count: 2, samples, frames: stft.frames(samples) };
            let x: Vec<f32> = (0..2 * samples).map(|_| rng.normal()).collect();
            let dy: Vec<f32> = (0..2 * stft.bins() * signals.frames).map(|_| rng.normal()).collect();
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let (x64, dy64) = (wide(&x), wide(&dy));
            let (mut y64, mut dx64) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
            reference::forward(&stft, signals, &x64, &mut y64);
            reference::gradient(&stft, signals, &x64, &dy64, &mut dx64);
            for lanes in
                [vec![Lanes::Four], vec![Lanes::Sixteen], vec![Lanes::Sixteen, Lanes::Four], Lanes::all()]
            {
                let what = format!("{stft:?}, {samples} samples, {lanes:?}");
                let spectra = || Spectra::with_lanes(stft, samples, &lanes);
                compare(&what, &run(&forward(spectra(), 2), &[&x], dy.len()), &y64);
                compare(&what, &run(&gradient(spectra(), 2), &[&x, &dy], x.len()), &dx64);
            }
        }
    }
}
