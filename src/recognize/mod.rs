//! Songs → frame probabilities → the song's genre.

mod classifier;
mod embedder;
mod error;
mod explain;
mod gathering;
mod program;
mod recognizer;
mod silence;
#[cfg(feature = "cli")]
mod spectrogram;
mod verdict;

pub use crate::score::argmax;
pub use classifier::{Classify, Frame, FrameClassifier};
pub use embedder::{Embedded, Embedder};
pub use error::RecognizeError;
pub use explain::{ExplainedFrame, Explainer};
pub use recognizer::Recognizer;
pub use silence::SILENT;
#[cfg(feature = "cli")]
pub use spectrogram::Spectrograph;
pub use verdict::{Guess, TimedGuess, Verdict};

/// Frames per run of the device where nobody asks for another number.
pub const BATCH: usize = 32;
