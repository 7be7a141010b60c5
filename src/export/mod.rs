//! Models for other programs: a trained network leaves as one file that runs where its owner is.

mod error;
mod html;
#[cfg(not(feature = "internals"))]
mod onnx;
#[cfg(feature = "internals")]
pub mod onnx;

pub use error::ExportError;
pub use html::{Page, html};
pub use onnx::{Frontend, onnx};
