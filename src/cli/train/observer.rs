//! What a training says as it goes.

use crate::cli::progress::Progress;
use crate::cli::say;
use crate::score::Epoch;
use crate::train::{History, TrainingEvent};

/// What validation says of an epoch, and whether its model is the best so far.
fn validated(epoch: &Epoch, best: bool) -> String {
    if let (Some(loss), Some(explained), None) =
        (epoch.validation_loss, epoch.validation_frame_accuracy, epoch.validation_song_accuracy)
    {
        let best = if best { " (best)" } else { "" };
        return format!("; validation: loss {loss:.3}, explained {:.1} %{best}", 100.0 * explained);
    }
    let figures = (epoch.validation_loss, epoch.validation_frame_accuracy, epoch.validation_song_accuracy);
    let (Some(loss), Some(frames), Some(songs)) = figures else { return String::new() };
    let (frames, songs) = (100.0 * frames, 100.0 * songs);
    let best = if best { " (best)" } else { "" };
    format!("; validation: loss {loss:.3}, frames {frames:.1} %, songs {songs:.1} %{best}")
}

/// Draws the events of a training.
pub struct TrainingObserver {
    epochs: usize,
    /// What the share is called that an epoch is told with.
    share: &'static str,
    per_epoch: usize,
    bar: Option<Progress>,
    pub history: History,
    pub frames_per_second: f64,
}

impl TrainingObserver {
    pub fn new(epochs: usize, taught: bool) -> Self {
        let share = if taught { "explained" } else { "accuracy" };
        Self { epochs, share, per_epoch: 0, bar: None, history: History::default(), frames_per_second: 0.0 }
    }

    pub fn hear(&mut self, event: TrainingEvent<'_>) {
        match &event {
            TrainingEvent::Step { frames_per_second, .. } => self.frames_per_second = *frames_per_second,
            TrainingEvent::Epoch { epoch, .. } => self.history.0.push(**epoch),
            _ => {}
        }
        match event {
            TrainingEvent::Ready { parameters, steps_per_epoch, memory } => {
                self.per_epoch = steps_per_epoch;
                let megabytes = memory as f64 / 1e6;
                say(&format!("network: {parameters} parameters, {megabytes:.0} MB for a training step"));
                self.bar = Some(Progress::new("training"));
            }
            TrainingEvent::Hearing { done, songs } => {
                if let Some(bar) = &self.bar {
                    bar.at(done, songs, "hearing the songs with what was learnt before");
                }
            }
            TrainingEvent::Step { epoch, batch, so_far: Some((loss, accuracy)), rate, frames_per_second } => {
                let message = format!(
                    "epoch {}/{} loss {loss:.3} {} {:.1} % rate {rate:.1e} {frames_per_second:.0} frames/s",
                    epoch + 1,
                    self.epochs,
                    self.share,
                    100.0 * accuracy
                );
                if let Some(bar) = &self.bar {
                    bar.at(epoch * self.per_epoch + batch, self.epochs * self.per_epoch, &message);
                }
            }
            TrainingEvent::Skipped { step, scale } => {
                let line = format!("step {step} skipped: gradients overflowed with a loss scale of {scale}");
                if let Some(bar) = &self.bar {
                    bar.line(&line);
                }
            }
            TrainingEvent::Step { .. } | TrainingEvent::Validating => {}
            TrainingEvent::Epoch { epoch, kept } => {
                let name = match epoch.epoch {
                    0 => "last layer".to_string(),
                    number => format!("epoch {number:>3}/{}", self.epochs),
                };
                let line = format!(
                    "{name}: loss {:.3}, {} {:.1} %{}",
                    epoch.train_loss,
                    self.share,
                    100.0 * epoch.train_accuracy,
                    validated(epoch, kept),
                );
                if let Some(bar) = &self.bar {
                    bar.line(&line);
                }
            }
        }
    }

    pub fn end(&mut self) {
        self.bar = None;
    }
}
