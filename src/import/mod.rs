//! Networks that others have trained: musicnn's, out of the Python package that holds their weights, without Python.
//!
//! A wheel is a zip archive ([`zip`]); a network in it is a checkpoint of TensorFlow ([`bundle`]), whose index is a
//! table in LevelDB's format ([`table`]) of Protocol Buffers ([`messages`]). [`musicnn`] puts its layers into our
//! names and layouts.
//!
//! All input is untrusted: whatever is wrong with it is an error, and no more is allocated than its bytes stand for.

pub mod bundle;
pub mod crc32c;
mod error;
mod messages;
mod model;
pub mod musicnn;
pub mod settings;
mod silent;
pub mod table;
pub mod tags;
pub(crate) mod wire;
pub mod zip;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::files;

use self::bundle::{Bundle, Tensor};
use self::musicnn::Sizes;
use self::settings::Preprocessing;
use self::zip::Archive;

pub use self::error::{ImportError, NetworkError};

/// Files beyond this are refused before they are read; the package has 29 MB.
const LARGEST_FILE: u64 = 1 << 30;

/// The networks that can be imported, with their tags.
const NETWORKS: [(&str, &[&str]); 2] = [("MSD_musicnn", &tags::MSD), ("MTT_musicnn", &tags::MTT)];

/// A Python package of trained networks.
#[derive(Clone, Debug)]
pub struct Wheel {
    path: PathBuf,
    archive: Archive,
}

/// A network as published, in this engine's layouts.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Its name in the package.
    pub network: &'static str,
    /// Shapes and values, in row-major order, by our names; [`musicnn::network`] says which.
    pub tensors: BTreeMap<String, Tensor>,
    /// Its sizes.
    pub sizes: Sizes,
    /// How its input is computed.
    pub preprocessing: Preprocessing,
    /// What its outputs stand for, in their order. They do not exclude each other.
    pub tags: &'static [&'static str],
    /// The package's licence: its whole text, which copies must keep.
    pub licence: String,
    /// The package's name, version and page on one line.
    pub source: String,
}

impl Wheel {
    /// Reads a wheel's table of contents.
    ///
    /// # Errors
    /// [`ImportError`]: `Io`, `File` or `Wheel`.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let io = |source| ImportError::Io { path: path.into(), source };
        let file = |why| ImportError::File { path: path.into(), why };
        let found = fs::metadata(path).map_err(io)?;
        if found.is_dir() {
            return Err(file("it is a folder"));
        }
        if !found.is_file() {
            return Err(file("it is no ordinary file"));
        }
        if found.len() > LARGEST_FILE {
            return Err(file("it is too large"));
        }
        Self::read(path, fs::read(path).map_err(io)?)
    }

    /// The same of a wheel in memory; `path` is what errors name.
    ///
    /// # Errors
    /// [`ImportError::Wheel`].
    pub fn read(path: &Path, bytes: Vec<u8>) -> Result<Self, ImportError> {
        let archive =
            Archive::read(bytes).map_err(|source| ImportError::Wheel { path: path.into(), source })?;
        Ok(Self { path: path.into(), archive })
    }

    /// The networks in it that can be imported.
    pub fn networks(&self) -> Vec<&'static str> {
        let known = NETWORKS.iter().map(|(network, _)| *network);
        known.filter(|network| self.archive.names().any(|name| name == index_of(network))).collect()
    }

    /// The networks in it that cannot, as they are of another kind.
    pub fn others(&self) -> Vec<String> {
        let networks = self.archive.names().filter_map(|name| {
            let (network, file) = name.strip_prefix("musicnn/")?.split_once('/')?;
            let known = NETWORKS.iter().any(|(known, _)| *known == network);
            (file == ".index" && !known).then(|| files::printable(network))
        });
        networks.collect()
    }

    /// One of [`Wheel::networks`].
    ///
    /// # Errors
    /// [`ImportError`]: `Unknown`, `Wheel` or `Network`.
    pub fn import(&self, network: &str) -> Result<Imported, ImportError> {
        let available = self.networks();
        let known = NETWORKS.iter().find(|(name, _)| *name == network && available.contains(name));
        let Some(&(network, tags)) = known else {
            return Err(ImportError::Unknown { path: self.path.clone(), network: network.into(), available });
        };
        let index = self.member(&index_of(network))?;
        let data = self.member(&format!("musicnn/{network}/.data-00000-of-00001"))?;
        let settings = self.member(&format!("musicnn/{network}/config.json"))?;
        let read = || {
            let preprocessing = Preprocessing::read(&settings)?;
            let checkpoint = Bundle::read(&index, &data)?;
            let (tensors, sizes) = musicnn::network(&checkpoint, preprocessing.mels, tags.len())?;
            Ok((preprocessing, tensors, sizes))
        };
        let (preprocessing, tensors, sizes) =
            read().map_err(|source| ImportError::Network { path: self.path.clone(), network, source })?;
        let licence = self.about("LICENSE.md")?;
        let source = source(&self.about("METADATA")?);
        Ok(Imported { network, tensors, sizes, preprocessing, tags, licence, source })
    }

    fn member(&self, name: &str) -> Result<Vec<u8>, ImportError> {
        self.archive.member(name).map_err(|source| ImportError::Wheel { path: self.path.clone(), source })
    }

    /// The text of a file in the folder that says what the package is.
    fn about(&self, file: &str) -> Result<String, ImportError> {
        let end = format!(".dist-info/{file}");
        let name = self.archive.names().find(|name| name.ends_with(&end)).map_or(end.clone(), str::to_owned);
        Ok(String::from_utf8_lossy(&self.member(&name)?).into_owned())
    }
}

fn index_of(network: &str) -> String {
    format!("musicnn/{network}/.index")
}

/// Name, version and page, of a package's core metadata.
fn source(metadata: &str) -> String {
    let value = |key| metadata.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let values = ["Name", "Version", "Home-page"].into_iter().filter_map(value);
    files::printable(&values.collect::<Vec<_>>().join(" "))
}
