//! Pooling plane by plane. Windows of 2×2 side by side, which halve both sides, are done a row at a time in
//! vectors.

use rayon::prelude::*;

use super::{PoolDims, Window};
use crate::ops::kernel::CpuKernel;
use crate::ops::reduce;
use crate::simd;

impl PoolDims {
    fn halves(&self) -> bool {
        self.window == Window::tiles([2, 2])
    }

    /// How many planes one task takes: about 16 Ki elements.
    fn planes_per_task(&self) -> usize {
        ((1 << 14) / self.full()).max(1)
    }

    /// The rows of window (p, q) of plane x, each `size[1]` long.
    fn rows<'a>(&self, x: &'a [f32], p: usize, q: usize) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let PoolDims { window: Window { size, stride }, w, .. } = *self;
        (0..size[0]).map(move |r| &x[(p * stride[0] + r) * w + q * stride[1]..][..size[1]])
    }

    /// The index in plane x of the first maximum of window (p, q).
    fn first_max(&self, x: &[f32], p: usize, q: usize) -> usize {
        let Window { size, stride } = self.window;
        let first = p * stride[0] * self.w + q * stride[1];
        let mut best = first;
        for r in 0..size[0] {
            for i in first + r * self.w..first + r * self.w + size[1] {
                if x[i] > x[best] {
                    best = i;
                }
            }
        }
        best
    }

    fn max(&self, x: &[f32], y: &mut [f32]) {
        for (p, y) in y.chunks_exact_mut(self.q).enumerate() {
            for (q, y) in y.iter_mut().enumerate() {
                *y = x[self.first_max(x, p, q)];
            }
        }
    }

    fn max_grad(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        for (p, dy) in dy.chunks_exact(self.q).enumerate() {
            for (q, &dy) in dy.iter().enumerate() {
                dx[self.first_max(x, p, q)] += dy;
            }
        }
    }

    /// y from the four elements of every window of 2×2, row by row.
    #[inline(always)]
    fn halve(&self, x: &[f32], y: &mut [f32], f: impl Fn([f32; 2], [f32; 2]) -> f32) {
        for (x, y) in x.chunks_exact(2 * self.w).zip(y.chunks_exact_mut(self.q)) {
            let (top, bottom) = x.split_at(self.w);
            let pairs = top.as_chunks::<2>().0.iter().zip(bottom.as_chunks::<2>().0);
            for (y, (&a, &b)) in y.iter_mut().zip(pairs) {
                *y = f(a, b);
            }
        }
    }

    #[inline(always)]
    fn halve_max(&self, x: &[f32], y: &mut [f32]) {
        let larger = |a: f32, b: f32| if b > a { b } else { a };
        self.halve(x, y, |a, b| larger(larger(a[0], a[1]), larger(b[0], b[1])));
    }

    /// Which of four is the largest decides an address and not a branch, which would be foreseen wrongly half
    /// of the time.
    #[inline(always)]
    fn halve_max_grad(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let w = self.w;
        let rows = x.chunks_exact(2 * w).zip(dy.chunks_exact(self.q));
        for (dx, (x, dy)) in dx.chunks_exact_mut(2 * w).zip(rows) {
            let (top, bottom) = x.split_at(w);
            let pairs = top.as_chunks::<2>().0.iter().zip(bottom.as_chunks::<2>().0);
            for ((q, &dy), (top, bottom)) in dy.iter().enumerate().zip(pairs) {
                let second = |[a, b]: &[f32; 2]| usize::from(b > a);
                let larger = |&[a, b]: &[f32; 2]| if b > a { b } else { a };
                let below = larger(bottom) > larger(top);
                dx[2 * q + if below { w + second(bottom) } else { second(top) }] = dy;
            }
        }
    }

    #[inline(always)]
    fn average(&self, x: &[f32], y: &mut [f32]) {
        if self.halves() {
            return self.halve(x, y, |a, b| 0.25 * ((a[0] + a[1]) + (b[0] + b[1])));
        }
        let count = (self.window.size[0] * self.window.size[1]) as f32;
        for (p, y) in y.chunks_exact_mut(self.q).enumerate() {
            for (q, y) in y.iter_mut().enumerate() {
                *y = self.rows(x, p, q).map(reduce::sum).sum::<f32>() / count;
            }
        }
    }

    #[inline(always)]
    fn average_grad(&self, dy: &[f32], dx: &mut [f32]) {
        let Window { size, stride } = self.window;
        let count = (size[0] * size[1]) as f32;
        dx.fill(0.0);
        for (p, dy) in dy.chunks_exact(self.q).enumerate() {
            for r in 0..size[0] {
                let row = &mut dx[(p * stride[0] + r) * self.w..][..self.w];
                if self.halves() {
                    row.as_chunks_mut::<2>().0.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx = [0.25 * dy; 2]);
                    continue;
                }
                for (q, &dy) in dy.iter().enumerate() {
                    let share = dy / count;
                    row[q * stride[1]..][..size[1]].iter_mut().for_each(|dx| *dx += share);
                }
            }
        }
    }
}

/// A kernel that calls `f` with every plane of all inputs, so many elements each, and of the output, `to`
/// elements, on all threads. `f` must be `#[inline(always)]`, as [`simd::vectorised`] says.
fn by_plane<const I: usize>(
    planes: PoolDims,
    from: [usize; I],
    to: usize,
    f: impl Fn(&PoolDims, [&[f32]; I], &mut [f32]) + Send + Sync + 'static,
) -> CpuKernel {
    let task = planes.planes_per_task();
    CpuKernel::new(move |inputs, y| {
        y.par_chunks_mut(task * to).enumerate().for_each(|(i, y)| {
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || {
                    for (plane, y) in (i * task..).zip(y.chunks_exact_mut(to)) {
                        let x = std::array::from_fn(|i| &inputs[i][plane * from[i]..][..from[i]]);
                        f(&planes, x, y);
                    }
                },
            );
        });
    })
}

pub fn max(planes: PoolDims) -> CpuKernel {
    by_plane(
        planes,
        [planes.full()],
        planes.pooled(),
        #[inline(always)]
        |planes, [x], y| if planes.halves() { planes.halve_max(x, y) } else { planes.max(x, y) },
    )
}

pub fn max_grad(planes: PoolDims) -> CpuKernel {
    by_plane(
        planes,
        [planes.full(), planes.pooled()],
        planes.full(),
        #[inline(always)]
        |planes, [x, dy], dx| {
            if planes.halves() {
                planes.halve_max_grad(x, dy, dx);
            } else {
                planes.max_grad(x, dy, dx);
            }
        },
    )
}

pub fn average(planes: PoolDims) -> CpuKernel {
    by_plane(
        planes,
        [planes.full()],
        planes.pooled(),
        #[inline(always)]
        |planes, [x], y| planes.average(x, y),
    )
}

pub fn average_grad(planes: PoolDims) -> CpuKernel {
    by_plane(
        planes,
        [planes.pooled()],
        planes.full(),
        #[inline(always)]
        |planes, [dy], dx| planes.average_grad(dy, dx),
    )
}
