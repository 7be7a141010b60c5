//! LevelDB's table format: sorted keys with values, in blocks with checksums
//! (<https://github.com/google/leveldb/blob/main/doc/table_format.md>). TensorFlow's index files are such tables.

use super::crc32c;
use super::wire::{take, varint};

/// The last eight bytes of a table, little-endian.
const MAGIC: u64 = 0xDB47_7524_8B80_FB57;

/// The footer: two handles, padding, the magic number.
const FOOTER: usize = 48;

/// What follows every block: the kind of its compression, and a checksum of its bytes and that kind.
const TRAILER: usize = 5;

/// Longest key. As keys share their beginnings, a table could otherwise hold keys of far more bytes than it has
/// itself.
const LONGEST_KEY: usize = 1 << 10;

/// Largest table, for the same reason. The index of a network of a thousand tensors has 100 kB.
const LARGEST: usize = 1 << 20;

/// Why a block is malformed whose keys are not in order.
const UNSORTED: &str = "its keys do not ascend";

/// Why a table cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The magic number is not there.
    #[error("it does not end as a table of LevelDB's does")]
    Foreign,
    /// More than [`LARGEST`] bytes.
    #[error("its {len} bytes are more than the {LARGEST} that an index may have")]
    TooLarge {
        /// How many it has.
        len: usize,
    },
    /// A block is said to be where the table is not.
    #[error("a block lies outside of it")]
    Outside,
    /// The checksum is another.
    #[error("the block at byte {offset} is damaged")]
    Checksum {
        /// Where the block begins.
        offset: usize,
    },
    /// The block is compressed.
    #[error("the block at byte {offset} is compressed (by {}), which is not supported", method(*kind))]
    Compressed {
        /// Where the block begins.
        offset: usize,
        /// The method.
        kind: u8,
    },
    /// An entry does not fit into its block, or into the order of the others.
    #[error("the block at byte {offset} is malformed: {reason}")]
    Malformed {
        /// Where the block begins.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

fn method(kind: u8) -> &'static str {
    match kind {
        1 => "Snappy",
        _ => "an unknown method",
    }
}

/// A key and its value.
pub type Entry<'a> = (Vec<u8>, &'a [u8]);

/// All entries of a table, in ascending order of their keys.
///
/// # Errors
/// [`TableError`].
pub fn entries(table: &[u8]) -> Result<Vec<Entry<'_>>, TableError> {
    let footer = table.len().checked_sub(FOOTER).ok_or(TableError::Foreign)?;
    let mut handles = &table[footer..];
    if !handles.ends_with(&MAGIC.to_le_bytes()) {
        return Err(TableError::Foreign);
    }
    if table.len() > LARGEST {
        return Err(TableError::TooLarge { len: table.len() });
    }
    // The first is that of properties of the table, of which there are none.
    let index = Block::find(table, &mut handles).and_then(|_| Block::find(table, &mut handles))?;
    let mut entries: Vec<Entry> = Vec::new();
    for (_, mut handle) in index.entries()? {
        let block = Block::find(table, &mut handle)?;
        let found = block.entries()?;
        // A block that is named twice ends here, before its entries are many times the table.
        if let (Some(last), Some(first)) = (entries.last(), found.first())
            && last.0 >= first.0
        {
            return Err(block.malformed(UNSORTED));
        }
        entries.extend(found);
    }
    Ok(entries)
}

/// A part of a table, whose checksum was right.
struct Block<'a> {
    offset: usize,
    contents: &'a [u8],
}

impl<'a> Block<'a> {
    /// The block whose handle, offset and size, comes first in `handle`, and is taken off it.
    fn find(table: &'a [u8], handle: &mut &[u8]) -> Result<Self, TableError> {
        let mut place = || {
            let (offset, size) = (usize::try_from(varint(handle)?).ok()?, varint(handle)?);
            let from = table.get(offset..)?;
            let mut rest = from;
            let contents = take(&mut rest, size)?;
            let trailer: [u8; TRAILER] = take(&mut rest, TRAILER as u64)?.try_into().ok()?;
            Some((offset, contents, &from[..=contents.len()], trailer))
        };
        let (offset, contents, covered, [kind, checksum @ ..]) = place().ok_or(TableError::Outside)?;
        if !crc32c::matches(covered, u32::from_le_bytes(checksum)) {
            return Err(TableError::Checksum { offset });
        }
        if kind != 0 {
            return Err(TableError::Compressed { offset, kind });
        }
        Ok(Self { offset, contents })
    }

    fn malformed(&self, reason: &'static str) -> TableError {
        TableError::Malformed { offset: self.offset, reason }
    }

    /// The entries of the block. Each says how much of the key before it its own begins with. Behind them stand the
    /// places where a search may begin, and their number; nothing is searched here.
    fn entries(&self) -> Result<Vec<Entry<'a>>, TableError> {
        let places = || {
            let (rest, count) = self.contents.split_last_chunk()?;
            let places = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(4)?;
            rest.get(..rest.len().checked_sub(places)?)
        };
        let mut rest = places().ok_or_else(|| self.malformed("its places to search from are cut short"))?;
        let mut entries: Vec<Entry> = Vec::new();
        while !rest.is_empty() {
            let mut entry = || {
                let (shared, own, value) = (varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?);
                Some((shared, take(&mut rest, own)?, take(&mut rest, value)?))
            };
            let (shared, own, value) = entry().ok_or_else(|| self.malformed("an entry is cut short"))?;
            let before = entries.last().map_or(&[][..], |(key, _)| key);
            let shared = usize::try_from(shared).ok().and_then(|shared| before.get(..shared));
            let shared = shared.ok_or_else(|| self.malformed("a key shares more than there is"))?;
            if shared.len() + own.len() > LONGEST_KEY {
                return Err(self.malformed("a key is too long"));
            }
            let key = [shared, own].concat();
            if !entries.is_empty() && *before >= *key {
                return Err(self.malformed(UNSORTED));
            }
            entries.push((key, value));
        }
        Ok(entries)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A varint.
    pub fn number(mut value: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    /// The bytes of a block; every second key is whole, and a place to search from.
    fn contents(entries: &[(&[u8], &[u8])]) -> Vec<u8> {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for (i, (key, value)) in entries.iter().enumerate() {
            let shared = if i % 2 == 0 {
                places.extend((bytes.len() as u32).to_le_bytes());
                0
            } else {
                key.iter().zip(entries[i - 1].0).take_while(|(a, b)| a == b).count()
            };
            bytes.extend([number(shared), number(key.len() - shared), number(value.len())].concat());
            bytes.extend_from_slice(&key[shared..]);
            bytes.extend_from_slice(value);
        }
        let count = (places.len() as u32 / 4).to_le_bytes();
        [bytes, places, count.to_vec()].concat()
    }

    /// Appends a block, and gives its handle.
    fn push(table: &mut Vec<u8>, contents: &[u8], kind: u8) -> Vec<u8> {
        let start = table.len();
        table.extend_from_slice(contents);
        table.push(kind);
        table.extend(crc32c::masked(&table[start..]).to_le_bytes());
        [number(start), number(contents.len())].concat()
    }

    fn end(mut table: Vec<u8>, index: &[u8]) -> Vec<u8> {
        let properties = push(&mut table, &contents(&[]), 0);
        let index = push(&mut table, index, 0);
        let mut footer = [properties, index].concat();
        footer.resize(FOOTER - 8, 0);
        [table, footer, MAGIC.to_le_bytes().to_vec()].concat()
    }

    /// A table of these entries, with `per_block` in each block.
    pub fn build(entries: &[(&[u8], &[u8])], per_block: usize) -> Vec<u8> {
        let mut table = Vec::new();
        let parts = entries.chunks(per_block);
        let blocks: Vec<(&[u8], Vec<u8>)> =
            parts.map(|part| (part[part.len() - 1].0, push(&mut table, &contents(part), 0))).collect();
        let index: Vec<(&[u8], &[u8])> = blocks.iter().map(|(key, handle)| (*key, &handle[..])).collect();
        end(table, &contents(&index))
    }

    /// A table of one block.
    fn single(contents_of: &[u8], kind: u8) -> Vec<u8> {
        let mut table = Vec::new();
        let handle = push(&mut table, contents_of, kind);
        end(table, &contents(&[(b"z", &handle)]))
    }

    #[test]
    fn entries_come_back_whatever_the_blocks() {
        let long = vec![7; 300];
        let wanted: [(&[u8], &[u8]); 5] = [
            (b"", b"header"),
            (b"conv/bias", b"1"),
            (b"conv/kernel", &long),
            (b"conv/kernel/2", b""),
            (b"d", b"3"),
        ];
        for per_block in 1..=5 {
            let table = build(&wanted, per_block);
            let found = entries(&table).unwrap();
            let found: Vec<(&[u8], &[u8])> = found.iter().map(|(key, value)| (&key[..], *value)).collect();
            assert_eq!(found, wanted, "{per_block}");
        }
        assert_eq!(entries(&build(&[], 1)), Ok(vec![]));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(entries(b""), Err(TableError::Foreign));
        assert_eq!(entries(&[0; 100]), Err(TableError::Foreign));
        let mut large = vec![0; LARGEST];
        large.extend(build(&[], 1));
        assert_eq!(entries(&large), Err(TableError::TooLarge { len: large.len() }));
        let snappy = entries(&single(&contents(&[(b"a", b"b")]), 1)).unwrap_err();
        assert_eq!(snappy, TableError::Compressed { offset: 0, kind: 1 });
        assert!(snappy.to_string().contains("Snappy"), "{snappy}");
    }

    #[test]
    fn blocks_that_lie_are_refused() {
        let malformed = |reason| Err(TableError::Malformed { offset: 0, reason });
        let places = [0, 0, 0, 0, 1, 0, 0, 0];
        let of = |entries: &[u8]| [entries, &places].concat();
        for (contents, reason) in [
            (vec![], "its places to search from are cut short"),
            (vec![0xFF; 8], "its places to search from are cut short"),
            (of(&[0, 1, 0]), "an entry is cut short"),
            (of(&[0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0]), "an entry is cut short"),
            (of(&[1, 1, 0, b'a']), "a key shares more than there is"),
            (of(&[0, 1, 0, b'b', 0, 1, 0, b'a']), UNSORTED),
            (of(&[0, 1, 0, b'b', 1, 0, 0]), UNSORTED),
            (of(&[vec![0], number(LONGEST_KEY + 1), vec![0; LONGEST_KEY + 2]].concat()), "a key is too long"),
        ] {
            assert_eq!(entries(&single(&contents, 0)), malformed(reason), "{contents:?}");
        }
        let mut table = Vec::new();
        let handle = push(&mut table, &contents(&[(b"a", b"")]), 0);
        let twice = end(table.clone(), &contents(&[(b"a", &handle), (b"b", &handle)]));
        assert_eq!(entries(&twice), malformed(UNSORTED));
        let most = [number(usize::MAX), number(usize::MAX)].concat();
        for outside in [&[0, 0xFF, 1][..], &[0xFF, 1, 0], &[0], &most, &[]] {
            assert_eq!(entries(&end(table.clone(), &contents(&[(b"a", outside)]))), Err(TableError::Outside));
        }
    }
}
