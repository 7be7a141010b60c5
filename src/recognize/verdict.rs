use serde::Serialize;

use super::Frame;
use crate::score::{Aggregation, Decision, argmax};

/// A genre with its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// The genre's name.
    pub genre: String,
    /// From 0 to 1.
    pub probability: f32,
}

/// The most probable genre of a frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimedGuess {
    /// Where the frame begins, in seconds from the song's beginning.
    pub start: f64,
    /// The genre's name.
    pub genre: String,
    /// From 0 to 1.
    pub probability: f32,
}

/// What a song was recognised as.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// All genres, the most probable first.
    pub guesses: Vec<Guess>,
    /// Whether the first is too improbable to go by; see [`Decision::unsure_below`].
    pub unsure: bool,
    /// The most probable genre of every frame.
    pub timeline: Vec<TimedGuess>,
}

impl Verdict {
    /// The verdict on a song from the genre probabilities of its frames. Of a song without frames all genres are equally
    /// probable. `sample_rate` is what the frames' beginnings count.
    pub fn new(frames: &[Frame], genres: &[String], decision: &Decision, sample_rate: u32) -> Self {
        let guess = |probabilities: &[f32], g: usize| Guess {
            genre: genres[g].clone(),
            probability: probabilities[g],
        };
        let mut scores = decision.aggregation.scores(frames.iter().map(|frame| &frame.probabilities[..]));
        let silent = if decision.aggregation == Aggregation::Independent { f64::NEG_INFINITY } else { 0.0 };
        scores.resize(genres.len(), silent);
        let song = decision.probabilities(&scores);
        let mut order: Vec<usize> = (0..genres.len()).collect();
        // By score: probabilities can be equal where scores are not.
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        Self {
            unsure: decision.unsure(&song),
            guesses: order.into_iter().map(|g| guess(&song, g)).collect(),
            timeline: frames.iter().map(|frame| timed(frame, genres, sample_rate)).collect(),
        }
    }

    /// The song's genre; none where the model is unsure of it.
    pub fn genre(&self) -> Option<&str> {
        self.guesses.first().filter(|_| !self.unsure).map(|guess| guess.genre.as_str())
    }
}

fn timed(frame: &Frame, genres: &[String], sample_rate: u32) -> TimedGuess {
    let best = argmax(&frame.probabilities);
    TimedGuess {
        start: frame.start as f64 / f64::from(sample_rate),
        genre: genres[best].clone(),
        probability: frame.probabilities[best],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_genres_and_knows_when_it_does_not_know() {
        let genres = ["pop", "rock", "jazz"].map(String::from);
        let frames = [(0, [0.4f32, 0.5, 0.1]), (4_000, [0.4, 0.2, 0.4])]
            .map(|(start, probabilities)| Frame { start, probabilities: probabilities.to_vec() });
        let mean = Decision { aggregation: Aggregation::MeanProbability, ..Decision::default() };
        let verdict = Verdict::new(&frames, &genres, &mean, 8_000);
        let names: Vec<&str> = verdict.guesses.iter().map(|guess| guess.genre.as_str()).collect();
        assert_eq!(names, ["pop", "rock", "jazz"]);
        assert!((verdict.guesses[0].probability - 0.4).abs() < 1e-6 && verdict.unsure);
        assert_eq!(verdict.genre(), None);
        let timeline: Vec<_> =
            verdict.timeline.iter().map(|t| (t.start, t.genre.as_str(), t.probability)).collect();
        assert_eq!(timeline, [(0.0, "rock", 0.5), (0.5, "pop", 0.4)]);

        let sharp = Decision { temperature: 0.1, ..mean };
        assert!(!Verdict::new(&frames, &genres, &sharp, 8_000).unsure);
        // So hot that all probabilities are equal in f32: the order is still that of the scores.
        let hot = Decision {
            temperature: 1e30,
            aggregation: Aggregation::MeanLogProbability,
            unsure_below: Some(0.0),
        };
        let verdict = Verdict::new(&frames, &genres, &hot, 8_000);
        assert!(verdict.genre() == Some("pop"));

        let silence = Verdict::new(&[], &genres, &Decision::default(), 8_000);
        assert!(silence.guesses.iter().all(|guess| (guess.probability - 1.0 / 3.0).abs() < 1e-6));
        assert!(silence.unsure && silence.timeline.is_empty());
    }
}
