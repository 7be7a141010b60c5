//! Pooling plane by plane. Windows of 2×2 side by side, which halve both sides, are done a row at a time in vectors.

use rayon::prelude::*;

use super::Window;
use crate::graph::Shape;
use crate::ops::kernel::CpuKernel;
use crate::ops::reduce;
use crate::simd;

/// The sides of a plane before and after pooling.
#[derive(Clone, Copy)]
struct Plane {
    window: Window,
    h: usize,
    w: usize,
    p: usize,
    q: usize,
}

impl Plane {
    fn new(window: Window, x: &Shape, pooled: &Shape) -> Self {
        Self { window, h: x[2], w: x[3], p: pooled[2], q: pooled[3] }
    }

    fn full(&self) -> usize {
        self.h * self.w
    }

    fn pooled(&self) -> usize {
        self.p * self.q
    }

    fn halves(&self) -> bool {
        self.window == Window::tiles([2, 2])
    }

    /// How many planes one task takes: about 16 Ki elements.
    fn planes_per_task(&self) -> usize {
        ((1 << 14) / self.full()).max(1)
    }

    /// The rows of window (p, q) of plane x, each `size[1]` long.
    fn rows<'a>(&self, x: &'a [f32], p: usize, q: usize) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let Plane { window: Window { size, stride }, w, .. } = *self;
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

    /// Which of four is the largest decides an address and not a branch, which would be foreseen wrongly half of the time.
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

/// Calls `f` with every plane of input and output, on all threads.
fn by_plane(
    plane: Plane,
    x: &[f32],
    from: usize,
    y: &mut [f32],
    to: usize,
    f: impl Fn(&[f32], &mut [f32]) + Sync,
) {
    let planes = plane.planes_per_task();
    y.par_chunks_mut(planes * to).zip(x.par_chunks(planes * from)).for_each(|(y, x)| {
        simd::vectorised(
            simd::arch(),
            #[inline(always)]
            || x.chunks_exact(from).zip(y.chunks_exact_mut(to)).for_each(|(x, y)| f(x, y)),
        );
    });
}

pub fn max(window: Window, x: &Shape, y: &Shape) -> CpuKernel {
    let plane = Plane::new(window, x, y);
    CpuKernel::new(move |inputs, y, _| {
        by_plane(
            plane,
            inputs[0],
            plane.full(),
            y,
            plane.pooled(),
            #[inline(always)]
            |x: &[f32], y: &mut [f32]| {
                if plane.halves() { plane.halve_max(x, y) } else { plane.max(x, y) }
            },
        );
    })
}

pub fn max_grad(window: Window, x: &Shape, dy: &Shape) -> CpuKernel {
    let plane = Plane::new(window, x, dy);
    CpuKernel::new(move |inputs, dx, _| {
        let (full, pooled) = (plane.full(), plane.pooled());
        let planes = plane.planes_per_task();
        let sources = inputs[0].par_chunks(planes * full).zip(inputs[1].par_chunks(planes * pooled));
        dx.par_chunks_mut(planes * full).zip(sources).for_each(|(dx, (x, dy))| {
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || {
                    let sources = x.chunks_exact(full).zip(dy.chunks_exact(pooled));
                    for (dx, (x, dy)) in dx.chunks_exact_mut(full).zip(sources) {
                        if plane.halves() {
                            plane.halve_max_grad(x, dy, dx);
                        } else {
                            plane.max_grad(x, dy, dx);
                        }
                    }
                },
            );
        });
    })
}

pub fn average(window: Window, x: &Shape, y: &Shape) -> CpuKernel {
    let plane = Plane::new(window, x, y);
    CpuKernel::new(move |inputs, y, _| {
        by_plane(
            plane,
            inputs[0],
            plane.full(),
            y,
            plane.pooled(),
            #[inline(always)]
            |x: &[f32], y: &mut [f32]| plane.average(x, y),
        );
    })
}

pub fn average_grad(window: Window, dy: &Shape, dx: &Shape) -> CpuKernel {
    let plane = Plane::new(window, dx, dy);
    CpuKernel::new(move |inputs, dx, _| {
        by_plane(
            plane,
            inputs[0],
            plane.pooled(),
            dx,
            plane.full(),
            #[inline(always)]
            |dy: &[f32], dx: &mut [f32]| plane.average_grad(dy, dx),
        );
    })
}
