//! The matrix product on the CPU: both matrices are packed, rows of the output are divided among the threads.

use rayon::prelude::*;

use super::{Form, MatmulDims};
use crate::gemm::{Product, Tiles, pack_rows, shift_product};
use crate::ops::kernel::CpuKernel;

/// The product as a kernel.
pub fn product(form: Form, MatmulDims { m, n, k }: MatmulDims) -> CpuKernel {
    if m * n * k == 0 {
        return CpuKernel::zeros();
    }
    let tiles = Tiles::get();
    let height = tiles.height(m);
    let width = tiles.columns;
    let (panels, columns) = (m.div_ceil(height), n.div_ceil(width));
    let (a_len, b_len) = (panels * height * k, columns * width * k);
    // Where the output is narrower than a tile it is computed at a tile's width and copied.
    let narrow = n < width;
    let pitch = n.max(width);
    let wide_len = if narrow { m * pitch } else { 0 };
    // Panel after panel, `width` elements for each of k rows; the last one overlaps the one before.
    let first_column = move |panel: usize| (panel * width).min(pitch - width);
    let offsets: Vec<u32> = (0..k).map(|l| (l * width) as u32).collect();
    let rows = panels.div_ceil(2 * rayon::current_num_threads()) * height;

    CpuKernel::with_workspace(a_len + b_len + wide_len, move |inputs, out, workspace| {
        let (a, b) = (inputs[0], inputs[1]);
        let (packed_a, rest) = workspace.split_at_mut(a_len);
        let (packed_b, wide) = rest.split_at_mut(b_len);
        packed_a.par_chunks_exact_mut(height * k).enumerate().for_each(|(panel, to)| {
            let first = panel * height;
            pack_rows(to, height, height.min(m - first), k, |i, l| match form {
                Form::Plain | Form::TransposeB => a[(first + i) * k + l],
                Form::TransposeA => a[l * m + first + i],
            });
        });
        packed_b.par_chunks_exact_mut(width * k).enumerate().for_each(|(panel, to)| {
            let first = first_column(panel);
            let inside = width.min(n - first);
            pack_rows(to, width, inside, k, |j, l| match form {
                Form::Plain | Form::TransposeA => b[l * n + first + j],
                Form::TransposeB => b[(first + j) * k + l],
            });
        });
        let (packed_a, packed_b) = (&*packed_a, &*packed_b);
        let c = if narrow { &mut wide[..wide_len] } else { &mut *out };
        let blocks = c.par_chunks_mut(rows * pitch).zip(packed_a.par_chunks(rows * k));
        blocks.for_each(|(c, a)| {
            for (panel, b) in packed_b.chunks_exact(width * k).enumerate() {
                shift_product(Product {
                    a,
                    height,
                    rows: c.len() / pitch,
                    offsets: &offsets,
                    b,
                    columns: width,
                    c: &mut c[first_column(panel)..],
                    pitch,
                });
            }
        });
        if narrow {
            let wide = wide[..wide_len].chunks_exact(pitch);
            out.chunks_exact_mut(n).zip(wide).for_each(|(to, from)| to.copy_from_slice(&from[..n]));
        }
    })
}
