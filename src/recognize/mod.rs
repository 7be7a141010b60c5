//! Songs → frame probabilities → the song's genre.

mod explain;
mod gathering;
mod recognizer;
mod spectrogram;
mod verdict;

pub use crate::score::argmax;
pub use explain::{ExplainedFrame, Explainer};
pub use recognizer::{Frame, RecognizeError, Recognizer};
pub use spectrogram::Spectrograph;
pub use verdict::{Guess, Verdict};
