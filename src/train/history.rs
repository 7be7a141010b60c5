use std::path::Path;

use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::files;
use crate::score::Epoch;

/// The epoch whose model a run keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The one with the most validation songs right; of equals the one with the lowest loss, the earliest.
    #[default]
    Best,
    /// The last: validation songs choose nothing, so that what they say of the model is not flattered.
    Last,
}

/// All epochs so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History(pub Vec<Epoch>);

impl History {
    /// The epoch whose model is kept.
    pub fn kept(&self, keep: Keep) -> Option<&Epoch> {
        match keep {
            Keep::Best => self.0.iter().reduce(|best, epoch| if epoch.beats(best) { epoch } else { best }),
            Keep::Last => self.0.last(),
        }
    }

    /// The losses that schedules and patience go by.
    pub fn losses(&self) -> impl Iterator<Item = f64> {
        self.0.iter().map(Epoch::loss)
    }

    /// Whether the loss has not come to a new minimum for `patience` epochs (Keras' `EarlyStopping`); never with 0.
    pub fn exhausted(&self, patience: usize) -> bool {
        let mut lowest = (f64::INFINITY, 0);
        for (number, loss) in (1..).zip(self.losses()) {
            if loss < lowest.0 {
                lowest = (loss, number);
            }
        }
        patience > 0 && self.0.len() - lowest.1 >= patience
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
