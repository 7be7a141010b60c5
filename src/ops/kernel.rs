//! What devices run: kernels as prepared closures for the CPU, as descriptions of dispatches for the GPU.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use num_traits::{Float, NumAssign};

use super::Operation;
use crate::graph::Shape;

/// The number type of a reference kernel: f64 to prove with, f32 to run with.
pub trait Real: Float + NumAssign + Send + Sync + Debug + std::iter::Sum + 'static {
    /// The nearest number of this type.
    fn of(value: f64) -> Self;
    /// Exactly this number, or the nearest, in f64.
    fn wide(self) -> f64;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

/// A tensor that a reference kernel reads.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a, T> {
    pub data: &'a [T],
    pub shape: &'a Shape,
}

/// The shapes that a kernel is prepared for.
#[derive(Clone, Copy, Debug)]
pub struct Io<'a> {
    pub inputs: &'a [&'a Shape],
    pub output: &'a Shape,
    /// Whether the input named by `cpu_in_place` or `gpu_in_place` lies in the output's memory. A CPU kernel is
    /// then given an empty slice for that input, and a GPU kernel must not bind that input.
    pub in_place: bool,
}

/// What a [`CpuKernel`] runs: inputs, output and workspace. The output and the workspace may hold anything before
/// (unless the output lies in an input's memory), and the whole output must be written.
pub type CpuRun = Box<dyn Fn(&[&[f32]], &mut [f32], &mut [f32]) + Send + Sync>;

/// A kernel prepared for the shapes of one step: tables are computed, tiles are chosen.
pub struct CpuKernel {
    /// How many f32 of scratch memory a run needs.
    pub workspace: usize,
    pub run: CpuRun,
}

impl CpuKernel {
    /// A kernel that needs no workspace.
    pub fn new(run: impl Fn(&[&[f32]], &mut [f32], &mut [f32]) + Send + Sync + 'static) -> Self {
        Self { workspace: 0, run: Box::new(run) }
    }

    /// The reference in f32 as a kernel; never in place.
    pub fn from_reference(op: impl Operation, io: &Io<'_>) -> Self {
        let inputs: Vec<Shape> = io.inputs.iter().map(|&s| s.clone()).collect();
        let output = io.output.clone();
        Self::new(move |data, out, _| {
            let operands: Vec<Operand<'_, f32>> =
                data.iter().zip(&inputs).map(|(&data, shape)| Operand { data, shape }).collect();
            op.reference(&operands, out, &output);
        })
    }
}

/// A hand-written WGSL file.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    pub name: &'static str,
    pub source: &'static str,
}

/// What a dispatch reads and writes, in the order of `@binding(0..)` of `@group(0)`.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    Input(usize),
    Output,
    /// A range of the step's workspace, in f32. Ranges of one launch that overlap, or that lie in one buffer with
    /// different access, are not allowed by WebGPU: a launch binds at most one of them.
    Workspace(Range<usize>),
    /// One of the kernel's [tables](GpuKernel::tables).
    Table(usize),
}

/// One dispatch of one entry point.
#[derive(Clone, Debug)]
pub struct Launch {
    pub shader: Shader,
    pub entry: &'static str,
    /// Values of the shader's `override` constants.
    pub constants: Vec<(&'static str, f64)>,
    pub bindings: Vec<Binding>,
    pub workgroups: [u32; 3],
}

/// The largest number of workgroups in one dimension that every adapter allows.
const MAX_WORKGROUPS: usize = 65_535;

/// A grid of at least `groups` workgroups, folded into y where they are too many for x. A shader finds its own number
/// as `workgroup_id.x + workgroup_id.y * num_workgroups.x`, and must do nothing where that is `groups` or more.
pub fn grid(groups: usize) -> [u32; 3] {
    let x = groups.clamp(1, MAX_WORKGROUPS);
    [x as u32, groups.div_ceil(x).max(1) as u32, 1]
}

/// The dispatches that compute one operation, in order.
#[derive(Clone, Debug, Default)]
pub struct GpuKernel {
    /// How many f32 of scratch memory the launches share.
    pub workspace: usize,
    /// Constant data such as twiddle factors, uploaded once.
    pub tables: Vec<Arc<[f32]>>,
    pub launches: Vec<Launch>,
}

/// How an adapter computes products in mixed precision; see [`Operation::gpu_mixed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixed {
    /// Where the adapter has matrix units: how they are used. Elsewhere vectors of f16 are.
    pub cooperative: Option<Cooperative>,
}

/// Matrix units that multiply square matrices of f16 and add the product to one of f32, a subgroup of threads together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooperative {
    /// Rows and columns of a matrix: 8 or 16.
    pub side: usize,
    /// The fewest and the most threads of a subgroup; powers of two.
    pub subgroup: [usize; 2],
}
