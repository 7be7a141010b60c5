//! Named f32 tensors with a header in the safetensors format.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::Xxh3Default;

use super::weights::{Tensor, Weights};
use crate::files;

/// Files beyond this are refused before they are read.
const LARGEST_FILE: u64 = 4 << 30;

/// The header's key of [`digest`].
const DIGEST: &str = "digest";

/// Why a file of tensors could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading or writing failed.
    #[error("{}: {action} failed: {source}", files::shown(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is damaged, or another kind of file.
    #[error("{}: damaged, or no {kind} file ({reason}); name another, or train again", files::shown(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It was made by another version.
    #[error(
        "{}: made by another version (format {found}, this program reads {wanted}); train again, or use the \
         program's version that made it",
        files::shown(path)
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that it has.
        found: u32,
        /// The format that this version reads.
        wanted: u32,
    },
}

impl FileError {
    /// [`FileError::Damaged`]; what the file's own text brings into the reason stays on one line.
    pub(crate) fn damaged(path: &Path, kind: &'static str, reason: &str) -> Self {
        Self::Damaged { path: path.into(), kind, reason: files::printable(reason) }
    }
}

/// Writes what [`bytes`] makes of tensors and header, atomically.
///
/// # Errors
/// [`FileError::Io`].
pub fn write(
    path: &Path,
    (key, header): (&str, &impl Serialize),
    tensors: &Weights,
) -> Result<(), FileError> {
    let fail = |source| FileError::Io { path: path.into(), action: "writing", source };
    let file = bytes((key, header), tensors).map_err(fail)?;
    files::write_atomic(path, &file).map_err(fail)
}

/// Tensors, with a header as JSON in the metadata under `key`: one key, because the format does not say in which order
/// several are written. The header, a structure, also gets a digest of everything.
///
/// # Errors
/// [`std::io::Error`] where the header cannot be written as JSON.
pub fn bytes((key, header): (&str, &impl Serialize), tensors: &Weights) -> std::io::Result<Vec<u8>> {
    let mut header = serde_json::to_value(header)?;
    header[DIGEST] = digest(tensors, &header).into();
    let metadata = HashMap::from([(key.to_string(), header.to_string())]);
    let bytes: Vec<(&String, &Tensor, Vec<u8>)> = tensors
        .0
        .iter()
        .map(|(name, t)| (name, t, t.data.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, t, data)| Ok((*name, TensorView::new(Dtype::F32, t.shape.to_vec(), data)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let file = views.and_then(|views| safetensors::serialize(views, Some(metadata)));
    file.map_err(std::io::Error::other)
}

/// Reads tensors and the header under `key`, and checks the digest, which a file that another program wrote need not have.
/// Nothing larger than the file itself is allocated.
///
/// # Errors
/// [`FileError::Io`] and [`FileError::Damaged`], which calls the file a `kind` file.
pub fn read(path: &Path, kind: &'static str, key: &str) -> Result<(Weights, Value), FileError> {
    let io = |source| FileError::Io { path: path.into(), action: "reading", source };
    let damaged = |reason: String| FileError::damaged(path, kind, &reason);
    let found = fs::metadata(path).map_err(io)?;
    if found.is_dir() {
        return Err(damaged("it is a folder".into()));
    }
    if !found.is_file() {
        return Err(damaged("it is no ordinary file".into()));
    }
    if found.len() > LARGEST_FILE {
        return Err(damaged(format!("{} bytes are too many", found.len())));
    }
    parse(&fs::read(path).map_err(io)?, path, kind, key)
}

/// As [`read`], of a file's contents; `path` is what errors name.
///
/// # Errors
/// [`FileError::Damaged`].
pub fn parse(
    bytes: &[u8],
    path: &Path,
    kind: &'static str,
    key: &str,
) -> Result<(Weights, Value), FileError> {
    let damaged = |reason: String| FileError::damaged(path, kind, &reason);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(key));
    let text = text.ok_or_else(|| damaged("it has no header of ours".into()))?;
    let mut header: Map<String, Value> = serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
    let written = header.remove(DIGEST);
    let header = Value::Object(header);
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut tensors = Weights::default();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(damaged(format!("tensor `{name}` is {:?}, not F32", view.dtype())));
        }
        let (chunks, _) = view.data().as_chunks::<4>();
        let data: Vec<f32> = chunks.iter().map(|&b| f32::from_le_bytes(b)).collect();
        if !data.iter().all(|v| v.is_finite()) {
            return Err(damaged(format!("tensor `{name}` has values that are not finite")));
        }
        tensors.0.insert(name.to_string(), Tensor { shape: view.shape().into(), data });
    }
    if written.is_some_and(|written| written != digest(&tensors, &header)) {
        return Err(damaged("what it holds is not what was written".into()));
    }
    Ok((tensors, header))
}

/// A digest of a header (its keys sorted, as [`Value`] has them) and of names, shapes and values of tensors.
pub(super) fn digest(tensors: &Weights, header: &Value) -> String {
    let mut hash = Xxh3Default::new();
    let text = |hash: &mut Xxh3Default, text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    text(&mut hash, &header.to_string());
    for (name, tensor) in &tensors.0 {
        text(&mut hash, name);
        text(&mut hash, &tensor.shape.to_string());
        tensor.data.iter().for_each(|value| hash.update(&value.to_le_bytes()));
    }
    format!("{:016x}", hash.digest())
}
