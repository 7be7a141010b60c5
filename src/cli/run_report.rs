//! A run's `report.html`: what a training came to, turned into what the page is drawn from.

use super::{CliError, counted};
use crate::dataset::{Library, Split};
use crate::device::Device;
use crate::files;
use crate::model::{CrossValidation, ModelConfig, Network};
use crate::recognize::{Spectrograph, at_once};
use crate::report::{
    self, Effort, Fact, Frequencies, Mistake, Moment, Report, SongFigure, Spectrogram, Strip, Timeline,
    Validation,
};
use crate::score::{Evaluation, Judged};
use crate::train::{Ending, History, RunConfig, RunFolder};

/// Mistakes that are handed over.
const MISTAKES: usize = 25;

/// Songs longer than this are not drawn: reading them takes too long.
const LONGEST: f64 = 1_800.0;

/// A training that has ended.
pub struct Trained<'a> {
    pub config: &'a RunConfig,
    pub library: &'a Library,
    pub split: &'a Split,
    pub device: &'a dyn Device,
    pub run: &'a RunFolder,
    pub history: &'a History,
    pub ending: Ending,
    /// Of the kept model; none where no song validates, or it was not validated in this session.
    pub evaluation: Option<&'a Evaluation>,
    /// Of this session.
    pub seconds: f64,
    pub frames_per_second: f64,
    pub resumed: bool,
    /// What the model's card cites of networks like it.
    pub cross_validation: Option<CrossValidation>,
}

impl Trained<'_> {
    /// Writes the run's report.
    ///
    /// # Errors
    /// Where the device fails, a song's storage, or the file system.
    pub fn write(&self) -> Result<(), CliError> {
        let page = report::html(&self.report()?);
        let path = self.run.report();
        files::write_atomic(&path, page.as_bytes())
            .map_err(|error| CliError::Other(format!("{}: writing failed: {error}", files::shown(&path))))
    }

    fn report(&self) -> Result<Report, CliError> {
        let kept = self.history.kept(self.config.training.keep);
        Ok(Report {
            name: self.run.0.file_name().map_or_else(|| "run".into(), |n| n.to_string_lossy().into_owned()),
            unfinished: (self.ending == Ending::Stopped)
                .then(|| format!("stopped in epoch {}; train --resume goes on", self.history.0.len() + 1)),
            taught: !self.config.teachers.is_empty(),
            genres: self.library.dataset.genres.clone(),
            effort: Effort {
                epochs: self.history.0.len(),
                planned: self.config.training.epochs,
                seconds: self.seconds,
                resumed: self.resumed,
                frames_per_second: self.frames_per_second,
            },
            history: self.history.0.clone(),
            best_epoch: kept.map(|kept| kept.epoch),
            validation: self.evaluation.map(|evaluation| self.validation(evaluation)),
            songs: self.evaluation.map_or(Ok(Vec::new()), |evaluation| self.songs(evaluation))?,
            configuration: toml::to_string(self.config).unwrap_or_default(),
            dataset: self.dataset(),
            machine: self.machine(),
        })
    }

    fn validation(&self, evaluation: &Evaluation) -> Validation {
        let dataset = &self.library.dataset;
        let mut training_songs = vec![0; dataset.genres.len()];
        self.split.train.iter().for_each(|&song| training_songs[dataset.songs[song].genre] += 1);
        let mut wrong: Vec<&Judged> =
            evaluation.songs_judged.iter().filter(|j| j.recognised != j.truth).collect();
        wrong.sort_by(|a, b| certainty(b).total_cmp(&certainty(a)).then(a.song.cmp(&b.song)));
        let mistake = |judged: &&Judged| Mistake {
            file: dataset.songs[judged.song].name.clone(),
            genre: judged.truth,
            said: judged.recognised,
            probability: certainty(judged),
            of_genre: probability(judged, judged.truth),
        };
        Validation {
            evaluation: evaluation.clone(),
            training_songs,
            mistakes: wrong.iter().take(MISTAKES).map(mistake).collect(),
            wrong: wrong.len(),
        }
    }

    /// Some songs, with their spectrograms by the device.
    fn songs(&self, evaluation: &Evaluation) -> Result<Vec<SongFigure>, CliError> {
        let short = |judged: &&Judged| self.library.songs[judged.song].seconds() <= LONGEST;
        let judged: Vec<&Judged> = evaluation.songs_judged.iter().filter(short).collect();
        let network = Network::new(self.config.model.clone(), self.library.dataset.genres.len())?;
        let mut spectrograph = Spectrograph::new(&network, self.device, at_once(&network.config))?;
        let draw = |(why, judged): (&str, &Judged)| {
            let song = &self.library.songs[judged.song];
            let (model, seconds) = (&network.config, song.seconds());
            let (height, width) = network.feature_size();
            let spacing = model.frame_seconds / width as f64;
            let mut strip = Strip::new(height, seconds, spacing, report::COLUMNS);
            let mut starts = Vec::new();
            spectrograph.frames(song, &mut |start, power| {
                let start = start as f64 / f64::from(model.sample_rate);
                strip.add(start, model.frame_seconds, power);
                starts.push(start);
            })?;
            let moments = starts.into_iter().zip(&judged.frames).map(|(start, guess)| Moment {
                start,
                genre: guess.genre as usize,
                probability: f64::from(guess.probability),
            });
            Ok(SongFigure {
                file: self.library.dataset.songs[judged.song].name.clone(),
                why: why.into(),
                seconds,
                genre: judged.truth,
                said: judged.recognised,
                probability: certainty(judged),
                timeline: Timeline { frame_seconds: model.frame_seconds, moments: moments.collect() },
                spectrogram: Some(Spectrogram { image: strip.image(), frequencies: frequencies(model) }),
            })
        };
        let unsure = |judged: &Judged| evaluation.decision.unsure(&judged.probabilities);
        telling(&judged, unsure).into_iter().map(draw).collect()
    }

    fn dataset(&self) -> Vec<Fact> {
        let (library, data) = (self.library, &self.library.dataset);
        let seconds: f64 = library.songs.iter().map(|song| song.seconds()).sum();
        let artists = data.songs.iter().filter(|song| !song.artists.is_empty()).count();
        let cited = self.cross_validation.map(|cited| {
            let [low, high] = cited.interval.map(|bound| 100.0 * bound);
            let text = format!(
                "networks like this one recognise {:.1} % ({low:.1} % to {high:.1} %) of {} songs that they were not trained on \
                 ({} folds, {})",
                100.0 * cited.song_accuracy,
                cited.songs,
                cited.folds,
                counted(cited.seeds, "seed"),
            );
            Fact::new("Cross-validation", text)
        });
        let facts = vec![
            Fact::new("Folder", crate::paths::text(&data.root)),
            match self.config.teachers.len() {
                0 => Fact::new("Genres", data.genres.len().to_string()),
                count => Fact::new("Taught by", counted(count, "model")),
            },
            Fact::new(
                "Songs",
                format!(
                    "{} to train on, {} to validate",
                    self.split.train.len(),
                    self.split.validation.len()
                ),
            ),
            Fact::new("Music", format!("{:.1} hours", seconds / 3_600.0)),
            Fact::new("Artist known", format!("of {}", counted(artists, "song"))),
            Fact::new("Files and folders passed over", library.problems.len().to_string()),
        ];
        facts.into_iter().chain(cited).collect()
    }

    fn machine(&self) -> Vec<Fact> {
        let threads =
            std::thread::available_parallelism().map_or_else(|_| "unknown".into(), |n| n.to_string());
        let system = format!("{}, {}", std::env::consts::OS, std::env::consts::ARCH);
        let model = crate::model::FORMAT;
        vec![
            Fact::new("Device", self.device.describe()),
            Fact::new("Processor threads", threads),
            Fact::new("System", system),
            Fact::new("Version", format!("{}, model files of format {model}", env!("CARGO_PKG_VERSION"))),
        ]
    }
}

/// The frequencies of the rows of what a network hears.
pub fn frequencies(model: &ModelConfig) -> Frequencies {
    if model.uses_mels() {
        Frequencies::Mel { low: model.low, high: model.high }
    } else {
        Frequencies::Linear { high: f64::from(model.sample_rate) / 2.0 }
    }
}

/// The probability that a song was given for a genre.
fn probability(judged: &Judged, genre: usize) -> f64 {
    judged.probabilities.get(genre).map_or(0.0, |&p| f64::from(p))
}

/// The probability of what a song was recognised as.
fn certainty(judged: &Judged) -> f64 {
    probability(judged, judged.recognised)
}

/// Songs that tell most of a model, each with what it shows, as far as there are any: the surest right and wrong ones, the
/// least sure right and wrong ones, and the least sure of those called unsure. No song comes twice.
fn telling<'a>(songs: &[&'a Judged], unsure: impl Fn(&Judged) -> bool) -> Vec<(&'static str, &'a Judged)> {
    let right = |judged: &Judged| judged.recognised == judged.truth;
    let mut sorted = songs.to_vec();
    sorted.sort_by(|a, b| certainty(b).total_cmp(&certainty(a)).then(a.song.cmp(&b.song)));
    let surest = |is: &dyn Fn(&Judged) -> bool| sorted.iter().find(|j| is(j)).copied();
    let doubted = |is: &dyn Fn(&Judged) -> bool| sorted.iter().rev().find(|j| is(j)).copied();
    let candidates = [
        ("right and confident", surest(&right)),
        ("wrong and confident", surest(&|j| !right(j))),
        ("right, but barely", doubted(&right)),
        ("wrong, but barely", doubted(&|j| !right(j))),
        ("called unsure", surest(&|j| unsure(j))),
    ];
    let mut found: Vec<(&str, &Judged)> = Vec::new();
    for (why, judged) in candidates {
        if let Some(judged) = judged.filter(|j| found.iter().all(|(_, other)| other.song != j.song)) {
            found.push((why, judged));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(song: usize, truth: usize, p: f32) -> Judged {
        let recognised = usize::from(p < 0.5);
        Judged { song, truth, recognised, probabilities: vec![p, 1.0 - p], ..Judged::default() }
    }

    #[test]
    fn songs_are_chosen_once_and_as_far_as_there_are_any() {
        let songs =
            [judged(0, 0, 0.9), judged(1, 0, 0.6), judged(2, 1, 0.1), judged(3, 1, 0.8), judged(4, 1, 0.55)];
        let all: Vec<&Judged> = songs.iter().collect();
        let chosen = |songs: &[&Judged], unsure: f32| -> Vec<(&str, usize)> {
            let unsure = |j: &Judged| j.probabilities.iter().all(|&p| p < unsure);
            telling(songs, unsure).into_iter().map(|(why, j)| (why, j.song)).collect()
        };
        assert_eq!(
            chosen(&all, 0.85),
            [
                ("right and confident", 0),
                ("wrong and confident", 3),
                ("right, but barely", 1),
                ("wrong, but barely", 4)
            ]
        );
        assert_eq!(chosen(&all[..3], 0.0), [("right and confident", 0), ("right, but barely", 1)]);
        assert_eq!(chosen(&all[..1], 0.0), [("right and confident", 0)]);
        assert_eq!(chosen(&[], 0.0), []);
        // Songs called unsure have a place of their own.
        let more = [judged(0, 0, 0.9), judged(1, 0, 0.55), judged(2, 0, 0.58), judged(3, 1, 0.58)];
        let more: Vec<&Judged> = more.iter().collect();
        assert_eq!(chosen(&more, 0.6).last(), Some(&("called unsure", 2)));
    }
}
