//! Leaky ReLU over flat memory, in vectorised chunks on all threads.

use rayon::prelude::*;

use crate::ops::kernel::{CpuKernel, Io};
use crate::simd;

/// Elements a task takes: below, handing out costs more than it brings.
const TASK: usize = 16 * 1024;

/// Runs `f` on chunks of the output with the same chunks of the inputs.
fn chunks<const I: usize>(
    inputs: [&[f32]; I],
    out: &mut [f32],
    f: impl Fn([&[f32]; I], &mut [f32]) + Send + Sync,
) {
    let arch = simd::arch();
    let task = |(task, out): (usize, &mut [f32])| {
        let inputs = inputs.map(|input| &input[task * TASK..][..out.len()]);
        simd::vectorised(
            arch,
            #[inline(always)]
            || f(inputs, out),
        );
    };
    if out.len() <= TASK {
        task((0, out));
    } else {
        out.par_chunks_mut(TASK).enumerate().for_each(task);
    }
}

pub fn forward(slope: f32, io: &Io<'_>) -> CpuKernel {
    let leaky = move |x: f32| if x > 0.0 { x } else { slope * x };
    if io.in_place {
        return CpuKernel::new(move |_, y, _| {
            chunks(
                [],
                y,
                #[inline(always)]
                |[], y| y.iter_mut().for_each(|y| *y = leaky(*y)),
            );
        });
    }
    CpuKernel::new(move |inputs, y, _| {
        chunks(
            [inputs[0]],
            y,
            #[inline(always)]
            |[x], y| y.iter_mut().zip(x).for_each(|(y, &x)| *y = leaky(x)),
        );
    })
}

pub fn backward(slope: f32, io: &Io<'_>) -> CpuKernel {
    let masked = move |y: f32, dy: f32| dy * if y <= 0.0 { slope } else { 1.0 };
    if io.in_place {
        return CpuKernel::new(move |inputs, dx, _| {
            chunks(
                [inputs[0]],
                dx,
                #[inline(always)]
                |[y], dx| dx.iter_mut().zip(y).for_each(|(dx, &y)| *dx = masked(y, *dx)),
            );
        });
    }
    CpuKernel::new(move |inputs, dx, _| {
        chunks(
            [inputs[0], inputs[1]],
            dx,
            #[inline(always)]
            |[y, dy], dx| {
                dx.iter_mut().zip(y).zip(dy).for_each(|((dx, &y), &dy)| *dx = masked(y, dy));
            },
        );
    })
}
