use serde::{Deserialize, Serialize};

/// What an epoch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Steps taken until the epoch's end.
    pub step: u64,
    /// The epoch's last learning rate.
    pub learning_rate: f32,
    /// Mean loss of the epoch's steps.
    pub train_loss: f64,
    /// Share of training frames whose genre was recognised, while they were trained on.
    pub train_accuracy: f64,
    /// Mean negative log-likelihood of the validation frames; none where the epoch was not validated.
    pub validation_loss: Option<f64>,
    /// The share of validation frames whose genre was recognised.
    pub validation_frame_accuracy: Option<f64>,
    /// The share of validation songs whose genre was recognised.
    pub validation_song_accuracy: Option<f64>,
}

impl Epoch {
    /// Whether this epoch's model is to be preferred to an earlier one: more validation songs right, or as many and a lower
    /// loss. Where nothing is validated, the later is.
    pub fn beats(&self, other: &Self) -> bool {
        let key = |e: &Self| e.validation_song_accuracy.zip(e.validation_loss.map(|loss| -loss));
        match (key(self), key(other)) {
            (this, Some(other)) => this.is_some_and(|this| this > other),
            _ => true,
        }
    }

    /// The loss that schedules and patience go by: on validation songs, or where there are none on those trained on.
    pub fn loss(&self) -> f64 {
        self.validation_loss.unwrap_or(self.train_loss)
    }
}
