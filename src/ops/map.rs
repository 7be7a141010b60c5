//! Maps: operations that compute each element of their output alone. Their loops on the CPU and their
//! dispatches on a GPU, in place too.

use rayon::prelude::*;

use super::kernel::{Binding, Constants, CpuKernel, GpuKernel, Launch, Shader, grid};
use crate::simd;

/// Elements that a task takes at least: below, handing out costs more than it brings.
pub const TASK: usize = 1 << 14;

/// The CPU kernel `y = f(x)` on tensors of one shape, x the input `source`, whose place y may take. All
/// threads take parts of whole `run`s of elements: `f(first, inputs, y)` finds x from element `first` on in
/// y, and replaces it. `f` must be `#[inline(always)]`, as [`simd::vectorised`] says.
pub fn map(
    source: usize,
    in_place: Option<usize>,
    run: usize,
    f: impl Fn(usize, &[&[f32]], &mut [f32]) + Send + Sync + 'static,
) -> CpuKernel {
    let part = TASK.div_ceil(run.max(1)) * run.max(1);
    CpuKernel::new(move |inputs, y| {
        y.par_chunks_mut(part).enumerate().for_each(|(i, y)| {
            let first = i * part;
            if in_place.is_none() {
                y.copy_from_slice(&inputs[source][first..][..y.len()]);
            }
            simd::vectorised(
                simd::arch(),
                #[inline(always)]
                || f(first, inputs, y),
            );
        });
    })
}

/// Invocations of a workgroup in the shaders of maps.
const WORKGROUP: usize = 256;

/// A shader's entry point, and the one for an output that lies in the place of an input.
pub type Entries = [&'static str; 2];

/// Both entry points of a name.
macro_rules! entries {
    ($name:literal) => {
        [$name, concat!($name, "_in_place")]
    };
}
pub(super) use entries;

/// The dispatch of a map on a GPU.
pub struct GpuMap {
    pub entries: Entries,
    pub constants: Constants,
    pub inputs: usize,
    pub in_place: Option<usize>,
    /// Elements of the output.
    pub len: usize,
}

impl GpuMap {
    /// An invocation per element, or per `lanes` elements.
    pub fn kernel(self, shader: Shader, lanes: usize) -> GpuKernel {
        let Self { entries, constants, inputs, in_place, len } = self;
        GpuKernel::from(Launch {
            shader,
            entry: entries[usize::from(in_place.is_some())],
            constants,
            bindings: Binding::all(inputs, in_place),
            workgroups: grid(len.div_ceil(lanes * WORKGROUP)),
        })
    }
}

/// A shader written over `Value`s of `LANES` elements, as two modules: of one element an invocation, and of
/// four.
///
/// A memory-bound kernel wants many bytes under way: with four elements an invocation there are four times as
/// many for the same number of instructions, and what an element's channel costs is paid once.
pub struct Lanes {
    pub one: Shader,
    pub four: Shader,
}

/// The WGSL file of this name in `shaders/` as [`Lanes`], each behind its declaration of `Value` and `LANES`.
macro_rules! lanes {
    ($file:literal) => {
        $crate::ops::map::Lanes {
            one: $crate::ops::kernel::shader!($file, "", "lanes/one", $file),
            four: $crate::ops::kernel::shader!(concat!($file, ", by fours"), "", "lanes/four", $file),
        }
    };
}
pub(super) use lanes;

impl Lanes {
    /// The map with four elements an invocation where runs of `run` elements divide into fours.
    pub fn map(&self, run: usize, map: GpuMap) -> GpuKernel {
        if run.is_multiple_of(4) { map.kernel(self.four, 4) } else { map.kernel(self.one, 1) }
    }
}
