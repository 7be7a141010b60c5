//! How operations are computed on slices of a batch.

use super::Op;

/// How an operation is computed on slices of its batch, so that tensors larger than a device can bind need
/// not be bound whole. What it gives is what it gives on the whole batch, up to the rounding of sums over the
/// batch.
#[derive(Clone, Copy, Debug)]
pub struct Slicing {
    /// The inputs that are cut along their first axis, all at the same rows; a slice reads all others whole.
    /// Optional inputs that are not there are passed over.
    pub sliced: &'static [usize],
    pub join: Join,
}

/// What becomes of the results of slices.
#[derive(Clone, Copy, Debug)]
pub enum Join {
    /// They are rows of the output, one slice's behind the other's.
    Rows,
    /// Each has the output's shape and is a term of it.
    Sum,
    /// Each has the output's shape; the operation given merges two into one, from how many rows each was made
    /// of.
    Merge(fn([usize; 2]) -> Op),
}
