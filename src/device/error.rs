use crate::ranks::RanksError;

/// Why a device could not be opened, or could not run a program.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DeviceError {
    /// The program has no such input, variable or output.
    #[error("node {node} is no input, variable or output of the program")]
    NotVisible {
        /// The node.
        node: usize,
    },
    /// The data have another number of elements than the node.
    #[error("`{node}` has {wanted} elements, {given} were given")]
    Length {
        /// The node.
        node: String,
        /// How many elements it has.
        wanted: usize,
        /// How many were given.
        given: usize,
    },
    /// The processes that compute a batch together cannot go on together.
    #[error(transparent)]
    Ranks(RanksError),
    /// Outputs were asked for more often than the program was run.
    #[error("no run is pending whose outputs could be taken")]
    NothingPending,
    /// A GPU was asked for, and there is none.
    #[error("no GPU adapter was found: install a Vulkan, Metal or DirectX 12 driver, or use the CPU")]
    NoAdapter,
    /// The adapter is there but cannot be used.
    #[error("{adapter} cannot be opened: {reason}; update its driver, or use the CPU")]
    NotOpened {
        /// The adapter, or device.
        adapter: String,
        /// What the driver says.
        reason: String,
    },
    /// The environment asks for an instruction set that is unknown, or that the processor lacks.
    #[error(
        "{} is \"{}\", which this processor does not have: leave it out, or set it to avx512 or avx2 (on x86-64), neon (on AArch64) or portable",
        crate::simd::VARIABLE,
        crate::files::printable(name)
    )]
    InstructionSet {
        /// What was asked for.
        name: String,
    },
    /// Mixed precision was asked for, and the device does not have it.
    #[error(
        "{device} has no mixed precision: it lacks {lacks}; use an adapter that has it, or start a run in f32"
    )]
    NoMixedPrecision {
        /// The device.
        device: String,
        /// What it lacks.
        lacks: &'static str,
    },
    /// The operation is not written for this device.
    #[error("`{step}`: {op} has no kernel for this device")]
    NoKernel {
        /// The step of the program.
        step: String,
        /// The operation.
        op: &'static str,
    },
    /// A tensor is larger than the adapter can bind and its operation cannot be split, or it is larger than the adapter
    /// can allocate.
    #[error(
        "`{tensor}` takes {bytes} bytes, and {adapter} {can} at most {limit}; {}, or use the CPU",
        fits(*.batch)
    )]
    TooLarge {
        /// The tensor.
        tensor: String,
        /// Its size.
        bytes: u64,
        /// The adapter, or device.
        adapter: String,
        /// `binds` or `allocates`.
        can: &'static str,
        /// The most that is possible, in bytes.
        limit: u64,
        /// The largest first axis with which this tensor would fit, where it has one that could shrink.
        batch: Option<u64>,
    },
    /// The adapter's memory is exhausted.
    #[error(
        "{adapter} is out of memory ({what}; the program takes {program} bytes): \
         use a smaller batch, a smaller network or another device"
    )]
    OutOfMemory {
        /// The adapter, or device.
        adapter: String,
        /// What was asked of it.
        what: String,
        /// What the whole program takes, in bytes.
        program: u64,
    },
    /// The driver stopped working: it was reset, the adapter was removed, or a kernel ran for too long.
    #[error(
        "{adapter} was lost ({reason}): start again from the last checkpoint, with a smaller batch or on the CPU \
         if it happens again"
    )]
    Lost {
        /// The adapter, or device.
        adapter: String,
        /// What the driver says.
        reason: String,
    },
    /// The adapter did not finish in time.
    #[error("{adapter} did not finish a run within {seconds} s: use a smaller batch, or the CPU")]
    Timeout {
        /// The adapter, or device.
        adapter: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The adapter refused what this program asked of it, which is a mistake in the program.
    #[error("{adapter} refused {what}: {message}")]
    Refused {
        /// The adapter, or device.
        adapter: String,
        /// What was asked of it.
        what: String,
        /// What it said.
        message: String,
    },
    /// Times of kernels were asked for, and the adapter has no clock.
    #[error("{adapter} cannot measure kernels (no timestamp queries): profile on the CPU")]
    NoTimestamps {
        /// The adapter, or device.
        adapter: String,
    },
}

fn fits(batch: Option<u64>) -> String {
    match batch {
        Some(batch) => format!("a batch of {batch} fits"),
        None => "use a smaller network".into(),
    }
}
