//! Training: options, schedule, loop, checkpoints, history, metrics.

mod base;
mod checkpoint;
mod claim;
mod cross_validation;
mod diagnosis;
mod difference;
mod error;
mod evaluation;
mod history;
mod loss_scale;
mod options;
mod preset;
mod profile;
mod ranks;
mod run;
mod schedule;
mod session;
mod teacher;
mod trainer;

pub use base::{Base, Embeddings};
pub use checkpoint::{Checkpoint, TrainingProgress};
pub use claim::Claim;
pub use cross_validation::{
    FoldEvent, Folds, FoldsSetup, PartFigures, Pooled, RuleFigures, Settings, Spread, Tested, Which,
    cross_validate, read_cross_validation,
};
pub use diagnosis::{Diagnosis, diagnose};
pub use error::TrainError;
pub use evaluation::{evaluate, evaluate_watched};
pub use history::{History, Keep};
pub use loss_scale::LossScale;
pub use options::{Balance, RunConfig, TrainOptions};
pub use preset::Preset;
pub use profile::{Profile, ProfileRow};
#[cfg(feature = "cli")]
pub use ranks::agree;
pub use run::RunFolder;
#[cfg(feature = "cli")]
pub use run::latest_model;
pub use schedule::{Plateau, Schedule, ScheduleKind};
pub use session::{Ending, Exchanged, Metrics, Training, TrainingEvent, TrainingOutcome};
pub use teacher::{Agreement, Teacher};
