//! Which device a program gets.

use std::sync::Arc;

use super::cpu::Cpu;
use super::gpu::{self, Gpu};
use super::{Device, DeviceError};
use crate::simd;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// A hardware GPU if there is one, else the processor.
    #[default]
    Auto,
    /// A GPU, a software adapter too.
    Gpu,
    /// The processor.
    Cpu,
}

/// Opens a device. With [`Choice::Auto`], the text says in one line why it is not a GPU, where it is not.
///
/// # Errors
/// [`DeviceError::NoAdapter`] and [`DeviceError::NotOpened`] with [`Choice::Gpu`]; [`DeviceError::InstructionSet`] where it
/// is the processor.
pub fn open(choice: Choice) -> Result<(Arc<dyn Device>, Option<String>), DeviceError> {
    let cpu = |why: String| -> Result<(Arc<dyn Device>, Option<String>), DeviceError> {
        Ok((processor()?, Some(format!("using the processor: {why}"))))
    };
    match choice {
        Choice::Cpu => Ok((processor()?, None)),
        Choice::Gpu => Ok((Arc::new(Gpu::open()?), None)),
        Choice::Auto => match gpu::adapters().first() {
            None => cpu("no GPU adapter was found".into()),
            Some(adapter) if !adapter.hardware => {
                cpu(format!("the only GPU adapter is software, {adapter}; --device gpu takes it anyway"))
            }
            Some(_) => match Gpu::open() {
                Ok(gpu) => Ok((Arc::new(gpu), None)),
                Err(error) => cpu(error.to_string()),
            },
        },
    }
}

fn processor() -> Result<Arc<dyn Device>, DeviceError> {
    match simd::fault() {
        Some(name) => Err(DeviceError::InstructionSet { name }),
        None => Ok(Arc::new(Cpu)),
    }
}
