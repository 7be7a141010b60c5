//! The norm by chunks, and updates in place, a chunk of all rows of the state at a time.

use rayon::prelude::*;

use super::{Adam, Sgd, UpdateSettings};
use crate::ops::kernel::CpuKernel;
use crate::ops::reduce;
use crate::simd;

/// Parameters that one task takes.
const TASK: usize = 1 << 13;

pub fn global_norm(p: usize) -> CpuKernel {
    CpuKernel::with_workspace(2 * p.div_ceil(TASK), |inputs, output, partials| {
        partials.par_chunks_mut(2).zip(inputs[0].par_chunks(TASK)).for_each(|(partial, gradients)| {
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || {
                    partial[0] = reduce::sum_of(gradients, |g| if g.is_finite() { g * g } else { 0.0 });
                    partial[1] = reduce::sum_of(gradients, |g| if g.is_finite() { 0.0 } else { 1.0 });
                },
            );
        });
        let total = |i: usize| partials.chunks_exact(2).map(|partial| f64::from(partial[i])).sum::<f64>();
        output[0] = total(0).sqrt() as f32;
        output[1] = total(1) as f32;
    })
}

/// Weight decay of parameter `i`.
#[inline(always)]
fn decay(common: &UpdateSettings, i: usize) -> f32 {
    if i < common.decayed { common.weight_decay } else { 0.0 }
}

pub fn sgd(op: Sgd, in_place: Option<usize>) -> CpuKernel {
    CpuKernel::new(move |inputs, state| {
        let (gradients, norm, rate, unscale) = (inputs[1], inputs[2], inputs[3][0], inputs[3][3]);
        if in_place.is_none() {
            state.copy_from_slice(inputs[0]);
        }
        if norm[1] != 0.0 {
            return;
        }
        let clip = op.common.clip(norm[0], unscale);
        let (theta, velocity) = state.split_at_mut(gradients.len());
        let rows = theta.par_chunks_mut(TASK).zip(velocity.par_chunks_mut(TASK));
        rows.zip(gradients.par_chunks(TASK)).enumerate().for_each(
            |(task, ((theta, velocity), gradients))| {
                simd::vectorised(
                    simd::arch(),
                    #[inline(always)]
                    || {
                        for (i, ((t, v), &g)) in
                            theta.iter_mut().zip(velocity.iter_mut()).zip(gradients).enumerate()
                        {
                            let g = g * clip + decay(&op.common, task * TASK + i) * *t;
                            *v = op.momentum * *v + g;
                            *t -= op.common.pace(task * TASK + i) * rate * *v;
                        }
                    },
                );
            },
        );
    })
}

pub fn adam(op: Adam, in_place: Option<usize>) -> CpuKernel {
    CpuKernel::new(move |inputs, state| {
        let (gradients, norm, scalars) = (inputs[1], inputs[2], inputs[3]);
        if in_place.is_none() {
            state.copy_from_slice(inputs[0]);
        }
        if norm[1] != 0.0 {
            return;
        }
        let (rate, correction1, correction2) = (scalars[0], scalars[1], scalars[2]);
        let clip = op.common.clip(norm[0], scalars[3]);
        let (theta, moments) = state.split_at_mut(gradients.len());
        let (first, second) = moments.split_at_mut(gradients.len());
        let moments = first.par_chunks_mut(TASK).zip(second.par_chunks_mut(TASK));
        let rows = theta.par_chunks_mut(TASK).zip(moments).zip(gradients.par_chunks(TASK));
        rows.enumerate().for_each(|(task, ((theta, (first, second)), gradients))| {
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || {
                    let moments = first.iter_mut().zip(second.iter_mut());
                    for (i, ((t, (m, s)), &g)) in theta.iter_mut().zip(moments).zip(gradients).enumerate() {
                        let decay = decay(&op.common, task * TASK + i);
                        let rate = op.common.pace(task * TASK + i) * rate;
                        let (g, kept) = if op.decoupled {
                            (g * clip, *t * (1.0 - rate * decay))
                        } else {
                            (g * clip + decay * *t, *t)
                        };
                        *m = op.beta1 * *m + (1.0 - op.beta1) * g;
                        *s = op.beta2 * *s + (1.0 - op.beta2) * g * g;
                        *t = kept - rate * (*m / correction1) / ((*s / correction2).sqrt() + op.epsilon);
                    }
                },
            );
        });
    })
}
