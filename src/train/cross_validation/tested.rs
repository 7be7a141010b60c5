use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::TrainError;
use crate::dataset::Library;
use crate::files;
use crate::model::FileError;
use crate::score::{Confusion, Evaluation, FrameCounts, Judged};

const FORMAT: u32 = 1;

/// What a finished fold came to: `tested.json` of its run's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// The network's seed.
    pub seed: u64,
    /// The fold that judged it.
    pub fold: u32,
    /// Seconds of training, in the session that ended it.
    pub seconds: f64,
    /// The songs of the fold, which the network was not trained on, not decided yet.
    pub songs: Vec<Judged>,
    /// What was counted of their frames.
    pub frames: FrameCounts,
}

#[derive(Serialize, Deserialize)]
struct TestedFile {
    format: u32,
    seed: u64,
    fold: u32,
    seconds: f64,
    song_accuracy: f64,
    frame_accuracy: f64,
    genres: Vec<String>,
    frame_confusion: Vec<Vec<usize>>,
    /// The sum of the frames' negative log-likelihoods.
    frame_loss: f64,
    songs: Vec<TestedSong>,
}

#[derive(Serialize, Deserialize)]
struct TestedSong {
    path: String,
    /// The genres' scores by every rule of `Aggregation::ALL`.
    scores: [Vec<f64>; 3],
}

impl Tested {
    /// Takes over what an evaluation found, but for what it found of frames one by one.
    pub fn new(seed: u64, fold: u32, seconds: f64, evaluation: Evaluation) -> Self {
        let loss = evaluation.loss * evaluation.frames as f64;
        let frames = FrameCounts { confusion: Confusion { counts: evaluation.frame_confusion }, loss };
        let bare = |judged| Judged { frames: Vec::new(), ..judged };
        Self { seed, fold, seconds, songs: evaluation.songs_judged.into_iter().map(bare).collect(), frames }
    }

    /// The figures of the fold alone.
    pub fn evaluation(&self, library: &Library) -> Evaluation {
        let songs = self.songs.clone();
        Evaluation::new(&library.dataset.genres, songs, self.frames.clone(), Default::default())
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&self, path: &Path, library: &Library) -> Result<(), TrainError> {
        let fail = |source| TrainError::Io { path: path.into(), action: "writing", source };
        let evaluation = self.evaluation(library);
        let song = |judged: &Judged| TestedSong {
            path: library.dataset.songs[judged.song].name.clone(),
            scores: judged.scores.clone(),
        };
        let file = TestedFile {
            format: FORMAT,
            seed: self.seed,
            fold: self.fold,
            seconds: self.seconds,
            song_accuracy: evaluation.song_accuracy,
            frame_accuracy: evaluation.frame_accuracy,
            genres: library.dataset.genres.clone(),
            frame_confusion: self.frames.confusion.counts.clone(),
            frame_loss: self.frames.loss,
            songs: self.songs.iter().map(song).collect(),
        };
        let text = serde_json::to_string(&file).map_err(|error| fail(error.into()))?;
        files::write_atomic(path, text.as_bytes()).map_err(fail)
    }

    /// Reads the file of a fold that has these songs; none where it is not there.
    ///
    /// # Errors
    /// [`TrainError::File`] where it is unreadable, or not that of these songs and genres.
    pub fn read(
        path: &Path,
        library: &Library,
        (seed, fold): (u64, u32),
        songs: &[usize],
    ) -> Result<Option<Self>, TrainError> {
        let damaged = |reason: &str| TrainError::from(FileError::damaged(path, "fold's", reason));
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrainError::Io { path: path.into(), action: "reading", source }),
        };
        let file: TestedFile = serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))?;
        if file.format != FORMAT {
            let (found, wanted) = (file.format, FORMAT);
            return Err(FileError::Format { path: path.into(), found, wanted }.into());
        }
        let genres = library.dataset.genres.len();
        let square =
            file.frame_confusion.len() == genres && file.frame_confusion.iter().all(|r| r.len() == genres);
        if (file.seed, file.fold) != (seed, fold) || file.genres != library.dataset.genres || !square {
            return Err(damaged("it is of another fold, seed or list of genres"));
        }
        let known: HashMap<&str, usize> =
            songs.iter().map(|&song| (library.dataset.songs[song].name.as_str(), song)).collect();
        let mut judged = Vec::with_capacity(file.songs.len());
        for found in file.songs {
            let song = known
                .get(found.path.as_str())
                .ok_or_else(|| damaged("its songs are not those of the fold"))?;
            let finite = |scores: &Vec<f64>| scores.len() == genres && scores.iter().all(|s| s.is_finite());
            if !found.scores.iter().all(finite) {
                return Err(damaged("its scores are not those of the genres"));
            }
            let truth = library.dataset.songs[*song].genre;
            judged.push(Judged { song: *song, truth, scores: found.scores, ..Judged::default() });
        }
        let mut names: Vec<usize> = judged.iter().map(|j| j.song).collect();
        names.sort_unstable();
        if names != songs {
            return Err(damaged("its songs are not those of the fold"));
        }
        let confusion = Confusion { counts: file.frame_confusion };
        let frames = FrameCounts { confusion, loss: file.frame_loss };
        Ok(Some(Self { seed, fold, seconds: file.seconds, songs: judged, frames }))
    }
}
