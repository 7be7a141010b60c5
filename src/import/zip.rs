//! Reads zip archives (PKWARE's APPNOTE 6.3.10), as far as Python's wheels use them: one file, without Zip64 and
//! encryption, members stored or deflated.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::{Crc, read::DeflateDecoder};

/// Largest member that is read.
const LARGEST: u32 = 256 << 20;

/// The end of the central directory, without the comment that may follow.
const END: usize = 22;

/// Longest comment at the end.
const COMMENT: usize = u16::MAX as usize;

/// Why an archive, or one of its members, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// There is no central directory.
    #[error("it has no table of contents")]
    Foreign,
    /// The central directory does not fit into the file, or has other entries than it says.
    #[error("its table of contents is damaged")]
    Directory,
    /// Two members have one name.
    #[error("it has two files `{0}`")]
    Twice(String),
    /// There is no such member.
    #[error("it has no file `{0}`")]
    Missing(String),
    /// A member's bytes are not there, do not unpack, or have another checksum.
    #[error("its file `{0}` is damaged")]
    Damaged(String),
    /// A member is larger than [`LARGEST`].
    #[error("its file `{name}` of {size} bytes is larger than the {LARGEST} that are read")]
    TooLarge {
        /// The member.
        name: String,
        /// Its size when unpacked.
        size: u32,
    },
    /// A member, or the archive, is packed in a way that is not read here.
    #[error("`{name}` {how}, which is not supported")]
    Unsupported {
        /// The member.
        name: String,
        /// How it is packed.
        how: &'static str,
    },
}

/// An archive in memory.
#[derive(Clone, Debug)]
pub struct Archive {
    bytes: Vec<u8>,
    members: BTreeMap<String, Member>,
}

/// What the central directory says of a member.
#[derive(Clone, Copy, Debug)]
struct Member {
    flags: u16,
    method: u16,
    crc32: u32,
    packed: u32,
    size: u32,
    /// Where its local header begins.
    offset: u32,
}

impl Archive {
    /// The archive of these bytes.
    ///
    /// # Errors
    /// [`ZipError`]: `Foreign`, `Directory` or `Twice`.
    pub fn read(bytes: Vec<u8>) -> Result<Self, ZipError> {
        let members = directory(&bytes)?;
        Ok(Self { bytes, members })
    }

    /// The members' names in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The unpacked contents of a member. No more is allocated than what its packed bytes unpack to.
    ///
    /// # Errors
    /// [`ZipError`]: `Missing`, `TooLarge`, `Unsupported` or `Damaged`.
    pub fn member(&self, name: &str) -> Result<Vec<u8>, ZipError> {
        let member = self.members.get(name).ok_or_else(|| ZipError::Missing(name.into()))?;
        let unsupported = |how| ZipError::Unsupported { name: name.into(), how };
        if member.flags & 1 != 0 {
            return Err(unsupported("is encrypted"));
        }
        if [member.packed, member.size, member.offset].contains(&u32::MAX) {
            return Err(unsupported("has Zip64's sizes"));
        }
        if member.size > LARGEST {
            return Err(ZipError::TooLarge { name: name.into(), size: member.size });
        }
        let damaged = || ZipError::Damaged(name.into());
        let packed = self.packed(name, member).ok_or_else(damaged)?;
        let contents = match member.method {
            0 => packed.to_vec(),
            8 => {
                let mut contents = Vec::new();
                // One byte more than wanted shows that there are too many.
                let mut unpacked = DeflateDecoder::new(packed).take(u64::from(member.size) + 1);
                unpacked.read_to_end(&mut contents).map_err(|_| damaged())?;
                contents
            }
            _ => return Err(unsupported("is packed by another method than deflate")),
        };
        let mut crc = Crc::new();
        crc.update(&contents);
        if contents.len() != member.size as usize || crc.sum() != member.crc32 {
            return Err(damaged());
        }
        Ok(contents)
    }

    /// The packed bytes of a member: they stand behind its local header, which repeats the name.
    fn packed(&self, name: &str, member: &Member) -> Option<&[u8]> {
        let header = self.bytes.get(member.offset as usize..)?;
        let (name_len, extra_len) = (u16_at(header, 26)?, u16_at(header, 28)?);
        let rest = header.strip_prefix(b"PK\x03\x04")?.get(26..)?;
        let (stored, rest) = rest.split_at_checked(name_len.into())?;
        if String::from_utf8_lossy(stored) != name {
            return None;
        }
        rest.get(extra_len.into()..)?.get(..member.packed as usize)
    }
}

/// Reads the central directory, which stands between the members and the end.
fn directory(bytes: &[u8]) -> Result<BTreeMap<String, Member>, ZipError> {
    let last = bytes.len().checked_sub(END).ok_or(ZipError::Foreign)?;
    let mut places = (last.saturating_sub(COMMENT)..=last).rev();
    // The end's last field is the length of the comment, which reaches to the end of the file.
    let is_end = |at: &usize| {
        bytes[*at..].starts_with(b"PK\x05\x06")
            && u16_at(bytes, at + 20).is_some_and(|comment| at + END + usize::from(comment) == bytes.len())
    };
    let end = &bytes[places.find(is_end).ok_or(ZipError::Foreign)?..];
    let parts = || Some((u16_at(end, 10)?, u32_at(end, 12)? as usize, u32_at(end, 16)? as usize));
    let (count, size, start) = parts().ok_or(ZipError::Directory)?;
    let mut rest = bytes.get(start..).and_then(|rest| rest.get(..size)).ok_or(ZipError::Directory)?;
    let mut members = BTreeMap::new();
    for _ in 0..count {
        let (name, member) = entry(&mut rest).ok_or(ZipError::Directory)?;
        if members.insert(name.clone(), member).is_some() {
            return Err(ZipError::Twice(name));
        }
    }
    if rest.is_empty() { Ok(members) } else { Err(ZipError::Directory) }
}

/// The entry that comes first in `rest`, and is taken off it.
fn entry(rest: &mut &[u8]) -> Option<(String, Member)> {
    let bytes = *rest;
    let member = Member {
        flags: u16_at(bytes, 8)?,
        method: u16_at(bytes, 10)?,
        crc32: u32_at(bytes, 16)?,
        packed: u32_at(bytes, 20)?,
        size: u32_at(bytes, 24)?,
        offset: u32_at(bytes, 42)?,
    };
    let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(bytes, at).map(usize::from));
    let (name, behind) = bytes.strip_prefix(b"PK\x01\x02")?.get(42..)?.split_at_checked(name?)?;
    *rest = behind.get(extra?.checked_add(comment?)?..)?;
    Some((String::from_utf8_lossy(name).into_owned(), member))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&value| u16::from_le_bytes(value))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&value| u32::from_le_bytes(value))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::DeflateEncoder};

    use super::*;

    /// Where the central directory's fields of the first member stand behind its beginning.
    const FLAGS: usize = 8;
    const METHOD: usize = 10;
    const SIZE: usize = 24;

    /// An archive of members, the second one deflated, and where its central directory begins.
    fn build(members: &[(&str, &[u8])], comment: &[u8]) -> (Vec<u8>, usize) {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (i, (name, contents)) in members.iter().enumerate() {
            let mut crc = Crc::new();
            crc.update(contents);
            let (mut method, mut packed) = (0u16, contents.to_vec());
            if i == 1 {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(contents).unwrap();
                (method, packed) = (8, encoder.finish().unwrap());
            }
            let sizes =
                [crc.sum(), packed.len() as u32, contents.len() as u32].map(u32::to_le_bytes).concat();
            let common = [&[20, 0, 0, 0][..], &method.to_le_bytes(), &[0; 4], &sizes].concat();
            let (name_len, offset) = ((name.len() as u16).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
            directory.extend([b"PK\x01\x02\x14\x00", &common[..], &name_len, &[0; 12], &offset].concat());
            directory.extend_from_slice(name.as_bytes());
            bytes.extend([b"PK\x03\x04", &common[..], &name_len, &[0; 2], name.as_bytes(), &packed].concat());
        }
        let start = bytes.len();
        bytes.extend_from_slice(&directory);
        let count = (members.len() as u16).to_le_bytes();
        let places = [directory.len() as u32, start as u32].map(u32::to_le_bytes).concat();
        let comment_len = (comment.len() as u16).to_le_bytes();
        bytes.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &places, &comment_len, comment].concat());
        (bytes, start)
    }

    const MEMBERS: [(&str, &[u8]); 2] = [("a/.index", b"stored"), ("b", &[7; 1000])];

    #[test]
    fn members_come_back() {
        for comment in [&b""[..], b"PK\x05\x06 is how a comment may begin"] {
            let archive = Archive::read(build(&MEMBERS, comment).0).unwrap();
            assert_eq!(archive.names().collect::<Vec<_>>(), ["a/.index", "b"]);
            for (name, contents) in MEMBERS {
                assert_eq!(archive.member(name).as_deref(), Ok(contents));
            }
            assert_eq!(archive.member("a"), Err(ZipError::Missing("a".into())));
        }
        assert_eq!(Archive::read(build(&[], b"").0).unwrap().names().count(), 0);
    }

    #[test]
    fn a_damaged_archive_gives_an_error_or_what_it_held() {
        let bytes = build(&MEMBERS, b"").0;
        let read = |bytes: &[u8]| {
            let archive = Archive::read(bytes.to_vec())?;
            MEMBERS.iter().map(|(name, _)| archive.member(name)).collect::<Result<Vec<_>, _>>()
        };
        let whole = read(&bytes).unwrap();
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(found) = read(&bytes) {
                assert_eq!(found, whole, "bit {bit} of byte {at}");
            }
        }
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let (bytes, directory) = build(&MEMBERS, b"");
        let changed = |at: usize, value: &[u8]| {
            let mut bytes = bytes.clone();
            bytes[directory + at..][..value.len()].copy_from_slice(value);
            Archive::read(bytes).unwrap().member("a/.index").unwrap_err()
        };
        let unsupported = |how| ZipError::Unsupported { name: "a/.index".into(), how };
        assert_eq!(changed(FLAGS, &[1]), unsupported("is encrypted"));
        assert_eq!(changed(METHOD, &[12]), unsupported("is packed by another method than deflate"));
        assert_eq!(changed(SIZE, &[0xFF; 4]), unsupported("has Zip64's sizes"));
        let size = LARGEST + 1;
        let too_large = ZipError::TooLarge { name: "a/.index".into(), size };
        assert_eq!(changed(SIZE, &size.to_le_bytes()), too_large);
        assert_eq!(changed(SIZE, &5u32.to_le_bytes()), ZipError::Damaged("a/.index".into()));
        let twice = build(&[MEMBERS[0], MEMBERS[0]], b"").0;
        assert_eq!(Archive::read(twice).unwrap_err(), ZipError::Twice("a/.index".into()));
        for foreign in [&b""[..], &[0; 100], b"PK\x03\x04"] {
            assert_eq!(Archive::read(foreign.to_vec()).unwrap_err(), ZipError::Foreign);
        }
    }

    #[test]
    fn a_small_member_that_unpacks_to_more_than_it_says_stops_there() {
        let (mut bytes, directory) = build(&[("a", b""), ("b", &[0; 1 << 20])], b"");
        let second = directory + 46 + 1;
        bytes[second + SIZE..][..4].copy_from_slice(&10u32.to_le_bytes());
        assert_eq!(Archive::read(bytes).unwrap().member("b"), Err(ZipError::Damaged("b".into())));
    }
}
