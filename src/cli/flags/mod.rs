//! Flags that change a configuration.

mod base;
mod network;
mod training;

use std::path::{Path, PathBuf};

use clap::Args;

pub use self::base::BaseFlags;
pub use self::network::NetworkFlags;
pub use self::training::{TrainingFlags, ValidationFlags};
use super::cures::told;
use super::{CliError, quoted};
use crate::dataset::Cache;
use crate::train::RunConfig;

/// The names of the flags that were given.
macro_rules! given {
    ($flags:expr; $($name:ident),*) => {
        [$(($flags.$name.is_some(), stringify!($name))),*]
            .into_iter()
            .filter_map(|(given, name)| given.then(|| name.replace('_', "-")))
    };
}

/// Puts a flag's value, where it was given, into a setting.
macro_rules! put {
    ($flags:expr => $settings:expr; $($name:ident),*) => {
        $(if let Some(value) = &$flags.$name {
            $settings.$name = value.clone();
        })*
    };
}

// By these paths the modules below find them.
use {given, put};

/// The name that a setting's value has in files, from the one on the command line.
fn named<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_string())).map_err(|error| error.to_string())
}

/// Flags of the cache of decoded songs.
#[derive(Args, Debug, Default)]
pub struct CacheFlags {
    /// Hold decoded songs in memory instead of keeping them on disk for the next time
    #[arg(long)]
    no_cache: bool,
    /// Folder for decoded songs [default: the system's folder for caches]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
}

impl CacheFlags {
    /// These flags as they should be typed again.
    pub fn repeated(&self) -> String {
        match &self.cache {
            _ if self.no_cache => " --no-cache".to_string(),
            Some(folder) => format!(" --cache {}", quoted(folder)),
            None => String::new(),
        }
    }

    /// The cache that is asked for; none where the system has no folder for it.
    pub fn open(&self) -> Option<Cache> {
        if self.no_cache {
            return None;
        }
        self.cache.clone().or_else(Cache::user_folder).map(Cache::new)
    }
}

/// A configuration from a file or a preset, if any, and flags, which win; `default` is what the network begins with where
/// nobody said so.
///
/// # Errors
/// [`CliError::Usage`] where a setting is not possible, the base has another network, or flags of steps are given and there
/// are none.
pub fn configure(
    file: Option<&PathBuf>,
    (base, default): (&BaseFlags, Option<&Path>),
    network: &NetworkFlags,
    training: Option<(&TrainingFlags, &ValidationFlags)>,
) -> Result<RunConfig, CliError> {
    if let (Some(model), Some(_)) = (base.named(), network.preset) {
        let shown = crate::files::shown(model);
        let message = format!(
            "--from {shown} brings its own network; leave out --preset, or train from nothing with --from none"
        );
        return Err(CliError::Usage(message));
    }
    let read = file.map(|path| RunConfig::read(path)).transpose()?;
    let mut config = read.unwrap_or_else(|| network.preset.unwrap_or_default().config());
    base.begin(default, &mut config)?;
    network.apply(&mut config.model)?;
    if let Some((training, validation)) = training {
        training.apply(&mut config.training);
        validation.apply(&mut config.training);
    }
    config.check().map_err(|error| CliError::Usage(told(&error.into())))?;
    if let Some(base) = &config.base {
        base.suits(&config.model).map_err(|error| CliError::Usage(told(&error.into())))?;
    }
    if config.training.epochs == 0 {
        let training =
            training.map(|(training, validation)| [training.of_steps(), validation.of_steps()].concat());
        no_steps(base, [base.of_steps(), network.of_steps(), training.unwrap_or_default()].concat())?;
    }
    Ok(config)
}

/// Refuses flags of steps where there are none, rather than ignore them.
fn no_steps(base: &BaseFlags, idle: Vec<String>) -> Result<(), CliError> {
    if idle.is_empty() {
        return Ok(());
    }
    let cure = match &base.from {
        _ if base.freeze => "--epochs in place of --freeze tunes the other layers too",
        None => "--epochs tunes the other layers too, --from none trains from nothing",
        Some(_) => "--epochs tunes the other layers too",
    };
    Err(CliError::Usage(format!(
        "--{}: of no use where only a new last layer is fitted to what a trained network hears; {cure}",
        idle.join(", --")
    )))
}
