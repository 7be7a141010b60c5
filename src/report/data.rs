//! What a report is drawn from: plain numbers and names.

use serde::{Deserialize, Serialize};

use super::image::Spectrogram;
use crate::score::{Epoch, Evaluation};

/// Everything that a run's `report.html` shows. Shares are from 0 to 1; a value that is not finite is drawn as missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The run's name.
    pub name: String,
    /// Where training did not reach its last epoch: what happened.
    pub unfinished: Option<String>,
    /// Whether the network learnt from teachers: accuracies of frames are shares of what these hear, and there are none of
    /// songs.
    #[serde(default)]
    pub taught: bool,
    /// The names that genres' numbers stand for.
    pub genres: Vec<String>,
    pub effort: Effort,
    pub history: Vec<Epoch>,
    /// The number of the epoch whose model is kept.
    pub best_epoch: Option<usize>,
    /// Of that model; none where there is none, or no song to validate with.
    pub validation: Option<Validation>,
    /// Some songs, looked at closely.
    pub songs: Vec<SongFigure>,
    /// The run's settings as TOML.
    pub configuration: String,
    pub dataset: Vec<Fact>,
    /// Device, processor, operating system, versions.
    pub machine: Vec<Fact>,
}

/// What the training took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Epochs trained, and wanted.
    pub epochs: usize,
    pub planned: usize,
    pub seconds: f64,
    /// Whether `seconds` counts from a resumption on.
    pub resumed: bool,
    pub frames_per_second: f64,
}

/// How well the validation songs were recognised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// The figures; a confusion of frames that is empty was not counted.
    pub evaluation: Evaluation,
    /// Songs of each genre that were trained on.
    pub training_songs: Vec<usize>,
    /// The wrong songs, the most confident first; those beyond what is worth listing may be left out.
    pub mistakes: Vec<Mistake>,
    /// All wrong songs.
    pub wrong: usize,
}

/// A song that was recognised as another genre.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    pub file: String,
    /// What it is.
    pub genre: usize,
    /// What it was recognised as, and with which probability.
    pub said: usize,
    pub probability: f64,
    /// The probability given to what it is.
    pub of_genre: f64,
}

/// A song looked at closely.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SongFigure {
    pub file: String,
    /// Why it is shown, such as "right and confident".
    pub why: String,
    pub seconds: f64,
    pub genre: usize,
    pub said: usize,
    pub probability: f64,
    pub timeline: Timeline,
    pub spectrogram: Option<Spectrogram>,
}

/// The verdicts on a song's frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Length of a frame.
    pub frame_seconds: f64,
    /// In ascending order of their beginnings.
    pub moments: Vec<Moment>,
}

/// The verdict on a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds from the song's beginning.
    pub start: f64,
    /// The most probable genre.
    pub genre: usize,
    pub probability: f64,
}

/// A name with a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

impl Fact {
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}
