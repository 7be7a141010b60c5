use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::audio::Song;
use crate::dataset::Library;
use crate::recognize::{Recognizer, argmax, mean};

/// How well songs were recognised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub song_accuracy: f64,
    pub frame_accuracy: f64,
    /// Mean negative log-likelihood of the frames' genres.
    pub loss: f64,
    pub songs: usize,
    pub frames: usize,
    /// Songs by genre (row) and recognised genre (column).
    pub confusion: Vec<Vec<usize>>,
    /// The genre that every song was recognised as, in the order in which they were given.
    #[serde(skip)]
    pub recognised: Vec<usize>,
}

/// Songs are recognised so many at a time, to bound the memory of their frames.
const SONGS: usize = 64;

/// Recognises songs of a library and compares with their genres.
///
/// # Errors
/// [`TrainError::Recognize`] where the device fails.
pub fn evaluate(
    recognizer: &mut Recognizer,
    library: &Library,
    songs: &[usize],
) -> Result<Evaluation, TrainError> {
    let genres = library.dataset.genres.len();
    let mut result = Evaluation { confusion: vec![vec![0; genres]; genres], ..Evaluation::default() };
    let (mut right_songs, mut right_frames, mut loss) = (0usize, 0usize, 0.0f64);
    for group in songs.chunks(SONGS) {
        let audio: Vec<&Song> = group.iter().map(|&song| &library.songs[song]).collect();
        for (&song, frames) in group.iter().zip(recognizer.frames(&audio)?) {
            let genre = library.dataset.songs[song].genre;
            let recognised = argmax(&mean(&frames, genres));
            right_songs += usize::from(recognised == genre);
            right_frames += frames.iter().filter(|frame| argmax(&frame.probabilities) == genre).count();
            loss -= frames
                .iter()
                .map(|f| f64::from(f.probabilities[genre].max(f32::MIN_POSITIVE)).ln())
                .sum::<f64>();
            result.confusion[genre][recognised] += 1;
            result.recognised.push(recognised);
            result.songs += 1;
            result.frames += frames.len();
        }
    }
    let share = |right: usize, of: usize| right as f64 / of.max(1) as f64;
    result.song_accuracy = share(right_songs, result.songs);
    result.frame_accuracy = share(right_frames, result.frames);
    result.loss = loss / result.frames.max(1) as f64;
    Ok(result)
}
