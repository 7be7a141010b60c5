//! Songs → frame probabilities → the song's genre.

mod explain;
mod gathering;
mod recognizer;
mod silence;
mod spectrogram;
mod verdict;

pub use crate::score::argmax;
pub use explain::{ExplainedFrame, Explainer};
pub use recognizer::{Frame, RecognizeError, Recognizer};
pub use silence::SILENT;
pub use spectrogram::Spectrograph;
pub use verdict::{Guess, Verdict};
