//! What a training writes into its run's folder, and reads when it is resumed.

use std::time::Duration;

use xxhash_rust::xxh3::Xxh3Default;

use super::super::TrainError;
use super::super::checkpoint::Checkpoint;
use super::super::claim::Claim;
use super::super::diagnosis::{in_running, in_state};
use super::super::ranks;
use super::super::session::Metrics;
use super::super::teacher::taught;
use super::{AHEAD, Trainer};
use crate::dataset::{Library, Split};
use crate::files;
use crate::model::{FORMAT, Model, ModelCard, Provenance, Tensor, Weights};
use crate::score::{Decision, Epoch};

impl Trainer {
    /// Gives the network its first weights, or those of the checkpoint. The first process begins the run's files.
    pub(super) fn begin(&mut self) -> Result<(), TrainError> {
        ranks::same(&self.setup, &self.digest)?;
        self.loaded.write(self.training.loss_gradient, &[1.0])?;
        let weights = match self.training.lesson {
            Some(_) => vec![1.0; self.labels.len()],
            None => {
                self.setup.config.training.class_weights(&self.setup.library.dataset, &self.setup.split.train)
            }
        };
        self.loaded.write(self.training.class_weights, &weights)?;
        let begun = if self.is_first() { self.begin_files() } else { Ok(()) };
        ranks::agree(&self.setup.ranks, begun, TrainError::to_string)?;
        self.follow()
    }

    /// Writes the first weights, and begins the run's files with them; or writes those of the checkpoint.
    fn begin_files(&mut self) -> Result<(), TrainError> {
        if self.setup.claim.is_none() {
            self.setup.claim = Some(Claim::new(&self.setup.run.0)?);
        }
        let Some(checkpoint) = self.setup.resume.take() else {
            let weights = self.network.initialise(self.setup.config.training.seed)?;
            self.load(&weights)?;
            let run = &self.setup.run;
            run.vacant()?;
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
        checkpoint.check_scale(&path, AHEAD)?;
        if !checkpoint.progress.history.0.is_empty() {
            // Missed now rather than after the last epoch.
            Model::load(&self.setup.run.best())?;
        }
        self.take(checkpoint)?;
        // As it was; there is none where the run was stopped right after its first checkpoint.
        self.write_split()
    }

    /// Gives the network weights, and the optimizer moments of 0.
    pub(super) fn load(&mut self, weights: &Weights) -> Result<(), TrainError> {
        let (flat, running) = weights.scatter(&self.training.layout, &self.training.running)?;
        let mut state = vec![0.0; self.optimizer.rows() * flat.len()];
        state[..flat.len()].copy_from_slice(&flat);
        self.loaded.write(self.training.state, &state)?;
        for (r, data) in self.training.running.iter().zip(&running) {
            self.loaded.write(r.node, data)?;
        }
        Ok(())
    }

    /// Writes who trains and who validates.
    pub(super) fn write_split(&self) -> Result<(), TrainError> {
        let path = self.setup.run.split();
        let text = self.setup.split.to_csv(&self.setup.library.dataset);
        files::write_atomic(&path, text.as_bytes()).map_err(|source| TrainError::Io {
            path,
            action: "writing",
            source,
        })
    }

    pub(super) fn weights(&mut self) -> Result<Weights, TrainError> {
        let (state, running) = self.variables()?;
        Ok(Weights::gather(&self.training.layout, &state, &self.training.running, &running))
    }

    /// The optimizer's state and the running statistics. What is not finite is never saved.
    pub(super) fn variables(&mut self) -> Result<(Vec<f32>, Vec<Vec<f32>>), TrainError> {
        let state = self.loaded.read(self.training.state)?;
        let running = self.training.running.iter().map(|r| self.loaded.read(r.node));
        let running = running.collect::<Result<Vec<_>, _>>()?;
        if let Some(found) = in_state(&self.training, &state).or_else(|| in_running(&self.training, &running))
        {
            let songs = self.names(&self.last);
            return Err(TrainError::Spoiled { step: self.progress.step, songs, found });
        }
        Ok((state, running))
    }

    pub(super) fn model(&self, weights: Weights, epoch: &Epoch, decision: Decision) -> Model {
        let dataset = &self.setup.library.dataset;
        let explained = epoch.validation_frame_accuracy;
        let taught = (!self.teachers.is_empty())
            .then(|| taught(&self.teachers, dataset, &self.setup.split, explained));
        let provenance = Provenance {
            dataset: folder_name(&dataset.root),
            training_songs: self.setup.split.train.len(),
            validation_songs: self.setup.split.validation.len(),
            epochs: epoch.epoch,
            seed: self.setup.config.training.seed,
            song_accuracy: epoch.validation_song_accuracy,
            frame_accuracy: if taught.is_some() { None } else { epoch.validation_frame_accuracy },
            base: self.base.as_ref().map(|base| Box::new(base.as_ancestor())),
            taught: taught.map(Box::new),
            source: None,
        };
        let card = ModelCard {
            format: FORMAT,
            genres: self.labels.clone(),
            config: self.network.config.clone(),
            provenance,
            decision,
            cross_validation: self.setup.cited.map(|(figures, _)| figures),
        };
        Model { card, weights }
    }

    pub(super) fn save(&mut self) -> Result<(), TrainError> {
        if !self.is_first() {
            return Ok(());
        }
        self.checkpoint()?.save(&self.setup.run.checkpoint())
    }

    /// Where the training stands.
    pub(super) fn checkpoint(&mut self) -> Result<Checkpoint, TrainError> {
        let (data, statistics) = self.variables()?;
        let shape = self.training.graph.shape(self.training.state).clone();
        let named = self.training.running.iter().zip(statistics);
        let running =
            named.map(|(r, data)| (r.name.clone(), Tensor { shape: [2, r.channels].into(), data })).collect();
        Ok(Checkpoint {
            config: self.setup.config.clone(),
            dataset: self.digest.clone(),
            progress: self.progress.clone(),
            state: Tensor { shape, data },
            running: Weights(running),
        })
    }

    /// Writes `metrics.json` for the best model.
    pub(super) fn finish(&mut self, elapsed: Duration) -> Result<Metrics, TrainError> {
        let path = self.setup.run.best();
        let mut verdict = std::mem::take(&mut self.best);
        // The best epoch came before this session began.
        if verdict.evaluation.is_none() && verdict.agreement.is_none() {
            let mut model = Model::load(&path)?;
            verdict = self.validate(&model.weights)?;
            // It has its temperature, unless it was kept without being validated.
            if let Some(validation) = &mut verdict.evaluation {
                validation.decide(validation.fitted());
                if model.card.decision != validation.decision {
                    model.card.decision = validation.decision;
                    model.save(&path)?;
                }
            }
        }
        let metrics = Metrics {
            validation: verdict.evaluation,
            agreement: verdict.agreement,
            genres: self.labels.clone(),
            epochs: self.progress.epoch,
            best_epoch: self
                .progress
                .history
                .kept(self.setup.config.training.keep)
                .map_or(0, |kept| kept.epoch),
            frames_per_second: self.frames_per_second(),
            seconds: elapsed.as_secs_f64(),
            seconds_waiting: self.waited.as_secs_f64(),
            exchanged: (self.setup.ranks.count() > 1).then_some(self.exchanged),
            model: path,
            device: self.device.describe(),
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
    whole.file_name().map_or_else(String::new, crate::paths::text)
}

/// A digest of the songs, of what they sound like, and of who is on which side of the split.
pub(in super::super) fn digest(library: &Library, split: &Split) -> String {
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
