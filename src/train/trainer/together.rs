//! What a training does where several processes train one network together.

use super::super::TrainError;
use super::super::checkpoint::Checkpoint;
use super::super::ranks;
use super::super::session::TrainingEvent;
use super::Trainer;
use crate::dataset::Batches;
use crate::device::DeviceError;
use crate::score::Epoch;

impl Trainer {
    /// Stands where the first process stands.
    pub(super) fn follow(&mut self) -> Result<(), TrainError> {
        if self.setup.ranks.count() == 1 {
            return Ok(());
        }
        let first = self.is_first().then(|| self.checkpoint());
        let checkpoint = ranks::follow(&self.setup.ranks, first)?;
        if self.is_first() { Ok(()) } else { self.take(checkpoint) }
    }

    /// Notes the epoch that the first process has validated.
    pub(super) fn follow_epoch(&mut self) -> Result<(), TrainError> {
        if self.setup.ranks.count() == 1 {
            return Ok(());
        }
        let last = self.progress.history.0.last().copied().filter(|_| self.is_first());
        let said = last.map_or(Ok(Vec::new()), |epoch| serde_json::to_vec(&epoch));
        let said = ranks::told(&self.setup.ranks, said.unwrap_or_default())?;
        if !self.is_first() {
            let fail = |source: serde_json::Error| TrainError::Io {
                path: "what rank 0 sent".into(),
                action: "reading an epoch",
                source: source.into(),
            };
            self.progress.history.0.push(serde_json::from_slice::<Epoch>(&said).map_err(fail)?);
        }
        Ok(())
    }

    /// Stands where this checkpoint stands.
    pub(super) fn take(&mut self, checkpoint: Checkpoint) -> Result<(), TrainError> {
        self.loaded.write(self.training.state, &checkpoint.state.data)?;
        for r in &self.training.running {
            self.loaded.write(r.node, &checkpoint.running.0[&r.name].data)?;
        }
        self.progress = checkpoint.progress;
        Ok(())
    }

    /// Where other processes are to blame for the error, saves what was trained before the step that they broke off.
    pub(super) fn saved_after(
        &mut self,
        error: TrainError,
        batches: &Batches,
        observe: &mut dyn FnMut(TrainingEvent<'_>),
    ) -> TrainError {
        if matches!(error, TrainError::Ranks(_) | TrainError::Device(DeviceError::Ranks(_))) {
            // What was saved before stays in any case.
            let _ = self.finish_steps(0, batches, observe).and_then(|()| self.save());
        }
        error
    }
}
