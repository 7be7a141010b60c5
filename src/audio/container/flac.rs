//! What is mended in FLAC (RFC 9639) before symphonia's reader and decoder see it.
//!
//! Of the metadata only STREAMINFO is needed and the comments are wanted: symphonia refuses a whole song for a cue sheet
//! or a picture that it does not understand, and loses frames whose blocking is not as STREAMINFO says.

use symphonia::core::io::MediaSource;

use super::super::error::AudioFault;
use super::super::tags::Tags;
use super::around;
use super::splice::{Piece, Spliced};

/// Bytes of STREAMINFO.
const INFO: usize = 34;
/// Most blocks of metadata, and most bytes of comments that are read.
const BLOCKS: usize = 1000;
const COMMENTS: u64 = 1 << 20;
/// The smallest block that the format allows.
const SMALLEST: u16 = 16;

/// A FLAC stream from `start` to `end` of `source` as symphonia reads it; its comments go to `tags`.
///
/// # Errors
/// [`AudioFault`], where it lacks what it must have.
pub(in crate::audio) fn mended(
    mut source: Box<dyn MediaSource>,
    start: u64,
    end: u64,
    tags: &mut Tags,
) -> Result<Box<dyn MediaSource>, AudioFault> {
    let mut at = start + 4;
    let mut info = None;
    for _ in 0..BLOCKS {
        let head = around::bytes(source.as_mut(), at..(at + 4).min(end))?;
        let &[kind, high, middle, low] = head.as_slice() else {
            return Err(AudioFault::Corrupt("the file ends inside its header".to_owned()));
        };
        // Some files lack the mark of the last block: these are frames.
        if kind == 0xff {
            break;
        }
        let size = u64::from(u32::from_be_bytes([0, high, middle, low]));
        let inside = at + 4..at + 4 + size;
        match kind & 0x7f {
            0 if info.is_none() => {
                let bytes = around::bytes(source.as_mut(), inside.start..inside.start + INFO as u64)?;
                info = <[u8; INFO]>::try_from(bytes).ok();
            }
            4 => tags.comments(&around::bytes(
                source.as_mut(),
                inside.start..inside.end.min(inside.start + COMMENTS),
            )?),
            _ => {}
        }
        // A length past the end is damage: frames are looked for behind the header.
        if inside.end > end {
            at = inside.start;
            break;
        }
        at = inside.end;
        if kind & 0x80 != 0 {
            break;
        }
    }
    let Some(info) = info else {
        return Err(AudioFault::Corrupt("flac: the block that describes the stream is not there".to_owned()));
    };
    let frame = around::bytes(source.as_mut(), at..at + 16)?;
    let head = [&b"fLaC\x80\0\0\x22"[..], &described(&info, block_size(&frame))].concat();
    Ok(Box::new(Spliced::new(source, vec![Piece::Bytes(head), Piece::Source(at..end)])))
}

/// (whether blocks differ in size, samples of this one) of the frame that begins here (RFC 9639, 9.1).
fn block_size(frame: &[u8]) -> Option<(bool, u16)> {
    let &[0xff, sync @ (0xf8 | 0xf9), sizes, _, number, ..] = frame else {
        return None;
    };
    // The number of the frame or sample takes as many bytes as it has leading ones.
    let after = 4 + usize::from(number.leading_ones().max(1) as u8);
    let size = match sizes >> 4 {
        1 => 192,
        n @ 2..=5 => 576 << (n - 2),
        6 => u16::from(*frame.get(after)?) + 1,
        7 => u16::from_be_bytes([*frame.get(after)?, *frame.get(after + 1)?]).saturating_add(1),
        n @ 8..=14 => 256 << (n - 8),
        15 => 32_768,
        _ => return None,
    };
    Some((sync & 1 == 1, size))
}

/// STREAMINFO with sizes of blocks as the first frame has them, where that is known, or else such as may be.
pub(in crate::audio) fn described(info: &[u8], frame: Option<(bool, u16)>) -> Vec<u8> {
    let half = |at: usize| u16::from_be_bytes([info[at], info[at + 1]]);
    let (least, most) = (half(0), half(2));
    let (least, most) = match frame {
        Some((true, _)) if least < most && least >= SMALLEST => (least, most),
        Some((true, _)) => (SMALLEST, u16::MAX),
        Some((false, size)) => (most.max(size).max(SMALLEST), most.max(size).max(SMALLEST)),
        None if most < SMALLEST => (SMALLEST, u16::MAX),
        None => (least.clamp(SMALLEST, most), most),
    };
    let frames = |at: usize| u32::from_be_bytes([0, info[at], info[at + 1], info[at + 2]]);
    let mut mended = [&least.to_be_bytes()[..], &most.to_be_bytes(), &info[4..]].concat();
    if frames(4) > frames(7) {
        mended[4..10].fill(0);
    }
    mended
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    fn block(kind: u8, inside: &[u8]) -> Vec<u8> {
        [&[kind], &(inside.len() as u32).to_be_bytes()[1..], inside].concat()
    }

    fn info(least: u16, most: u16) -> Vec<u8> {
        [&least.to_be_bytes()[..], &most.to_be_bytes(), &[0; 6], &[7; 24]].concat()
    }

    fn head(blocks: &[Vec<u8>], frame: &[u8]) -> Result<(Vec<u8>, Vec<String>), AudioFault> {
        let bytes = [b"fLaC".to_vec(), blocks.concat(), frame.to_vec()].concat();
        let (mut tags, end) = (Tags::default(), bytes.len() as u64);
        let mut out = Vec::new();
        mended(Box::new(Cursor::new(bytes)), 0, end, &mut tags)?.read_to_end(&mut out)?;
        Ok((out, tags.artists()))
    }

    #[test]
    fn only_what_is_needed_is_left() {
        let comments = b"\x01\0\0\0v\x01\0\0\0\x08\0\0\0artist=A".to_vec();
        let (fixed, variable) =
            (b"\xff\xf8\xc9\x18\0\0".as_slice(), b"\xff\xf9\x79\x18\0\x02\x40".as_slice());
        let blocks =
            [block(0, &info(4096, 4096)), block(5, &[9; 30]), block(4, &comments), block(0x86, &[1; 5])];
        let (out, artists) = head(&blocks, fixed).unwrap();
        assert_eq!(out, [b"fLaC\x80\0\0\x22".to_vec(), info(4096, 4096), fixed.to_vec()].concat());
        assert_eq!(artists, ["A"]);
        for ((least, most), frame, wanted) in [
            ((0, 4096), fixed, (4096u16, 4096u16)),
            ((16, 4096), fixed, (4096, 4096)),
            ((0, 0), fixed, (4096, 4096)),
            ((4608, 4608), variable, (16, u16::MAX)),
            ((192, 4608), variable, (192, 4608)),
            ((0, 0), b"\0\0", (16, u16::MAX)),
        ] {
            let (out, _) = head(&[block(0x80, &info(least, most))], frame).unwrap();
            assert_eq!(
                out[8..12],
                [wanted.0.to_be_bytes(), wanted.1.to_be_bytes()].concat(),
                "{least} {most}"
            );
        }
        // A last block without its mark; a length past the end; nothing.
        assert!(head(&[block(0, &info(4096, 4096))], fixed).unwrap().0.ends_with(fixed));
        let broken = [block(0, &info(4096, 4096)), b"\x06\xff\xff\xff".to_vec()];
        assert!(head(&broken, fixed).unwrap().0.ends_with(fixed));
        assert!(head(&[], b"").is_err() && head(&[block(0x81, b"x")], fixed).is_err());
    }

    #[test]
    fn sizes_of_blocks() {
        assert_eq!(block_size(b"\xff\xf9\x79\x18\x80\x02\x40"), Some((true, 0x241)));
        assert_eq!(block_size(b"\xff\xf8\x69\x18\xc2\x80\x11"), Some((false, 0x12)));
        assert_eq!(block_size(b"\xff\xf8\x59\x18\0"), Some((false, 4608)));
        assert_eq!(block_size(b"\xff\xf8\x09\x18\0"), None);
    }
}
