//! Models for other programs: a trained network leaves as one file that runs where its owner is.

mod error;
mod html;

pub use error::ExportError;
pub use html::{Page, html};
