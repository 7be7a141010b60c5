//! What is mended in MP4 and QuickTime (ISO/IEC 14496-12) before symphonia's reader sees it: it refuses files that do not
//! say what they are, as old ones, files that were cut off within their sound, and files whose boxes do not follow one
//! another because bytes were lost, damaged or added.

use std::io::{self, SeekFrom};

use symphonia::core::io::MediaSource;

use super::super::error::AudioFault;
use super::super::reader::Missing;
use super::around;
use super::splice::{Piece, Spliced};

/// Most boxes of the outermost level that are looked at; the others are not needed to find these.
const BOXES: usize = 10_000;
/// What is put behind a file that does not say what it is.
const FTYP: &[u8] = b"\0\0\0\x14ftypisom\0\0\0\0isom";

/// A box of the outermost level.
#[derive(Clone, Copy)]
struct Outer {
    at: u64,
    name: [u8; 4],
    size: u64,
    /// Whether its size takes 64 bits.
    wide: bool,
}

impl Outer {
    /// The box that begins at `at` of a file of `end` bytes, if one may; its size is as it says.
    fn read(source: &mut dyn MediaSource, at: u64, end: u64) -> io::Result<Option<Self>> {
        let head = around::bytes(source, at..at.saturating_add(16))?;
        let (Some(&size), Some(&name)) = (head.first_chunk(), head.get(4..).and_then(<[u8]>::first_chunk))
        else {
            return Ok(None);
        };
        let (size, wide) = match (u32::from_be_bytes(size), head.get(8..).and_then(<[u8]>::first_chunk)) {
            (0, _) => (end - at, false),
            (1, Some(&size)) => (u64::from_be_bytes(size), true),
            (size, _) => (size.into(), false),
        };
        let named = name.iter().all(|byte| matches!(byte, b' '..=b'~' | 0xa9));
        Ok((named && size >= if wide { 16 } else { 8 }).then_some(Self { at, name, size, wide }))
    }

    /// Whether what it holds is of no size, so that it may be made longer or shorter.
    fn is_loose(&self) -> bool {
        matches!(&self.name, b"mdat" | b"free" | b"skip" | b"wide" | b"moof")
    }

    /// (where, bytes) that make it end at `end`; a fragment's description that is not whole becomes free space.
    fn resized(&self, end: u64) -> Option<(u64, Vec<u8>)> {
        let size = end - self.at;
        if self.wide && size >= 16 {
            return Some((self.at + 8, size.to_be_bytes().to_vec()));
        }
        let name = if self.name == *b"moof" { *b"free" } else { self.name };
        let size = u32::try_from(size).ok().filter(|&size| size >= 8)?.to_be_bytes();
        Some((self.at, [size, name].concat()))
    }
}

/// An MP4 file as symphonia reads it, and what it is known to lack.
///
/// # Errors
/// [`AudioFault`], where it has no index.
pub(in crate::audio) fn mended(
    mut source: Box<dyn MediaSource>,
) -> Result<(Box<dyn MediaSource>, Missing), AudioFault> {
    let end = source.seek(SeekFrom::End(0))?;
    let (mut named, mut indexed, mut fragments) = (false, false, false);
    let (mut at, mut until, mut before) = (0, end, None);
    let (mut missing, mut broken) = (Missing::default(), None);
    let mut patches = Vec::new();
    for _ in 0..BOXES {
        let found = if at < end { Outer::read(source.as_mut(), at, end)? } else { None };
        if let Some(whole) = found.filter(|found| found.size <= end - at) {
            named |= whole.name == *b"ftyp";
            indexed |= whole.name == *b"moov";
            fragments |= whole.name == *b"moof";
            at += whole.size;
            before = found;
            continue;
        }
        if at >= end && indexed {
            break;
        }
        // An index, or the next fragment, that boxes do not lead to: one of them is made to.
        let (known, last) = (found.filter(Outer::is_loose), before.take().filter(Outer::is_loose));
        let from = known.or(last).map_or(at, |known| known.at + 8);
        let next = match indexed && !fragments {
            true => None,
            false => index_after(source.as_mut(), from, end, if indexed { b"moof" } else { b"moov" })?,
        };
        let patch = next.and_then(|next| match (known, last) {
            (Some(known), _) => known.resized(next),
            (None, _) if next >= at + 8 => Outer { at, name: *b"free", size: 0, wide: false }.resized(next),
            (None, last) => last?.resized(next),
        });
        if let Some((next, patch)) = next.zip(patch) {
            missing.packets += u64::from(indexed);
            patches.push(patch);
            at = next;
            continue;
        }
        if at < end {
            // Sound that was cut off is made what is there. Anything else behind the last box is no part of the song.
            missing.cut = found.is_some_and(|found| matches!(&found.name, b"mdat" | b"moof"));
            match found.filter(|_| missing.cut).and_then(|cut| cut.resized(end)) {
                Some(patch) => patches.push(patch),
                None => until = at,
            }
            broken = Some(at).filter(|_| known.is_none());
        }
        break;
    }
    if !indexed {
        return Err(AudioFault::Corrupt(match broken {
            Some(at) => format!("it has no index (moov box) that is whole, and its boxes end at byte {at}"),
            None => "it has no index (moov box): the file was cut off, or its recording was never finished"
                .to_owned(),
        }));
    }
    let (mut pieces, mut from) = (Vec::new(), 0);
    for (at, bytes) in patches {
        let after = at + bytes.len() as u64;
        pieces.extend([Piece::Source(from..at), Piece::Bytes(bytes)]);
        from = after;
    }
    pieces.push(Piece::Source(from..until));
    if !named {
        pieces.push(Piece::Bytes(FTYP.to_vec()));
    }
    Ok((Box::new(Spliced::new(source, pieces)), missing))
}

/// Where from `from` on a whole "moov" or "moof" box begins, whose first box is as it must be.
fn index_after(
    source: &mut dyn MediaSource,
    mut from: u64,
    end: u64,
    name: &[u8; 4],
) -> io::Result<Option<u64>> {
    const STEP: u64 = 1 << 20;
    const HEAD: usize = 16;
    let child = if name == b"moov" { b"mvhd" } else { b"mfhd" };
    while from + (HEAD as u64) <= end {
        let bytes = around::bytes(source, from..end.min(from + STEP))?;
        let found = bytes.windows(HEAD).enumerate().find_map(|(i, head)| {
            let size = |at: usize| u64::from(u32::from_be_bytes(std::array::from_fn(|i| head[at + i])));
            let named = head[4..8] == *name && head[12..] == *child;
            let at = from + i as u64;
            (named && size(8) >= 16 && size(0) >= 8 + size(8) && size(0) <= end - at).then_some(at)
        });
        if found.is_some() || bytes.len() < HEAD {
            return Ok(found);
        }
        from += (bytes.len() - HEAD + 1) as u64;
    }
    Ok(None)
}

/// Whether a track's header is one of Vorbis, for which MP4 has no name that symphonia knows.
pub(in crate::audio) fn is_vorbis(extra: &[u8]) -> bool {
    extra.first() == Some(&2) && extra.windows(7).take(600).any(|window| window == b"\x01vorbis")
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    fn read(bytes: &[u8]) -> Result<(Vec<u8>, bool), AudioFault> {
        let mut out = Vec::new();
        let (mut source, missing) = mended(Box::new(Cursor::new(bytes.to_vec())))?;
        source.read_to_end(&mut out)?;
        assert_eq!(missing.packets, 0);
        Ok((out, missing.cut))
    }

    #[test]
    fn boxes_are_made_whole() {
        let ftyp = b"\0\0\0\x0cftypM4A ".as_slice();
        let moov = b"\0\0\0\x08moov".as_slice();
        let whole = [ftyp, moov, b"\0\0\0\x0amdatab"].concat();
        assert_eq!(read(&whole).unwrap(), (whole.clone(), false));
        // Cut off within the sound, with a size of 32 and of 64 bits.
        let cut = [ftyp, moov, b"\0\0\x10\0mdatab"].concat();
        assert_eq!(read(&cut).unwrap(), (whole, true));
        let cut = [ftyp, moov, b"\0\0\0\x01mdat\0\0\0\0\0\0\x10\0ab"].concat();
        assert_eq!(read(&cut).unwrap().0, [ftyp, moov, b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12ab"].concat());
        // Junk behind the last box is left out.
        for junk in [&b"abc"[..], b"\x7f\0\0\0junkjunk"] {
            let whole = [ftyp, moov, b"\0\0\0\x0amdatab"].concat();
            assert_eq!(read(&[&whole[..], junk].concat()).unwrap(), (whole, false));
        }
        // It does not say what it is: that is put where it moves nothing.
        let old = [b"\0\0\0\x0amdatab", moov].concat();
        assert_eq!(read(&old).unwrap(), ([&old[..], FTYP].concat(), false));
        for bad in [
            &[ftyp, b"\0\0\0\x0amdatab"].concat()[..],
            &[ftyp, b"\0\0\x10\0moovab"].concat(),
            b"\0\0\0\x04moov",
        ] {
            assert!(read(bad).unwrap_err().to_string().contains("index"), "{bad:?}");
        }
    }

    #[test]
    fn boxes_lead_to_the_index() {
        let outer = |name: &[u8], inside: &[u8]| {
            [&(inside.len() as u32 + 8).to_be_bytes()[..], name, inside].concat()
        };
        let (ftyp, sound) = (outer(b"ftyp", b"M4A "), outer(b"mdat", &[0x5a; 100]));
        let moov = outer(b"moov", &outer(b"mvhd", &[0; 100]));
        let moof = outer(b"moof", &outer(b"mfhd", &[0; 8]));
        /// (name, bytes) of all boxes.
        fn boxes(bytes: &[u8]) -> Vec<(String, usize)> {
            let (mut at, mut found) = (0, Vec::new());
            while at < bytes.len() {
                let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
                found.push((String::from_utf8(bytes[at + 4..at + 8].to_vec()).unwrap(), size));
                at += size;
            }
            assert_eq!(at, bytes.len());
            found
        }
        let read = |parts: &[&[u8]]| {
            let source = Box::new(Cursor::new(parts.concat()));
            let (mut source, missing) = mended(source).map_err(|fault| fault.to_string())?;
            let mut out = Vec::new();
            source.read_to_end(&mut out).unwrap();
            assert_eq!(out.len(), parts.concat().len());
            let names: Vec<String> =
                boxes(&out).into_iter().map(|(name, size)| format!("{name} {size}")).collect();
            Ok::<_, String>((names.join(", "), missing.packets))
        };
        let ok = |text: &str, packets| Ok((text.to_owned(), packets));
        let (early, late) = (&sound[..60], &sound[60..]);
        // A hole and bytes more in the sound before the index, and between boxes; a size that is damaged.
        assert_eq!(read(&[&ftyp, early, &late[20..], &moov]), ok("ftyp 12, mdat 88, moov 116", 0));
        assert_eq!(
            read(&[&ftyp, early, &[0; 30], late, &moov]),
            ok("ftyp 12, mdat 108, free 30, moov 116", 0)
        );
        assert_eq!(read(&[&ftyp, &[0xee; 30], &sound, &moov]), ok("ftyp 12, free 138, moov 116", 0));
        let endless = [b"\x7f\0\0\0", &sound[4..]].concat();
        assert_eq!(read(&[&ftyp, &endless, &moov]), ok("ftyp 12, mdat 108, moov 116", 0));
        // Of fragments, those that are damaged are left out.
        for (parts, wanted) in [
            ([&ftyp[..], &moov, &moof, early, &late[20..], &moof, &sound], "mdat 88, moof 24, mdat 108"),
            (
                [&ftyp, &moov, &moof, &sound, &[0xee; 40], &moof, &sound],
                "mdat 108, free 40, moof 24, mdat 108",
            ),
            ([&ftyp, &moov, &moof[..16], &sound, &moof, &sound, b""], ""),
        ] {
            let (names, packets) = read(&parts).unwrap();
            assert!(names.starts_with("ftyp 12, moov 116, ") && names.ends_with(wanted), "{names}");
            assert_eq!(packets, 1, "{names}");
        }
        for (parts, says) in [
            ([&ftyp[..], early, &late[20..], &moov[..80]], "boxes end at byte 120"),
            ([&ftyp, &sound, &[0xee; 40], b""], "boxes end at byte 120"),
            ([&ftyp, &sound[..99], b"", b""], "cut off"),
        ] {
            assert!(read(&parts).unwrap_err().contains(says), "{:?}", read(&parts));
        }
    }
}
