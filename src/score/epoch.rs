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
    /// Share of training frames whose genre was recognised, while they were trained on; of a network that is taught, the share
    /// of the variance of its teachers' embeddings that it explained.
    pub train_accuracy: f64,
    /// Mean negative log-likelihood of the validation frames; none where the epoch was not validated. Of a network that is
    /// taught, the loss that it is taught with.
    pub validation_loss: Option<f64>,
    /// The share of validation frames whose genre was recognised; of a network that is taught, the share of their variance that
    /// it explains.
    pub validation_frame_accuracy: Option<f64>,
    /// The share of validation songs whose genre was recognised; none where the network is taught.
    pub validation_song_accuracy: Option<f64>,
}

impl Epoch {
    /// Whether this epoch's model is to be preferred to an earlier one: more validation songs right, or as many and a lower
    /// loss. Where nothing is validated, the later is.
    pub fn beats(&self, other: &Self) -> bool {
        let key =
            |e: &Self| e.validation_loss.map(|loss| (e.validation_song_accuracy.unwrap_or_default(), -loss));
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
