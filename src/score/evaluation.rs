use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Aggregation, Calibration, Confusion, Decision, FLOOR, GenreScore, argmax, bootstrap, fit_temperature,
    wilson,
};

/// How well songs were recognised: part of a run's `metrics.json`, and what `evaluate` prints.
///
/// Songs may have been judged several times, by networks of several seeds. Then accuracies and counts are over all
/// judgements, and [`Evaluation::songs`] and the intervals over distinct songs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The share of right songs.
    pub song_accuracy: f64,
    /// 95 % interval of `song_accuracy`, see [`wilson`].
    pub song_interval: [f64; 2],
    /// The share of right frames.
    pub frame_accuracy: f64,
    /// The mean F1 of the genres that have songs.
    pub macro_f1: f64,
    /// 95 % interval of `macro_f1`, see [`bootstrap`]; over songs.
    pub macro_f1_interval: [f64; 2],
    /// Mean negative log-likelihood of the frames' genres.
    pub loss: f64,
    /// Distinct songs.
    pub songs: usize,
    /// Frames.
    pub frames: usize,
    /// How the songs' genres were decided.
    pub decision: Decision,
    /// Mean negative log-likelihood, Brier score, expected calibration error and reliability of the songs' probabilities.
    pub calibration: Calibration,
    /// The share of songs that are unsure by `decision`.
    pub unsure_share: f64,
    /// The accuracy on the others; none where all are unsure.
    pub sure_accuracy: Option<f64>,
    /// The figures of every genre, of songs.
    pub per_genre: Vec<GenreFigures>,
    /// Songs by genre (row) and recognised genre (column).
    pub confusion: Vec<Vec<usize>>,
    /// Frames by genre (row) and recognised genre (column).
    pub frame_confusion: Vec<Vec<usize>>,
    /// The genre that every song was recognised as, in the order in which they were given.
    #[serde(skip)]
    pub recognised: Vec<usize>,
    /// What every song was judged to be, in the same order.
    #[serde(skip)]
    pub songs_judged: Vec<Judged>,
}

/// A genre's figures under its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GenreFigures {
    pub genre: String,
    #[serde(flatten)]
    pub score: GenreScore,
}

/// What a song was judged to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// Index in the library.
    pub song: usize,
    /// The song's genre.
    pub truth: usize,
    /// The genre that it was recognised as.
    pub recognised: usize,
    /// The genres' probabilities by the evaluation's decision.
    pub probabilities: Vec<f32>,
    /// The genres' scores by every rule of [`Aggregation::ALL`].
    pub scores: [Vec<f64>; 3],
    /// What its frames were recognised as, in order; none where that was not kept.
    pub frames: Vec<FrameGuess>,
}

/// The most probable genre of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FrameGuess {
    pub genre: u32,
    pub probability: f32,
}

/// What was counted of frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameCounts {
    pub confusion: Confusion,
    /// The sum of the frames' negative log-likelihoods.
    pub loss: f64,
}

impl FrameCounts {
    /// Nothing counted yet, for `genres` genres.
    pub fn new(genres: usize) -> Self {
        Self { confusion: Confusion::new(genres), loss: 0.0 }
    }

    /// Counts a frame of genre `truth` with these probabilities.
    fn add(&mut self, truth: usize, probabilities: &[f32]) {
        self.confusion.add(truth, argmax(probabilities));
        let p = probabilities.get(truth).copied().unwrap_or(0.0);
        self.loss -= f64::from(p.max(FLOOR)).ln();
    }
}

impl Judged {
    /// A song of genre `truth` whose frames have these probabilities of the genres, which are counted too. It is not
    /// decided yet.
    pub fn new<'a>(
        song: usize,
        truth: usize,
        frames: impl Iterator<Item = &'a [f32]> + Clone,
        counts: &mut FrameCounts,
    ) -> Self {
        let genres = counts.confusion.counts.len();
        let scores = Aggregation::ALL.map(|rule| match frames.clone().next() {
            Some(_) => rule.scores(frames.clone()),
            // Nothing says anything: all genres are as probable.
            None => vec![0.0; genres],
        });
        frames.clone().for_each(|probabilities| counts.add(truth, probabilities));
        let guess = |probabilities: &[f32]| {
            let genre = argmax(probabilities);
            FrameGuess { genre: genre as u32, probability: probabilities.get(genre).copied().unwrap_or(0.0) }
        };
        Self { song, truth, scores, frames: frames.map(guess).collect(), ..Self::default() }
    }

    /// The genres' scores by a rule.
    pub fn scores(&self, rule: Aggregation) -> &[f64] {
        let place = Aggregation::ALL.iter().position(|&r| r == rule).unwrap_or(0);
        &self.scores[place]
    }

    fn decide(&mut self, decision: &Decision) {
        let scores = self.scores(decision.aggregation);
        (self.recognised, self.probabilities) = (argmax(scores), decision.probabilities(scores));
    }
}

/// The seed of bootstrap intervals.
const SEED: u64 = 1;

impl Evaluation {
    /// The figures of judged songs of a dataset with these genres, decided by `decision`.
    pub fn new(genres: &[String], judged: Vec<Judged>, frames: FrameCounts, decision: Decision) -> Self {
        let count = frames.confusion.total();
        let mut evaluation = Self {
            frame_accuracy: frames.confusion.accuracy(),
            loss: frames.loss / count.max(1) as f64,
            frames: count,
            frame_confusion: frames.confusion.counts,
            per_genre: genres
                .iter()
                .map(|genre| GenreFigures { genre: genre.clone(), ..GenreFigures::default() })
                .collect(),
            songs_judged: judged,
            ..Self::default()
        };
        evaluation.decide(decision);
        evaluation
    }

    /// Decides the songs anew, and so every figure of songs; those of frames stay.
    pub fn decide(&mut self, decision: Decision) {
        let genres = self.per_genre.len();
        let mut by_song: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for judged in &mut self.songs_judged {
            judged.decide(&decision);
            by_song.entry(judged.song).or_default().push((judged.truth, judged.recognised));
        }
        let judged = &self.songs_judged;
        let confusion = Confusion::of(genres, judged.iter().map(|j| (j.truth, j.recognised)));
        let by_song: Vec<_> = by_song.into_values().collect();
        let macro_f1 = |drawn: &[usize]| {
            Confusion::of(genres, drawn.iter().flat_map(|&song| by_song[song].iter().copied())).macro_f1()
        };
        self.decision = decision;
        self.songs = by_song.len();
        self.song_accuracy = confusion.accuracy();
        self.song_interval = wilson(self.song_accuracy, self.songs);
        self.macro_f1 = confusion.macro_f1();
        self.macro_f1_interval = bootstrap(self.songs, SEED, macro_f1);
        self.calibration = Calibration::of(judged.iter().map(|j| (&j.probabilities[..], j.truth)));
        let sure = judged.iter().filter(|j| !decision.unsure(&j.probabilities));
        let (mut sure_songs, mut sure_right) = (0usize, 0usize);
        for song in sure {
            sure_songs += 1;
            sure_right += usize::from(song.recognised == song.truth);
        }
        self.unsure_share = (judged.len() - sure_songs) as f64 / judged.len().max(1) as f64;
        self.sure_accuracy = (sure_songs > 0).then(|| sure_right as f64 / sure_songs as f64);
        for (figures, score) in self.per_genre.iter_mut().zip(confusion.genres()) {
            figures.score = score;
        }
        self.recognised = judged.iter().map(|j| j.recognised).collect();
        self.confusion = confusion.counts;
    }

    /// The decision by the same rule with the temperature that these songs ask for, see [`fit_temperature`].
    pub fn fitted(&self) -> Decision {
        Decision { temperature: self.temperature(self.decision.aggregation), ..self.decision }
    }

    /// The temperature that these songs ask for with a rule.
    pub fn temperature(&self, rule: Aggregation) -> f32 {
        let songs: Vec<_> = self.songs_judged.iter().map(|j| (j.scores(rule), j.truth)).collect();
        fit_temperature(&songs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["a", "b"].map(String::from).to_vec()
    }

    /// Of songs whose frames have these probabilities of genre 0.
    fn evaluation(songs: &[(usize, usize, &[f32])], decision: Decision) -> Evaluation {
        let mut counts = FrameCounts::new(2);
        let all = songs.iter().map(|&(song, truth, frames)| {
            let frames: Vec<[f32; 2]> = frames.iter().map(|p| [*p, 1.0 - p]).collect();
            Judged::new(song, truth, frames.iter().map(|p| &p[..]), &mut counts)
        });
        let all = all.collect();
        Evaluation::new(&names(), all, counts, decision)
    }

    #[test]
    fn counts_songs_and_frames() {
        let e = evaluation(
            &[(0, 0, &[0.75, 0.75]), (1, 0, &[0.25, 0.5]), (2, 1, &[0.25]), (3, 1, &[0.4, 0.45, 0.4])],
            Decision { unsure_below: Some(0.6), ..Decision::default() },
        );
        assert_eq!((e.songs, e.frames, e.song_accuracy, e.frame_accuracy), (4, 8, 0.75, 7.0 / 8.0));
        assert_eq!(
            (e.confusion, e.frame_confusion),
            (vec![vec![1, 1], vec![0, 2]], vec![vec![3, 1], vec![0, 4]])
        );
        assert_eq!(e.recognised, [0, 1, 1, 1]);
        assert_eq!(e.per_genre[0].genre, "a");
        assert_eq!(
            (e.per_genre[0].score.recall, e.per_genre[1].score.precision),
            (Some(0.5), Some(2.0 / 3.0))
        );
        let likelihoods = [0.75, 0.75, 0.25, 0.5, 0.75, 0.6, 0.55, 0.6f64];
        let loss = -likelihoods.iter().map(|p| p.ln()).sum::<f64>() / 8.0;
        assert!((e.loss - loss).abs() < 1e-6);
        // The last is named with 0.583.
        assert_eq!((e.unsure_share, e.sure_accuracy), (0.25, Some(2.0 / 3.0)));
        assert_eq!(e.song_interval, wilson(0.75, 4));
        let [low, high] = e.macro_f1_interval;
        assert!(low < e.macro_f1 && e.macro_f1 < high && high <= 1.0, "{low} {} {high}", e.macro_f1);
        assert_eq!(e.songs_judged[1].frames[1], FrameGuess { genre: 0, probability: 0.5 });
    }

    #[test]
    fn a_decision_changes_songs_and_not_frames() {
        // One certain frame against two that are nearly even.
        let songs: [(usize, usize, &[f32]); 2] = [(0, 0, &[0.99, 0.4, 0.4]), (1, 1, &[0.01])];
        let mean = evaluation(&songs, Decision::default());
        assert_eq!(mean.song_accuracy, 1.0);
        let mut vote = mean.clone();
        vote.decide(Decision { aggregation: Aggregation::Vote, temperature: 0.5, unsure_below: None });
        assert_eq!((vote.song_accuracy, &vote.recognised[..]), (0.5, &[1, 1][..]));
        assert_eq!((vote.loss, &vote.frame_confusion), (mean.loss, &mean.frame_confusion));
        // Votes 3 : 2 and 2 : 1, squared.
        assert!((vote.songs_judged[0].probabilities[1] - 9.0 / 13.0).abs() < 1e-6);
        assert!((vote.songs_judged[1].probabilities[1] - 0.8).abs() < 1e-6);
        vote.decide(Decision::default());
        assert_eq!(vote, mean);
    }

    #[test]
    fn a_song_judged_twice_is_one_song() {
        let once: [(usize, usize, &[f32]); 3] = [(4, 0, &[0.9]), (7, 0, &[0.2]), (9, 1, &[0.3])];
        let twice = [once, once].concat();
        let (one, two) = (evaluation(&once, Decision::default()), evaluation(&twice, Decision::default()));
        assert_eq!((two.songs, two.frames, two.songs_judged.len()), (3, 6, 6));
        assert_eq!((two.song_interval, two.macro_f1_interval), (one.song_interval, one.macro_f1_interval));
        assert_eq!((two.song_accuracy, two.macro_f1), (one.song_accuracy, one.macro_f1));
    }

    #[test]
    fn the_temperature_is_the_songs_own() {
        // 15 of 20 are right, all with odds 9 : 1.
        let songs: Vec<(usize, usize, &[f32])> =
            (0..20).map(|i| (i, usize::from(i >= 15), &[0.9f32][..])).collect();
        let mut e = evaluation(&songs, Decision::default());
        let before = e.calibration.clone();
        let fitted = e.fitted();
        assert!((f64::from(fitted.temperature) - 9f64.ln() / 3f64.ln()).abs() < 1e-4, "{fitted:?}");
        e.decide(fitted);
        assert!(e.calibration.ece < 1e-5 && before.ece > 0.14 && e.calibration.nll < before.nll);
        assert!((e.calibration.bins[0].confidence - 0.75).abs() < 1e-5);
    }

    #[test]
    fn no_songs_and_songs_without_frames() {
        let none = evaluation(&[], Decision::default());
        assert_eq!((none.songs, none.song_accuracy, none.song_interval), (0, 0.0, [0.0, 1.0]));
        assert_eq!((none.unsure_share, none.sure_accuracy, none.loss), (0.0, None, 0.0));
        assert!(serde_json::to_string(&none).is_ok_and(|json| json.contains("\"song_accuracy\":0.0")));
        let silent = evaluation(&[(0, 1, &[])], Decision::default());
        assert_eq!(silent.songs_judged[0].probabilities, [0.5, 0.5]);
    }
}
