//! The spectra of a signal's frames, block by block: one frame in each SIMD lane.
//!
//! A frame of n real samples is transformed as m = n/2 complex ones, z[j] = x[2j] + i·x[2j+1]. With Z their
//! spectrum, W = e^(−2πi/n), E = (Z[k] + Z̄[m−k])/2 and P = Wᵏ·(Z[k] − Z̄[m−k])/2i, the frame's spectrum is
//! X[k] = E + P and X[m−k] = conj(E − P), where Z[m] = Z[0]. The halves are in the window's table, where they
//! are exact.

use pulp::{Simd, WithSimd};

use super::PowerStft;
use super::fft::{Complex, Fft, Point, Twiddle, twiddle};
use super::lanes::{Block, Lanes, blocks};
use super::polyphase::Polyphase;
use crate::simd::mul_add;

/// Bytes of a cache line, at which the points begin.
const LINE: usize = 64;

/// A windowed sample: where the polyphase components have it, and half the window's value.
type Tap = (u32, f32);

/// Tables of one transform, and the sizes that it is prepared for.
pub struct Spectra {
    stft: PowerStft,
    fft: Fft,
    pub polyphase: Polyphase,
    /// Half the window, and where in the components: of samples 2j and 2j + 1 for point j, and those one, two
    /// and three quarters of the points behind it.
    taps: Vec<[[Tap; 2]; 4]>,
    /// For k in 0..=m/2: Wᵏ, and where bins k and m − k of Z lie.
    pub pairs: Vec<(Twiddle, [usize; 2])>,
    pub frames: usize,
    blocks: Vec<Block>,
    /// f32 of the points of the widest block.
    points: usize,
}

/// What is done with the spectra of a block.
pub trait Visit {
    fn visit<S: Simd>(&mut self, simd: S, spectra: &Spectra, points: &mut [Point<S>], block: Block);
}

struct Transform<'a, V> {
    spectra: &'a Spectra,
    block: Block,
    phases: &'a [f32],
    points: &'a mut [f32],
    visitor: &'a mut V,
}

impl<V: Visit> WithSimd for Transform<'_, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { spectra, block, phases, points, visitor } = self;
        let points = &mut vectors_mut::<S>(points)[..spectra.stft.n_fft / 2];
        let phases = &phases[block.first..];
        spectra.fft.forward(
            simd,
            points,
            #[inline(always)]
            |j| {
                let [a, b, c, d] = &spectra.taps[j];
                [load(simd, phases, a), load(simd, phases, b), load(simd, phases, c), load(simd, phases, d)]
            },
        );
        visitor.visit(simd, spectra, points, block);
    }
}

/// A windowed point of every frame.
#[inline(always)]
fn load<S: Simd>(simd: S, phases: &[f32], taps: &[Tap; 2]) -> Point<S> {
    let [re, im] = taps;
    [
        simd.mul_f32s(simd.splat_f32s(re.1), S::as_simd_f32s(&phases[re.0 as usize..]).0[0]),
        simd.mul_f32s(simd.splat_f32s(im.1), S::as_simd_f32s(&phases[im.0 as usize..]).0[0]),
    ]
}

#[inline(always)]
fn vectors_mut<S: Simd>(data: &mut [f32]) -> &mut [Point<S>] {
    S::as_mut_simd_f32s(data).0.as_chunks_mut::<2>().0
}

impl Spectra {
    pub fn new(stft: PowerStft, samples: usize) -> Self {
        Self::with_lanes(stft, samples, &Lanes::all())
    }

    /// With vectors of the given widths only, widest first.
    pub fn with_lanes(stft: PowerStft, samples: usize, lanes: &[Lanes]) -> Self {
        let points = stft.n_fft / 2;
        let fft = Fft::new(points);
        let pair = |k| (twiddle(k, stft.n_fft), [fft.position(k), fft.position((points - k) % points)]);
        let polyphase = Polyphase::new(stft, samples);
        let window = stft.window();
        let tap = |i: usize| (polyphase.position(i) as u32, (window[i] / 2.0) as f32);
        let point = |j: usize| [tap(2 * j), tap(2 * j + 1)];
        let quarters = |j: usize| [0, 1, 2, 3].map(|i| point(j + i * points / 4));
        let frames = stft.frames(samples);
        Self {
            stft,
            taps: (0..points / 4).map(quarters).collect(),
            pairs: (0..=points / 2).map(pair).collect(),
            frames,
            blocks: blocks(frames, lanes),
            points: stft.n_fft * lanes[0].count(),
            polyphase,
            fft,
        }
    }

    /// How many f32 [`Self::visit`] needs of workspace.
    pub fn workspace(&self) -> usize {
        self.polyphase.len().next_multiple_of(LINE / 4)
            + self.points.max(self.polyphase.workspace())
            + LINE / 4
    }

    /// The polyphase components and the points of a workspace.
    pub fn scratch<'a>(&self, workspace: &'a mut [f32]) -> (&'a mut [f32], &'a mut [f32]) {
        let start = workspace.as_ptr().align_offset(LINE).min(LINE / 4);
        let (phases, points) =
            workspace[start..].split_at_mut(self.polyphase.len().next_multiple_of(LINE / 4));
        (&mut phases[..self.polyphase.len()], points)
    }

    /// Shows the spectra of all frames to a visitor, in the order of frames.
    pub fn visit(&self, audio: &[f32], workspace: &mut [f32], visitor: &mut impl Visit) {
        let (phases, points) = self.scratch(workspace);
        self.polyphase.fill(audio, phases, points);
        for &block in &self.blocks {
            block.lanes.run(Transform { spectra: self, block, phases, points, visitor });
        }
    }

    /// L, the number of a signal's samples.
    pub fn samples(&self) -> usize {
        self.polyphase.samples()
    }

    /// F, the number of frequency bins.
    pub fn bins(&self) -> usize {
        self.stft.bins()
    }

    /// The lanes of the widest block.
    pub fn lanes(&self) -> usize {
        self.points / self.stft.n_fft
    }

    /// X[k] and conj(X[m−k]) of a pair: E + P and E − P.
    #[inline(always)]
    pub fn pair<S: Simd>(simd: S, points: &[Point<S>], twiddle: Twiddle, at: [usize; 2]) -> [Point<S>; 2] {
        let complex = Complex(simd);
        let (z, mirror) = (points[at[0]], points[at[1]]);
        let even = complex.add_conj(z, mirror);
        let odd = complex.mul(complex.sub_conj(z, mirror), twiddle);
        // Times −i: divided by i.
        [complex.sub_i(even, odd), complex.add_i(even, odd)]
    }

    /// Inverts the transform and adds the windowed frames to polyphase components, sample by sample.
    #[inline(always)]
    pub fn add_back<S: Simd>(&self, simd: S, points: &mut [Point<S>], block: Block, phases: &mut [f32]) {
        self.fft.inverse(simd, points);
        let phases = &mut phases[block.first..];
        for i in 0..4 {
            for (taps, point) in self.taps.iter().zip(&points[i * self.taps.len()..]) {
                for (&(position, window), &value) in taps[i].iter().zip(point) {
                    let to = &mut S::as_mut_simd_f32s(&mut phases[position as usize..]).0[0];
                    // The table holds half the window.
                    *to = mul_add(simd, simd.splat_f32s(2.0 * window), value, *to);
                }
            }
        }
    }
}
