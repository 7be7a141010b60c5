//! The training loop.

mod files;
mod last_layer;
mod lessons;
mod together;

pub(super) use files::digest;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::TrainError;
use super::base;
use super::checkpoint::TrainingProgress;
use super::diagnosis::{Diagnosis, diagnose};
use super::evaluation::evaluate;
use super::history::Keep;
use super::loss_scale::LossScale;
use super::profile::Profile;
use super::ranks;
use super::schedule::Schedule;
use super::session::{Ending, Exchanged, Training, TrainingEvent, TrainingOutcome};
use super::teacher::{Agreement, Tags, Teacher, agree};
use crate::dataset::{Batch, BatchPlan, Batches, DatasetError, Sampling};
use crate::device::{Device, Executable, LoadOptions, Precision};
use crate::model::{Labels, Model, ModelError, Network, OptimizerConfig, TrainingGraph, Weights};
use crate::plan::{Program, plan_split};
use crate::ranks::Traffic;
use crate::recognize::{Classify, Embedder, FrameClassifier, argmax, at_once};
use crate::score::{Aggregation, Decision, Epoch, Evaluation};

/// Threads that prepare batches: half of the machine's, but two to eight. Beside a step on the CPU device one
/// keeps up many times over, and the second is for the moments when a song must be decoded again; a GPU takes ten
/// thousand frames per second, of which one thread augments two thousand. Batches are the same for any number.
fn batch_workers() -> usize {
    std::thread::available_parallelism().map_or(2, |threads| (threads.get() / 2).clamp(2, 8))
}

/// Runs that may be under way on the device before the host waits for the first.
const AHEAD: usize = 2;

/// What judges the songs kept apart.
enum Judge {
    /// Their genres are compared.
    Genres(Box<dyn Classify>),
    /// What the network hears is compared with what its teachers hear.
    Teachers(Box<Embedder>),
}

/// What a judge says of a model; nothing where there is nobody to be judged.
#[derive(Clone, Debug, Default)]
struct Verdict {
    evaluation: Option<Evaluation>,
    agreement: Option<Agreement>,
}

/// A training under way.
pub(super) struct Trainer {
    setup: Training,
    /// The setup's device at the precision of the training.
    device: Arc<dyn Device>,
    network: Network,
    training: TrainingGraph,
    program: Arc<Program>,
    loaded: Box<dyn Executable>,
    judge: Judge,
    /// What the outputs say.
    labels: Vec<String>,
    /// What the network begins with.
    base: Option<Model>,
    /// Whom it learns from.
    teachers: Vec<Model>,
    plan: BatchPlan,
    rates: Schedule,
    optimizer: OptimizerConfig,
    progress: TrainingProgress,
    /// Batches whose outputs have not come back yet, with the scales of their losses.
    under_way: Vec<(Batch, f32)>,
    /// The songs of the batch whose outputs came back last.
    last: Vec<usize>,
    digest: String,
    best: Verdict,
    frames: u64,
    busy: Duration,
    waited: Duration,
    exchanged: Exchanged,
}

impl Trainer {
    pub(super) fn new(setup: Training) -> Result<Self, TrainError> {
        let options = &setup.config.training;
        setup.config.check()?;
        if setup.split.train.is_empty() {
            return Err(TrainError::NoTrainingSongs);
        }
        if setup.split.validation.is_empty() && options.validates() {
            return Err(TrainError::NoValidationSongs);
        }
        let (found, wanted) = (&setup.library.spec, setup.config.model.audio());
        if *found != wanted {
            return Err(TrainError::OtherAudio { found: found.clone(), wanted });
        }
        let teachers: Vec<Model> =
            setup.config.teachers.iter().map(Teacher::load).collect::<Result<_, _>>()?;
        let labels = match teachers.as_slice() {
            [] => setup.library.dataset.genres.clone(),
            teachers => Tags::of(teachers).names,
        };
        let network = Network::new(setup.config.model.clone(), labels.len())?;
        let base = setup.config.base.as_ref().map(|base| base.load()).transpose()?;
        if let (Some(settings), Some(model)) = (&setup.config.base, &base) {
            base::fits(settings, model, &network.config)?;
        }
        let training = match teachers.as_slice() {
            [] => network.training(&setup.config.graph())?,
            teachers => lessons::graph(&network, teachers, &setup.config)?,
        };
        let device = setup.device.at(options.precision)?;
        let split = ranks::split(&setup, training.batched())?;
        let program = plan_split(&training.graph, &training.request(true), split.as_ref(), device.as_ref());
        let program = Arc::new(program.map_err(ModelError::from)?);
        let load = LoadOptions { profile: setup.profile, poison: false };
        let mut loaded = device.load(program.clone(), load)?;
        loaded.connect(&setup.ranks);
        // As the model will be used.
        let plain = device.at(Precision::F32)?;
        let frames = at_once(&network.config);
        let judge = match teachers.as_slice() {
            [] => Judge::Genres(Box::new(FrameClassifier::new(&network, plain.as_ref(), frames)?)),
            _ => Judge::Teachers(Box::new(Embedder::new(&network, plain.as_ref())?)),
        };
        let batches = BatchPlan {
            batch_size: options.batch,
            framing: network.config.framing(),
            frames_per_song: options.frames_per_song,
            seed: options.seed,
            workers: batch_workers(),
            sampling: if teachers.is_empty() { options.sampling() } else { Sampling::Lengths },
            augmentation: options.augmentation,
            feature_size: network.feature_size(),
            own: split.map(|split| split.rows()),
            lessons: None,
        };
        let steps = batches.batches_per_epoch(setup.split.train.len()) * options.epochs;
        let mut trainer = Self {
            rates: options.rates(steps as u64),
            optimizer: setup.config.graph().optimizer,
            digest: files::digest(&setup.library, &setup.split),
            plan: batches,
            device,
            network,
            training,
            program,
            loaded,
            judge,
            labels,
            base,
            teachers,
            progress: TrainingProgress::new(options.precision),
            under_way: Vec::new(),
            last: Vec::new(),
            best: Verdict::default(),
            frames: 0,
            busy: Duration::ZERO,
            waited: Duration::ZERO,
            exchanged: Exchanged::default(),
            setup,
        };
        trainer.begin()?;
        Ok(trainer)
    }

    pub(super) fn run(
        mut self,
        observe: &mut dyn FnMut(TrainingEvent<'_>),
        stop: &AtomicBool,
    ) -> Result<TrainingOutcome, TrainError> {
        let started = Instant::now();
        let per_epoch = self.plan.batches_per_epoch(self.setup.split.train.len());
        observe(TrainingEvent::Ready {
            parameters: self.training.layout.trained(),
            steps_per_epoch: per_epoch,
            memory: self.loaded.allocated(),
        });
        if self.base.is_some() && self.progress.history.0.is_empty() {
            let fitted = if self.is_first() { self.fit_last_layer(observe, stop) } else { Ok(()) };
            ranks::agree(&self.setup.ranks, fitted, TrainError::to_string)?;
            self.follow()?;
            if self.progress.history.0.is_empty() {
                return Ok(self.stopped());
            }
        }
        if !self.teachers.is_empty() && !self.hear_teachers(observe, stop)? {
            return Ok(self.stopped());
        }
        // Where no epoch is left, nothing need be prepared.
        let songs = if self.complete() { Vec::new() } else { self.setup.split.train.clone() };
        let mut batches = Batches::start(
            self.setup.library.clone(),
            songs,
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
        while !self.complete() {
            if self.progress.batch < per_epoch {
                let before = (self.setup.ranks.traffic(), self.setup.ranks.waited());
                let batch = match batches.next() {
                    Some(batch) => batch.map_err(|error| DatasetError::from(error).into()),
                    None => Err(TrainError::NoTrainingSongs),
                };
                let batch = match ranks::turn(&self.setup.ranks, batch, stop) {
                    Ok((batch, false)) => batch,
                    Ok((_, true)) => {
                        ending = Ending::Stopped;
                        break;
                    }
                    Err(error) => return Err(self.saved_after(error, &batches, observe)),
                };
                let start = Instant::now();
                if let Err(error) = self.start_step(batch) {
                    return Err(self.saved_after(error, &batches, observe));
                }
                self.finish_steps(AHEAD - 1, &batches, observe)?;
                self.busy += start.elapsed();
                self.count_exchanges(before);
                observe(self.step_event());
            }
            if self.progress.batch == per_epoch {
                let start = Instant::now();
                self.finish_steps(0, &batches, observe)?;
                self.busy += start.elapsed();
                observe(TrainingEvent::Validating);
                self.end_epoch(observe)?;
                saved = Instant::now();
            } else if self.is_first() && saved.elapsed() > self.setup.checkpoint_every {
                self.finish_steps(0, &batches, observe)?;
                self.save()?;
                saved = Instant::now();
            }
        }
        self.finish_steps(0, &batches, observe)?;
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
            Ending::Finished if self.is_first() => Some(self.finish(started.elapsed())?),
            Ending::Finished | Ending::Stopped => None,
        };
        let (validation, best) = (self.best.evaluation, self.setup.run.best());
        Ok(TrainingOutcome { ending, metrics, profile, validation, best })
    }

    /// Adds what was exchanged since.
    fn count_exchanges(&mut self, (traffic, waited): (Traffic, Duration)) {
        let (ranks, sum) = (&self.setup.ranks, &mut self.exchanged);
        sum.steps += 1;
        sum.exchanges += ranks.traffic().exchanges - traffic.exchanges;
        sum.bytes += ranks.traffic().bytes - traffic.bytes;
        sum.seconds += ranks.waited().saturating_sub(waited).as_secs_f64();
    }

    fn start_step(&mut self, batch: Batch) -> Result<(), TrainError> {
        let pending = self.under_way.len();
        if let Some(scale) = &mut self.progress.loss_scale {
            scale.settle(AHEAD - 1 - pending);
        }
        let scale = self.progress.loss_scale.as_ref().map_or(1.0, LossScale::scale);
        self.write(&batch, self.progress.step, scale)?;
        self.loaded.run()?;
        self.under_way.push((batch, scale));
        self.progress.step += 1;
        self.progress.batch += 1;
        Ok(())
    }

    /// Writes the inputs of a step, counted from 0, whose loss has this scale.
    fn write(&mut self, batch: &Batch, step: u64, scale: f32) -> Result<(), TrainError> {
        self.loaded.write(self.training.audio, &batch.audio)?;
        self.loaded.write(self.training.labels, &batch.labels)?;
        if let Some(lesson) = &self.training.lesson {
            self.loaded.write(lesson.embedding, &batch.embeddings)?;
        }
        for (node, factors) in self.training.masks.iter().flatten().zip(&batch.masks) {
            self.loaded.write(*node, factors)?;
        }
        let skipped = self.progress.loss_scale.as_ref().map_or(0, LossScale::skipped);
        let rate = self.rates.rate(step, &self.progress.history);
        self.loaded
            .write(self.training.schedule, &self.optimizer.schedule(rate, step + 1 - skipped, scale))?;
        if self.progress.loss_scale.is_some() {
            self.loaded.write(self.training.loss_gradient, &[scale])?;
        }
        if let Some(counter) = self.training.counter {
            let low = |value: u64| (value % (1 << 24)) as f32;
            self.loaded.write(counter, &[low(self.setup.config.training.seed), low(step)])?;
        }
        Ok(())
    }

    /// Takes the outputs of the earliest steps until only so many are under way.
    fn finish_steps(
        &mut self,
        under_way: usize,
        batches: &Batches,
        observe: &mut dyn FnMut(TrainingEvent<'_>),
    ) -> Result<(), TrainError> {
        while self.loaded.pending() > under_way {
            self.finish_step(batches, observe)?;
        }
        Ok(())
    }

    /// Takes the outputs of the earliest step under way.
    fn finish_step(
        &mut self,
        batches: &Batches,
        observe: &mut dyn FnMut(TrainingEvent<'_>),
    ) -> Result<(), TrainError> {
        let outputs = self.loaded.outputs()?;
        let (batch, scale) = self.under_way.remove(0);
        let [loss, told, norm] = outputs.as_slice() else {
            return Err(crate::device::DeviceError::NothingPending.into());
        };
        let overflowed = norm[1] != 0.0;
        // The loss itself is not scaled: where it is not finite, a smaller scale would not help. Then running statistics
        // may be spoilt too, which a skipped step's are not: they follow from a forward pass that is finite.
        if !loss[0].is_finite() || overflowed && !LossScale::to_blame(scale) {
            return Err(self.not_finite(&batch, scale, loss[0], !overflowed));
        }
        if let Some(noted) = &mut self.progress.loss_scale {
            noted.note(scale, overflowed);
        }
        if overflowed {
            observe(TrainingEvent::Skipped { step: self.progress.step - self.under_way.len() as u64, scale });
        }
        self.progress.loss += f64::from(loss[0]);
        if self.training.lesson.is_some() {
            self.progress.error += f64::from(told[0]);
        } else {
            let genre = |&song: &usize| self.setup.library.dataset.songs[song].genre;
            let rows = told.chunks_exact(self.network.genres);
            let right = rows.zip(batch.songs.iter().map(genre)).filter(|(row, g)| argmax(row) == *g).count();
            self.progress.right += right as u64;
        }
        self.frames += batch.songs.len() as u64;
        self.last.clone_from(&batch.songs);
        batches.recycle(batch);
        Ok(())
    }

    /// The error of the step whose outputs were taken last, with what running it again tells.
    fn not_finite(&mut self, batch: &Batch, scale: f32, loss: f32, mut moved: bool) -> TrainError {
        let step = self.progress.step - self.under_way.len() as u64;
        // Steps begun since have moved the weights on, unless their gradients were not finite either.
        while let Ok(outputs) = self.loaded.outputs() {
            moved |= outputs.get(2).is_some_and(|norm| norm[1] == 0.0);
        }
        let songs: Vec<String> = batch.songs.iter().map(|&song| self.name(song).to_string()).collect();
        let found = match self.write(batch, step - 1, scale) {
            Ok(()) if self.setup.ranks.count() > 1 => Diagnosis::Failed {
                reason: "each process has a part of the batch; one process with as many slices finds more"
                    .into(),
            },
            Ok(()) => diagnose(self.device.as_ref(), &self.training, self.loaded.as_mut(), &songs),
            Err(error) => Diagnosis::Failed { reason: error.to_string() },
        };
        let (songs, mixed) = (self.names(&batch.songs), self.progress.loss_scale.is_some());
        TrainError::NotFinite { step, loss, songs, found, moved, mixed }
    }

    fn name(&self, song: usize) -> &str {
        &self.setup.library.dataset.songs[song].name
    }

    /// The names of songs, each once.
    fn names(&self, songs: &[usize]) -> Vec<String> {
        let names: BTreeSet<&str> = songs.iter().map(|&song| self.name(song)).collect();
        names.into_iter().map(String::from).collect()
    }

    /// Mean loss and accuracy of the epoch's finished steps; of a network that is taught, what it explains of embeddings whose
    /// variance is 1.
    fn epoch_so_far(&self) -> (f64, f64) {
        let finished = (self.progress.batch - self.under_way.len()).max(1) as f64;
        let frames = finished * self.plan.batch_size as f64;
        let told = match self.training.lesson {
            Some(_) => 1.0 - self.progress.error / finished,
            None => self.progress.right as f64 / frames,
        };
        (self.progress.loss / finished, told)
    }

    fn step_event(&self) -> TrainingEvent<'static> {
        TrainingEvent::Step {
            epoch: self.progress.epoch,
            batch: self.progress.batch,
            so_far: (self.progress.batch > self.under_way.len()).then(|| self.epoch_so_far()),
            rate: self.rates.rate(self.progress.step - 1, &self.progress.history),
            frames_per_second: self.frames_per_second(),
        }
    }

    fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.busy.as_secs_f64().max(1e-9)
    }

    /// Ends an epoch.
    fn end_epoch(&mut self, observe: &mut dyn FnMut(TrainingEvent<'_>)) -> Result<(), TrainError> {
        let rate = self.rates.rate(self.progress.step - 1, &self.progress.history);
        let validated = self.is_validated();
        self.progress.epoch += 1;
        let figures = self.epoch_so_far();
        self.progress.batch = 0;
        self.progress.loss = 0.0;
        self.progress.right = 0;
        self.progress.error = 0.0;
        let noted = if self.is_first() { self.note(figures, rate, validated, observe) } else { Ok(()) };
        ranks::agree(&self.setup.ranks, noted, TrainError::to_string)?;
        self.follow_epoch()
    }

    /// Whether this process is the one that writes files.
    fn is_first(&self) -> bool {
        self.setup.ranks.is_first()
    }

    /// Validates, keeps the best model, and writes history and checkpoint, after an epoch with this loss and accuracy.
    fn note(
        &mut self,
        (train_loss, train_accuracy): (f64, f64),
        learning_rate: f32,
        validated: bool,
        observe: &mut dyn FnMut(TrainingEvent<'_>),
    ) -> Result<(), TrainError> {
        let weights = self.weights()?;
        let mut verdict = if validated { self.validate(&weights)? } else { Verdict::default() };
        let (validation, agreement) = (verdict.evaluation.as_ref(), verdict.agreement);
        let epoch = Epoch {
            epoch: self.progress.epoch,
            step: self.progress.step,
            learning_rate,
            train_loss,
            train_accuracy,
            validation_loss: validation.map(|v| v.loss).or(agreement.map(|a| a.loss)),
            validation_frame_accuracy: validation
                .map(|v| v.frame_accuracy)
                .or(agreement.map(|a| a.explained)),
            validation_song_accuracy: validation.map(|v| v.song_accuracy),
        };
        let keep = self.setup.config.training.keep;
        let kept =
            keep == Keep::Last || self.progress.history.kept(keep).is_none_or(|best| epoch.beats(best));
        if kept {
            // Probabilities that mean what they say on the validation songs.
            verdict.evaluation.iter_mut().for_each(|v| v.decide(v.fitted()));
            let usual = match self.network.config.labels {
                Labels::Genres => Decision::default(),
                // Each tag by itself.
                Labels::Tags => {
                    let aggregation = Aggregation::Independent;
                    Decision { aggregation, unsure_below: None, ..Decision::default() }
                }
            };
            let cited = self.setup.cited.map_or(usual, |(_, decision)| decision);
            let decision = verdict.evaluation.as_ref().map_or(cited, |v| v.decision);
            self.model(weights, &epoch, decision).save(&self.setup.run.best())?;
            self.best = verdict;
        }
        self.progress.history.0.push(epoch);
        self.progress.history.write(&self.setup.run.history())?;
        self.save()?;
        observe(TrainingEvent::Epoch { epoch: &epoch, kept });
        Ok(())
    }

    /// Whether no epoch is left to train.
    fn complete(&self) -> bool {
        let options = &self.setup.config.training;
        self.progress.epoch >= options.epochs || self.progress.history.exhausted(options.patience)
    }

    /// Whether the epoch under way is one that is validated.
    fn is_validated(&self) -> bool {
        let options = &self.setup.config.training;
        let number = self.progress.epoch + 1;
        number == options.epochs || number.is_multiple_of(options.validate_every)
    }

    /// Judges a network of these weights by the validation songs, if there are any.
    fn validate(&mut self, weights: &Weights) -> Result<Verdict, TrainError> {
        let (songs, library) = (&self.setup.split.validation, &self.setup.library);
        let mut verdict = Verdict::default();
        if songs.is_empty() {
            return Ok(verdict);
        }
        match &mut self.judge {
            Judge::Genres(classifier) => {
                classifier.set_weights(weights)?;
                verdict.evaluation = Some(evaluate(classifier.as_mut(), library, songs)?);
            }
            Judge::Teachers(embedder) => {
                if let Some(lessons) = &self.plan.lessons {
                    embedder.set_weights(weights)?;
                    verdict.agreement = Some(agree(embedder, weights, (library, lessons), songs)?);
                }
            }
        }
        Ok(verdict)
    }
}
