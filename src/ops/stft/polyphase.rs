//! The polyphase components of a signal: rows of samples a hop apart, so that what neighbouring STFT frames
//! hold at one position lies side by side.
//!
//! Row r holds the padded signal's samples r, r + hop, r + 2·hop ... Sample i of frame t is sample t·hop + i
//! of the padded signal: with i = q·hop + r it stands in row r at column t + q. A vector of it from several
//! frames in a row is one load, whatever hop and length are, and each sample was moved once, however many
//! frames it is in.

use super::PowerStft;
use crate::simd::{self, vectorised};

/// Columns that are moved together, and rows: a cache line of each. No vector that reads a row is wider.
const TILE: usize = 16;

#[derive(Debug)]
pub struct Polyphase {
    stft: PowerStft,
    arch: pulp::Arch,
    samples: usize,
    rows: usize,
    /// Columns of a row; what has no sample is zero.
    pitch: usize,
}

impl Polyphase {
    pub fn new(stft: PowerStft, samples: usize) -> Self {
        let columns = stft.frames(samples).max(TILE) + (stft.n_fft - 1) / stft.hop;
        Self {
            stft,
            arch: simd::arch(),
            samples,
            rows: stft.hop.min(stft.n_fft),
            pitch: columns.next_multiple_of(TILE),
        }
    }

    pub fn samples(&self) -> usize {
        self.samples
    }

    /// How many f32 it takes.
    pub fn len(&self) -> usize {
        self.rows * self.pitch
    }

    /// How many f32 moving columns takes.
    pub fn workspace(&self) -> usize {
        TILE * self.rows
    }

    /// Where sample `i` of frame 0 lies; those of the frames behind it follow.
    pub fn position(&self, i: usize) -> usize {
        i % self.stft.hop * self.pitch + i / self.stft.hop
    }

    /// The samples that stand in column `c`, if none of them is reflected or missing.
    fn inside(&self, c: usize) -> Option<std::ops::Range<usize>> {
        let start = (c * self.stft.hop).checked_sub(self.stft.padding())?;
        (start + self.rows <= self.samples).then(|| start..start + self.rows)
    }

    /// The sample in each row of column `c`: those that are there are the first.
    fn sources(&self, c: usize) -> impl Iterator<Item = usize> {
        let positions = c * self.stft.hop..self.samples + 2 * self.stft.padding();
        positions.take(self.rows).map(|position| self.stft.source(position, self.samples))
    }

    /// Fills the rows.
    pub fn fill(&self, audio: &[f32], phases: &mut [f32], workspace: &mut [f32]) {
        for first in (0..self.pitch).step_by(TILE) {
            for (i, column) in workspace.chunks_exact_mut(self.rows).take(TILE).enumerate() {
                if self.inside(first + i).is_none() {
                    column.fill(0.0);
                    for (to, from) in column.iter_mut().zip(self.sources(first + i)) {
                        *to = audio[from];
                    }
                }
            }
            let columns: [&[f32]; TILE] = std::array::from_fn(|i| match self.inside(first + i) {
                Some(range) => &audio[range],
                None => &workspace[i * self.rows..][..self.rows],
            });
            vectorised(
                self.arch,
                #[inline(always)]
                || self.lay(columns, &mut phases[first..]),
            );
        }
    }

    /// Lays columns side by side, from the beginning of each row of `phases` on.
    #[inline(always)]
    fn lay(&self, columns: [&[f32]; TILE], phases: &mut [f32]) {
        let whole = self.rows / TILE;
        for (c, rows) in phases.chunks_mut(TILE * self.pitch).take(whole).enumerate() {
            let mut tile = [[0.0; TILE]; TILE];
            for (to, column) in tile.iter_mut().zip(columns) {
                *to = column.as_chunks::<TILE>().0[c];
            }
            for (j, row) in rows.chunks_mut(self.pitch).enumerate() {
                for (to, from) in row[..TILE].iter_mut().zip(&tile) {
                    *to = from[j];
                }
            }
        }
        for r in whole * TILE..self.rows {
            for (to, column) in phases[r * self.pitch..][..TILE].iter_mut().zip(columns) {
                *to = column[r];
            }
        }
    }

    /// Copies columns from the beginning of each row of `phases` on.
    #[inline(always)]
    fn pick(&self, phases: &[f32], columns: &mut [f32]) {
        for (r, row) in phases.chunks(self.pitch).enumerate() {
            for (column, &value) in columns.chunks_exact_mut(self.rows).zip(&row[..TILE]) {
                column[r] = value;
            }
        }
    }

    /// Adds up what falls on each sample, column by column: the transpose of [`Self::fill`].
    pub fn collect(&self, phases: &[f32], dx: &mut [f32], workspace: &mut [f32]) {
        dx.fill(0.0);
        for first in (0..self.pitch).step_by(TILE) {
            vectorised(
                self.arch,
                #[inline(always)]
                || self.pick(&phases[first..], workspace),
            );
            for (i, column) in workspace.chunks_exact(self.rows).take(TILE).enumerate() {
                if let Some(range) = self.inside(first + i) {
                    dx[range].iter_mut().zip(column).for_each(|(dx, value)| *dx += value);
                } else {
                    self.sources(first + i).zip(column).for_each(|(to, value)| dx[to] += value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sample of every frame stands where it should, and goes back to where it came from; what stands
    /// nowhere is zero.
    #[test]
    fn samples_of_frames() {
        for n_fft in [64, 128] {
            for hop in [1, 5, 15, 16, 17, 33, 64, 100, 700] {
                for (centred, extra) in [(true, 0), (true, 7), (true, 1733), (false, 0), (false, 301)] {
                    let stft = PowerStft { n_fft, hop, centred };
                    let samples = if centred { n_fft / 2 + 1 } else { n_fft } + extra;
                    let polyphase = Polyphase::new(stft, samples);
                    let audio: Vec<f32> = (1..=samples).map(|i| i as f32).collect();
                    let (mut rows, mut workspace) =
                        (vec![f32::NAN; polyphase.len()], vec![f32::NAN; polyphase.workspace()]);
                    polyphase.fill(&audio, &mut rows, &mut workspace);
                    assert!(rows.iter().all(|value| value.is_finite()));
                    let (mut back, mut expected) = (vec![0.0; polyphase.len()], vec![0.0; samples]);
                    for i in 0..n_fft {
                        for t in 0..stft.frames(samples) {
                            let (at, source) = (polyphase.position(i) + t, stft.source(t * hop + i, samples));
                            assert_eq!(rows[at], audio[source], "{stft:?}: sample {i} of frame {t}");
                            back[at] += (1 + i % 3) as f32;
                            expected[source] += (1 + i % 3) as f32;
                        }
                    }
                    let mut dx = vec![f32::NAN; samples];
                    polyphase.collect(&back, &mut dx, &mut workspace);
                    assert_eq!(dx, expected, "{stft:?}");
                }
            }
        }
    }
}
