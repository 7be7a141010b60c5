//! The spectrogram and its gradient on the CPU: eight frames at a time, one in each SIMD lane.
//!
//! A frame of n real samples is transformed as m = n/2 complex ones, z[j] = x[2j] + i·x[2j+1]. With Z their spectrum,
//! W = e^(−2πi/n), E = (Z[k] + Z̄[m−k])/2 and P = Wᵏ·(Z[k] − Z̄[m−k])/2i, the frame's spectrum is X[k] = E + P and
//! X[m−k] = conj(E − P), where Z[m] = Z[0]. The halves are in the window's table, where they are exact.
//!
//! Gradient: ∂/∂x[i] of Σ_k dy[k]·|X[k]|² over the bins 0..=m is Re Σ_k 2·dy[k]·X[k]·e^(2πi·k·i/n). As a sum over all
//! n bins of a spectrum with G[n−k] = conj(G[k]), each bin strictly between 0 and m appears twice and so takes half:
//! G[k] = dy[k]·X[k], but G[k] = 2·dy[k]·X[k] for k = 0 and m. The sum over all bins splits for even and odd i into
//! inverse transforms of length m of A = G[k] + conj(G[m−k]) and B = (G[k] − conj(G[m−k]))·W⁻ᵏ, together one of
//! A + iB. With u = G[k], v = conj(G[m−k]) and q = i·W⁻ᵏ·(u − v) that is u + v + q at k, and conj(u + v − q) at m − k.

use rayon::prelude::*;

use super::PowerStft;
use super::fft::{Fft, LANES, Lane, Point, Turn, turn};
use crate::graph::Shape;
use crate::ops::kernel::CpuKernel;
use crate::ops::simd::vectorised;

/// Tables of one transform, and the sizes that it is prepared for.
struct Plan {
    arch: pulp::Arch,
    stft: PowerStft,
    fft: Fft,
    /// Half the window.
    window: Vec<f32>,
    /// For k in 0..=m/2: Wᵏ, and where bins k and m − k of Z lie.
    pairs: Vec<(Turn, [usize; 2])>,
    samples: usize,
    frames: usize,
}

/// How many parts the signals are split into, each with a workspace of its own; the result does not depend on it.
fn parts(signals: usize) -> usize {
    signals.clamp(1, 2 * rayon::current_num_threads())
}

impl Plan {
    fn new(stft: PowerStft, audio: &Shape) -> Self {
        let points = stft.n_fft / 2;
        let fft = Fft::new(points);
        let pair = |k| (turn(k, stft.n_fft), [fft.position(k), fft.position((points - k) % points)]);
        Self {
            arch: pulp::Arch::new(),
            stft,
            window: stft.window().iter().map(|w| (w / 2.0) as f32).collect(),
            pairs: (0..=points / 2).map(pair).collect(),
            samples: audio[2],
            frames: stft.frames(audio[2]),
            fft,
        }
    }

    /// The workspace of a part, in f32: the points of eight frames, and eight frames of samples.
    fn workspace(&self) -> usize {
        2 * LANES * self.stft.n_fft
    }

    /// The audio's samples under frame `t`, if none of them is reflected.
    fn inside(&self, t: usize) -> Option<std::ops::Range<usize>> {
        let start = (t * self.stft.hop).checked_sub(self.stft.padding())?;
        let end = start + self.stft.n_fft;
        (end <= self.samples).then_some(start..end)
    }

    /// The windowed frames from `first` on as points; a lane that has no frame gets zeros.
    fn load(&self, audio: &[f32], first: usize, points: &mut [Point], reflected: &mut [f32]) {
        let n = self.stft.n_fft;
        for (lane, copy) in reflected.chunks_exact_mut(n).enumerate() {
            let t = first + lane;
            if t >= self.frames {
                copy.fill(0.0);
            } else if self.inside(t).is_none() {
                for (i, sample) in copy.iter_mut().enumerate() {
                    *sample = audio[self.stft.source(t * self.stft.hop + i, self.samples)];
                }
            }
        }
        let frames: [&[f32]; LANES] = std::array::from_fn(|lane| match self.inside(first + lane) {
            Some(range) if first + lane < self.frames => &audio[range],
            _ => &reflected[lane * n..][..n],
        });
        vectorised(
            self.arch,
            #[inline(always)]
            || {
                let frames = frames.map(|frame| frame.as_chunks::<LANES>().0);
                let windows = self.window.as_chunks::<LANES>().0;
                let tiles: &mut [[Lane; LANES]] = bytemuck::cast_slice_mut(points);
                for (c, (tile, window)) in tiles.iter_mut().zip(windows).enumerate() {
                    for (j, samples) in tile.iter_mut().enumerate() {
                        for (sample, frame) in samples.iter_mut().zip(&frames) {
                            *sample = frame[c][j] * window[j];
                        }
                    }
                }
            },
        );
    }

    /// E + P and E − P, which are X[k] and conj(X[m−k]).
    #[inline(always)]
    fn bins(points: &[Point], turn: Turn, [at, mirrored]: [usize; 2]) -> [Point; 2] {
        let (z, mirror) = (points[at], points[mirrored].conj());
        let (even, odd) = (z.add(mirror), z.sub(mirror));
        // Times −i: divided by i.
        let odd = odd.turned(turn).times_i();
        [even.sub(odd), even.add(odd)]
    }

    /// The first frame of every block. The last block reaches back over frames that were done already, which come out
    /// the same, so that no block is partly filled unless there are fewer frames than lanes.
    fn blocks(&self) -> impl Iterator<Item = usize> {
        let last = self.frames.saturating_sub(LANES);
        (0..self.frames).step_by(LANES).map(move |first| first.min(last))
    }

    fn forward(&self, audio: &[f32], y: &mut [f32], workspace: &mut [f32]) {
        let (points, reflected) = workspace.split_at_mut(LANES * self.stft.n_fft);
        let points: &mut [Point] = bytemuck::cast_slice_mut(points);
        for first in self.blocks() {
            self.load(audio, first, points, reflected);
            vectorised(
                self.arch,
                #[inline(always)]
                || {
                    self.fft.forward(points);
                    if self.frames < LANES {
                        self.powers::<false>(points, y, first);
                    } else {
                        self.powers::<true>(points, y, first);
                    }
                },
            );
        }
    }

    /// |X[k]|² for every bin, into the columns of `y` from `first` on.
    #[inline(always)]
    fn powers<const FULL: bool>(&self, points: &[Point], y: &mut [f32], first: usize) {
        for (k, &(turn, at)) in self.pairs.iter().enumerate() {
            let [low, high] = Self::bins(points, turn, at);
            let mirror = self.stft.n_fft / 2 - k;
            self.store::<FULL>(&mut y[k * self.frames + first..], low.power());
            self.store::<FULL>(&mut y[mirror * self.frames + first..], high.power());
        }
    }

    /// Writes the lanes that have a frame: all if `FULL`, which is known at compile time to keep the loop free of
    /// copies of unknown length.
    #[inline(always)]
    fn store<const FULL: bool>(&self, to: &mut [f32], lane: Lane) {
        match to.first_chunk_mut() {
            Some(to) if FULL => *to = lane,
            _ => to[..self.frames].copy_from_slice(&lane[..self.frames]),
        }
    }

    /// The lanes that have a frame, times a factor; the others are zero. See `store`.
    #[inline(always)]
    fn fetch<const FULL: bool>(&self, from: &[f32], factor: f32) -> Lane {
        let mut lane = [0.0; LANES];
        match from.first_chunk() {
            Some(from) if FULL => lane = *from,
            _ => lane[..self.frames].copy_from_slice(&from[..self.frames]),
        }
        lane.map(|value| value * factor)
    }

    fn gradient(&self, audio: &[f32], dy: &[f32], dx: &mut [f32], workspace: &mut [f32]) {
        let n = self.stft.n_fft;
        let (points, rows) = workspace.split_at_mut(LANES * n);
        let points: &mut [Point] = bytemuck::cast_slice_mut(points);
        dx.fill(0.0);
        let mut done = 0;
        for first in self.blocks() {
            self.load(audio, first, points, rows);
            vectorised(
                self.arch,
                #[inline(always)]
                || {
                    self.fft.forward(points);
                    if self.frames < LANES {
                        self.scale_bins::<false>(points, dy, first);
                    } else {
                        self.scale_bins::<true>(points, dy, first);
                    }
                    self.fft.inverse(points);
                    self.window_frames(points, rows);
                },
            );
            let end = self.frames.min(first + LANES);
            for t in done..end {
                self.overlap_add(&rows[(t - first) * n..][..n], t, dx);
            }
            done = end;
        }
    }

    /// From Z to the transform of the gradient to the windowed frame.
    #[inline(always)]
    fn scale_bins<const FULL: bool>(&self, points: &mut [Point], dy: &[f32], first: usize) {
        for (k, &(turn, at)) in self.pairs.iter().enumerate() {
            let [low, high] = Self::bins(points, turn, at);
            let mirror = self.stft.n_fft / 2 - k;
            let twice = if k == 0 { 2.0 } else { 1.0 };
            let u = low.scaled(self.fetch::<FULL>(&dy[k * self.frames + first..], twice));
            let v = high.scaled(self.fetch::<FULL>(&dy[mirror * self.frames + first..], twice));
            let q = u.sub(v).turned((turn.0, -turn.1)).times_i();
            let sum = u.add(v);
            points[at[1]] = sum.sub(q).conj();
            // Where both are one bin (k = 0, which has no mirror, and k = m/2), this is the value that counts.
            points[at[0]] = sum.add(q);
        }
    }

    /// Windowed frames, one after another.
    #[inline(always)]
    fn window_frames(&self, points: &[Point], rows: &mut [f32]) {
        let n = self.stft.n_fft;
        let windows = self.window.as_chunks::<LANES>().0;
        let tiles: &[[Lane; LANES]] = bytemuck::cast_slice(points);
        for (lane, row) in rows.chunks_exact_mut(n).enumerate() {
            for ((to, tile), window) in row.as_chunks_mut::<LANES>().0.iter_mut().zip(tiles).zip(windows) {
                for j in 0..LANES {
                    // The table holds half the window.
                    to[j] = tile[j][lane] * (2.0 * window[j]);
                }
            }
        }
    }

    fn overlap_add(&self, frame: &[f32], t: usize, dx: &mut [f32]) {
        if let Some(range) = self.inside(t) {
            for (dx, &value) in dx[range].iter_mut().zip(frame) {
                *dx += value;
            }
        } else {
            for (i, &value) in frame.iter().enumerate() {
                dx[self.stft.source(t * self.stft.hop + i, self.samples)] += value;
            }
        }
    }
}

/// Audio [N, C, L] → power [N, C, F, T], in parallel over signals.
pub fn forward(stft: PowerStft, audio: &Shape) -> CpuKernel {
    let plan = Plan::new(stft, audio);
    let signals = audio[0] * audio[1];
    let (share, size) = (signals.div_ceil(parts(signals)).max(1), plan.workspace());
    let spectrogram = stft.bins() * plan.frames;
    let run = move |inputs: &[&[f32]], y: &mut [f32], workspace: &mut [f32]| {
        let parts = y.par_chunks_mut(share * spectrogram).zip(workspace.par_chunks_mut(size));
        parts.zip(inputs[0].par_chunks(share * plan.samples)).for_each(|((y, workspace), audio)| {
            for (audio, y) in audio.chunks_exact(plan.samples).zip(y.chunks_exact_mut(spectrogram)) {
                plan.forward(audio, y, workspace);
            }
        });
    };
    CpuKernel { workspace: signals.div_ceil(share) * size, run: Box::new(run) }
}

/// Audio [N, C, L], dy [N, C, F, T] → dx [N, C, L], in parallel over signals; frames are added in their order.
pub fn gradient(stft: PowerStft, audio: &Shape) -> CpuKernel {
    let plan = Plan::new(stft, audio);
    let signals = audio[0] * audio[1];
    let (share, size) = (signals.div_ceil(parts(signals)).max(1), plan.workspace());
    let spectrogram = stft.bins() * plan.frames;
    let run = move |inputs: &[&[f32]], dx: &mut [f32], workspace: &mut [f32]| {
        let parts = dx.par_chunks_mut(share * plan.samples).zip(workspace.par_chunks_mut(size));
        let given = inputs[0].par_chunks(share * plan.samples).zip(inputs[1].par_chunks(share * spectrogram));
        parts.zip(given).for_each(|((dx, workspace), (audio, dy))| {
            let signals = audio.chunks_exact(plan.samples).zip(dy.chunks_exact(spectrogram));
            for ((audio, dy), dx) in signals.zip(dx.chunks_exact_mut(plan.samples)) {
                plan.gradient(audio, dy, dx, workspace);
            }
        });
    };
    CpuKernel { workspace: signals.div_ceil(share) * size, run: Box::new(run) }
}
