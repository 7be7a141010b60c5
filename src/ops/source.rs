//! Leaves of a graph: tensors that the host writes, and state that outlives a run.

use super::kernel::{GpuKernel, Real};
use super::prepared::Prepared;
use super::{Operation, arity};
use crate::graph::Shape;

/// A tensor that the host writes before a run; it keeps its value until it is written again.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its shape.
    pub shape: Shape,
}

/// A tensor that lives from run to run: parameters with the optimizer's moments, running statistics. A run
/// may replace its value (see the plan).
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its shape.
    pub shape: Shape,
}

macro_rules! leaf {
    ($kind:ty, $name:literal) => {
        impl Operation for $kind {
            type Sizes = ();

            fn name(&self) -> &'static str {
                $name
            }

            fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<()>, String> {
                let [] = arity(inputs)?;
                if self.shape.elements() == 0 {
                    return Err(format!("{} holds nothing", self.shape));
                }
                Ok(Prepared::new(self.shape.clone(), ()).flops(0))
            }

            /// A leaf computes nothing: its value is in memory before the run.
            fn reference<T: Real>(&self, _: &(), _: &[&[T]], _: &mut [T]) {}

            /// The plan makes no step of it.
            fn gpu(&self, _: &(), _: Option<usize>) -> GpuKernel {
                GpuKernel::default()
            }
        }
    };
}

leaf!(Input, "input");
leaf!(Variable, "variable");
