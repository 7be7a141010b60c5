//! A network that is taught: what its teachers say of the songs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::super::TrainError;
use super::super::options::RunConfig;
use super::super::session::TrainingEvent;
use super::super::teacher::{Hearing, embedding_width, hear_lessons};
use super::Trainer;
use crate::device::Precision;
use crate::model::{Model, Network, TrainingGraph};

/// The graph of a training step that imitates these teachers.
///
/// # Errors
/// [`TrainError::Setting`] where the network's embedding is not as wide as theirs together.
pub(super) fn graph(
    network: &Network,
    teachers: &[Model],
    config: &RunConfig,
) -> Result<TrainingGraph, TrainError> {
    let wanted: usize = teachers.iter().map(embedding_width).sum::<Result<_, _>>()?;
    if network.config.embedding != Some(wanted) {
        return Err(TrainError::Setting {
            setting: "embedding",
            value: network.config.embedding.unwrap_or_default().to_string(),
            wanted: format!("those of the teachers have {wanted} numbers"),
        });
    }
    Ok(network.lesson(&config.graph())?)
}

impl Trainer {
    /// Has the teachers hear all songs. False where it was asked to stop before the end.
    pub(super) fn hear_teachers(
        &mut self,
        observe: &mut dyn FnMut(TrainingEvent<'_>),
        stop: &AtomicBool,
    ) -> Result<bool, TrainError> {
        let device = self.device.at(Precision::F32)?;
        let hearing = Hearing {
            library: &self.setup.library,
            device: device.as_ref(),
            cache: self.setup.cache.as_ref(),
            folder: self.setup.embeddings_folder.as_deref(),
            stop,
        };
        let mut progress = |done, songs| observe(TrainingEvent::Hearing { done, songs });
        let lessons = hear_lessons(&self.teachers, &self.setup.split.train, &hearing, &mut progress)?;
        self.plan.lessons = lessons.map(Arc::new);
        Ok(self.plan.lessons.is_some())
    }
}
