//! Which device a program gets.

use std::fmt;
use std::sync::Arc;

use super::cpu::Cpu;
use super::gpu::{self, Gpu};
use super::{Device, DeviceError, Precision};
use crate::simd;

/// Which device is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A hardware GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// A GPU, a software adapter too.
    Gpu,
    /// The CPU.
    Cpu,
}

/// Why [`DeviceChoice::Auto`] took the CPU.
#[derive(Clone, Debug, PartialEq)]
pub enum Fallback {
    /// No GPU adapter was found.
    NoAdapter,
    /// The only adapter, which is named, is software.
    Software(String),
    /// The adapter could not be opened.
    NotOpened(DeviceError),
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAdapter => f.write_str("no GPU adapter was found"),
            Self::Software(adapter) => write!(f, "the only GPU adapter is software, {adapter}"),
            Self::NotOpened(error) => error.fmt(f),
        }
    }
}

/// Opens a device.
///
/// # Errors
/// [`DeviceError::NoAdapter`] and [`DeviceError::NotOpened`] with [`DeviceChoice::Gpu`]; [`DeviceError::InstructionSet`]
/// where it is the CPU.
pub fn open(choice: DeviceChoice) -> Result<Arc<dyn Device>, DeviceError> {
    Ok(open_or_fall_back(choice)?.0)
}

/// As [`open`]; also says why [`DeviceChoice::Auto`] took the CPU, where it did.
///
/// # Errors
/// As [`open`].
pub fn open_or_fall_back(choice: DeviceChoice) -> Result<(Arc<dyn Device>, Option<Fallback>), DeviceError> {
    open_nth_or_fall_back(choice, 0)
}

/// As [`open_or_fall_back`]; where several adapters are as good, the one with this number, counted round and round.
///
/// # Errors
/// As [`open`].
pub fn open_nth_or_fall_back(
    choice: DeviceChoice,
    number: usize,
) -> Result<(Arc<dyn Device>, Option<Fallback>), DeviceError> {
    let gpu = || Gpu::open_nth(number, Precision::F32);
    let fallback = match choice {
        DeviceChoice::Cpu => return Ok((cpu()?, None)),
        DeviceChoice::Gpu => return Ok((Arc::new(gpu()?), None)),
        DeviceChoice::Auto => match gpu::adapters().first() {
            None => Fallback::NoAdapter,
            Some(adapter) if !adapter.hardware => Fallback::Software(adapter.to_string()),
            Some(_) => match gpu() {
                Ok(gpu) => return Ok((Arc::new(gpu), None)),
                Err(error) => Fallback::NotOpened(error),
            },
        },
    };
    Ok((cpu()?, Some(fallback)))
}

fn cpu() -> Result<Arc<dyn Device>, DeviceError> {
    match simd::fault() {
        Some(name) => Err(DeviceError::InstructionSet { name }),
        None => Ok(Arc::new(Cpu)),
    }
}
