//! The training loop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3Default;

use super::checkpoint::{Checkpoint, Progress};
use super::evaluation::{Evaluation, evaluate};
use super::history::Epoch;
use super::options::RunConfig;
use super::profile::Profile;
use super::run::RunFolder;
use super::schedule::Schedule;
use super::{TrainError, history};
use crate::dataset::{Batch, BatchPlan, Batches, DatasetError, Library, Split};
use crate::device::{Device, Executable, LoadOptions};
use crate::files;
use crate::model::{
    FORMAT, Model, ModelCard, ModelError, Network, OptimizerConfig, Provenance, Tensor, Training, Weights,
};
use crate::plan::{Program, plan};
use crate::recognize::{Recognizer, argmax};

/// What a training is made of.
pub struct Setup {
    pub config: RunConfig,
    pub library: Arc<Library>,
    pub split: Split,
    pub device: Arc<dyn Device>,
    pub run: RunFolder,
    /// Where to go on, for a resumed run.
    pub resume: Option<Checkpoint>,
    pub profile: bool,
}

/// What the observer of a training hears.
pub enum Event<'a> {
    /// The program is ready: steps an epoch, all steps, and the device memory in bytes.
    Ready { parameters: usize, steps_per_epoch: usize, memory: u64 },
    /// A step was begun: its number in the epoch from 1, the epoch from 0, and the mean loss and accuracy of the epoch's
    /// finished steps, once there are any.
    Step { epoch: usize, batch: usize, so_far: Option<(f64, f64)>, rate: f32, frames_per_second: f64 },
    /// Validation of an epoch begins.
    Validating,
    /// An epoch has ended; whether its model is the best so far.
    Epoch { epoch: &'a Epoch, best: bool },
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Finished,
    /// Asked to stop; the checkpoint is complete.
    Stopped,
}

/// What a training came to.
pub struct Outcome {
    pub ending: Ending,
    pub metrics: Option<Metrics>,
    pub profile: Option<Profile>,
    /// The file of the best model; there is none before the first epoch has ended.
    pub best: PathBuf,
}

/// A run's `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    pub validation: Evaluation,
    pub genres: Vec<String>,
    /// Epochs trained, and the epoch of the model.
    pub epochs: usize,
    pub best_epoch: usize,
    pub frames_per_second: f64,
    pub seconds: f64,
    /// Seconds that steps waited for their batches.
    pub seconds_waiting: f64,
    #[serde(serialize_with = "files::serialize_path")]
    pub model: PathBuf,
    pub device: String,
}

/// A checkpoint is written at least so often.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(300);

/// Threads that prepare batches. One keeps up with a step on the CPU device many times over; the second is for the
/// moments when a song must be decoded again.
const BATCH_WORKERS: usize = 2;

/// Frames a batch of validation.
const VALIDATION_BATCH: usize = 32;

/// Runs that may be under way on the device before the host waits for the first.
const AHEAD: usize = 2;

/// Trains until the last epoch, or until `stop` is set.
///
/// # Errors
/// [`TrainError`]; what was saved before stays.
pub fn train(
    setup: Setup,
    observe: &mut dyn FnMut(Event<'_>),
    stop: &AtomicBool,
) -> Result<Outcome, TrainError> {
    Trainer::new(setup)?.run(observe, stop)
}

struct Trainer {
    setup: Setup,
    network: Network,
    training: Training,
    program: Arc<Program>,
    loaded: Box<dyn Executable>,
    recognizer: Recognizer,
    plan: BatchPlan,
    rates: Schedule,
    optimizer: OptimizerConfig,
    progress: Progress,
    /// Batches whose outputs have not come back yet.
    under_way: Vec<Batch>,
    digest: String,
    best: Option<Evaluation>,
    frames: u64,
    busy: Duration,
    waited: Duration,
}

impl Trainer {
    fn new(setup: Setup) -> Result<Self, TrainError> {
        let options = &setup.config.training;
        options.check()?;
        if setup.split.train.is_empty() {
            return Err(TrainError::NoTrainingSongs);
        }
        if setup.split.validation.is_empty() {
            return Err(TrainError::NoValidationSongs);
        }
        let genres = setup.library.dataset.genres.len();
        let network = Network::new(setup.config.model.clone(), genres)?;
        let training = network.training(&options.graph())?;
        let device = setup.device.as_ref();
        let program = plan(&training.graph, &training.request(true), device).map_err(ModelError::from)?;
        let program = Arc::new(program);
        let load = LoadOptions { profile: setup.profile, poison: false };
        let loaded = device.load(program.clone(), load)?;
        let recognizer = Recognizer::new(&network, device, VALIDATION_BATCH)?;
        let batches = BatchPlan {
            batch_size: options.batch,
            framing: network.config.framing(),
            frames_per_song: options.frames_per_song,
            seed: options.seed,
            workers: BATCH_WORKERS,
        };
        let steps = batches.batches_per_epoch(setup.split.train.len()) * options.epochs;
        let mut trainer = Self {
            rates: options.rates(steps as u64),
            optimizer: options.graph().optimizer,
            digest: digest(&setup.library, &setup.split),
            plan: batches,
            network,
            training,
            program,
            loaded,
            recognizer,
            progress: Progress::default(),
            under_way: Vec::new(),
            best: None,
            frames: 0,
            busy: Duration::ZERO,
            waited: Duration::ZERO,
            setup,
        };
        trainer.begin()?;
        Ok(trainer)
    }

    /// Writes the first weights, and begins the run's files with them; or writes those of the checkpoint.
    fn begin(&mut self) -> Result<(), TrainError> {
        let genres = self.network.genres;
        self.loaded.write(self.training.loss_gradient, &[1.0])?;
        self.loaded.write(self.training.class_weights, &vec![1.0; genres])?;
        let Some(checkpoint) = self.setup.resume.take() else {
            let weights = self.network.initialise(self.setup.config.training.seed)?;
            let (flat, running) = weights.scatter(&self.training.layout, &self.training.running)?;
            let mut state = vec![0.0; self.optimizer.rows() * flat.len()];
            state[..flat.len()].copy_from_slice(&flat);
            self.loaded.write(self.training.state, &state)?;
            for (r, data) in self.training.running.iter().zip(&running) {
                self.loaded.write(r.node, data)?;
            }
            let run = &self.setup.run;
            run.vacant()?;
            run.make()?;
            // The checkpoint first: where there is any of a run's files, there is a run that can be resumed.
            self.save()?;
            self.setup.config.write(&self.setup.run.config())?;
            return self.write_split();
        };
        let path = self.setup.run.checkpoint();
        if checkpoint.dataset != self.digest {
            let (found, now) = (checkpoint.dataset, self.digest.clone());
            return Err(TrainError::OtherCheckpoint { path, what: "dataset", found, now });
        }
        let shape = self.training.graph.shape(self.training.state);
        let missing = self
            .training
            .running
            .iter()
            .find(|r| checkpoint.running.0.get(&r.name).is_none_or(|t| *t.shape != [2, r.channels]));
        if checkpoint.state.shape != *shape || missing.is_some() {
            let (found, now) = (checkpoint.state.shape.to_string(), shape.to_string());
            return Err(TrainError::OtherCheckpoint { path, what: "network", found, now });
        }
        let epochs = self.setup.config.training.epochs;
        checkpoint.check(&path, epochs, self.plan.batches_per_epoch(self.setup.split.train.len()))?;
        if !checkpoint.progress.history.0.is_empty() {
            // Missed now rather than after the last epoch.
            Model::load(&self.setup.run.best())?;
        }
        self.loaded.write(self.training.state, &checkpoint.state.data)?;
        for r in &self.training.running {
            self.loaded.write(r.node, &checkpoint.running.0[&r.name].data)?;
        }
        self.progress = checkpoint.progress;
        Ok(())
    }

    /// Writes who trains and who validates.
    fn write_split(&self) -> Result<(), TrainError> {
        let path = self.setup.run.split();
        let text = self.setup.split.to_csv(&self.setup.library.dataset);
        files::write_atomic(&path, text.as_bytes()).map_err(|source| TrainError::Io {
            path,
            action: "writing",
            source,
        })
    }

    fn run(mut self, observe: &mut dyn FnMut(Event<'_>), stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let started = Instant::now();
        let per_epoch = self.plan.batches_per_epoch(self.setup.split.train.len());
        observe(Event::Ready {
            parameters: self.training.layout.trained(),
            steps_per_epoch: per_epoch,
            memory: self.loaded.allocated(),
        });
        let mut batches = Batches::start(
            self.setup.library.clone(),
            self.setup.split.train.clone(),
            self.plan.clone(),
            self.progress.epoch,
            self.progress.batch,
        )
        .map_err(|source| TrainError::Io {
            path: self.setup.run.0.clone(),
            action: "starting the threads that prepare batches",
            source,
        })?;
        let mut saved = Instant::now();
        let mut ending = Ending::Finished;
        while self.progress.epoch < self.setup.config.training.epochs {
            if stop.load(Ordering::Relaxed) {
                ending = Ending::Stopped;
                break;
            }
            if self.progress.batch < per_epoch {
                let batch = batches.next().ok_or(TrainError::NoTrainingSongs)?.map_err(DatasetError::from)?;
                let start = Instant::now();
                self.start_step(batch)?;
                while self.loaded.pending() >= AHEAD {
                    self.finish_step(&batches)?;
                }
                self.busy += start.elapsed();
                observe(self.step_event());
            }
            if self.progress.batch == per_epoch {
                let start = Instant::now();
                while self.loaded.pending() > 0 {
                    self.finish_step(&batches)?;
                }
                self.busy += start.elapsed();
                observe(Event::Validating);
                self.end_epoch(observe)?;
                saved = Instant::now();
            } else if saved.elapsed() > CHECKPOINT_EVERY {
                while self.loaded.pending() > 0 {
                    self.finish_step(&batches)?;
                }
                self.save()?;
                saved = Instant::now();
            }
        }
        while self.loaded.pending() > 0 {
            self.finish_step(&batches)?;
        }
        if ending == Ending::Stopped {
            self.save()?;
        }
        let profile = if self.setup.profile {
            let seconds = self.loaded.timings()?;
            Some(Profile::new(&self.program, &seconds, self.frames / self.plan.batch_size as u64))
        } else {
            None
        };
        self.waited = batches.waited();
        let metrics = match ending {
            Ending::Finished => Some(self.finish(started.elapsed())?),
            Ending::Stopped => None,
        };
        Ok(Outcome { ending, metrics, profile, best: self.setup.run.best() })
    }

    fn start_step(&mut self, batch: Batch) -> Result<(), TrainError> {
        let step = self.progress.step;
        self.loaded.write(self.training.audio, &batch.audio)?;
        self.loaded.write(self.training.labels, &batch.labels)?;
        let schedule = self.optimizer.schedule(self.rates.rate(step), step + 1);
        self.loaded.write(self.training.schedule, &schedule)?;
        if let Some(counter) = self.training.counter {
            let low = |value: u64| (value % (1 << 24)) as f32;
            self.loaded.write(counter, &[low(self.setup.config.training.seed), low(step)])?;
        }
        self.loaded.run()?;
        self.under_way.push(batch);
        self.progress.step += 1;
        self.progress.batch += 1;
        Ok(())
    }

    /// Takes the outputs of the earliest step under way.
    fn finish_step(&mut self, batches: &Batches) -> Result<(), TrainError> {
        let outputs = self.loaded.outputs()?;
        let batch = self.under_way.remove(0);
        let [loss, logits, norm] = outputs.as_slice() else {
            return Err(crate::device::DeviceError::NothingPending.into());
        };
        if norm[1] != 0.0 || !loss[0].is_finite() {
            let name = |&song: &usize| self.setup.library.dataset.songs[song].name.clone();
            let mut songs: Vec<String> = batch.songs.iter().map(name).collect();
            songs.sort();
            songs.dedup();
            let step = self.progress.step - self.under_way.len() as u64;
            return Err(TrainError::NotFinite { step, loss: loss[0], songs });
        }
        self.progress.loss += f64::from(loss[0]);
        let genre = |&song: &usize| self.setup.library.dataset.songs[song].genre;
        let rows = logits.chunks_exact(self.network.genres);
        let right = rows.zip(batch.songs.iter().map(genre)).filter(|(row, g)| argmax(row) == *g).count();
        self.progress.right += right as u64;
        self.frames += batch.songs.len() as u64;
        batches.recycle(batch);
        Ok(())
    }

    /// Mean loss and accuracy of the epoch's finished steps.
    fn epoch_so_far(&self) -> (f64, f64) {
        let finished = (self.progress.batch - self.under_way.len()).max(1) as f64;
        let frames = finished * self.plan.batch_size as f64;
        (self.progress.loss / finished, self.progress.right as f64 / frames)
    }

    fn step_event(&self) -> Event<'static> {
        Event::Step {
            epoch: self.progress.epoch,
            batch: self.progress.batch,
            so_far: (self.progress.batch > self.under_way.len()).then(|| self.epoch_so_far()),
            rate: self.rates.rate(self.progress.step - 1),
            frames_per_second: self.frames_per_second(),
        }
    }

    fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.busy.as_secs_f64().max(1e-9)
    }

    /// Validates, keeps the best model, and writes history and checkpoint.
    fn end_epoch(&mut self, observe: &mut dyn FnMut(Event<'_>)) -> Result<(), TrainError> {
        let weights = self.weights()?;
        self.recognizer.set_weights(&weights)?;
        let validation = evaluate(&mut self.recognizer, &self.setup.library, &self.setup.split.validation)?;
        let (train_loss, train_accuracy) = self.epoch_so_far();
        let epoch = history::Epoch {
            epoch: self.progress.epoch + 1,
            step: self.progress.step,
            learning_rate: self.rates.rate(self.progress.step - 1),
            train_loss,
            train_accuracy,
            validation_loss: validation.loss,
            validation_frame_accuracy: validation.frame_accuracy,
            validation_song_accuracy: validation.song_accuracy,
        };
        let best = self.progress.history.best().is_none_or(|best| epoch.beats(best));
        if best {
            self.model(weights, &epoch).save(&self.setup.run.best())?;
            self.best = Some(validation);
        }
        self.progress.history.0.push(epoch);
        self.progress.history.write(&self.setup.run.history())?;
        self.progress.epoch += 1;
        self.progress.batch = 0;
        self.progress.loss = 0.0;
        self.progress.right = 0;
        self.save()?;
        observe(Event::Epoch { epoch: &epoch, best });
        Ok(())
    }

    fn weights(&mut self) -> Result<Weights, TrainError> {
        let (state, running) = self.variables()?;
        Ok(Weights::gather(&self.training.layout, &state, &self.training.running, &running))
    }

    /// The optimizer's state and the running statistics. What is not finite is never saved.
    fn variables(&mut self) -> Result<(Vec<f32>, Vec<Vec<f32>>), TrainError> {
        let state = self.loaded.read(self.training.state)?;
        let running = self.training.running.iter().map(|r| self.loaded.read(r.node));
        let running = running.collect::<Result<Vec<_>, _>>()?;
        if !state.iter().chain(running.iter().flatten()).all(|value| value.is_finite()) {
            return Err(TrainError::Spoiled { step: self.progress.step });
        }
        Ok((state, running))
    }

    fn model(&self, weights: Weights, epoch: &Epoch) -> Model {
        let dataset = &self.setup.library.dataset;
        let provenance = Provenance {
            dataset: folder_name(&dataset.root),
            training_songs: self.setup.split.train.len(),
            validation_songs: self.setup.split.validation.len(),
            epochs: epoch.epoch,
            seed: self.setup.config.training.seed,
            song_accuracy: Some(epoch.validation_song_accuracy),
            frame_accuracy: Some(epoch.validation_frame_accuracy),
        };
        let card = ModelCard {
            format: FORMAT,
            genres: dataset.genres.clone(),
            config: self.network.config.clone(),
            provenance,
        };
        Model { card, weights }
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let (data, statistics) = self.variables()?;
        let shape = self.training.graph.shape(self.training.state).clone();
        let named = self.training.running.iter().zip(statistics);
        let running =
            named.map(|(r, data)| (r.name.clone(), Tensor { shape: [2, r.channels].into(), data })).collect();
        let checkpoint = Checkpoint {
            config: self.setup.config.clone(),
            dataset: self.digest.clone(),
            progress: self.progress.clone(),
            state: Tensor { shape, data },
            running: Weights(running),
        };
        checkpoint.save(&self.setup.run.checkpoint())
    }

    /// Writes `metrics.json` for the best model.
    fn finish(&mut self, elapsed: Duration) -> Result<Metrics, TrainError> {
        let path = self.setup.run.best();
        let validation = match self.best.take() {
            Some(validation) => validation,
            // The best epoch came before this session began.
            None => {
                self.recognizer.set_weights(&Model::load(&path)?.weights)?;
                evaluate(&mut self.recognizer, &self.setup.library, &self.setup.split.validation)?
            }
        };
        let metrics = Metrics {
            validation,
            genres: self.setup.library.dataset.genres.clone(),
            epochs: self.progress.epoch,
            best_epoch: self.progress.history.best().map_or(0, |best| best.epoch),
            frames_per_second: self.frames_per_second(),
            seconds: elapsed.as_secs_f64(),
            seconds_waiting: self.waited.as_secs_f64(),
            model: path,
            device: self.setup.device.describe(),
        };
        let path = self.setup.run.metrics();
        let fail = |source| TrainError::Io { path: path.clone(), action: "writing", source };
        let text = serde_json::to_string_pretty(&metrics).map_err(|e| fail(e.into()))?;
        files::write_atomic(&path, text.as_bytes()).map_err(fail)?;
        Ok(metrics)
    }
}

/// The last part of a path that has a name.
fn folder_name(path: &std::path::Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.into());
    whole.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A digest of the songs, of what they sound like, and of who is on which side of the split.
fn digest(library: &Library, split: &Split) -> String {
    let mut hash = Xxh3Default::new();
    for (entry, song) in library.dataset.songs.iter().zip(&library.songs) {
        let genre = &library.dataset.genres[entry.genre];
        for text in [&entry.name, genre, &song.recording().digest] {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        }
    }
    for &song in split.train.iter().chain(&split.validation) {
        hash.update(&(song as u64).to_le_bytes());
    }
    format!("{} songs, digest {:016x}", library.songs.len(), hash.digest())
}
