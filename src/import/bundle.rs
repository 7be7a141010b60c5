//! TensorFlow's checkpoints of version 2: an index, which is a table of names, types, shapes and places, and a file
//! of the tensors' bytes one behind the other (`tensorflow/core/protobuf/tensor_bundle.proto`).

use std::collections::BTreeMap;

use super::crc32c;
use super::messages::{Entry, Header};
use super::table::{self, TableError};

/// `DT_FLOAT` of TensorFlow's `types.proto`.
const FLOAT32: u64 = 1;

/// Why a checkpoint, or one of its tensors, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The index is no table.
    #[error("the index cannot be read: {0}")]
    Table(#[from] TableError),
    /// The index has no header, or a malformed one.
    #[error("the index has no header of a checkpoint")]
    Header,
    /// The checkpoint is written in a way that is not read here.
    #[error("the checkpoint {0}, which is not supported")]
    Unsupported(&'static str),
    /// An entry of the index is malformed.
    #[error("the entry of tensor `{0}` is malformed")]
    Entry(String),
    /// There is no such tensor.
    #[error("there is no tensor `{0}`")]
    Missing(String),
    /// The tensor has another type.
    #[error("tensor `{name}` is of TensorFlow's type {dtype}, not of float32 (1)")]
    Type {
        /// The tensor.
        name: String,
        /// The type's number in TensorFlow.
        dtype: u64,
    },
    /// Its bytes are not there, or not as many as its shape wants.
    #[error("tensor `{name}` of {shape:?} has {size} bytes from {offset} on, in a file of {len}")]
    Size {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How many bytes it is said to have.
        size: u64,
        /// Where they are said to begin.
        offset: u64,
        /// How many bytes of tensors there are.
        len: usize,
    },
    /// The checksum is another.
    #[error("tensor `{0}` is damaged")]
    Checksum(String),
}

/// A checkpoint, whose tensors are read when they are asked for.
#[derive(Clone, Debug)]
pub struct Bundle<'a> {
    entries: BTreeMap<String, Entry>,
    data: &'a [u8],
}

/// A tensor: its shape, and its values in row-major order.
pub type Tensor = (Vec<usize>, Vec<f32>);

impl<'a> Bundle<'a> {
    /// A checkpoint of the contents of its `.index` file and of its only data file.
    ///
    /// # Errors
    /// [`BundleError`]: `Table`, `Header`, `Unsupported` or `Entry`.
    pub fn read(index: &[u8], data: &'a [u8]) -> Result<Self, BundleError> {
        let mut found = table::entries(index)?.into_iter();
        // The header's key is empty, and so the first.
        let (_, header) = found.next().filter(|(key, _)| key.is_empty()).ok_or(BundleError::Header)?;
        let header = Header::read(header).ok_or(BundleError::Header)?;
        header.fault().map_or(Ok(()), |fault| Err(BundleError::Unsupported(fault)))?;
        let entries = found.map(|(key, value)| {
            let name = String::from_utf8_lossy(&key).into_owned();
            let entry = Entry::read(value).ok_or_else(|| BundleError::Entry(name.clone()))?;
            Ok((name, entry))
        });
        Ok(Self { entries: entries.collect::<Result<_, BundleError>>()?, data })
    }

    /// The tensors' names in ascending order, whatever their types.
    #[cfg(any(test, feature = "internals"))]
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// One tensor of float32.
    ///
    /// # Errors
    /// [`BundleError`]: `Missing`, `Type`, `Unsupported`, `Size` or `Checksum`.
    pub fn tensor(&self, name: &str) -> Result<Tensor, BundleError> {
        let entry = self.entries.get(name).ok_or_else(|| BundleError::Missing(name.into()))?;
        if entry.dtype != FLOAT32 {
            return Err(BundleError::Type { name: name.into(), dtype: entry.dtype });
        }
        if entry.sliced || entry.shard != 0 {
            return Err(BundleError::Unsupported("stores tensors in parts"));
        }
        let bytes = self.bytes(entry).ok_or_else(|| BundleError::Size {
            name: name.into(),
            shape: entry.shape.clone(),
            size: entry.size,
            offset: entry.offset,
            len: self.data.len(),
        })?;
        if !crc32c::matches(bytes, entry.crc32c) {
            return Err(BundleError::Checksum(name.into()));
        }
        let values = bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
        Ok((entry.shape.clone(), values))
    }

    /// The bytes of a tensor of float32, where they are there and as many as its shape wants.
    fn bytes(&self, entry: &Entry) -> Option<&'a [u8]> {
        let start = usize::try_from(entry.offset).ok()?;
        let end = start.checked_add(usize::try_from(entry.size).ok()?)?;
        let bytes = self.data.get(start..end)?;
        let wanted = entry.shape.iter().try_fold(size_of::<f32>(), |size, &dim| size.checked_mul(dim))?;
        (bytes.len() == wanted).then_some(bytes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::table::tests::number;
    use super::*;

    const HEADER: &[u8] = &[0x08, 1, 0x1A, 2, 0x08, 1];

    /// An entry of float32 whose bytes begin at `offset`.
    fn entry(shape: &[usize], offset: usize, bytes: &[u8]) -> Vec<u8> {
        let field = |tag, message: Vec<u8>| [vec![tag], number(message.len()), message].concat();
        let sizes = shape.iter().flat_map(|&size| field(0x12, [vec![0x08], number(size)].concat()));
        let place = [vec![0x20], number(offset), vec![0x28], number(bytes.len()), vec![0x35]].concat();
        let checksum = crc32c::masked(bytes).to_le_bytes();
        [&[0x08, 1], &field(0x12, sizes.collect())[..], &place, &checksum].concat()
    }

    /// The index and the data of a checkpoint of these tensors.
    pub fn build(tensors: &BTreeMap<String, Tensor>) -> (Vec<u8>, Vec<u8>) {
        let (mut data, mut entries) = (Vec::new(), Vec::new());
        for (name, (shape, values)) in tensors {
            let bytes = floats(values);
            entries.push((name.as_bytes(), entry(shape, data.len(), &bytes)));
            data.extend(bytes);
        }
        let mut index = vec![(&b""[..], HEADER)];
        index.extend(entries.iter().map(|(name, entry)| (*name, &entry[..])));
        (table::tests::build(&index, 16), data)
    }

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// A matrix, a scalar and a tensor of another type.
    fn small() -> (Vec<u8>, Vec<u8>) {
        let data = floats(&[1.0, -2.0, 3.5, 4.0, 5.0, 6.0, 0.25]);
        let (matrix, scalar) = (entry(&[2, 3], 0, &data[..24]), entry(&[], 24, &data[24..]));
        let step = [0x08, 9, 0x28, 8];
        let index: [(&[u8], &[u8]); 4] =
            [(b"", HEADER), (b"layer/bias", &scalar), (b"layer/kernel", &matrix), (b"step", &step)];
        (table::tests::build(&index, 3), data)
    }

    /// All that can be read.
    fn all(index: &[u8], data: &[u8]) -> Result<BTreeMap<String, Tensor>, BundleError> {
        let bundle = Bundle::read(index, data)?;
        let names = bundle.names().filter(|name| *name != "step");
        names.map(|name| Ok((name.to_string(), bundle.tensor(name)?))).collect()
    }

    /// What one entry comes to.
    fn one(entry: &[u8], data: &[u8]) -> Result<Tensor, BundleError> {
        let index = table::tests::build(&[(b"", HEADER), (b"a", entry)], 2);
        Bundle::read(&index, data)?.tensor("a")
    }

    #[test]
    fn tensors_come_back() {
        let (index, data) = small();
        let bundle = Bundle::read(&index, &data).unwrap();
        assert_eq!(bundle.names().collect::<Vec<_>>(), ["layer/bias", "layer/kernel", "step"]);
        assert_eq!(bundle.tensor("layer/kernel"), Ok((vec![2, 3], vec![1.0, -2.0, 3.5, 4.0, 5.0, 6.0])));
        assert_eq!(bundle.tensor("layer/bias"), Ok((vec![], vec![0.25])));
        assert_eq!(bundle.tensor("step"), Err(BundleError::Type { name: "step".into(), dtype: 9 }));
        assert_eq!(bundle.tensor("layer"), Err(BundleError::Missing("layer".into())));
    }

    #[test]
    fn a_damaged_checkpoint_gives_an_error_or_what_it_held() {
        let (index, data) = small();
        let whole = all(&index, &data).unwrap();
        let mut unharmed = 0;
        for bit in 0..8 {
            for at in 0..index.len() + data.len() {
                let (mut index, mut data) = (index.clone(), data.clone());
                match at.checked_sub(index.len()) {
                    None => index[at] ^= 1 << bit,
                    Some(at) => data[at] ^= 1 << bit,
                }
                match all(&index, &data) {
                    Ok(found) => {
                        assert_eq!(found, whole, "bit {bit} of byte {at}");
                        unharmed += 1;
                    }
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
        // What is never looked at: the properties' block without its trailer, the footer's padding.
        assert!(unharmed < 8 * 48, "{unharmed}");
        for len in 0..index.len() {
            assert!(all(&index[..len], &data).is_err(), "{len} bytes of the index");
        }
        for len in 0..data.len() {
            assert!(all(&index, &data[..len]).is_err(), "{len} bytes of data");
        }
    }

    #[test]
    fn entries_that_lie_are_refused() {
        let data = floats(&[1.0, 2.0]);
        assert_eq!(one(&entry(&[2], 0, &data), &data), Ok((vec![2], vec![1.0, 2.0])));
        let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
        let of_shape = |size: &[u8]| {
            let dimension = [&[0x08], size].concat();
            let shape = [&[0x12, dimension.len() as u8], &dimension[..]].concat();
            [&[0x08, 1, 0x12, 2 * shape.len() as u8], &shape[..], &shape, &[0x28, 8]].concat()
        };
        for lie in [
            entry(&[3], 0, &data),
            entry(&[], 0, &data),
            entry(&[2], 1, &data),
            entry(&[2, 0], 0, &data),
            of_shape(&huge),
            [&[0x08, 1, 0x20][..], &huge, &[0x28], &huge].concat(),
        ] {
            assert!(matches!(one(&lie, &data), Err(BundleError::Size { .. })), "{lie:?}");
        }
        // A size of -1, an entry cut short, a shape cut short.
        let negative = of_shape(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]);
        for malformed in [negative, vec![0x08], vec![0x12, 1, 0x12]] {
            assert_eq!(one(&malformed, &data), Err(BundleError::Entry("a".into())), "{malformed:?}");
        }
        let part = BundleError::Unsupported("stores tensors in parts");
        assert_eq!(one(&[&entry(&[2], 0, &data)[..], &[0x18, 1]].concat(), &data), Err(part.clone()));
        assert_eq!(one(&[&entry(&[2], 0, &data)[..], &[0x3A, 0]].concat(), &data), Err(part));
        assert_eq!(one(&entry(&[0], 0, &[]), &data), Ok((vec![0], vec![])));
    }

    #[test]
    fn headers_of_other_checkpoints_are_refused() {
        let read = |index: &[(&[u8], &[u8])]| Bundle::read(&table::tests::build(index, 2), &[]).map(|_| ());
        assert_eq!(read(&[(b"", HEADER)]), Ok(()));
        assert_eq!(read(&[]), Err(BundleError::Header));
        assert_eq!(read(&[(b"a", HEADER)]), Err(BundleError::Header));
        assert_eq!(read(&[(b"", &[0x08])]), Err(BundleError::Header));
        assert_eq!(read(&[(b"", &[0x08, 1, 0x1A, 1, 0x08])]), Err(BundleError::Header));
        for (header, why) in [
            (&[][..], "has not exactly one data file"),
            (&[0x08, 2], "has not exactly one data file"),
            (&[0x08, 1, 0x10, 1], "is big-endian"),
            (&[0x08, 1, 0x1A, 2, 0x10, 2], "asks for a newer reader"),
        ] {
            assert_eq!(read(&[(b"", header)]), Err(BundleError::Unsupported(why)));
        }
        assert!(matches!(Bundle::read(b"text", b"").unwrap_err(), BundleError::Table(TableError::Foreign)));
    }
}
