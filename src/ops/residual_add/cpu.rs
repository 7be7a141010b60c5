use rayon::prelude::*;

use crate::ops::kernel::{CpuKernel, Io};
use crate::simd;

/// Elements that one task adds: enough to hide what starting it costs.
const CHUNK: usize = 1 << 14;

pub fn add(io: &Io<'_>) -> CpuKernel {
    if io.in_place {
        return CpuKernel::new(|inputs, y, _| {
            y.par_chunks_mut(CHUNK).zip(inputs[1].par_chunks(CHUNK)).for_each(|(y, b)| {
                simd::vectorised(
                    simd::arch(),
                    #[inline(always)]
                    || y.iter_mut().zip(b).for_each(|(y, &b)| *y += b),
                );
            });
        });
    }
    CpuKernel::new(|inputs, y, _| {
        let terms = inputs[0].par_chunks(CHUNK).zip(inputs[1].par_chunks(CHUNK));
        y.par_chunks_mut(CHUNK).zip(terms).for_each(|(y, (a, b))| {
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || y.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = a + b),
            );
        });
    })
}
