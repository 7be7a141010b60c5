//! Flags of what a network begins with.

use std::path::{Path, PathBuf};

use clap::Args;

use super::given;
use crate::cli::CliError;
use crate::files;
use crate::model::Model;
use crate::train::RunConfig;

/// Flags of what a network begins with.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Beginning", allow_negative_numbers = true)]
pub struct BaseFlags {
    /// Begin with this model: its preprocessing, architecture and weights, and a new last layer for the genres; included is
    /// the one that comes with the program, none is to train from nothing [default: included, unless flags shape another
    /// network, --config is given, or the songs are the demo set]
    #[arg(long, value_name = "MODEL|included|none", conflicts_with = "config")]
    pub(super) from: Option<PathBuf>,
    /// Fit the new last layer and leave the rest as it is, which takes seconds once the songs were heard [default, where a
    /// network begins with another and --epochs is not given]
    #[arg(long, conflicts_with_all = ["epochs", "base_rate"])]
    pub(super) freeze: bool,
    /// The learning rate of what was there, as a share of that of the new layer [default: 1]
    #[arg(long, value_name = "SHARE")]
    base_rate: Option<f32>,
}

impl BaseFlags {
    /// Whether nobody said what to begin with.
    pub fn is_open(&self) -> bool {
        self.from.is_none()
    }

    /// Where the base of a run that is resumed is now.
    ///
    /// # Errors
    /// [`CliError::Usage`] where another model is named, or other flags are given.
    pub fn moved(&self, config: &mut RunConfig) -> Result<(), CliError> {
        let Some(from) = &self.from else {
            let message =
                "a resumed run keeps the settings that it was begun with; leave out --freeze and --base-rate";
            return if *self == Self::default() { Ok(()) } else { Err(CliError::Usage(message.to_string())) };
        };
        let digest = Model::load(from)?.digest();
        match &mut config.base {
            Some(base) if base.digest == digest => {
                base.model.clone_from(from);
                Ok(())
            }
            _ => Err(CliError::Usage(format!(
                "--from {}: not what this run began with; leave it out, or name where that model is now",
                files::shown(from)
            ))),
        }
    }

    /// As [`TrainingFlags::of_steps`].
    pub(super) fn of_steps(&self) -> Vec<String> {
        given!(self; base_rate).collect()
    }

    /// The model that is named, if any is.
    pub(super) fn named(&self) -> Option<&Path> {
        self.from.as_deref().filter(|from| *from != Path::new("none"))
    }

    /// Begins with the model that is named, or where none is, with that of `default`. Then only the last layer is trained,
    /// unless flags say more.
    pub(super) fn begin(&self, default: Option<&Path>, config: &mut RunConfig) -> Result<(), CliError> {
        let named = self.named();
        if let Some(model) = named.or(default.filter(|_| self.is_open())) {
            config.begin_with(model)?;
            config.training.epochs = 0;
        }
        match (&mut config.base, self.base_rate) {
            (Some(base), Some(rate)) => base.rate = rate,
            (None, rate) if self.freeze || rate.is_some() => {
                return Err(CliError::Usage(
                    "--freeze and --base-rate are for networks that begin with another; name it with --from"
                        .to_string(),
                ));
            }
            _ => {}
        }
        Ok(())
    }
}
