//! How many frames are computed at once: as many as a vector has lanes.

use crate::simd;
use pulp::{Arch, Scalar128b, Simd, WithSimd};

/// An instruction set, and with it a number of lanes.
#[derive(Clone, Copy, Debug)]
pub enum Lanes {
    Native(Arch),
    /// Vectors of half the width, where the machine's are wide.
    #[cfg(target_arch = "x86_64")]
    Half(pulp::x86::V3),
    /// Arrays of four, which the compiler's own vectorisation understands.
    Four,
    #[cfg(test)]
    Sixteen,
}

struct Count;

impl WithSimd for Count {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

impl Lanes {
    /// Those of this machine, widest first.
    pub fn all() -> Vec<Self> {
        match simd::arch() {
            Arch::Scalar => vec![Self::Four],
            #[cfg(target_arch = "x86_64")]
            arch @ Arch::V4(simd) => vec![Self::Native(arch), Self::Half(*simd)],
            arch => vec![Self::Native(arch)],
        }
    }

    pub fn count(self) -> usize {
        self.run(Count)
    }

    /// Compiled for these vectors.
    pub fn run<W: WithSimd>(self, work: W) -> W::Output {
        match self {
            Self::Native(arch) => arch.dispatch(work),
            #[cfg(target_arch = "x86_64")]
            Self::Half(simd) => Simd::vectorize(simd, work),
            Self::Four => work.with_simd(Scalar128b),
            #[cfg(test)]
            Self::Sixteen => work.with_simd(pulp::Scalar512b),
        }
    }
}

/// Some of a signal's frames, one in each lane from `first` on.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub lanes: Lanes,
    pub first: usize,
    /// The lanes whose frames no block before had; those behind them have no frame at all.
    pub new: (usize, usize),
}

/// Blocks of the widest vectors, and of the narrowest that hold the rest. Such a rest reaches back over
/// frames that were done already and come out the same, so that lanes are empty only where there are fewer
/// frames than lanes.
pub fn blocks(frames: usize, widths: &[Lanes]) -> Vec<Block> {
    let sizes: Vec<usize> = widths.iter().map(|lanes| lanes.count()).collect();
    let mut blocks = Vec::new();
    let mut done = 0;
    while done < frames {
        let fits = |&&(_, size): &&(Lanes, usize)| size >= frames - done;
        let choices: Vec<(Lanes, usize)> = widths.iter().copied().zip(sizes.iter().copied()).collect();
        let &(lanes, size) = choices.iter().rev().find(fits).unwrap_or(&choices[0]);
        let first = done.min(frames.saturating_sub(size));
        blocks.push(Block { lanes, first, new: (done - first, size.min(frames - first)) });
        done = frames.min(first + size);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every frame is new in exactly one block, and no block has more frames than lanes.
    #[test]
    fn blocks_cover_frames() {
        for widths in [Lanes::all(), vec![Lanes::Four], vec![Lanes::Sixteen, Lanes::Four]] {
            for frames in 1..100 {
                let mut next = 0;
                for Block { lanes, first, new: (from, to) } in blocks(frames, &widths) {
                    assert_eq!(first + from, next);
                    assert!(from < to && to <= lanes.count() && first + to <= frames);
                    assert!(to == lanes.count() || first == 0);
                    next = first + to;
                }
                assert_eq!(next, frames);
            }
        }
    }
}
