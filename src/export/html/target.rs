//! What every browser's WebGPU promises, whatever adapter is behind it.

use crate::ops::kernel::Kernel;
use crate::ops::prepared::PreparedOp;
use crate::plan::{Limits, Program, Target, Work};

/// Bytes of the largest binding, `maxStorageBufferBindingSize`.
const BINDING: u64 = 128 << 20;
/// Bytes of the largest buffer, `maxBufferSize`.
const BUFFER: u64 = 256 << 20;
/// A multiple of f32 at which bindings begin, `minStorageBufferOffsetAlignment`.
const ALIGNMENT: usize = 64;

/// A WebGPU device with the default limits and no optional feature: no subgroups, no f16.
pub(super) struct Browser;

impl Target for Browser {
    fn compile(&self, op: &PreparedOp, in_place: Option<usize>) -> Kernel {
        op.gpu(in_place, None).into()
    }

    fn alignment(&self) -> usize {
        ALIGNMENT
    }

    fn limits(&self) -> Option<Limits> {
        let elements = |bytes: u64| (bytes / 4) as usize;
        let binding = elements(BINDING);
        Some(Limits { binding, workspace: binding, buffer: elements(BUFFER) })
    }
}

/// The largest thing in a program that the device does not promise to hold: what it is, its bytes, and how many may be.
pub(super) fn excess(program: &Program) -> Option<(String, u64, u64)> {
    let bytes = |len: usize| 4 * len as u64;
    let bound = program.steps.iter().filter(|step| matches!(step.work, Work::Run { .. })).flat_map(|step| {
        let inputs = step.inputs.iter().map(|(_, place)| place.len);
        let most = inputs.chain([step.output.1.len]).max().unwrap_or(0);
        [(format!("a tensor of {}", step.name), bytes(most), BINDING)]
    });
    let buffers = program.buffers.iter().map(|buffer| ("a buffer".to_string(), bytes(buffer.len), BUFFER));
    bound.chain(buffers).filter(|(_, bytes, limit)| bytes > limit).max_by_key(|(_, bytes, _)| *bytes)
}
