//! Songs → frame probabilities → the song's genre.

mod recognizer;
mod verdict;

pub use crate::score::argmax;
pub use recognizer::{Frame, RecognizeError, Recognizer};
pub use verdict::{Guess, Verdict};
