//! Pooling plane by plane, in vectors along W: windows of 2×2 side by side, which halve both sides, windows of one
//! column, and the rows of wide windows.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{PoolDims, Window};
use crate::ops::kernel::CpuKernel;
use crate::ops::reduce;
use crate::simd;

/// Elements of a row that are compared side by side.
const LANES: usize = 32;
/// Lanes of the widest vector.
const WIDEST: usize = 16;

/// The second where it is larger, else the first: of equal ones the first, and a NaN that comes first.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// Two rows of two vectors: 1 where the first maximum of each window of 2×2 is, else 0.
#[inline(always)]
fn first_maxima<S: Simd>(simd: S, top: [S::f32s; 2], bottom: [S::f32s; 2]) -> [[S::f32s; 2]; 2] {
    let (one, zero) = (simd.splat_f32s(1.0), simd.splat_f32s(0.0));
    // In whatever order: what is taken apart here is put together again.
    let [top, bottom] = [simd.deinterleave_shfl_f32s(top), simd.deinterleave_shfl_f32s(bottom)];
    let second = |[a, b]: [S::f32s; 2]| simd.less_than_f32s(a, b);
    let (in_top, in_bottom) = (second(top), second(bottom));
    let largest = |larger, [a, b]: [S::f32s; 2]| simd.select_f32s(larger, b, a);
    let below = simd.less_than_f32s(largest(in_top, top), largest(in_bottom, bottom));
    let (above, below) = (simd.select_f32s(below, zero, one), simd.select_f32s(below, one, zero));
    let apart = |second, row| [simd.select_f32s(second, zero, row), simd.select_f32s(second, row, zero)];
    [simd.interleave_shfl_f32s(apart(in_top, above)), simd.interleave_shfl_f32s(apart(in_bottom, below))]
}

/// `dy` where `set` is not 0, else 0.
#[inline(always)]
fn where_set<S: Simd>(simd: S, set: [S::f32s; 2], dy: [S::f32s; 2]) -> [S::f32s; 2] {
    let zero = simd.splat_f32s(0.0);
    let mut chosen = [zero; 2];
    for i in 0..2 {
        chosen[i] = simd.select_f32s(simd.less_than_f32s(zero, set[i]), dy[i], zero);
    }
    chosen
}

/// Two vectors, or zeros behind a slice that is shorter.
#[inline(always)]
fn load_pair<S: Simd>(simd: S, from: &[f32]) -> [S::f32s; 2] {
    match S::as_simd_f32s(from).0 {
        [first, second] => [*first, *second],
        _ => {
            let (first, second) = from.split_at(from.len().min(S::F32_LANES));
            [simd.partial_load_f32s(first), simd.partial_load_f32s(second)]
        }
    }
}

/// Two vectors, or as much of them as the slice holds.
#[inline(always)]
fn store_pair<S: Simd>(simd: S, to: &mut [f32], values: [S::f32s; 2]) {
    match S::as_mut_simd_f32s(to).0 {
        [first, second] => [*first, *second] = values,
        _ => {
            let (first, second) = to.split_at_mut(to.len().min(S::F32_LANES));
            simd.partial_store_f32s(first, values[0]);
            simd.partial_store_f32s(second, values[1]);
        }
    }
}

/// The largest element.
#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    if x.len() < LANES {
        return x.iter().copied().reduce(larger).unwrap_or(f32::NEG_INFINITY);
    }
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut best = [x[0]; LANES];
    for chunk in chunks {
        for (best, &x) in best.iter_mut().zip(chunk) {
            *best = larger(*best, x);
        }
    }
    best.iter().chain(rest).copied().fold(x[0], larger)
}

impl PoolDims {
    fn halves(&self) -> bool {
        self.window.size == [2, 2] && self.window.stride == [2, 2]
    }

    /// Whether a row of the output is made of whole rows of x, element by element.
    fn columns(&self) -> bool {
        self.window.size[1] == 1 && self.window.stride[1] == 1
    }

    /// How many planes one task takes: about 16 Ki elements.
    fn planes_per_task(&self) -> usize {
        ((1 << 14) / self.full()).max(1)
    }

    /// The rows of windows (p, ·) of plane x, whole.
    fn whole_rows<'a>(&self, x: &'a [f32], p: usize) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let (first, rows) = (p * self.window.stride[0], self.rows_at(p));
        x[first * self.w..(first + rows) * self.w].chunks_exact(self.w)
    }

    /// The rows of window (p, q) of plane x.
    #[inline(always)]
    fn rows<'a>(&self, x: &'a [f32], p: usize, q: usize) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        // Not of `whole_rows`, whose division for the number of rows would cost as much as a small window.
        let first = p * self.window.stride[0] * self.w + q * self.window.stride[1];
        let (w, columns) = (self.w, self.columns_at(q));
        (0..self.rows_at(p)).map(move |r| &x[first + r * w..][..columns])
    }

    /// The index in plane x of the first maximum of window (p, q).
    #[inline(always)]
    fn first_max(&self, x: &[f32], p: usize, q: usize) -> usize {
        let first = p * self.window.stride[0] * self.w + q * self.window.stride[1];
        let (mut best, mut value) = (first, x[first]);
        for (r, row) in self.rows(x, p, q).enumerate() {
            let start = first + r * self.w;
            if row.len() >= LANES {
                let row_best = largest(row);
                if row_best > value {
                    let position = row.iter().position(|&x| x == row_best).unwrap_or(0);
                    (best, value) = (start + position, row_best);
                }
                continue;
            }
            for (i, &x) in row.iter().enumerate() {
                if x > value {
                    (best, value) = (start + i, x);
                }
            }
        }
        best
    }

    /// y from the rows of every window of one column: `f(so far, next)`, and at the end `done(rows, all)`.
    #[inline(always)]
    fn fold_columns(
        &self,
        x: &[f32],
        y: &mut [f32],
        f: impl Fn(f32, f32) -> f32,
        done: impl Fn(usize, f32) -> f32,
    ) {
        for (p, y) in y.chunks_exact_mut(self.q).enumerate() {
            let mut rows = self.whole_rows(x, p);
            if let Some(first) = rows.next() {
                y.copy_from_slice(first);
            }
            for row in rows {
                y.iter_mut().zip(row).for_each(|(y, &x)| *y = f(*y, x));
            }
            let count = self.rows_at(p);
            y.iter_mut().for_each(|y| *y = done(count, *y));
        }
    }

    #[inline(always)]
    fn max(&self, x: &[f32], y: &mut [f32]) {
        if self.columns() {
            return self.fold_columns(x, y, larger, |_, y| y);
        }
        for (p, y) in y.chunks_exact_mut(self.q).enumerate() {
            for (q, y) in y.iter_mut().enumerate() {
                *y = self.rows(x, p, q).map(largest).reduce(larger).unwrap_or(f32::NEG_INFINITY);
            }
        }
    }

    #[inline(always)]
    fn max_grad(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        if self.columns() {
            return self.max_grad_of_columns(x, dy, dx);
        }
        for (p, dy) in dy.chunks_exact(self.q).enumerate() {
            for (q, &dy) in dy.iter().enumerate() {
                dx[self.first_max(x, p, q)] += dy;
            }
        }
    }

    /// Windows of one column: some of them side by side, row by row.
    #[inline(always)]
    fn max_grad_of_columns(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for (p, dy) in dy.chunks_exact(self.q).enumerate() {
            let first = p * self.window.stride[0] * self.w;
            for (block, dy) in dy.chunks(LANES).enumerate() {
                let column = block * LANES;
                let (mut best, mut at) = ([0.0; LANES], [0u32; LANES]);
                best[..dy.len()].copy_from_slice(&x[first + column..][..dy.len()]);
                let mut padded = [0.0; LANES];
                for (r, row) in self.whole_rows(x, p).enumerate().skip(1) {
                    let row = &row[column..][..dy.len()];
                    // As many as lanes always, so that the loop becomes vectors.
                    let row: &[f32; LANES] = match row.try_into() {
                        Ok(row) => row,
                        Err(_) => {
                            padded[..dy.len()].copy_from_slice(row);
                            &padded
                        }
                    };
                    for i in 0..LANES {
                        let more = row[i] > best[i];
                        at[i] = if more { r as u32 } else { at[i] };
                        best[i] = if more { row[i] } else { best[i] };
                    }
                }
                for (i, (&at, &dy)) in at.iter().zip(dy).enumerate() {
                    dx[first + at as usize * self.w + column + i] += dy;
                }
            }
        }
    }

    /// y from the four elements of every window of 2×2, row by row. What the edge cuts off is taken for its
    /// neighbour inside, which changes neither maximum nor mean.
    #[inline(always)]
    fn halve(&self, x: &[f32], y: &mut [f32], f: impl Fn([f32; 2], [f32; 2]) -> f32) {
        for (x, y) in x.chunks(2 * self.w).zip(y.chunks_exact_mut(self.q)) {
            let (top, bottom) = x.split_at(self.w);
            let bottom = if bottom.is_empty() { top } else { bottom };
            // The odd column apart, so that the loop over the others has no branch.
            let (wholes, odd) = y.split_at_mut(self.w / 2);
            let (even_top, even_bottom) = (top.as_chunks::<2>().0, bottom.as_chunks::<2>().0);
            for (y, (&a, &b)) in wholes.iter_mut().zip(even_top.iter().zip(even_bottom)) {
                *y = f(a, b);
            }
            for y in odd {
                *y = f([top[self.w - 1]; 2], [bottom[self.w - 1]; 2]);
            }
        }
    }

    #[inline(always)]
    fn halve_max(&self, x: &[f32], y: &mut [f32]) {
        self.halve(
            x,
            y,
            #[inline(always)]
            |a, b| larger(larger(a[0], a[1]), larger(b[0], b[1])),
        );
    }

    /// As many windows at once as a vector has lanes.
    #[inline(always)]
    fn halve_max_grad<S: Simd>(&self, simd: S, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let w = self.w;
        // What is in no window.
        if w > 2 * self.q || self.h > 2 * self.p {
            dx.fill(0.0);
        }
        let rows = x.chunks(2 * w).zip(dy.chunks_exact(self.q));
        for (dx, (x, dy)) in dx.chunks_mut(2 * w).zip(rows) {
            let (top, bottom) = x.split_at(w);
            let (dx_top, dx_bottom) = dx.split_at_mut(w);
            // What the edge cuts off is taken for its neighbour inside, which is the first maximum then.
            let bottom = if bottom.is_empty() { top } else { bottom };
            for (i, dy) in dy[..w / 2].chunks(S::F32_LANES).enumerate() {
                let here = 2 * i * S::F32_LANES..2 * (i * S::F32_LANES + dy.len());
                let [in_top, in_bottom] = first_maxima(
                    simd,
                    load_pair(simd, &top[here.clone()]),
                    load_pair(simd, &bottom[here.clone()]),
                );
                let mut twice = [[0.0; 2]; WIDEST];
                twice.iter_mut().zip(dy).for_each(|(twice, &dy)| *twice = [dy; 2]);
                let dy = load_pair(simd, &twice.as_flattened()[..2 * S::F32_LANES]);
                store_pair(simd, &mut dx_top[here.clone()], where_set(simd, in_top, dy));
                if let Some(to) = dx_bottom.get_mut(here) {
                    store_pair(simd, to, where_set(simd, in_bottom, dy));
                }
            }
            for &dy in &dy[w / 2..] {
                let below = bottom[w - 1] > top[w - 1];
                dx_top[w - 1] = if below { 0.0 } else { dy };
                if let Some(to) = dx_bottom.last_mut() {
                    *to = if below { dy } else { 0.0 };
                }
            }
        }
    }

    #[inline(always)]
    fn average(&self, x: &[f32], y: &mut [f32]) {
        if self.halves() {
            return self.halve(
                x,
                y,
                #[inline(always)]
                |a, b| 0.25 * ((a[0] + a[1]) + (b[0] + b[1])),
            );
        }
        if self.columns() {
            return self.fold_columns(x, y, |sum, x| sum + x, |rows, sum| sum / rows as f32);
        }
        for (p, y) in y.chunks_exact_mut(self.q).enumerate() {
            for (q, y) in y.iter_mut().enumerate() {
                let count = self.rows_at(p) * self.columns_at(q);
                *y = self.rows(x, p, q).map(reduce::sum).sum::<f32>() / count as f32;
            }
        }
    }

    #[inline(always)]
    fn average_grad(&self, dy: &[f32], dx: &mut [f32]) {
        let Window { stride, .. } = self.window;
        dx.fill(0.0);
        for (p, dy) in dy.chunks_exact(self.q).enumerate() {
            let rows = self.rows_at(p);
            for row in dx[p * stride[0] * self.w..][..rows * self.w].chunks_exact_mut(self.w) {
                if self.halves() {
                    let half = 0.5 / rows as f32;
                    let (pairs, odd) = row.as_chunks_mut::<2>();
                    pairs.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx = [half * dy; 2]);
                    odd.iter_mut().zip(&dy[pairs.len()..]).for_each(|(dx, &dy)| *dx = 2.0 * half * dy);
                    continue;
                }
                if self.columns() {
                    row.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy / rows as f32);
                    continue;
                }
                for (q, &dy) in dy.iter().enumerate() {
                    let columns = self.columns_at(q);
                    let share = dy / (rows * columns) as f32;
                    row[q * stride[1]..][..columns].iter_mut().for_each(|dx| *dx += share);
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

/// The gradient of windows that halve both sides, of some planes.
struct HalveMaxGrad<'a> {
    dims: &'a PoolDims,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl WithSimd for HalveMaxGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { dims, x, dy, dx } = self;
        let planes = x.chunks_exact(dims.full()).zip(dy.chunks_exact(dims.pooled()));
        for (dx, (x, dy)) in dx.chunks_exact_mut(dims.full()).zip(planes) {
            dims.halve_max_grad(simd, x, dy, dx);
        }
    }
}

pub fn max_grad(planes: PoolDims) -> CpuKernel {
    if planes.halves() {
        let (x, y) = (planes.planes_per_task() * planes.full(), planes.planes_per_task() * planes.pooled());
        return CpuKernel::new(move |inputs, dx| {
            let inputs = inputs[0].par_chunks(x).zip(inputs[1].par_chunks(y));
            dx.par_chunks_mut(x)
                .zip(inputs)
                .for_each(|(dx, (x, dy))| simd::dispatch(HalveMaxGrad { dims: &planes, x, dy, dx }));
        });
    }
    by_plane(
        planes,
        [planes.full(), planes.pooled()],
        planes.full(),
        #[inline(always)]
        |planes, [x, dy], dx| planes.max_grad(x, dy, dx),
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
