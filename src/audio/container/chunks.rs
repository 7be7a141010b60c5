//! Files made of chunks: RIFF and its kin (RIFX, RF64, BW64, Wave64), IFF (AIFF), CAF.
//!
//! What the whole file's header says of its size is not believed: programs that were stopped, or wrote to a pipe, leave
//! anything there. A chunk that goes on past the file's end ends with it.

use std::io;

use symphonia::core::io::MediaSource;

use super::around;

/// Most chunks that are looked at.
const CHUNKS: usize = 1000;

/// A family of formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audio) enum Family {
    /// Sizes of 32 bits, little or big endian; chunks begin at even places.
    Riff { big_endian: bool },
    /// Names of 16 bytes, and sizes of 64 bits that count the header too; chunks begin at multiples of 8.
    Wave64,
    /// Sizes of 64 bits, big endian, without gaps.
    Caf,
}

/// A chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Its name; of Wave64's names the beginning.
    pub name: [u8; 4],
    /// Where its contents begin, and how many bytes they are said to be.
    pub start: u64,
    pub size: u64,
}

/// The chunks from `at` on.
///
/// # Errors
/// Those of reading.
pub(super) fn chunks(source: &mut dyn MediaSource, family: Family, mut at: u64) -> io::Result<Vec<Chunk>> {
    let end = source.byte_len().unwrap_or(0);
    let mut found = Vec::new();
    let mut wide = None;
    while at < end && found.len() < CHUNKS {
        let head = around::bytes(source, at..at.saturating_add(36))?;
        let Some((mut chunk, header)) = header(family, &head, at) else {
            break;
        };
        let data = matches!(&chunk.name, b"data" | b"SSND");
        match (&chunk.name, family) {
            // RF64 keeps the size of the data where there is room for it.
            (b"ds64", Family::Riff { big_endian: false }) => {
                let size = head.get(16..24).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
                wide = size;
            }
            (b"data", Family::Riff { .. }) if chunk.size == 0xffff_ffff => {
                chunk.size = wide.unwrap_or(chunk.size);
            }
            _ => {}
        }
        // A size that was to be filled in: what follows is sound, unless it is another chunk.
        if data && chunk.size == 0 && !next_is_chunk(source, family, chunk.start)? {
            chunk.size = u64::MAX;
        }
        found.push(chunk);
        let next = at.saturating_add(header).saturating_add(chunk.size);
        at = match family {
            Family::Riff { .. } if next % 2 == 1 => {
                // Some programs forget the byte between.
                let (padded, bare) = (
                    next_is_chunk(source, family, next.saturating_add(1))?,
                    next_is_chunk(source, family, next)?,
                );
                if bare && !padded { next } else { next.saturating_add(1) }
            }
            Family::Wave64 => next.checked_next_multiple_of(8).unwrap_or(u64::MAX),
            _ => next,
        };
    }
    Ok(found)
}

/// The chunk whose header this is, and the length of that header.
fn header(family: Family, head: &[u8], at: u64) -> Option<(Chunk, u64)> {
    let name: [u8; 4] = head.get(..4)?.try_into().ok()?;
    let (size, header) = match family {
        Family::Riff { big_endian } => {
            let size: [u8; 4] = head.get(4..8)?.try_into().ok()?;
            (if big_endian { u32::from_be_bytes(size) } else { u32::from_le_bytes(size) }.into(), 8)
        }
        Family::Wave64 => {
            let size = u64::from_le_bytes(head.get(16..24)?.try_into().ok()?);
            (size.saturating_sub(24), 24)
        }
        Family::Caf => (u64::from_be_bytes(head.get(4..12)?.try_into().ok()?), 12),
    };
    Some((Chunk { name, start: at + header, size }, header))
}

/// Whether a chunk of a known name begins at `at`.
fn next_is_chunk(source: &mut dyn MediaSource, family: Family, at: u64) -> io::Result<bool> {
    const KNOWN: [&[u8; 4]; 24] = [
        b"fmt ", b"data", b"fact", b"LIST", b"list", b"cue ", b"smpl", b"inst", b"bext", b"iXML", b"_PMX",
        b"JUNK", b"junk", b"PAD ", b"PEAK", b"id3 ", b"ID3 ", b"COMM", b"SSND", b"NAME", b"AUTH", b"ANNO",
        b"MARK", b"FLLR",
    ];
    let head = around::bytes(source, at..at.saturating_add(36))?;
    let known = header(family, &head, at).filter(|(chunk, _)| KNOWN.contains(&&chunk.name));
    Ok(known.is_some())
}
