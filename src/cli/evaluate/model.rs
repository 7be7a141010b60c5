//! A model on a dataset.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::show;
use super::{Evaluate, SplitPart};
use crate::cli::models;
use crate::cli::progress::Progress;
use crate::cli::songs::{DATASET, partly_lost, skipped, songs};
use crate::cli::{CliError, End, Format, counted, open, print, say, warn_of_trouble};
use crate::dataset::{Dataset, Library, Side, Sides, read_sides};
use crate::files;
use crate::model::{Labels, Model};
use crate::recognize::FrameClassifier;
use crate::score::Evaluation;
use crate::train::{RunConfig, RunFolder, evaluate_watched};

/// What is printed as json, beside the figures, which stand under the name of the part.
#[derive(Serialize)]
struct Judgement<'a> {
    #[serde(flatten)]
    figures: HashMap<&'static str, &'a Evaluation>,
    genres: &'a [String],
    /// Songs, of those judged, that the model was trained on; where that is known.
    trained_on: Option<usize>,
    epochs: usize,
    frames_per_second: f64,
    #[serde(serialize_with = "files::serialize_path")]
    model: &'a Path,
    #[serde(serialize_with = "files::serialize_path")]
    dataset: &'a Path,
    device: String,
}

impl Evaluate {
    pub(super) fn judge(&self) -> Result<End, CliError> {
        let (path, model) = match &self.model {
            Some(path) => (path.clone(), Model::load(path)?),
            None => models::find()?,
        };
        if model.card.config.labels == Labels::Tags {
            return self.judge_tags(&path, &model);
        }
        if path == Path::new(Model::INCLUDED) {
            say(
                "the included model was fitted to magnatune4, allmusic9, allmusic-more and gtzan: on songs of these, the figures \
                 are too good",
            );
        }
        // The included model lies in no run's folder, whatever is in the one where the program runs.
        let run = (path != Path::new(Model::INCLUDED))
            .then(|| RunFolder(path.parent().map_or_else(PathBuf::new, Path::to_owned)));
        let sides = self.sides(run.as_ref())?;
        let data = self.songs(run.as_ref(), &model, sides.as_ref())?;
        let device = open(self.device)?;
        let library = self.read(&data, &model)?;
        let trained_on = sides.zip(run).map(|(sides, run)| trained_on(&library, &sides, &run));

        let mut classifier = FrameClassifier::of_model(&model, device.as_ref())?;
        let progress = Progress::new("recognising");
        let all: Vec<usize> = (0..library.songs.len()).collect();
        let started = Instant::now();
        let mut evaluation = evaluate_watched(&mut classifier, &library, &all, &mut |done| {
            progress.at(done, all.len(), "songs");
        })?;
        let seconds = started.elapsed().as_secs_f64();
        progress.finish();
        evaluation.decide(model.card.decision);
        print(&match self.format {
            Format::Table => {
                let songs = counted(evaluation.songs, "song");
                let root = files::shown(&data.root);
                format!("{root}: {songs} ({})\n\n{}", self.split.name(), show::evaluation(&evaluation))
            }
            Format::Json => show::json(&Judgement {
                figures: HashMap::from([(self.split.name(), &evaluation)]),
                genres: &model.card.genres,
                trained_on,
                epochs: model.card.provenance.epochs,
                frames_per_second: evaluation.frames as f64 / seconds.max(1e-9),
                model: &path,
                dataset: &data.root,
                device: device.describe(),
            })?,
            Format::Csv => show::songs(&evaluation, &library.dataset, |_| None)?,
        })?;
        Ok(End::Success)
    }

    /// Reads the songs as the model hears them.
    pub(super) fn read(&self, data: &Dataset, model: &Model) -> Result<Library, CliError> {
        let cache = self.cache.open();
        let progress = Progress::new("reading");
        let (spec, shortest) = (model.card.config.audio(), model.card.config.shortest_song());
        let library = Library::load_as_is(data, &spec, shortest, cache.as_ref(), |done, total, path| {
            progress.at(done, total, &files::shown(path.file_name().unwrap_or_default().as_ref()));
        });
        progress.finish();
        cache.iter().for_each(warn_of_trouble);
        skipped(&library.problems);
        partly_lost(&library);
        if library.songs.is_empty() {
            let shown = files::shown(&data.root);
            return Err(CliError::Other(format!("{shown}: no song of it can be judged")));
        }
        Ok(library)
    }

    /// What the model's run says of who trained it; none where that is neither known nor needed.
    fn sides(&self, run: Option<&RunFolder>) -> Result<Option<Sides>, CliError> {
        let Some(path) = run.map(RunFolder::split) else {
            return match self.split {
                SplitPart::All => Ok(None),
                split => Err(CliError::Other(format!(
                    "the included model comes without its run, so nothing says which songs are --split {}; leave out --split",
                    split.name()
                ))),
            };
        };
        if path.exists() {
            return Ok(Some(read_sides(&path)?));
        }
        if self.split == SplitPart::All {
            return Ok(None);
        }
        Err(CliError::Other(format!(
            "{}: not there, and only it says which songs are --split {}; name a model in its run's folder, or leave out \
             --split",
            files::shown(&path),
            self.split.name()
        )))
    }

    /// The songs to judge, with the model's genres.
    fn songs(
        &self,
        run: Option<&RunFolder>,
        model: &Model,
        sides: Option<&Sides>,
    ) -> Result<Dataset, CliError> {
        let root = self.labels.dataset(self.dataset.as_ref())?.unwrap_or_else(|| {
            let trained_on = run.and_then(|run| Some(RunConfig::read(&run.config()).ok()?.dataset));
            trained_on.filter(|root| !root.as_os_str().is_empty()).unwrap_or_else(|| DATASET.into())
        });
        let (data, _) = songs(&root)?;
        let before = data.songs.len();
        let (mut data, unknown) = data.with_genres(&model.card.genres);
        let left_out = before - data.songs.len();
        let list = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| files::printable(name)).collect();
            names.join(", ")
        };
        let shown = files::shown(&data.root);
        if !unknown.is_empty() && !self.skip_unknown {
            return Err(CliError::Other(format!(
                "{shown}: the model knows no genre {}; it knows {}. Leave such songs out with --skip-unknown, or name \
                 another --model",
                list(&unknown),
                list(&model.card.genres)
            )));
        }
        if left_out > 0 {
            say(&format!(
                "left out: {} of {}, which the model does not know",
                counted(left_out, "song"),
                list(&unknown)
            ));
        }
        if let Some(sides) = sides {
            self.choose(&mut data, sides);
        }
        if data.songs.is_empty() {
            return Err(CliError::Other(match self.split {
                SplitPart::All => format!("{shown}: no song of a genre that the model knows"),
                SplitPart::Validation => {
                    format!("{shown}: none of the songs that the model's run kept apart")
                }
                SplitPart::Test => format!(
                    "{shown}: the model's run used every song, to train on or to validate; name another --dataset, or use \
                     --split validation"
                ),
            }));
        }
        Ok(data)
    }

    /// Leaves the songs of the part that is asked for.
    fn choose(&self, data: &mut Dataset, sides: &Sides) {
        match self.split {
            SplitPart::All => {}
            SplitPart::Test => data.songs.retain(|song| sides.get(&song.name).is_none()),
            SplitPart::Validation => {
                data.songs.retain(|song| sides.get(&song.name) == Some(Side::Validation));
                let wanted = sides.count(Side::Validation);
                if data.songs.len() < wanted && !data.songs.is_empty() {
                    say(&format!(
                        "{} of the {wanted} songs that the model's run kept apart are not here",
                        wanted - data.songs.len()
                    ));
                }
            }
        }
    }
}

/// How many of the songs the model was trained on; if there are any, that is said.
fn trained_on(library: &Library, sides: &Sides, run: &RunFolder) -> usize {
    let songs = &library.dataset.songs;
    let known = songs.iter().filter(|song| sides.get(&song.name) == Some(Side::Train)).count();
    if known > 0 {
        say(&format!(
            "{known} of these {} are among those that the model was trained on (by their names in {}): the figures are too \
             good; --split validation or test leaves them out",
            counted(songs.len(), "song"),
            files::shown(&run.split())
        ));
    }
    known
}
