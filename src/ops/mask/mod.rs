//! Masks over the rows and columns of images: SpecAugment's stripes of frequencies and times (Park et al.
//! 2019).
//!
//! Nothing is random here: the stripes are inputs, drawn by the host.

use super::kernel::{CpuKernel, GpuKernel, Real, Shader, constants, shader};
use super::map::{GpuMap, entries, map};
use super::prepared::Prepared;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

const SHADER: Shader = shader!("mask");

/// (x [N, C, H, W], rows [N, H], columns [N, W]) → `y[n, c, h, w] = x[n, c, h, w]·rows[n, h]·columns[n, w]`.
///
/// Factors of 0 and 1 cut stripes out; any others scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mask;

/// The gradient rule's reason to give none to the factors.
const DRAWN: &str = "masks are drawn, not learnt";

impl Operation for Mask {
    /// N, C, H, W.
    type Sizes = [usize; 4];

    fn name(&self) -> &'static str {
        "mask"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<[usize; 4]>, String> {
        let [x, rows, columns] = arity(inputs)?;
        let sizes @ [n, _, h, w] = x.dims("images [N, C, H, W]")?;
        if **rows != [n, h] {
            return Err(format!("the factors of the rows of {x} must be [{n}, {h}], not {rows}"));
        }
        if **columns != [n, w] {
            return Err(format!("the factors of the columns of {x} must be [{n}, {w}], not {columns}"));
        }
        Ok(Prepared::new(x.clone(), sizes).flops(2 * x.elements()).in_place(0).rows(&[0, 1, 2]))
    }

    /// The same factors on dy.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.upstream(), backward.input(1), backward.input(2)];
        let (rows, columns) = (backward.refuse(1, DRAWN)?, backward.refuse(2, DRAWN)?);
        Ok(vec![backward.add_for(0, (*self).into(), &inputs)?, rows, columns])
    }

    fn reference<T: Real>(&self, &[n, c, h, w]: &[usize; 4], inputs: &[&[T]], output: &mut [T]) {
        let [x, rows, columns] = [0, 1, 2].map(|i| inputs[i]);
        for n in 0..n {
            for c_h in 0..c * h {
                for i in 0..w {
                    let element = (n * c * h + c_h) * w + i;
                    output[element] = x[element] * rows[n * h + c_h % h] * columns[n * w + i];
                }
            }
        }
    }

    /// Row by row of W elements.
    fn cpu(&self, &[_, c, h, w]: &[usize; 4], in_place: Option<usize>) -> CpuKernel {
        map(
            0,
            in_place,
            w,
            #[inline(always)]
            move |first, inputs, y| {
                for (row, y) in (first / w..).zip(y.chunks_exact_mut(w)) {
                    let n = row / (c * h);
                    let (factor, columns) = (inputs[1][n * h + row % h], &inputs[2][n * w..][..w]);
                    y.iter_mut().zip(columns).for_each(|(y, &column)| *y *= factor * column);
                }
            },
        )
    }

    fn gpu(&self, &[n, c, h, w]: &[usize; 4], in_place: Option<usize>) -> GpuKernel {
        let len = n * c * h * w;
        let constants = constants([("LEN", len), ("C", c), ("H", h), ("W", w)]);
        GpuMap { entries: entries!("mask"), constants, inputs: 3, in_place, len }.kernel(SHADER, 1)
    }
}
