//! General operations on tensors, of which losses and layers of one's own are made: arithmetic with
//! broadcasting, functions of one element, sums and means over axes.
//!
//! Their gradients are made of the same operations, so that they have gradients too.

mod axes;
mod binary;
mod expand;
mod reduce;
mod unary;

pub use axes::{Broadcast, Reduction};
pub use binary::Binary;
pub use expand::Expand;
pub use reduce::{Axes, Reduce};
pub use unary::Unary;

use super::kernel::{Shader, shader};
use super::map::{Lanes, lanes};

const SHADER: Lanes = lanes!("elementwise");
const REDUCE: Shader = shader!("reduce");
