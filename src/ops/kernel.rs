//! What devices run: prepared closures on the CPU, descriptions of dispatches on the GPU.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use num_traits::{Float, NumAssign};

use super::prepared::Kernels;

/// The number type of a reference kernel: f64 to prove with, f32 to run with.
pub trait Real: Float + NumAssign + Send + Sync + fmt::Debug + std::iter::Sum + 'static {
    /// The nearest number of this type.
    fn of(value: f64) -> Self;
    /// Exactly this number, or the nearest, in f64.
    fn wide(self) -> f64;
    /// Runs an operation's definition in numbers of this type.
    fn reference(kernels: &dyn Kernels, inputs: &[&[Self]], output: &mut [Self]);
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn reference(kernels: &dyn Kernels, inputs: &[&[Self]], output: &mut [Self]) {
        kernels.reference_f32(inputs, output);
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
    fn reference(kernels: &dyn Kernels, inputs: &[&[Self]], output: &mut [Self]) {
        kernels.reference_f64(inputs, output);
    }
}

/// A kernel as a device compiled it. Programs share it: a clone costs nothing.
#[derive(Clone, Debug)]
pub enum Kernel {
    Cpu(Arc<CpuKernel>),
    Gpu(Arc<GpuKernel>),
}

impl Kernel {
    /// How many f32 of scratch memory a run needs.
    pub fn workspace(&self) -> usize {
        match self {
            Self::Cpu(kernel) => kernel.workspace,
            Self::Gpu(kernel) => kernel.workspace,
        }
    }

    /// How many f32 of constant data the kernel keeps in the device's memory.
    pub fn tables(&self) -> usize {
        match self {
            Self::Cpu(_) => 0,
            Self::Gpu(kernel) => kernel.tables.iter().map(|table| table.len).sum(),
        }
    }
}

impl From<CpuKernel> for Kernel {
    fn from(kernel: CpuKernel) -> Self {
        Self::Cpu(Arc::new(kernel))
    }
}

impl From<GpuKernel> for Kernel {
    fn from(kernel: GpuKernel) -> Self {
        Self::Gpu(Arc::new(kernel))
    }
}

type CpuRun = Box<dyn Fn(&[&[f32]], &mut [f32], &mut [f32], Done<'_>) + Send + Sync>;
type CpuFollow = Box<dyn for<'a> Fn(&'a [&'a [f32]]) -> Box<dyn Follow + 'a> + Send + Sync>;

/// Called with every part of an output as soon as it is computed, and the index of its first element; parts are whole
/// planes of tensors [N, C, ...].
pub type Done<'a> = &'a (dyn Fn(usize, &mut [f32]) + Sync);

/// A run of a kernel that takes another's output part by part, while the parts are in the cache.
pub trait Follow: Sync {
    /// Takes a part that begins at element `first`. What it leaves there stays.
    fn part(&self, first: usize, part: &mut [f32]);

    /// Writes the output, where it lies elsewhere.
    fn finish(self: Box<Self>, output: &mut [f32]);
}

/// A kernel of the CPU device: its tables are computed, its tiles are chosen.
pub struct CpuKernel {
    /// How many f32 of scratch memory a run needs.
    pub workspace: usize,
    run: CpuRun,
    /// Whether a run gives its output part by part.
    in_parts: bool,
    /// How it takes its first input part by part.
    follow: Option<CpuFollow>,
}

impl CpuKernel {
    /// A kernel of inputs and output that needs no workspace.
    pub fn new(run: impl Fn(&[&[f32]], &mut [f32]) + Send + Sync + 'static) -> Self {
        Self::with_workspace(0, move |inputs, output, _| run(inputs, output))
    }

    /// A kernel of inputs, output and `workspace` f32 of scratch memory.
    pub fn with_workspace(
        workspace: usize,
        run: impl Fn(&[&[f32]], &mut [f32], &mut [f32]) + Send + Sync + 'static,
    ) -> Self {
        let run =
            Box::new(move |inputs: &[&[f32]], output: &mut [f32], workspace: &mut [f32], _: Done<'_>| {
                run(inputs, output, workspace);
            });
        Self { workspace, run, in_parts: false, follow: None }
    }

    /// As [`CpuKernel::with_workspace`], of a kernel that gives its output part by part.
    pub fn in_parts(
        workspace: usize,
        run: impl Fn(&[&[f32]], &mut [f32], &mut [f32], Done<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self { workspace, run: Box::new(run), in_parts: true, follow: None }
    }

    /// With a way to take its first input part by part: from its inputs, of which the first is empty. It needs no
    /// workspace then.
    pub fn following(
        self,
        follow: impl for<'a> Fn(&'a [&'a [f32]]) -> Box<dyn Follow + 'a> + Send + Sync + 'static,
    ) -> Self {
        Self { follow: Some(Box::new(follow)), ..self }
    }

    /// A kernel of sums that have no terms.
    pub fn zeros() -> Self {
        Self::new(|_, output| output.fill(0.0))
    }

    /// Runs the kernel. Output and workspace may hold anything before; the whole output is written. An input
    /// in whose place the output lies is an empty slice, and its values are in the output.
    pub fn run(&self, inputs: &[&[f32]], output: &mut [f32], workspace: &mut [f32]) {
        (self.run)(inputs, output, workspace, &|_, _| {});
    }

    /// Whether `next` can take this kernel's output part by part.
    pub fn leads(&self, next: &Self) -> bool {
        self.in_parts && next.follow.is_some()
    }

    /// Runs the kernel, and `next` on every part of its output. The output of `next` is `next_output`, or where that is
    /// None, lies in the place of this kernel's.
    pub fn run_before(
        &self,
        (inputs, output, workspace): (&[&[f32]], &mut [f32], &mut [f32]),
        next: &Self,
        (next_inputs, next_output): (&[&[f32]], Option<&mut [f32]>),
    ) {
        let Some(follow) = &next.follow else { return self.run(inputs, output, workspace) };
        let follower = follow(next_inputs);
        (self.run)(inputs, output, workspace, &|first, part| follower.part(first, part));
        if let Some(output) = next_output {
            follower.finish(output);
        }
    }
}

impl fmt::Debug for CpuKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuKernel").field("workspace", &self.workspace).finish_non_exhaustive()
    }
}

/// A module of hand-written WGSL.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    pub name: &'static str,
    pub source: &'static str,
}

/// The module of the WGSL file of this name in `shaders/`; or of several files, under a name of its own,
/// behind what WGSL wants to begin with.
macro_rules! shader {
    ($file:literal) => {
        $crate::ops::kernel::shader!($file, "", $file)
    };
    ($name:expr, $begin:literal, $($file:expr),+) => {
        $crate::ops::kernel::Shader {
            name: $name,
            source: concat!(
                $begin,
                $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file, ".wgsl"))),+
            ),
        }
    };
}
pub(crate) use shader;

/// What a dispatch reads and writes, in the order of `@binding(0..)` of `@group(0)`.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    Input(usize),
    Output,
    /// A range of the step's workspace, in f32. Ranges of one launch that overlap, or that lie in one buffer
    /// with different access, are not allowed by WebGPU: a launch binds at most one of them.
    Workspace(Range<usize>),
    /// One of the kernel's [tables](GpuKernel::tables).
    Table(usize),
}

impl Binding {
    /// All inputs, then the output; not the input in whose place the output lies, for WebGPU allows no two
    /// bindings of one buffer of which one is written.
    pub fn all(inputs: usize, in_place: Option<usize>) -> Vec<Self> {
        let inputs = (0..inputs).filter(|&i| in_place != Some(i)).map(Self::Input);
        inputs.chain([Self::Output]).collect()
    }
}

/// Values of a shader's `override` constants.
pub type Constants = Vec<(&'static str, f64)>;

/// Sizes as constants.
pub fn constants<const N: usize>(sizes: [(&'static str, usize); N]) -> Constants {
    sizes.map(|(name, size)| (name, size as f64)).to_vec()
}

/// One dispatch of one entry point.
#[derive(Clone, Debug)]
pub struct Launch {
    pub shader: Shader,
    pub entry: &'static str,
    pub constants: Constants,
    pub bindings: Vec<Binding>,
    pub workgroups: [u32; 3],
}

/// The largest number of workgroups in one dimension that every adapter allows.
const MAX_WORKGROUPS: usize = 65_535;

/// A grid of at least `groups` workgroups, folded into y where they are too many for x. A shader finds its
/// own number as `workgroup_id.x + workgroup_id.y * num_workgroups.x`, and must do nothing where that is
/// `groups` or more.
pub fn grid(groups: usize) -> [u32; 3] {
    let x = groups.clamp(1, MAX_WORKGROUPS);
    [x as u32, groups.div_ceil(x).max(1) as u32, 1]
}

type MakeTable = Box<dyn FnOnce() -> Vec<f32> + Send>;

/// Constant data such as twiddle factors, computed when it is first read and uploaded once.
#[derive(Clone)]
pub struct Table {
    /// How many f32.
    pub len: usize,
    values: Arc<LazyLock<Vec<f32>, MakeTable>>,
}

impl Table {
    /// A table of `len` f32 that `make` computes.
    pub fn new(len: usize, make: impl FnOnce() -> Vec<f32> + Send + 'static) -> Self {
        Self { len, values: Arc::new(LazyLock::new(Box::new(make))) }
    }

    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.len)
    }
}

/// The dispatches that compute one operation, in order.
#[derive(Clone, Debug, Default)]
pub struct GpuKernel {
    /// How many f32 of scratch memory the launches share.
    pub workspace: usize,
    pub tables: Vec<Table>,
    pub launches: Vec<Launch>,
}

impl From<Launch> for GpuKernel {
    fn from(launch: Launch) -> Self {
        Self { launches: vec![launch], ..Self::default() }
    }
}

/// How an adapter computes products in mixed precision; see [`super::Operation::gpu_mixed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixed {
    /// Where the adapter has matrix units: how they are used. Elsewhere vectors of f16 are.
    pub cooperative: Option<Cooperative>,
}

/// Matrix units that multiply square matrices of f16 and add the product to one of f32, a subgroup of threads
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooperative {
    /// Rows and columns of a matrix: 8 or 16.
    pub side: usize,
    /// The fewest and the most threads of a subgroup; powers of two.
    pub subgroup: [usize; 2],
}
