//! Masks over the rows and columns of images: SpecAugment's stripes of frequencies and times (Park et al. 2019).
//!
//! Nothing is random here: the stripes are inputs, drawn by the host.

mod cpu;
mod gpu;

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

/// (x [N, C, H, W], rows [N, H], columns [N, W]) → `y[n, c, h, w] = x[n, c, h, w]·rows[n, h]·columns[n, w]`.
///
/// Factors of 0 and 1 cut stripes out; any others scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mask;

/// The gradient rule's reason to give none to the factors.
const DRAWN: &str = "masks are drawn, not learnt";

impl Operation for Mask {
    fn name(&self) -> &'static str {
        "mask"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x, rows, columns] = arity(inputs)?;
        let [n, _, h, w] = x.dims("images [N, C, H, W]")?;
        if **rows != [n, h] {
            return Err(format!("the factors of the rows of {x} must be [{n}, {h}], not {rows}"));
        }
        if **columns != [n, w] {
            return Err(format!("the factors of the columns of {x} must be [{n}, {w}], not {columns}"));
        }
        Ok(x.clone())
    }

    /// The same factors on dy.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let inputs = [backward.upstream(), backward.input(1), backward.input(2)];
        let (rows, columns) = (backward.refuse(1, DRAWN)?, backward.refuse(2, DRAWN)?);
        Ok(vec![backward.add_for(0, (*self).into(), &inputs)?, rows, columns])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        let [x, rows, columns] = [0, 1, 2].map(|i| inputs[i].data);
        let Ok([n, c, h, w]) = shape.dims("images [N, C, H, W]") else { return };
        for n in 0..n {
            for c_h in 0..c * h {
                for i in 0..w {
                    let element = (n * c * h + c_h) * w + i;
                    output[element] = x[element] * rows[n * h + c_h % h] * columns[n * w + i];
                }
            }
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::mask(io)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::mask(io)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0, 1, 2])
    }

    fn cpu_in_place(&self) -> Option<usize> {
        Some(0)
    }

    fn gpu_in_place(&self) -> Option<usize> {
        Some(0)
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        2 * io.output.elements() as u64
    }
}
