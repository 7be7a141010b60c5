//! Whether a program fits an adapter, said before anything is allocated.

use super::context::Context;
use crate::device::DeviceError;
use crate::graph::Shape;
use crate::plan::{Place, Program, Work};

/// What the adapter allows, in bytes.
pub struct Bounds {
    /// The largest binding.
    pub binding: u64,
    pub buffer: u64,
}

impl Bounds {
    pub fn of(context: &Context) -> Self {
        let limits = &context.limits;
        let buffer = limits.max_buffer_size;
        Self { binding: limits.max_storage_buffer_binding_size.min(buffer), buffer }
    }
}

/// A tensor or workspace that a step binds.
struct Bound {
    name: String,
    bytes: u64,
    /// The first axis, of a tensor.
    rows: Option<usize>,
    /// Whether the plan would have sliced the step, had the whole tensor found room in a buffer.
    sliceable: bool,
}

/// # Errors
/// [`DeviceError::TooLarge`] for the largest tensor that the adapter cannot bind, or buffer that it cannot allocate.
pub fn check(context: &Context, program: &Program) -> Result<(), DeviceError> {
    let Bounds { binding, buffer } = Bounds::of(context);
    let steps = program.steps.iter().filter_map(|step| match &step.work {
        Work::Run { prepared, workspace, .. } => Some((step, prepared, workspace)),
        Work::Copy => None,
    });
    let tensors = steps.flat_map(|(step, prepared, workspace)| {
        let sliceable = prepared.slicing.is_some();
        let tensor = |name: String, (shape, place): &(Shape, Place)| Bound {
            name,
            bytes: 4 * place.len as u64,
            rows: Some(shape[0]),
            sliceable,
        };
        let input = |input: &(Shape, Place)| {
            // A leaf has a name of its own; any other tensor is some step's output.
            let leaf = program.visible.iter().find(|(_, leaf)| **leaf == input.1);
            let name = leaf.and_then(|(node, _)| program.names.get(node));
            tensor(name.map_or_else(|| format!("input of {}", step.name), String::clone), input)
        };
        let scratch = workspace.map(|place| Bound {
            name: format!("workspace of {}", step.name),
            bytes: 4 * place.len as u64,
            rows: None,
            sliceable,
        });
        let output = tensor(step.name.clone(), &step.output);
        std::iter::once(output).chain(step.inputs.iter().map(input)).chain(scratch).collect::<Vec<_>>()
    });
    let too_large = |Bound { name, bytes, rows, .. }: Bound, can, limit: u64| {
        let batch = rows.map(|rows| limit / (bytes / rows.max(1) as u64).max(1)).filter(|&batch| batch > 0);
        DeviceError::TooLarge { tensor: name, bytes, adapter: context.adapter.to_string(), can, limit, batch }
    };
    // The first of the largest: it decides which batch fits.
    let largest = tensors.reduce(|a, b| if b.bytes > a.bytes { b } else { a });
    match largest {
        Some(tensor) if tensor.bytes > buffer && tensor.sliceable => {
            return Err(too_large(tensor, "allocates", buffer));
        }
        Some(tensor) if tensor.bytes > binding => return Err(too_large(tensor, "binds", binding)),
        _ => {}
    }
    let largest = program.buffers.iter().map(|buffer| 4 * buffer.len as u64).max().unwrap_or(0);
    if largest > buffer {
        let bound = Bound { name: "a buffer".into(), bytes: largest, rows: None, sliceable: false };
        return Err(too_large(bound, "allocates", buffer));
    }
    Ok(())
}
