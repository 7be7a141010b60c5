//! The banded matrix on the CPU: a row of the output is a sum of a few contiguous rows of the input.

use rayon::prelude::*;

use super::{Band, Mel};
use crate::ops::kernel::CpuKernel;
use crate::simd;
use crate::simd::vectorised;

/// Rows that a thread takes at least; a row of a second of audio is some hundred bytes.
const ROWS: usize = 32;

/// x [N, C, columns, T] → y [N, C, rows, T], in parallel over rows; columns are added in their order.
pub fn banded(mel: &Mel, frames: usize) -> CpuKernel {
    let arch = simd::arch();
    let (rows, columns, mel) = (mel.rows(), mel.columns(), mel.clone());
    CpuKernel::new(move |inputs, y| {
        let bands = mel.bands();
        y.par_chunks_mut(frames).with_min_len(ROWS).enumerate().for_each(|(i, y)| {
            let Band { start, weights } = &bands[i % rows];
            let x = &inputs[0][(i / rows * columns + start) * frames..][..weights.len() * frames];
            vectorised(
                arch,
                #[inline(always)]
                || accumulate(y, x, weights),
            );
        });
    })
}

/// `y[t] = Σ_f weights[f]·x[f, t]`
#[inline(always)]
fn accumulate(y: &mut [f32], x: &[f32], weights: &[f32]) {
    y.fill(0.0);
    for (x, &weight) in x.chunks_exact(y.len()).zip(weights) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += weight * x;
        }
    }
}
