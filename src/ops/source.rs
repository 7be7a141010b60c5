//! Leaves of a graph: tensors that the host writes, and state that outlives a run.

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::{Operation, arity};
use crate::graph::Shape;

/// A tensor that the host writes before a run; it keeps its value until it is written again.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub shape: Shape,
}

/// A tensor that lives from run to run: parameters with the optimizer's moments, running statistics. A run may
/// replace its value (see the plan).
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    pub shape: Shape,
}

macro_rules! leaf {
    ($kind:ty, $name:literal) => {
        impl Operation for $kind {
            fn name(&self) -> &'static str {
                $name
            }

            fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
                let [] = arity(inputs)?;
                if self.shape.elements() == 0 {
                    return Err(format!("{} holds nothing", self.shape));
                }
                Ok(self.shape.clone())
            }

            /// A leaf computes nothing: its value is in memory before the run.
            fn reference<T: Real>(&self, _: &[Operand<'_, T>], _: &mut [T], _: &Shape) {}

            fn cpu(&self, _: &Io<'_>) -> CpuKernel {
                CpuKernel::new(|_, _, _| {})
            }

            fn gpu(&self, _: &Io<'_>) -> GpuKernel {
                GpuKernel::default()
            }

            fn operations(&self, _: &Io<'_>) -> u64 {
                0
            }
        }
    };
}

leaf!(Input, "input");
leaf!(Variable, "variable");
