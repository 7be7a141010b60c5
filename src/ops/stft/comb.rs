//! A signal in rows of samples a hop apart, so that what neighbouring frames hold at one position lies side by side.
//!
//! Row r holds the padded signal's samples r, r + hop, r + 2·hop ... Sample i of frame t is sample t·hop + i of the
//! padded signal: with i = q·hop + r it stands in row r at column t + q. A vector of it from several frames in a row is
//! one load, whatever hop and length are, and each sample was moved once, however many frames it is in.

use super::PowerStft;

/// Columns that are moved together.
const TILE: usize = 8;

/// The widest vector that reads a row.
const LANES: usize = 16;

#[derive(Debug)]
pub struct Comb {
    stft: PowerStft,
    samples: usize,
    rows: usize,
    /// Columns of a row; what has no sample is zero.
    pitch: usize,
}

impl Comb {
    pub fn new(stft: PowerStft, samples: usize) -> Self {
        let columns = stft.frames(samples).max(LANES) + (stft.n_fft - 1) / stft.hop;
        Self { stft, samples, rows: stft.hop.min(stft.n_fft), pitch: columns.next_multiple_of(TILE) }
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
    pub fn fill(&self, audio: &[f32], comb: &mut [f32], workspace: &mut [f32]) {
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
            for (r, row) in comb.chunks_exact_mut(self.pitch).enumerate() {
                let to: &mut [f32; TILE] = (&mut row[first..first + TILE]).try_into().expect("a tile");
                *to = columns.map(|column| column[r]);
            }
        }
    }

    /// Adds up what falls on each sample, column by column: the transpose of [`Self::fill`].
    pub fn collect(&self, comb: &[f32], dx: &mut [f32], workspace: &mut [f32]) {
        dx.fill(0.0);
        for first in (0..self.pitch).step_by(TILE) {
            for (r, row) in comb.chunks_exact(self.pitch).enumerate() {
                for (i, &value) in row[first..first + TILE].iter().enumerate() {
                    workspace[i * self.rows + r] = value;
                }
            }
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
