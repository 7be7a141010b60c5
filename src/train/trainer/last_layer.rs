//! The beginning of a network that begins with another: its last layer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::TrainError;
use super::super::base::{Embeddings, HeadClassifier, adopt, fit_head, listener};
use super::super::session::{Ending, TrainingEvent, TrainingOutcome};
use super::{Judge, Trainer};
use crate::audio::Song;
use crate::device::Precision;

impl Trainer {
    /// Hears the songs through the base, fits a last layer to what is heard, and notes it as epoch 0; not where it was asked to
    /// stop before that.
    pub(super) fn fit_last_layer(
        &mut self,
        observe: &mut dyn FnMut(TrainingEvent<'_>),
        stop: &AtomicBool,
    ) -> Result<(), TrainError> {
        let Some(heard) = self.hear(observe, stop)? else { return Ok(()) };
        let Some(base) = &self.base else { return Ok(()) };
        let (library, split) = (&self.setup.library, &self.setup.split);
        let options = &self.setup.config.training;
        let class_weights = options.class_weights(&library.dataset, &split.train);
        let fitted = fit_head(&heard, library, &split.train, &class_weights, options.seed)?;
        let weights = adopt(base, &self.network, &fitted);
        self.load(&weights)?;
        // What was heard need not be heard again to be judged by the last layer.
        let device = self.device.at(Precision::F32)?;
        let kind = self.network.config.labels;
        let head = HeadClassifier::new(heard, self.network.genres, kind, device.as_ref())?;
        let whole = std::mem::replace(&mut self.judge, Judge::Genres(Box::new(head)));
        observe(TrainingEvent::Validating);
        self.note((fitted.loss, fitted.accuracy), 0.0, true, observe)?;
        if self.setup.config.training.epochs > 0 {
            self.judge = whole;
        }
        Ok(())
    }

    /// What the base hears in the songs that train and validate; none where it was asked to stop midway.
    fn hear(
        &self,
        observe: &mut dyn FnMut(TrainingEvent<'_>),
        stop: &AtomicBool,
    ) -> Result<Option<Arc<Embeddings>>, TrainError> {
        let (split, library) = (&self.setup.split, &self.setup.library);
        let songs: Vec<&Song> =
            split.train.iter().chain(&split.validation).map(|&song| &library.songs[song]).collect();
        if let Some(known) = &self.setup.embeddings
            && known.cover(songs.iter().copied())
        {
            return Ok(Some(known.clone()));
        }
        let Some(base) = &self.base else { return Ok(None) };
        let base = listener(base, &self.network.config);
        let device = self.device.at(Precision::F32)?;
        let count = songs.len();
        let mut progress = |done| observe(TrainingEvent::Hearing { done, songs: count });
        let folder = self.setup.embeddings_folder.as_deref();
        let heard = Embeddings::hear(&base, &songs, device.as_ref(), folder, &mut progress, stop)?;
        let whole = !stop.load(Ordering::Relaxed) || heard.cover(songs.into_iter());
        Ok(whole.then(|| Arc::new(heard)))
    }

    /// What comes of a training that was asked to stop before its first epoch: what is on disk can be resumed.
    pub(super) fn stopped(self) -> TrainingOutcome {
        let best = self.setup.run.best();
        TrainingOutcome { ending: Ending::Stopped, metrics: None, profile: None, validation: None, best }
    }
}
