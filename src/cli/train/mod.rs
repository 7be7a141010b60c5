//! Training from the command line.

mod observer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use self::observer::TrainingObserver;
use super::cures::told;
use super::flags::{BaseFlags, CacheFlags, NetworkFlags, TrainingFlags, ValidationFlags, configure};
use super::label::LabelFlags;
use super::ranks::Job;
use super::run_report::Trained;
use super::songs::{default_base, heard, name, on_dataset, songs, unknown_artists};
use super::{CliError, DeviceFlag, End, RUNS, counted, print, quoted, say};
use crate::dataset::{Cache, Library};
use crate::files;
use crate::model::{CrossValidation, Model};
use crate::score::Decision;
use crate::train::{
    Checkpoint, Claim, Ending, RunConfig, RunFolder, TrainError, TrainOptions, Training, TrainingOutcome,
    read_cross_validation,
};

const CHECKPOINT_MINUTES: f64 = Training::CHECKPOINT_EVERY.as_secs() as f64 / 60.0;

/// Trains a network on folders of songs, one folder for each genre.
///
/// Where ./dataset holds no audio, and no other folder is named, a demo set of synthesised music is rendered into dataset/demo and
/// trained on. Ctrl-C saves a checkpoint and stops; --resume goes on from it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Train {
    /// Folder with one subfolder of songs for each genre [default: dataset]
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    #[command(flatten)]
    labels: LabelFlags,
    /// Folder for the run's files [default: runs/<dataset>-<number>]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Go on with the run in --run, or with the newest, with the settings that it was begun with
    #[arg(long, conflicts_with = "config")]
    resume: bool,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceFlag,
    /// Settings in a TOML file as in a run's config.toml; flags win over it. What the network begins with stands in its table
    /// [base]; without one it is trained from nothing
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Save a checkpoint at least this often, besides after every epoch
    #[arg(long, value_name = "MINUTES", default_value_t = CHECKPOINT_MINUTES)]
    checkpoint_minutes: f64,
    /// Have a model that is trained on all songs (--validation 0) carry these figures, and decide as they say best: what
    /// `evaluate --folds` with the same settings printed as json, or its folder; to be given again with --resume
    #[arg(long, value_name = "FILE|DIR")]
    cross_validation: Option<PathBuf>,
    /// Measure every operation and print a table at the end
    #[arg(long)]
    profile: bool,
    #[command(flatten)]
    cache: CacheFlags,
    /// Learn what this model hears, embedding and tags, instead of songs' genres; the songs may lie in any layout. Given more
    /// than once, learn from all of them
    #[arg(long, value_name = "MODEL", help_heading = "Beginning", conflicts_with_all =
        ["from", "freeze", "base_rate", "labels", "fold", "folds", "balance", "cross_validation", "label_smoothing"])]
    teacher: Vec<PathBuf>,
    #[command(flatten)]
    base: BaseFlags,
    #[command(flatten)]
    validation: ValidationFlags,
    #[command(flatten)]
    training: TrainingFlags,
    #[command(flatten)]
    network: NetworkFlags,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer train
  genre-recognizer train --dataset ~/Music --epochs 40 --run runs/music
  genre-recognizer train --dataset ~/Music --labels tags
  genre-recognizer train --dataset ~/Music --teacher MSD_musicnn.safetensors --epochs 60
  genre-recognizer train --resume
  genre-recognizer train --blocks 3 --filters 32 --dense-layers 2 --units 128";

impl Train {
    pub fn run(&self) -> Result<End, CliError> {
        let stop = Arc::new(AtomicBool::new(false));
        let job = Job::join(&stop)?;
        job.ended(self.train(&job, &stop))
    }

    fn train(&self, job: &Job, stop: &Arc<AtomicBool>) -> Result<End, CliError> {
        let begun = if self.resume { self.resumed(job) } else { self.fresh(job) };
        let (config, claim, resume) = job.agree(begun)?;
        let (cited, checkpoint_every) = (self.cited(&config)?, self.checkpoint_every()?);
        let device = job.agree(job.open(&config.training, self.device))?;
        say(&format!("device: {}{}", device.describe(), job.described()));
        let taught = !config.teachers.is_empty();
        // The first may have to make songs.
        let (data, demo) = job.first_before_others(|| {
            if taught { Ok((heard(&config.dataset)?, false)) } else { songs(&config.dataset) }
        })?;
        match &config.base {
            Some(_) if config.training.epochs == 0 => {
                say("fitting a last layer to what the base hears; --epochs tunes the rest too");
            }
            None if taught => say("learning what the teacher hears, whatever the songs' genres"),
            None if !demo && self.base.is_open() && resume.is_none() => say(if self.config.is_some() {
                "training from nothing, as the file of --config names no [base] that the network begins with"
            } else {
                "training from nothing, as these settings are another network's than the included model's"
            }),
            _ => {}
        }
        // Before the songs are read, so that nobody waits for them in vain.
        let claim = job.agree(match claim {
            Some(claim) => Ok(Some(claim)),
            None if !job.ranks.is_first() => Ok(None),
            None => Claim::next(Path::new(RUNS), &name(&data.root, demo)).map(Some).map_err(Into::into),
        })?;
        claim.iter().for_each(unguarded);
        // Others than the first have no use for it.
        let run = RunFolder(claim.as_ref().map(|claim| claim.folder().to_owned()).unwrap_or_default());
        let begun = Arc::new(AtomicBool::new(false));
        catch_interrupt(stop, &begun, claim.as_ref())?;
        let cache = self.cache.open();
        let library = Arc::new(job.load(&data, &config, cache.as_ref())?);
        job.gather_lines()?;
        let training = Training::new(config.clone(), library.clone(), device.clone(), run.clone());
        let mut training = job.agree(training.map_err(CliError::from))?;
        training.ranks = job.ranks.clone();
        training.claim.clone_from(&claim);
        training.embeddings_folder = cache.as_ref().map(Cache::embeddings);
        training.cache = cache;
        announce(&training);
        begun.store(true, Ordering::Relaxed);
        let (resumed, epochs) = (resume.is_some(), config.training.epochs);
        let mut observer = TrainingObserver::new(epochs, taught);
        observer.history = resume.as_ref().map(|from| from.progress.history.clone()).unwrap_or_default();
        let (cross_validation, split) = (cited.map(|(figures, _)| figures), training.split.clone());
        (training.resume, training.profile, training.cited) = (resume, self.profile, cited);
        training.checkpoint_every = checkpoint_every;
        let started = Instant::now();
        let outcome = training.run(&mut |event| observer.hear(event), stop);
        observer.end();
        let outcome = outcome?;
        let seconds = started.elapsed().as_secs_f64();
        if !job.ranks.is_first() {
            return Ok(if outcome.ending == Ending::Stopped { End::Interrupted } else { End::Success });
        }
        if outcome.ending == Ending::Stopped {
            self.say_how_to_go_on(&run);
        }
        let metrics = outcome.metrics.as_ref();
        let trained = Trained {
            config: &config,
            library: &library,
            split: &split,
            device: device.as_ref(),
            run: &run,
            history: &observer.history,
            ending: outcome.ending,
            evaluation: metrics.and_then(|m| m.validation.as_ref()).or(outcome.validation.as_ref()),
            seconds,
            frames_per_second: metrics.map_or(observer.frames_per_second, |m| m.frames_per_second),
            resumed,
            cross_validation,
        };
        // The training has its results without it.
        match trained.write() {
            Ok(()) => say(&format!("report: {}", files::shown(&run.report()))),
            Err(error) => say(&format!("no report: {error}")),
        }
        // Last, because nobody need listen: everything is written by now.
        report(&outcome, &library, &split.validation)
    }

    fn settings(&self, training: &mut TrainOptions) {
        self.training.apply(training);
        self.validation.apply(training);
    }

    fn checkpoint_every(&self) -> Result<Duration, CliError> {
        Duration::try_from_secs_f64(self.checkpoint_minutes * 60.0).map_err(|_| {
            let minutes = self.checkpoint_minutes;
            CliError::Usage(format!("--checkpoint-minutes is {minutes}, but it must be at least 0"))
        })
    }

    /// Says where everything is, and the command that resumes it with the flags that are not among a run's settings.
    fn say_how_to_go_on(&self, run: &RunFolder) {
        say(&format!("stopped; everything is saved in {}", files::shown(&run.checkpoint())));
        let mut command = format!("{} train --resume --run {}", program(), quoted(&run.0));
        if self.device != DeviceFlag::Auto
            && let Some(device) = self.device.to_possible_value()
        {
            command += &format!(" --device {}", device.get_name());
        }
        if self.checkpoint_minutes != CHECKPOINT_MINUTES {
            command += &format!(" --checkpoint-minutes {}", self.checkpoint_minutes);
        }
        if let Some(figures) = &self.cross_validation {
            command += &format!(" --cross-validation {}", quoted(figures));
        }
        if self.profile {
            command += " --profile";
        }
        say(&format!("to go on: {command}{}", self.cache.repeated()));
    }

    /// What `--cross-validation` names.
    fn cited(&self, config: &RunConfig) -> Result<Option<(CrossValidation, Decision)>, CliError> {
        if self.cross_validation.is_some() && config.training.validates() {
            return Err(CliError::Usage(
                "--cross-validation is for a model trained on all songs; give --validation 0 too".to_string(),
            ));
        }
        Ok(self.cross_validation.as_deref().map(read_cross_validation).transpose()?)
    }

    fn fresh(&self, job: &Job) -> Result<(RunConfig, Option<Claim>, Option<Checkpoint>), CliError> {
        let dataset = self.labels.dataset(self.dataset.as_ref())?;
        let config =
            if self.teacher.is_empty() { self.configured(dataset.as_deref())? } else { self.taught()? };
        let mut config = on_dataset(config, dataset.as_ref());
        let open = config.training.slices == 1 && !self.training.has_slices();
        if open && config.training.epochs > 0 {
            config.training.slices = job.ranks.count();
            config.check().map_err(|error| CliError::Usage(told(&error.into())))?;
        }
        let claim = self.run.as_deref().filter(|_| job.ranks.is_first()).map(Claim::new).transpose()?;
        claim.as_ref().map_or(Ok(()), |claim| RunFolder(claim.folder().to_owned()).vacant())?;
        Ok((config, claim, None))
    }

    /// The settings of a network that learns from songs' genres.
    fn configured(&self, dataset: Option<&Path>) -> Result<RunConfig, CliError> {
        configure(
            self.config.as_ref(),
            (&self.base, self.default_base(dataset).as_deref()),
            &self.network,
            Some((&self.training, &self.validation)),
        )
    }

    /// The settings of a network that learns from teachers; flags win over the recipe for that.
    fn taught(&self) -> Result<RunConfig, CliError> {
        let mut config = configure(self.config.as_ref(), (&self.base, None), &self.network, None)?;
        let teachers: Vec<&Path> = self.teacher.iter().map(PathBuf::as_path).collect();
        config.learn_from(&teachers)?;
        self.network.apply(&mut config.model)?;
        self.settings(&mut config.training);
        config.check().map_err(|error| CliError::Usage(told(&error.into())))?;
        Ok(config)
    }

    /// Where the teachers of a run that is resumed are now.
    fn moved(&self, config: &mut RunConfig) -> Result<(), CliError> {
        for file in &self.teacher {
            let digest = Model::load(file)?.digest();
            match config.teachers.iter_mut().find(|teacher| teacher.digest == digest) {
                Some(teacher) => teacher.model.clone_from(file),
                None => {
                    return Err(CliError::Usage(format!(
                        "--teacher {}: not whom this run learns from; leave it out, or name where that model is now",
                        files::shown(file)
                    )));
                }
            }
        }
        Ok(())
    }

    /// What the network begins with where nobody said so.
    fn default_base(&self, dataset: Option<&Path>) -> Option<PathBuf> {
        let open = self.base.is_open() && self.config.is_none() && !self.network.shape();
        open.then(|| default_base(dataset)).flatten()
    }

    fn resumed(&self, job: &Job) -> Result<(RunConfig, Option<Claim>, Option<Checkpoint>), CliError> {
        let run = match &self.run {
            Some(run) => RunFolder(run.clone()),
            None => {
                RunFolder::latest(Path::new(RUNS)).ok_or_else(|| TrainError::NothingToResume(RUNS.into()))?
            }
        };
        // Who trains there now would write over it.
        let claim = run.checkpoint().exists() && job.ranks.is_first();
        let claim = claim.then(|| Claim::new(&run.0)).transpose()?;
        let checkpoint = Checkpoint::of_run(&run)?;
        let mut config = checkpoint.config.clone();
        // Flags that would change what the run computes are refused, not silently overruled.
        self.network.apply(&mut config.model)?;
        self.settings(&mut config.training);
        // The base may have moved; that it is the same, its digest says.
        self.base.moved(&mut config)?;
        self.moved(&mut config)?;
        let (base, teachers) = (checkpoint.config.base.clone(), checkpoint.config.teachers.clone());
        let same = RunConfig { base, teachers, ..config.clone() } == checkpoint.config;
        if !same || self.network.has_preset() {
            return Err(CliError::Usage(format!(
                "{}: a resumed run keeps the settings that it was begun with; leave out the flags that change them, \
                 or start a new run",
                files::shown(&run.0)
            )));
        }
        // The songs may have moved; that they are the same, the checkpoint knows.
        if let Some(dataset) = &self.dataset {
            config.dataset = dataset.clone();
        }
        Ok((config, claim, Some(checkpoint)))
    }
}

/// Says what the training is made of.
fn announce(training: &Training) {
    let Training { library, split, run, .. } = training;
    let data = &library.dataset;
    let taught = !training.config.teachers.is_empty();
    let genres = if taught { String::new() } else { format!("{} genres, ", data.genres.len()) };
    say(&format!(
        "{}: {genres}{} to train on, {} to validate; run in {}",
        files::shown(&data.root),
        counted(split.train.len(), "song"),
        if split.validation.is_empty() { "none".to_string() } else { split.validation.len().to_string() },
        files::shown(&run.0),
    ));
    if !split.validation.is_empty() {
        unknown_artists(data);
    }
    let validated = |genre: &usize| split.validation.iter().any(|&song| data.songs[song].genre == *genre);
    let missing: Vec<&str> =
        (0..data.genres.len()).filter(|g| !validated(g)).map(|g| data.genres[g].as_str()).collect();
    if !missing.is_empty() && !taught && !split.validation.is_empty() {
        say(&format!(
            "no song validates {}: that takes two songs of a genre, or songs of two artists",
            missing.join(", ")
        ));
    }
}

/// Says where nothing keeps others out of a run's folder.
pub(super) fn unguarded(claim: &Claim) {
    if !claim.is_guarded() {
        say(&format!(
            "{}: this file system has no locks; see to it that nothing else trains into this folder",
            files::shown(claim.folder())
        ));
    }
}

/// Sets `stop` at the first Ctrl-C; the second ends the process at once, and so does the first before the training has
/// begun, which gives back the claim.
pub(super) fn catch_interrupt(
    stop: &Arc<AtomicBool>,
    begun: &Arc<AtomicBool>,
    claim: Option<&Claim>,
) -> Result<(), CliError> {
    let (stop, begun, give_back) = (stop.clone(), begun.clone(), claim.map(Claim::ender));
    ctrlc::set_handler(move || {
        if !begun.load(Ordering::Relaxed) {
            give_back.iter().for_each(|end| end());
            say("\nstopped before the training began; songs in the cache are not decoded again");
            std::process::exit(130);
        }
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        say("\nstopping after this step; once more to stop without saving");
    })
    .map_err(|error| CliError::Other(format!("Ctrl-C cannot be caught: {error}")))
}

/// The command that this program was started with.
fn program() -> String {
    let program = std::env::args_os().next().unwrap_or_else(|| "genre-recognizer".into());
    quoted(Path::new(&program))
}

fn report(outcome: &TrainingOutcome, library: &Library, validation: &[usize]) -> Result<End, CliError> {
    if let Some(profile) = &outcome.profile {
        say(&profile.to_string());
    }
    if outcome.ending == Ending::Stopped {
        return Ok(End::Interrupted);
    }
    if let Some(metrics) = &outcome.metrics {
        let recognised = metrics.validation.as_ref().map(|v| {
            format!(
                "song accuracy {:.1} % of {} validation songs, frame accuracy {:.1} %",
                100.0 * v.song_accuracy,
                v.songs,
                100.0 * v.frame_accuracy
            )
        });
        let agreed = metrics.agreement.map(|a| {
            format!(
                "explains {:.1} % of the variance of the teacher's embedding (mean correlation {:.3}) in {} validation songs; \
                 cross-entropy of tags {:.4}",
                100.0 * a.explained,
                a.correlation,
                a.songs,
                a.tags
            )
        });
        let accuracy = recognised.or(agreed).unwrap_or_else(|| "no song validated".to_string());
        let how = match (metrics.epochs, metrics.best_epoch) {
            (0, _) => "a new last layer alone".to_string(),
            (_, 0) => "the new last layer alone: no epoch of tuning was better".to_string(),
            (epochs, best) => format!("epoch {best} of {epochs}; {:.0} frames/s", metrics.frames_per_second),
        };
        if let Some(exchanged) = metrics.exchanged.filter(|exchanged| exchanged.steps > 0) {
            let steps = exchanged.steps as f64;
            say(&format!(
                "a step's exchanges: {:.0}; sent by a rank: {:.2} MB; the first waited {:.1} ms",
                exchanged.exchanges as f64 / steps,
                exchanged.bytes as f64 / steps / 1e6,
                1e3 * exchanged.seconds / steps,
            ));
        }
        print(&format!("{accuracy} ({how})\nmodel: {}\n", files::shown(&metrics.model)))?;
    }
    // A song that the model gets right, if there is one: what is tried is the command.
    let recognised = outcome.metrics.iter().flat_map(|m| &m.validation).flat_map(|v| &v.recognised);
    let right = validation.iter().zip(recognised).find(|&(&song, &g)| library.dataset.songs[song].genre == g);
    if let Some(&song) = right.map(|(song, _)| song).or(validation.first()) {
        let song = &library.dataset.songs[song].path;
        print(&format!(
            "try it: {} predict --model {} {}\n",
            program(),
            quoted(&outcome.best),
            quoted(song)
        ))?;
    }
    Ok(End::Success)
}
