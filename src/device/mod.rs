//! Devices run programs; they know no networks.

pub mod cpu;
mod error;
pub mod gpu;
mod precision;
#[cfg(any(test, feature = "internals"))]
pub mod reference;
mod select;

pub use error::DeviceError;
pub use precision::Precision;
pub use select::{DeviceChoice, Fallback, open, open_nth_or_fall_back, open_or_fall_back};

use std::sync::Arc;

use crate::graph::NodeId;
use crate::ops::Op;
use crate::ops::exchange::{Exchange, Joined};
use crate::plan::{Contents, Program, Target, Work};
use crate::ranks::{Ranks, RanksError, Traffic};

/// How a program is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Fill memory with NaN before every run wherever nothing has to be kept, so that a kernel that reads what it
    /// should not is seen.
    pub poison: bool,
    /// Measure the time of every step; see [`Executable::timings`].
    pub profile: bool,
}

/// Something that runs programs. A plan is made for one device: [`Target`] is its supertrait.
pub trait Device: Target + Send + Sync {
    /// The device in words, with its adapter and driver where it has one.
    fn describe(&self) -> String;

    /// What devices have in common that compute the same bytes.
    fn kind(&self) -> String {
        self.describe()
    }

    /// Allocates the program's memory and prepares its kernels.
    ///
    /// # Errors
    /// [`DeviceError`] where memory or a limit of the device is exceeded.
    fn load(&self, program: Arc<Program>, options: LoadOptions) -> Result<Box<dyn Executable>, DeviceError>;

    /// The precision that plans are made and programs are loaded for.
    fn precision(&self) -> Precision {
        Precision::F32
    }

    /// This device at another precision.
    ///
    /// # Errors
    /// [`DeviceError::NoMixedPrecision`] where it does not have it, and what opening it brings.
    fn at(&self, precision: Precision) -> Result<Arc<dyn Device>, DeviceError>;
}

/// A program in a device's memory, with its state.
pub trait Executable: Send {
    /// Writes an input or a variable of the program; runs that follow see it.
    ///
    /// # Errors
    /// [`DeviceError::NotVisible`] where the program does not read the node or it is no input or variable, and
    /// [`DeviceError::Length`] where the number of elements differs.
    fn write(&mut self, node: NodeId, data: &[f32]) -> Result<(), DeviceError>;

    /// The processes that compute the other parts of the program's batch, where it has an
    /// [exchange](crate::ops::exchange::Exchange).
    fn connect(&mut self, ranks: &Ranks) {
        let _ = ranks;
    }

    /// Starts a run. The device may still be at it on return; its outputs queue up for [`Executable::outputs`].
    fn run(&mut self) -> Result<(), DeviceError>;

    /// How many runs' outputs have not been taken yet.
    fn pending(&self) -> usize;

    /// Waits for the earliest run whose outputs were not taken yet and takes them, in the program's order.
    ///
    /// # Errors
    /// [`DeviceError::NothingPending`] where every run's outputs were taken, and whatever went wrong in the run.
    fn outputs(&mut self) -> Result<Vec<Vec<f32>>, DeviceError>;

    /// Waits for all runs and reads an input, a variable or an output.
    ///
    /// # Errors
    /// [`DeviceError::NotVisible`] where the node is none of the three.
    fn read(&mut self, node: NodeId) -> Result<Vec<f32>, DeviceError>;

    /// The memory allocated for the program, in bytes; what the plan says ([`Program::memory`]).
    fn allocated(&self) -> u64;

    /// Seconds that every step of the program took, summed over all runs; empty without
    /// [`LoadOptions::profile`].
    fn timings(&mut self) -> Result<Vec<f64>, DeviceError>;
}

/// Everybody's parts, joined; `own` are this process's.
pub(crate) fn exchange_parts(
    exchange: &Exchange,
    ranks: &Ranks,
    own: &[f32],
    joined: &mut [f32],
) -> Result<(), DeviceError> {
    let (wanted, here) = (exchange.parts.len(), ranks.count());
    if wanted != here {
        return Err(DeviceError::Ranks(RanksError::Count { wanted, here }));
    }
    let exchanged = match exchange.joined {
        Joined::Rows => {
            let lengths: Vec<usize> = exchange.parts.iter().map(|parts| parts.iter().sum()).collect();
            ranks.gather(own, &lengths, joined)
        }
        Joined::Sum => {
            let parts: Vec<usize> = exchange.parts.iter().map(Vec::len).collect();
            ranks.sum(own, &parts, joined)
        }
    };
    exchanged.map_err(DeviceError::Ranks)
}

/// What running a program once gives to other processes, but for the agreement to run it.
#[cfg_attr(not(feature = "cli"), allow(dead_code))]
pub fn traffic(program: &Program) -> Traffic {
    let exchanges = program.steps.iter().filter_map(|step| match &step.work {
        Work::Run { op: Op::Exchange(exchange), .. } => Some(exchange),
        _ => None,
    });
    exchanges.fold(Traffic::default(), |traffic, exchange| {
        let Exchange { parts, rank, joined } = exchange;
        let one = match joined {
            Joined::Rows => {
                let lengths: Vec<usize> = parts.iter().map(|parts| parts.iter().sum()).collect();
                Traffic::of_gather(&lengths, *rank)
            }
            Joined::Sum => {
                let counts: Vec<usize> = parts.iter().map(Vec::len).collect();
                Traffic::of_sum(&counts, *rank, exchange.part())
            }
        };
        traffic.and(one)
    })
}

/// The place of a visible node, with its length checked.
pub(crate) fn visible(
    program: &Program,
    node: NodeId,
    len: Option<usize>,
) -> Result<crate::plan::Place, DeviceError> {
    let place = *program.visible.get(&node).ok_or(DeviceError::NotVisible { node: node.index() })?;
    match len {
        Some(len) if len != place.len => Err(DeviceError::Length {
            node: program.names.get(&node).cloned().unwrap_or_default(),
            wanted: place.len,
            given: len,
        }),
        _ => Ok(place),
    }
}

/// The buffers whose contents no run leaves to the next, and the host does not see: what may be poisoned.
pub(crate) fn scratch(program: &Program) -> impl Iterator<Item = usize> {
    let kept: Vec<usize> = program.visible.values().map(|place| place.buffer).collect();
    let scratch = move |(i, buffer): (usize, &crate::plan::Buffer)| {
        (buffer.contents == Contents::Scratch && !kept.contains(&i)).then_some(i)
    };
    program.buffers.iter().enumerate().filter_map(scratch)
}
