//! The messages in a checkpoint's index: `BundleHeaderProto` and `BundleEntryProto` of
//! `tensorflow/core/protobuf/tensor_bundle.proto`.

use super::wire::{Value, fields};

/// What the index says of the whole checkpoint: `BundleHeaderProto`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// How many data files there are.
    shards: u64,
    /// 0 is little-endian.
    endianness: u64,
    /// The version that a reader must have at least; it has been 1 since there are such checkpoints.
    min_consumer: u64,
}

impl Header {
    /// `None` where the message is malformed.
    pub fn read(message: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        for field in fields(message) {
            match field? {
                (1, Value::Varint(shards)) => header.shards = shards,
                (2, Value::Varint(endianness)) => header.endianness = endianness,
                (3, Value::Bytes(version)) => {
                    for field in fields(version) {
                        if let (2, Value::Varint(version)) = field? {
                            header.min_consumer = version;
                        }
                    }
                }
                _ => {}
            }
        }
        Some(header)
    }

    /// What about the checkpoint is not supported, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self { min_consumer: 2.., .. } => Some("asks for a newer reader"),
            Self { endianness: 1.., .. } => Some("is big-endian"),
            Self { shards: 1, .. } => None,
            _ => Some("has not exactly one data file"),
        }
    }
}

/// What the index says of a tensor: `BundleEntryProto`.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its type, by TensorFlow's number.
    pub dtype: u64,
    /// Its sizes, outermost first; none for a scalar.
    pub shape: Vec<usize>,
    /// The number of the data file that holds it.
    pub shard: u64,
    /// Where its bytes begin.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Their checksum, masked.
    pub crc32c: u32,
    /// Whether it is stored in parts that have entries of their own.
    pub sliced: bool,
}

impl Entry {
    /// `None` where the message is malformed.
    pub fn read(message: &[u8]) -> Option<Self> {
        let mut entry = Self::default();
        for field in fields(message) {
            match field? {
                (1, Value::Varint(dtype)) => entry.dtype = dtype,
                (2, Value::Bytes(shape)) => entry.shape = dimensions(shape)?,
                (3, Value::Varint(shard)) => entry.shard = shard,
                (4, Value::Varint(offset)) => entry.offset = offset,
                (5, Value::Varint(size)) => entry.size = size,
                (6, Value::Fixed32(crc32c)) => entry.crc32c = crc32c,
                (7, Value::Bytes(_)) => entry.sliced = true,
                _ => {}
            }
        }
        Some(entry)
    }
}

/// The sizes of a `TensorShapeProto`: none for a scalar.
fn dimensions(shape: &[u8]) -> Option<Vec<usize>> {
    let mut dimensions = Vec::new();
    for field in fields(shape) {
        if let (2, Value::Bytes(dimension)) = field? {
            let mut size = 0;
            for field in fields(dimension) {
                if let (1, Value::Varint(value)) = field? {
                    // A negative size, which stands for an unknown one, has no place in a checkpoint.
                    size = i64::try_from(value).ok().and_then(|value| usize::try_from(value).ok())?;
                }
            }
            dimensions.push(size);
        }
    }
    Some(dimensions)
}
