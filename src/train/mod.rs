//! Training: options, schedule, loop, checkpoints, history, metrics.

mod checkpoint;
mod diagnosis;
mod error;
mod evaluation;
mod history;
mod options;
mod profile;
mod run;
mod schedule;
mod session;
mod trainer;

pub use checkpoint::{Checkpoint, Progress};
pub use diagnosis::{Diagnosis, diagnose};
pub use error::TrainError;
pub use evaluation::{Evaluation, evaluate};
pub use history::{Epoch, History};
pub use options::{RunConfig, TrainOptions};
pub use profile::{Profile, ProfileRow};
pub use run::{RunFolder, latest_model};
pub use schedule::{Schedule, ScheduleKind};
pub use session::{Ending, Event, Metrics, Outcome, Setup};
pub use trainer::train;
