use serde::Serialize;

use super::Frame;

/// A genre with its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    pub genre: String,
    pub probability: f32,
}

/// What a song was recognised as.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// All genres, the most probable first.
    pub guesses: Vec<Guess>,
    /// The most probable genre of every frame.
    pub timeline: Vec<Guess>,
}

/// The position of the first maximum.
pub fn argmax(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// The song's genre probabilities: the mean of its frames'.
pub fn mean(frames: &[Frame], genres: usize) -> Vec<f32> {
    let count = frames.len().max(1) as f32;
    (0..genres).map(|g| frames.iter().map(|frame| frame.probabilities[g]).sum::<f32>() / count).collect()
}

impl Verdict {
    /// The verdict on a song from the genre probabilities of its frames.
    pub fn new(frames: &[Frame], genres: &[String]) -> Self {
        let guess = |probabilities: &[f32], g: usize| Guess {
            genre: genres[g].clone(),
            probability: probabilities[g],
        };
        let song = mean(frames, genres.len());
        let mut order: Vec<usize> = (0..genres.len()).collect();
        order.sort_by(|&a, &b| song[b].total_cmp(&song[a]).then(a.cmp(&b)));
        Self {
            guesses: order.into_iter().map(|g| guess(&song, g)).collect(),
            timeline: frames.iter().map(|f| guess(&f.probabilities, argmax(&f.probabilities))).collect(),
        }
    }
}
