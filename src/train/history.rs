use std::path::Path;

use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::files;

/// What an epoch came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Steps taken until the epoch's end.
    pub step: u64,
    /// The epoch's last learning rate.
    pub learning_rate: f32,
    pub train_loss: f64,
    /// Share of training frames whose genre was recognised, while they were trained on.
    pub train_accuracy: f64,
    pub validation_loss: f64,
    pub validation_frame_accuracy: f64,
    pub validation_song_accuracy: f64,
}

impl Epoch {
    /// Whether this epoch's model is to be preferred: more validation songs right, or as many and a lower loss.
    pub fn beats(&self, other: &Self) -> bool {
        let key = |e: &Self| (e.validation_song_accuracy, -e.validation_loss);
        key(self) > key(other)
    }
}

/// All epochs so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History(pub Vec<Epoch>);

impl History {
    /// The epoch to be preferred, the earliest of equals.
    pub fn best(&self) -> Option<&Epoch> {
        self.0.iter().reduce(|best, epoch| if epoch.beats(best) { epoch } else { best })
    }

    /// Writes `history.csv` atomically.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let fail = |source| TrainError::Io { path: path.into(), action: "writing", source };
        let mut csv = csv::Writer::from_writer(Vec::new());
        for epoch in &self.0 {
            csv.serialize(epoch).map_err(|e| fail(e.into()))?;
        }
        let bytes = csv.into_inner().map_err(|e| fail(std::io::Error::other(e.to_string())))?;
        files::write_atomic(path, &bytes).map_err(fail)
    }
}
