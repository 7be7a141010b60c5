//! Tensors side by side along an axis, parts of an axis, and zeros around one. Each is the gradient of
//! another.

use rayon::prelude::*;

use super::kernel::{Binding, CpuKernel, GpuKernel, Launch, Real, Shader, constants, grid, shader};
use super::prepared::Prepared;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

const SHADER: Shader = shader!("concat");

/// Tensors that differ in one axis at most, one behind the other along it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    /// The axis in which they may differ.
    pub axis: usize,
}

/// The elements `start..start + len` of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The axis that is cut.
    pub axis: usize,
    /// The first element.
    pub start: usize,
    /// How many elements.
    pub len: usize,
}

/// Zeros before and behind along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pad {
    /// The axis that is made longer.
    pub axis: usize,
    /// Zeros before the first element.
    pub before: usize,
    /// Zeros behind the last element.
    pub behind: usize,
}

/// A tensor as rows: all axes from the one on, for all before.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    rows: usize,
    /// Elements of a row of the longer tensor, and of the shorter, which lies in it from `offset` on.
    long: usize,
    short: usize,
    offset: usize,
}

/// The lengths before an axis, of it, and behind it, each multiplied.
fn around(x: &Shape, axis: usize) -> Result<[usize; 3], String> {
    let length = *x.get(axis).ok_or_else(|| format!("{x} has no axis {axis}"))?;
    Ok([x[..axis].iter().product(), length, x[axis + 1..].iter().product()])
}

fn with_length(x: &Shape, axis: usize, length: usize) -> Shape {
    let mut lengths = x.to_vec();
    lengths[axis] = length;
    Shape::from(&lengths[..])
}

/// Of operations that take rows apart one by one.
fn by_rows<S>(prepared: Prepared<S>, axis: usize, inputs: usize) -> Prepared<S> {
    const ALL: [usize; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    match ALL.get(..inputs) {
        Some(sliced) if axis > 0 => prepared.rows(sliced),
        _ => prepared,
    }
}

impl Part {
    fn launch(self, entry: &'static str, input: usize, len: usize) -> Launch {
        let Self { rows, long, short, offset } = self;
        Launch {
            shader: SHADER,
            entry,
            constants: constants([("ROWS", rows), ("LONG", long), ("SHORT", short), ("OFFSET", offset)]),
            bindings: vec![Binding::Input(input), Binding::Output],
            workgroups: grid(len.div_ceil(256)),
        }
    }
}

impl Operation for Concat {
    /// Of every input in the output.
    type Sizes = Vec<Part>;

    fn name(&self) -> &'static str {
        "concat"
    }

    fn settings(&self) -> String {
        format!("axis {}", self.axis)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Vec<Part>>, String> {
        let first = inputs.first().ok_or("at least one input is wanted")?;
        let mut total = 0;
        for x in inputs {
            let [_, length, _] = around(x, self.axis)?;
            if with_length(first, self.axis, length) != **x {
                return Err(format!("{x} and {first} differ in more than axis {}", self.axis));
            }
            total += length;
        }
        let output = with_length(first, self.axis, total);
        let [rows, total, inner] = around(&output, self.axis)?;
        let mut offset = 0;
        let parts = inputs.iter().map(|x| {
            let short = x[self.axis] * inner;
            offset += short;
            Part { rows, long: total * inner, short, offset: offset - short }
        });
        let parts = parts.collect();
        Ok(by_rows(Prepared::new(output, parts).flops(0), self.axis, inputs.len()))
    }

    /// The parts of dy.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (axis, dy) = (self.axis, backward.upstream());
        let mut start = 0;
        (0..backward.inputs())
            .map(|i| {
                let len = backward.input_shape(i)[axis];
                start += len;
                backward.add_for(i, Slice { axis, start: start - len, len }.into(), &[dy])
            })
            .collect()
    }

    fn reference<T: Real>(&self, parts: &Vec<Part>, inputs: &[&[T]], output: &mut [T]) {
        for (part, input) in parts.iter().zip(inputs) {
            for row in 0..part.rows {
                let from = &input[row * part.short..][..part.short];
                output[row * part.long + part.offset..][..part.short].copy_from_slice(from);
            }
        }
    }

    fn cpu(&self, parts: &Vec<Part>, _: Option<usize>) -> CpuKernel {
        let parts = parts.clone();
        CpuKernel::new(move |inputs, y| {
            let long = parts[0].long.max(1);
            y.par_chunks_mut(long).with_min_len((1 << 14) / long + 1).enumerate().for_each(|(row, y)| {
                for (part, input) in parts.iter().zip(inputs) {
                    y[part.offset..][..part.short].copy_from_slice(&input[row * part.short..][..part.short]);
                }
            });
        })
    }

    /// A dispatch an input.
    fn gpu(&self, parts: &Vec<Part>, _: Option<usize>) -> GpuKernel {
        let launch = |(i, part): (usize, &Part)| part.launch("place", i, part.rows * part.short);
        GpuKernel { launches: parts.iter().enumerate().map(launch).collect(), ..GpuKernel::default() }
    }
}

impl Operation for Slice {
    type Sizes = Part;

    fn name(&self) -> &'static str {
        "slice"
    }

    fn settings(&self) -> String {
        format!("axis {}, {}..{}", self.axis, self.start, self.start + self.len)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Part>, String> {
        let [x] = arity(inputs)?;
        let [rows, length, inner] = around(x, self.axis)?;
        if self.len == 0 {
            return Err("a slice of nothing is no tensor".into());
        }
        if self.start.checked_add(self.len).is_none_or(|end| end > length) {
            return Err(format!(
                "{} elements from {} on end behind axis {} of {x}",
                self.len, self.start, self.axis
            ));
        }
        let part = Part { rows, long: length * inner, short: self.len * inner, offset: self.start * inner };
        let output = with_length(x, self.axis, self.len);
        Ok(by_rows(Prepared::new(output, part).flops(0), self.axis, 1))
    }

    /// dx is dy where the slice lies and 0 elsewhere.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let behind = backward.input_shape(0)[self.axis] - self.start - self.len;
        let dy = backward.upstream();
        Ok(vec![backward.add_for(0, Pad { axis: self.axis, before: self.start, behind }.into(), &[dy])?])
    }

    fn reference<T: Real>(&self, part: &Part, inputs: &[&[T]], output: &mut [T]) {
        for row in 0..part.rows {
            let from = &inputs[0][row * part.long + part.offset..][..part.short];
            output[row * part.short..][..part.short].copy_from_slice(from);
        }
    }

    fn cpu(&self, &Part { long, short, offset, .. }: &Part, _: Option<usize>) -> CpuKernel {
        CpuKernel::new(move |inputs, y| {
            let rows = y.par_chunks_mut(short.max(1)).with_min_len((1 << 14) / short.max(1) + 1);
            rows.enumerate().for_each(|(row, y)| {
                y.copy_from_slice(&inputs[0][row * long + offset..][..short]);
            });
        })
    }

    fn gpu(&self, part: &Part, _: Option<usize>) -> GpuKernel {
        part.launch("take", 0, part.rows * part.short).into()
    }
}

impl Operation for Pad {
    type Sizes = Part;

    fn name(&self) -> &'static str {
        "pad"
    }

    fn settings(&self) -> String {
        format!("axis {}, {} before, {} behind", self.axis, self.before, self.behind)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Part>, String> {
        let [x] = arity(inputs)?;
        let [rows, length, inner] = around(x, self.axis)?;
        let total = self.before + length + self.behind;
        let part = Part { rows, long: total * inner, short: length * inner, offset: self.before * inner };
        let output = with_length(x, self.axis, total);
        Ok(by_rows(Prepared::new(output, part).flops(0), self.axis, 1))
    }

    /// dx is dy without what lies over the zeros.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let len = backward.input_shape(0)[self.axis];
        let dy = backward.upstream();
        Ok(vec![backward.add_for(0, Slice { axis: self.axis, start: self.before, len }.into(), &[dy])?])
    }

    fn reference<T: Real>(&self, part: &Part, inputs: &[&[T]], output: &mut [T]) {
        output.fill(T::zero());
        for row in 0..part.rows {
            let from = &inputs[0][row * part.short..][..part.short];
            output[row * part.long + part.offset..][..part.short].copy_from_slice(from);
        }
    }

    fn cpu(&self, &Part { long, short, offset, .. }: &Part, _: Option<usize>) -> CpuKernel {
        CpuKernel::new(move |inputs, y| {
            let rows = y.par_chunks_mut(long.max(1)).with_min_len((1 << 14) / long.max(1) + 1);
            rows.enumerate().for_each(|(row, y)| {
                y.fill(0.0);
                y[offset..][..short].copy_from_slice(&inputs[0][row * short..][..short]);
            });
        })
    }

    fn gpu(&self, part: &Part, _: Option<usize>) -> GpuKernel {
        part.launch("pad", 0, part.rows * part.long).into()
    }
}
