use rayon::prelude::*;

use super::channels;
use crate::ops::kernel::{CpuKernel, Io};
use crate::ops::reduce;
use crate::simd;

/// Elements that one task takes.
const TASK: usize = 1 << 14;

pub fn bias(io: &Io<'_>) -> CpuKernel {
    // The shape rule made sure that there are channels.
    let (_, c, size) = channels(io.output).unwrap_or((0, 1, 1));
    let in_place = io.in_place;
    CpuKernel::new(move |inputs, y, _| {
        let (sample, b) = (c * size, inputs[1]);
        let samples = (TASK / sample).max(1);
        y.par_chunks_mut(samples * sample).enumerate().for_each(|(task, y)| {
            if !in_place {
                y.copy_from_slice(&inputs[0][task * samples * sample..][..y.len()]);
            }
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || {
                    if size == 1 {
                        y.chunks_exact_mut(c).for_each(|y| y.iter_mut().zip(b).for_each(|(y, &b)| *y += b));
                    } else {
                        let rows = y.chunks_exact_mut(size).zip(b.iter().cycle());
                        rows.for_each(|(y, &b)| y.iter_mut().for_each(|y| *y += b));
                    }
                },
            );
        });
    })
}

pub fn bias_grad(io: &Io<'_>) -> CpuKernel {
    let (_, c, size) = channels(io.inputs[0]).unwrap_or((0, 1, 1));
    CpuKernel::new(move |inputs, db, _| {
        let dy = inputs[0];
        db.par_iter_mut().enumerate().for_each(|(channel, db)| {
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || {
                    let rows = dy.chunks_exact(c * size).map(|sample| &sample[channel * size..][..size]);
                    *db = rows.map(|row| f64::from(reduce::sum(row))).sum::<f64>() as f32;
                },
            );
        });
    })
}
