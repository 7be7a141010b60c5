use std::path::PathBuf;

use super::bundle::BundleError;
use super::zip::ZipError;
use crate::files;

/// Why a network cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Reading failed.
    #[error("{}: reading failed: {source}", files::shown(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no file that a package could be.
    #[error("{}: {why}; name the wheel that `pip download --no-deps musicnn` fetches", files::shown(path))]
    File {
        /// What was named.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is no wheel, or a damaged one, or lacks a file.
    #[error(
        "{}: damaged, or no wheel of musicnn ({}); fetch it with `pip download --no-deps musicnn`",
        files::shown(path),
        files::printable(&source.to_string())
    )]
    Wheel {
        /// The wheel.
        path: PathBuf,
        /// What is wrong with it.
        source: ZipError,
    },
    /// It has no such network, or one of another kind.
    #[error(
        "{}: there is no network `{}` in it that can be imported; {}",
        files::shown(path),
        files::printable(network),
        choice(available)
    )]
    Unknown {
        /// The wheel.
        path: PathBuf,
        /// What was asked for.
        network: String,
        /// What can be imported.
        available: Vec<&'static str>,
    },
    /// The network is damaged, or other than those published.
    #[error(
        "{}: `{network}` is damaged, or not as published ({}); fetch it with `pip download --no-deps musicnn`",
        files::shown(path),
        files::printable(&source.to_string())
    )]
    Network {
        /// The wheel.
        path: PathBuf,
        /// The network.
        network: &'static str,
        /// What is wrong with it.
        source: NetworkError,
    },
}

fn choice(available: &[&str]) -> String {
    if available.is_empty() {
        "it holds none".into()
    } else {
        format!("name one of {}", available.join(", "))
    }
}

/// Why a network cannot be imported whose files can be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// The checkpoint, or one of its tensors, cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A tensor has another shape than the settings, and the tensors before it, want.
    #[error("tensor `{name}` is {shape:?}, not {}", pattern(wanted))]
    Shape {
        /// The tensor, by its name in the checkpoint.
        name: String,
        /// Its shape there.
        shape: Vec<usize>,
        /// What it must be; `None` is any number but 0.
        wanted: Vec<Option<usize>>,
    },
    /// A tensor has values that no trained network has.
    #[error("tensor `{name}` has values that are {what}")]
    Values {
        /// The tensor, by its name in the checkpoint.
        name: String,
        /// What is wrong with them.
        what: &'static str,
    },
    /// Its settings are malformed.
    #[error("its settings cannot be read: {0}")]
    Settings(String),
    /// Its settings are other than those of the published networks.
    #[error("its settings have {0}, which is not supported")]
    Unsupported(String),
}

fn pattern(wanted: &[Option<usize>]) -> String {
    let sizes = wanted.iter().map(|size| size.map_or("any".into(), |size| size.to_string()));
    format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
}
