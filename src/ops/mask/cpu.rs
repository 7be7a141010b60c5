//! One sweep over rows of W elements, vectorised along the row, on all threads.

use rayon::prelude::*;

use crate::ops::kernel::{CpuKernel, Io};
use crate::simd;
use crate::simd::vectorised;

/// Elements that one task takes at least: below, handing out costs more than it brings.
const TASK: usize = 1 << 14;

pub fn mask(io: &Io<'_>) -> CpuKernel {
    // The shape rule has refused everything else.
    let [_, c, h, w] = io.output.dims("images [N, C, H, W]").unwrap_or([1; 4]);
    let in_place = io.in_place;
    CpuKernel::new(move |inputs, y, _| {
        let [x, rows, columns] = [0, 1, 2].map(|i| inputs[i]);
        let rows_a_task = TASK.div_ceil(w.max(1));
        let task = |(task, y): (usize, &mut [f32])| {
            vectorised(
                simd::arch(),
                #[inline(always)]
                || {
                    for (row, y) in (task * rows_a_task..).zip(y.chunks_exact_mut(w)) {
                        let n = row / (c * h);
                        let (factor, columns) = (rows[n * h + row % h], &columns[n * w..][..w]);
                        if in_place {
                            y.iter_mut().zip(columns).for_each(|(y, &column)| *y *= factor * column);
                        } else {
                            let x = &x[row * w..][..w];
                            let from = x.iter().zip(columns);
                            y.iter_mut().zip(from).for_each(|(y, (&x, &column))| *y = x * (factor * column));
                        }
                    }
                },
            );
        };
        y.par_chunks_mut((rows_a_task * w).max(1)).enumerate().for_each(task);
    })
}
