//! How well songs are recognised, epoch by epoch and in the end, and how a song's genre follows from its frames.
//!
//! Pure arithmetic on genres (numbers from 0) and probabilities: no audio, no tensors, no files.

mod calibration;
mod confusion;
mod decision;
mod epoch;
mod evaluation;
mod interval;
mod tags;
mod temperature;

pub use calibration::{Bin, Calibration};
pub use confusion::{Confusion, GenreScore};
pub use decision::{Aggregation, Decision, DecisionError, FLOOR};
pub use epoch::Epoch;
pub use evaluation::{Evaluation, FrameCounts, FrameGuess, GenreFigures, Judged};
pub use interval::{RESAMPLES, bootstrap, wilson};
pub use tags::TagFigures;
pub use temperature::{FEWEST_SONGS, TEMPERATURES, fit_temperature};

/// The position of the first maximum; 0 where there are no values.
pub fn argmax<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// `part` of `of`, 0 where there is nothing.
fn share(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}
