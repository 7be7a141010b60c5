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

use crate::model::ModelConfig;
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

/// Frames per run of the device where nobody asks for another number: about half a minute of audio, and at most 32.
pub fn at_once(config: &ModelConfig) -> usize {
    const MOST: usize = 32;
    const SECONDS: f64 = 32.0;
    ((SECONDS / config.frame_seconds) as usize).clamp(1, MOST)
}
