//! What is mended in MP4 and QuickTime (ISO/IEC 14496-12) before symphonia's reader sees it: it refuses files that do not
//! say what they are, as old ones, and files that were cut off within their sound.

use std::io::SeekFrom;

use symphonia::core::io::MediaSource;

use super::super::error::AudioFault;
use super::around;
use super::splice::{Piece, Spliced};

/// Most boxes of the outermost level that are looked at; the others are not needed to find these.
const BOXES: usize = 10_000;
/// What is put behind a file that does not say what it is.
const FTYP: &[u8] = b"\0\0\0\x14ftypisom\0\0\0\0isom";

/// An MP4 file as symphonia reads it, and whether it was cut off.
///
/// # Errors
/// [`AudioFault`], where it has no index.
pub(in crate::audio) fn mended(
    mut source: Box<dyn MediaSource>,
) -> Result<(Box<dyn MediaSource>, bool), AudioFault> {
    let end = source.seek(SeekFrom::End(0))?;
    let (mut at, mut named, mut indexed, mut cut, mut short) = (0, false, false, false, None);
    for _ in 0..BOXES {
        if at >= end {
            break;
        }
        let head = around::bytes(source.as_mut(), at..at + 16)?;
        let (Some(&size), Some(name)) = (head.first_chunk(), head.get(4..8)) else {
            short = Some((at, 0));
            break;
        };
        let (size, width) = match (u32::from_be_bytes(size), head.get(8..16)) {
            (0, _) => (end - at, 4),
            (1, Some(size)) => (size.try_into().map_or(0, u64::from_be_bytes), 8),
            (size, _) => (size.into(), 4),
        };
        if size < 8 {
            break;
        }
        named |= name == b"ftyp";
        indexed |= name == b"moov";
        if size > end - at {
            // Its size is made what is there; an index that is cut is none.
            indexed &= name != b"moov";
            // Anything else behind the last box is no part of the song.
            cut = name == b"mdat" || name == b"moof";
            short = Some((at, if cut { width } else { 0 }));
            break;
        }
        at += size;
    }
    if !indexed {
        return Err(AudioFault::Corrupt(
            "it has no index (moov box): the file was cut off, or its recording was never finished"
                .to_owned(),
        ));
    }
    let mut pieces = vec![Piece::Source(0..end)];
    if let Some((at, width)) = short {
        pieces = match width {
            4 if end - at >= 8 => {
                let size = u32::try_from(end - at).unwrap_or(0).to_be_bytes().to_vec();
                vec![Piece::Source(0..at), Piece::Bytes(size), Piece::Source(at + 4..end)]
            }
            8 if end - at >= 16 => {
                let size = (end - at).to_be_bytes().to_vec();
                vec![Piece::Source(0..at + 8), Piece::Bytes(size), Piece::Source(at + 16..end)]
            }
            // Only a header is left of it, or it is none.
            _ => vec![Piece::Source(0..at)],
        };
    }
    if !named {
        pieces.push(Piece::Bytes(FTYP.to_vec()));
    }
    Ok((Box::new(Spliced::new(source, pieces)), cut))
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
        let (mut source, cut) = mended(Box::new(Cursor::new(bytes.to_vec())))?;
        source.read_to_end(&mut out)?;
        Ok((out, cut))
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
}
