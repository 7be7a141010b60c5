//! Whether a program fits an adapter, said before anything is allocated.

use super::context::Context;
use crate::device::DeviceError;
use crate::graph::Shape;
use crate::plan::{Place, Program, Work};

/// # Errors
/// [`DeviceError::TooLarge`] for the largest tensor that the adapter cannot bind, or buffer that it cannot allocate.
pub fn check(context: &Context, program: &Program) -> Result<(), DeviceError> {
    let limits = &context.limits;
    let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let steps = program.steps.iter().filter(|step| matches!(step.work, Work::Run { .. }));
    let tensors = steps.flat_map(|step| {
        let input = |(shape, place): &(Shape, Place)| {
            // A leaf has a name of its own; any other tensor is some step's output.
            let leaf = program.visible.iter().find(|(_, leaf)| *leaf == place);
            let name = leaf.and_then(|(node, _)| program.names.get(node));
            (
                name.map_or_else(|| format!("input of {}", step.name), String::clone),
                4 * place.len,
                Some(shape[0]),
            )
        };
        let scratch = match &step.work {
            Work::Run { workspace: Some(place), .. } => {
                Some((format!("workspace of {}", step.name), 4 * place.len, None))
            }
            _ => None,
        };
        let output = (step.name.clone(), 4 * step.output.1.len, Some(step.output.0[0]));
        std::iter::once(output).chain(step.inputs.iter().map(input)).chain(scratch).collect::<Vec<_>>()
    });
    let too_large = |(tensor, bytes, rows): (String, usize, Option<usize>), can, limit: u64| {
        let bytes = bytes as u64;
        let batch = rows.map(|rows| limit / (bytes / rows.max(1) as u64).max(1)).filter(|&batch| batch > 0);
        DeviceError::TooLarge { tensor, bytes, adapter: context.adapter.to_string(), can, limit, batch }
    };
    // The first of the largest: it decides which batch fits.
    let largest = tensors.reduce(|a, b| if b.1 > a.1 { b } else { a });
    if let Some(tensor) = largest.filter(|tensor| tensor.1 as u64 > binding) {
        return Err(too_large(tensor, "binds", binding));
    }
    let largest = program.buffers.iter().map(|buffer| 4 * buffer.len).max().unwrap_or(0);
    if largest as u64 > limits.max_buffer_size {
        return Err(too_large(("a buffer".into(), largest, None), "allocates", limits.max_buffer_size));
    }
    Ok(())
}
