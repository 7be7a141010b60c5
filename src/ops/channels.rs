//! Tensors with channels.

use crate::graph::Shape;

/// The sizes of a tensor [N, C, ...].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    pub n: usize,
    pub c: usize,
    /// Elements of one channel of one sample.
    pub size: usize,
}

impl Channels {
    /// The sizes of a tensor of this shape.
    ///
    /// # Errors
    /// In words, where there are fewer than two axes.
    pub fn of(x: &Shape) -> Result<Self, String> {
        match x[..] {
            [n, c, ref rest @ ..] => Ok(Self { n, c, size: rest.iter().product() }),
            _ => Err(format!("a tensor [N, C, ...] is wanted, not {x}")),
        }
    }

    /// Elements of a channel.
    pub fn count(self) -> usize {
        self.n * self.size
    }

    pub fn elements(self) -> usize {
        self.c * self.count()
    }

    /// The channel of an element.
    pub fn channel(self, element: usize) -> usize {
        element / self.size % self.c
    }
}
