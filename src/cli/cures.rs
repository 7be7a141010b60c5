//! Errors as the command line tells them: the library speaks of settings by field and of cures without flags; here they
//! get their flags.

use clap::Args;

use super::CliError;
use super::flags::{NetworkFlags, TrainingFlags, ValidationFlags};
use crate::Error;
use crate::dataset::DatasetError;
use crate::dataset::download::DownloadError;
use crate::device::DeviceError;
use crate::model::ModelError;
use crate::train::TrainError;

/// The error in one line, with the flags that cure it.
pub fn told(error: &CliError) -> String {
    if let Some((setting, value, wanted)) = setting(error) {
        let name = flag(setting).map_or_else(|| setting.to_string(), |flag| format!("--{flag}"));
        return format!("{name} is {value}, but {wanted}");
    }
    match flags(error) {
        Some(flags) => format!("{error} ({flags})"),
        None => error.to_string(),
    }
}

/// The setting that is out of range, its value, and what is wanted.
fn setting(error: &CliError) -> Option<(&str, &str, &str)> {
    match error {
        CliError::Library(
            Error::Model(ModelError::Setting { setting, value, wanted })
            | Error::Train(TrainError::Setting { setting, value, wanted }),
        ) => Some((setting, value, wanted)),
        _ => None,
    }
}

/// The flag that gives a setting, where there is one.
fn flag(setting: &str) -> Option<String> {
    let name = if setting == "dense" { "units".to_string() } else { setting.replace('_', "-") };
    let command = clap::Command::new("");
    let command =
        NetworkFlags::augment_args(ValidationFlags::augment_args(TrainingFlags::augment_args(command)));
    command.get_arguments().any(|argument| argument.get_long() == Some(&name)).then_some(name)
}

/// The flags of an error's cure.
fn flags(error: &CliError) -> Option<&'static str> {
    Some(match error {
        CliError::Library(Error::Device(error)) => match error {
            DeviceError::NoAdapter
            | DeviceError::NotOpened { .. }
            | DeviceError::TooLarge { .. }
            | DeviceError::NoTimestamps { .. } => "--device cpu",
            DeviceError::NoMixedPrecision { .. } => {
                "--device gpu where `info` lists an adapter that has it, or --precision f32"
            }
            DeviceError::OutOfMemory { .. } => "--batch, --device",
            DeviceError::Lost { .. } => "--resume, --device cpu",
            DeviceError::Timeout { .. } => "--batch, --device cpu",
            _ => return None,
        },
        CliError::Library(Error::Dataset(DatasetError::NoFold { .. })) => "--folds 5",
        CliError::Library(Error::Dataset(DatasetError::NotAFolder(_))) => "predict takes songs one by one",
        CliError::Library(Error::Train(error)) => match error {
            TrainError::Occupied(_) => "--resume, --run",
            TrainError::NoValidationSongs => "--validation 0",
            TrainError::NothingToResume(_)
            | TrainError::Busy { .. }
            | TrainError::OtherCheckpoint { .. }
            | TrainError::OtherFolds { .. } => "--run",
            TrainError::NotFinite { mixed: true, .. } => "--learning-rate, --clip 1, --precision f32",
            TrainError::NotFinite { .. } | TrainError::Spoiled { .. } => "--learning-rate, --clip 1",
            TrainError::NoTrainingSongs => "--validation",
            TrainError::Teacher { .. } => "--teacher",
            _ => return None,
        },
        CliError::Download(DownloadError::NoYtDlp(_) | DownloadError::BadYtDlp { .. }) => "--yt-dlp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_by_their_flags() {
        for (setting, told) in [
            ("epochs", Some("epochs")),
            ("frames_per_song", Some("frames-per-song")),
            ("fold", Some("fold")),
            ("mask_width", Some("mask-width")),
            ("sample_rate", Some("sample-rate")),
            ("dense", Some("units")),
            // In files only.
            ("slope", None),
            ("plateau", None),
        ] {
            assert_eq!(flag(setting).as_deref(), told);
        }
        let setting = |setting| {
            let error = TrainError::Setting { setting, value: "0".into(), wanted: "it must not".into() };
            super::told(&CliError::from(error))
        };
        assert_eq!(setting("validate_every"), "--validate-every is 0, but it must not");
        assert_eq!(setting("plateau"), "plateau is 0, but it must not");
    }

    #[test]
    fn cures_are_told_with_their_flags() {
        let error = CliError::from(TrainError::Device(DeviceError::NoAdapter));
        assert_eq!(told(&error), format!("{} (--device cpu)", DeviceError::NoAdapter));
        let plain = CliError::Other("as it is".into());
        assert_eq!(told(&plain), "as it is");
    }
}
