use std::fmt;
use std::ops::Deref;

/// The sizes of a tensor's axes, outermost first; data are contiguous in that order.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// How many elements a tensor of this shape has.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// The sizes as an array, where the tensor has exactly `D` axes; else what was wanted, in words.
    pub fn dims<const D: usize>(&self, what: &str) -> Result<[usize; D], String> {
        <[usize; D]>::try_from(self.0.as_slice())
            .map_err(|_| format!("{what} must have {D} axes, not {self}"))
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl<const D: usize> From<[usize; D]> for Shape {
    fn from(sizes: [usize; D]) -> Self {
        Self(sizes.to_vec())
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Self {
        Self(sizes.to_vec())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
