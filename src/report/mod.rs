//! What a person looks at: a run's `report.html`, and the drawing of an explanation.
//!
//! Plain numbers and names go in ([`Report`], [`Explanation`]), a page comes out that needs nothing else: no network and no
//! script. Figures of songs and epochs are [`crate::score`]'s; it knows nothing of training.
//!
//! Templates are maud's, which escapes every text and closes every element; what is left of a hostile name, the whole document
//! is cleaned of at the end.

mod calibration;
mod chart;
mod colour;
mod data;
mod explanation;
mod format;
mod html;
mod image;
mod matrix;
mod page;
mod picture;
mod song;
#[cfg(test)]
mod tests;

pub use data::{Effort, Fact, Mistake, Moment, Report, SongFigure, Timeline, Validation};
pub use explanation::{COLUMNS as EXPLANATION_COLUMNS, Explanation, explanation};
pub use html::{COLUMNS, html};
pub use image::{Frequencies, Image, Spectrogram, Strip};
pub(crate) use page::whole as document;
