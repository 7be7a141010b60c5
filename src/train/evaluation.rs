use super::TrainError;
use crate::audio::Song;
use crate::dataset::Library;
use crate::recognize::{Classify, Frame};
use crate::score::{Decision, Evaluation, FrameCounts, Judged};

/// Songs are recognised so many at a time, to bound the memory of their frames.
const SONGS: usize = 64;

/// Recognises songs of a library by the default decision ([`Evaluation::decide`] changes it), and compares with their
/// genres.
///
/// # Errors
/// [`TrainError::Recognize`] where the device fails.
pub fn evaluate(
    classifier: &mut dyn Classify,
    library: &Library,
    songs: &[usize],
) -> Result<Evaluation, TrainError> {
    evaluate_watched(classifier, library, songs, &mut |_| {})
}

/// As [`evaluate`]; `progress` hears how many songs are done.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_watched(
    classifier: &mut dyn Classify,
    library: &Library,
    songs: &[usize],
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, TrainError> {
    let mut frames = FrameCounts::new(library.dataset.genres.len());
    let mut judged = Vec::with_capacity(songs.len());
    for group in songs.chunks(SONGS) {
        let audio: Vec<&Song> = group.iter().map(|&song| &library.songs[song]).collect();
        for (&song, recognised) in group.iter().zip(classifier.frames(&audio)?) {
            let truth = library.dataset.songs[song].genre;
            let rows = recognised.iter().map(|frame: &Frame| frame.probabilities.as_slice());
            judged.push(Judged::new(song, truth, rows, &mut frames));
        }
        progress(judged.len());
    }
    Ok(Evaluation::new(&library.dataset.genres, judged, frames, Decision::default()))
}
