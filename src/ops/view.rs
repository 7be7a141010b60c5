//! Tensors that share memory: views (reshape, flatten, slices of a flat tensor) and their counterpart,
//! packing.
//!
//! Neither costs time on a device: the plan places a view inside its input's memory, and computes what is
//! packed directly into the packed tensor's memory where lifetimes allow it.

use super::kernel::{GpuKernel, Real};
use super::prepared::Prepared;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

/// The elements `offset..offset + shape.elements()` of the input, in its own order, as a tensor of `shape`.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The first element.
    pub offset: usize,
    /// The shape of the view.
    pub shape: Shape,
}

/// Tensors laid one by one into a flat tensor `[len]` at `offsets`; zeros between.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    /// Where each tensor begins.
    pub offsets: Vec<usize>,
    /// The length of the result.
    pub len: usize,
}

impl View {
    /// The whole input under another shape.
    pub fn reshape(shape: impl Into<Shape>) -> Self {
        Self { offset: 0, shape: shape.into() }
    }
}

impl Operation for View {
    type Sizes = ();

    fn name(&self) -> &'static str {
        "view"
    }

    fn settings(&self) -> String {
        if self.offset == 0 { String::new() } else { format!("from {}", self.offset) }
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<()>, String> {
        let [x] = arity(inputs)?;
        let end = self.offset + self.shape.elements();
        if end > x.elements() {
            return Err(format!("{} from element {} ends behind its input", self.shape, self.offset));
        }
        Ok(Prepared::new(self.shape.clone(), ()).flops(0))
    }

    /// dx is dy where the view lies and 0 elsewhere.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let shape = backward.input_shape(0);
        let dy = backward.upstream();
        if shape.elements() == self.shape.elements() {
            return Ok(vec![backward.add_for(0, View { offset: 0, shape }.into(), &[dy])?]);
        }
        if !backward.needs(0) {
            return Ok(vec![None]);
        }
        let pack = Pack { offsets: vec![self.offset], len: shape.elements() };
        let flat = backward.add(pack.into(), &[dy])?;
        Ok(vec![Some(backward.add(View { offset: 0, shape }.into(), &[flat])?)])
    }

    fn reference<T: Real>(&self, _: &(), inputs: &[&[T]], output: &mut [T]) {
        output.copy_from_slice(&inputs[0][self.offset..][..output.len()]);
    }

    /// The plan makes no step of it.
    fn gpu(&self, _: &(), _: Option<usize>) -> GpuKernel {
        GpuKernel::default()
    }
}

impl Operation for Pack {
    type Sizes = ();

    fn name(&self) -> &'static str {
        "pack"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<()>, String> {
        if inputs.len() != self.offsets.len() {
            return Err(format!("{} inputs wanted, {} given", self.offsets.len(), inputs.len()));
        }
        let mut end = 0;
        for (shape, &offset) in inputs.iter().zip(&self.offsets) {
            if offset < end {
                return Err(format!("{shape} at {offset} begins before {end}, where the last ends"));
            }
            end = offset + shape.elements();
        }
        if end > self.len {
            return Err(format!("the inputs end at {end}, behind the length {}", self.len));
        }
        Ok(Prepared::new(Shape::from([self.len]), ()).flops(0))
    }

    /// Every input's gradient is the part of dy where it lies.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let dy = backward.upstream();
        (0..self.offsets.len())
            .map(|i| {
                let view = View { offset: self.offsets[i], shape: backward.input_shape(i) };
                backward.add_for(i, view.into(), &[dy])
            })
            .collect()
    }

    fn reference<T: Real>(&self, _: &(), inputs: &[&[T]], output: &mut [T]) {
        output.fill(T::zero());
        for (input, &offset) in inputs.iter().zip(&self.offsets) {
            output[offset..][..input.len()].copy_from_slice(input);
        }
    }

    /// The plan makes no step of it.
    fn gpu(&self, _: &(), _: Option<usize>) -> GpuKernel {
        GpuKernel::default()
    }
}
