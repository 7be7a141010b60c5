//! What joins the parts of a batch that several processes compute.

use super::kernel::{GpuKernel, Real};
use super::prepared::Prepared;
use super::{Operation, arity};
use crate::graph::Shape;

/// This process's parts of a tensor, one behind the other in a flat tensor → all parts, joined in their order.
///
/// The plan adds it where it divides a batch among processes; a device asks the other processes for their parts. Where
/// there are none, it is an ordinary operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Of every process, the lengths of its parts.
    pub parts: Vec<Vec<usize>>,
    /// The number of this process.
    pub rank: usize,
    pub joined: Joined,
}

/// What all parts are made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// A flat tensor, one part behind the other.
    Rows,
    /// The sum of the parts, which are equally long: the second added to the first, the third to that, and so on.
    Sum,
}

impl Exchange {
    /// How many numbers this process gives.
    pub fn own(&self) -> usize {
        self.parts.get(self.rank).map_or(0, |own| own.iter().sum())
    }

    /// The length of a part, all of which are equally long.
    pub fn part(&self) -> usize {
        self.parts.iter().flatten().next().copied().unwrap_or(0)
    }

    /// The length of the result.
    pub fn len(&self) -> usize {
        match self.joined {
            Joined::Rows => self.parts.iter().flatten().sum(),
            Joined::Sum => self.part(),
        }
    }
}

impl Operation for Exchange {
    type Sizes = ();

    fn name(&self) -> &'static str {
        "exchange"
    }

    fn settings(&self) -> String {
        let joined = match self.joined {
            Joined::Rows => "rows",
            Joined::Sum => "sum",
        };
        format!("{joined} of {} processes", self.parts.len())
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<()>, String> {
        let [x] = arity(inputs)?;
        if **x != [self.own()] {
            return Err(format!("this process's parts must be [{}], not {x}", self.own()));
        }
        if self.joined == Joined::Sum && self.parts.iter().flatten().any(|&len| len != self.part()) {
            return Err("terms of a sum must be equally long".into());
        }
        Ok(Prepared::new(Shape::from([self.len()]), ()))
    }

    /// What others compute is not known here.
    fn reference<T: Real>(&self, _: &(), inputs: &[&[T]], output: &mut [T]) {
        match self.joined {
            _ if self.parts.len() != 1 => output.fill(T::nan()),
            Joined::Rows => output.copy_from_slice(inputs[0]),
            Joined::Sum => {
                let (first, rest) = inputs[0].split_at(output.len());
                output.copy_from_slice(first);
                for part in rest.chunks_exact(output.len().max(1)) {
                    output.iter_mut().zip(part).for_each(|(sum, &term)| *sum += term);
                }
            }
        }
    }

    /// The device makes no kernel of it.
    fn gpu(&self, _: &(), _: Option<usize>) -> GpuKernel {
        GpuKernel::default()
    }
}
