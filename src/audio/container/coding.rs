//! How Matroska stores frames in blocks: laced, compressed, or without their beginnings (RFC 9559, 5.1.4.1.31 and 10.3).

use std::io::{Cursor, Read};

use super::ebml::{elements, number, unsigned};

/// Most bytes that a frame may unpack to.
const UNPACKED: u64 = 16 << 20;

/// A way to store frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Zlib,
    /// All frames begin with these bytes, which are left out.
    Stripped(Vec<u8>),
    /// It is not undone here.
    Unknown(&'static str),
}

/// (what is stored so, how), in the order in which that is undone.
pub(super) fn codings(encodings: &[u8]) -> Vec<(u64, Coding)> {
    let mut all: Vec<(u64, u64, Coding)> = elements(encodings)
        .filter(|(id, _)| *id == 0x6240)
        .map(|(_, encoding)| {
            let (mut order, mut scope, mut kind) = (0, 1, 0);
            let (mut algorithm, mut settings) = (0, Vec::new());
            for (id, value) in elements(encoding) {
                match id {
                    0x5031 => order = unsigned(value),
                    0x5032 => scope = unsigned(value),
                    0x5033 => kind = unsigned(value),
                    0x5034 => {
                        for (id, value) in elements(value) {
                            match id {
                                0x4254 => algorithm = unsigned(value),
                                0x4255 => settings = value.to_vec(),
                                _ => {}
                            }
                        }
                    }
                    _ => {}
                }
            }
            let coding = match (kind, algorithm) {
                (0, 0) => Coding::Zlib,
                (0, 3) => Coding::Stripped(settings),
                (0, 1) => Coding::Unknown("bzip2 compression"),
                (0, 2) => Coding::Unknown("LZO compression"),
                (0, _) => Coding::Unknown("an unknown compression"),
                _ => Coding::Unknown("encryption"),
            };
            (order, scope, coding)
        })
        .collect();
    all.sort_by_key(|(order, ..)| std::cmp::Reverse(*order));
    all.into_iter().map(|(_, scope, coding)| (scope, coding)).collect()
}

/// The frames of a block, laced in one of four ways; `None` where that is damaged.
pub(super) fn frames(bytes: &[u8], lacing: u8) -> Option<Vec<&[u8]>> {
    if lacing == 0 {
        return Some(vec![bytes]);
    }
    let (&count, mut bytes) = bytes.split_first()?;
    let count = usize::from(count) + 1;
    let mut sizes = Vec::with_capacity(count);
    match lacing {
        // Xiph's, EBML's, and all of one size.
        1 => {
            for _ in 1..count {
                let last = bytes.iter().position(|&byte| byte != 255)?;
                sizes.push(255 * last + usize::from(bytes[last]));
                bytes = &bytes[last + 1..];
            }
        }
        3 => {
            let mut size = 0i64;
            for i in 1..count {
                let (value, width) = number(bytes)?;
                let value = i64::try_from(value?).ok()?;
                // All but the first are differences.
                size += if i == 1 { value } else { value - ((1i64 << (7 * width - 1)) - 1) };
                sizes.push(usize::try_from(size).ok()?);
                bytes = &bytes[width..];
            }
        }
        _ => sizes = vec![bytes.len() / count; count - 1],
    }
    let mut frames = Vec::with_capacity(count);
    for size in sizes {
        let (frame, rest) = bytes.split_at_checked(size)?;
        frames.push(frame);
        bytes = rest;
    }
    frames.push(bytes);
    Some(frames)
}

/// A frame as it was before it was stored; `None` where it is damaged.
pub(super) fn unpacked(frame: &[u8], codings: &[Coding]) -> Option<Vec<u8>> {
    let mut data = frame.to_vec();
    for coding in codings {
        data = match coding {
            Coding::Zlib => {
                let mut out = Vec::new();
                let decoder = flate2::read::ZlibDecoder::new(Cursor::new(&data));
                decoder.take(UNPACKED).read_to_end(&mut out).ok()?;
                out
            }
            Coding::Stripped(start) => [start.as_slice(), &data].concat(),
            Coding::Unknown(_) => return None,
        };
    }
    Some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_unlaced() {
        let all = |bytes: &'static [u8], lacing| frames(bytes, lacing).map(|frames| frames.concat().len());
        assert_eq!(frames(b"abc", 0).unwrap(), [b"abc"]);
        assert_eq!(frames(b"\x02\x01\x02abbccc", 1).unwrap(), [&b"a"[..], b"bb", b"ccc"]);
        assert_eq!(frames(b"\x02\x81\xc0abbccc", 3).unwrap(), [&b"a"[..], b"bb", b"ccc"]);
        assert_eq!(frames(b"\x01aabb", 2).unwrap(), [b"aa", b"bb"]);
        assert_eq!(
            (all(b"\x02\x09", 1), all(b"\x02\xff", 1), all(b"", 2), all(b"\x05\x81", 3)),
            (None, None, None, None)
        );
    }

    #[test]
    fn frames_are_unpacked() {
        let packed = b"\x78\x9c\x4b\x4c\x4a\x06\x00\x02\x4d\x01\x27";
        assert_eq!(unpacked(packed, &[Coding::Zlib]).unwrap(), b"abc");
        assert_eq!(unpacked(b"bc", &[Coding::Stripped(b"a".to_vec())]).unwrap(), b"abc");
        assert_eq!(unpacked(b"noise", &[Coding::Zlib]), None);
        assert_eq!(unpacked(b"abc", &[Coding::Unknown("lzo")]), None);
    }
}
