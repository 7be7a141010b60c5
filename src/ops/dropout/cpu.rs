use rayon::prelude::*;

use super::{Dropout, mix};
use crate::ops::kernel::{CpuKernel, Io};
use crate::simd;

/// Elements that one task takes.
const TASK: usize = 1 << 14;

pub fn dropout(op: Dropout, io: &Io<'_>) -> CpuKernel {
    let in_place = io.in_place;
    CpuKernel::new(move |inputs, y, _| {
        let (x, counter) = (inputs[0], inputs[1]);
        let (key, factor) = (op.key(counter[0] as u32, counter[1] as u32), op.factor());
        let threshold = op.threshold();
        y.par_chunks_mut(TASK).enumerate().for_each(|(task, y)| {
            let first = task * TASK;
            if !in_place {
                y.copy_from_slice(&x[first..][..y.len()]);
            }
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || {
                    let mut element = op.first.wrapping_add(first as u32);
                    for y in y.iter_mut() {
                        *y = if mix(element ^ key) >> 8 >= threshold { *y * factor } else { 0.0 };
                        element = element.wrapping_add(1);
                    }
                },
            );
        });
    })
}
