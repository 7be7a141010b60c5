//! From bytes to a reader of their container.

use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::FormatOptions;
use symphonia::core::formats::probe::ProbeableFormat;
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes};
use symphonia::default::formats;

use super::container::caf::Caf;
use super::container::elementary::Elementary;
use super::container::flac::Flac;
use super::container::frame::is_free_format;
use super::container::matroska::Matroska;
use super::container::ogg::Ogg;
use super::container::splice::{Piece, Spliced};
use super::container::wave::Wave;
use super::container::{aiff, around, caf, mp4, wave};
use super::edits::{self, Part};
use super::error::{AudioFault, fault_of};
use super::kinds::{Kind, SNIFF, is_text, kind_of};
use super::reader::{Missing, Reader};
use super::tags::Tags;

/// A file whose container has been read.
pub(super) struct Opened {
    pub reader: Box<dyn Reader>,
    pub tags: Tags,
    /// What MP4 says about the parts of its tracks that are to be heard.
    pub parts: Vec<(u32, Part)>,
    /// What the file was found to lack before it was read.
    pub missing: Missing,
}

impl Opened {
    /// Finds out what `source` is and reads its headers.
    pub(super) fn new(mut source: Box<dyn MediaSource>) -> Result<Self, AudioFault> {
        let mut tags = Tags::default();
        let content = around::tags(source.as_mut(), &mut tags)?;
        let head =
            around::bytes(source.as_mut(), content.start..content.end.min(content.start + SNIFF as u64))?;
        if head.is_empty() {
            return Err(AudioFault::Empty(match content.start {
                0 => "the file has no bytes",
                _ => "the file has tags and nothing else",
            }));
        }
        match kind_of(&head) {
            Some(Kind::Unsupported(name)) => return Err(AudioFault::Unsupported(name.to_owned())),
            Some(Kind::Other(name)) => return Err(AudioFault::NotAudio { found: Some(name) }),
            None => {}
        }
        if is_known(&head) {
            return Self::container(source, content, &head, tags);
        }
        let start = around::after_zeros(source.as_mut(), content.clone())?;
        let frames = Elementary::find(source.as_mut(), start, content.end)?;
        // Nothing comes before frames that begin at once, as those of most MP3 do.
        let container = match frames {
            Some(frames) if frames == start => None,
            _ => find_container(source.as_mut(), content.clone())?,
        };
        match (frames, container) {
            (Some(frames), container) if container.is_none_or(|container| frames < container) => {
                let reader = Elementary::new(source, frames, content.end).map_err(fault_of)?;
                Self::with(reader, tags, Vec::new())
            }
            (_, Some(start)) => {
                let content = start..content.end;
                let head = around::bytes(source.as_mut(), start..start + SNIFF as u64)?;
                Self::container(source, content, &head, tags)
            }
            (_, None) => {
                let bytes = around::bytes(source.as_mut(), start..start + 10_000)?;
                Err(match is_free_format(&bytes) {
                    true => AudioFault::Unsupported("MP3 of \"free format\"".to_owned()),
                    false => AudioFault::NotAudio { found: is_text(&head).then_some("text") },
                })
            }
        }
    }

    /// Reads the headers of a container that begins with `head`.
    fn container(
        mut source: Box<dyn MediaSource>,
        content: Range<u64>,
        head: &[u8],
        mut tags: Tags,
    ) -> Result<Self, AudioFault> {
        let end = source.seek(SeekFrom::End(0))?;
        // Places are counted from where the format begins.
        let part = |source: Box<dyn MediaSource>, to: u64| -> Box<dyn MediaSource> {
            match content.start == 0 && to == end {
                true => source,
                false => Box::new(Spliced::new(source, vec![Piece::Source(content.start..to)])),
            }
        };
        if let Some(family) = wave::family(head) {
            return match wave::open(part(source, end), family, tags)? {
                (Wave::Pcm(reader), tags) => Self::with(*reader, tags, Vec::new()),
                (Wave::Mpeg(mut source, from, to), tags) => {
                    match Elementary::find(source.as_mut(), from, to)? {
                        Some(from) => {
                            let reader = Elementary::new(source, from, to).map_err(fault_of)?;
                            Self::with(reader, tags, Vec::new())
                        }
                        None => {
                            Err(AudioFault::Corrupt("it has no MPEG frames, as its header says".to_owned()))
                        }
                    }
                }
            };
        }
        if aiff::is_aiff(head) {
            let (reader, tags) = aiff::open(part(source, end), tags)?;
            return Self::with(reader, tags, Vec::new());
        }
        let mut source = part(source, content.end);
        if head.starts_with(b"caff") {
            match caf::open(source, tags)? {
                Caf::Pcm(reader, tags) => return Self::with(*reader, tags, Vec::new()),
                Caf::Other(back, found) => (source, tags) = (back, found),
            }
        }
        source.seek(SeekFrom::Start(0))?;
        if head.starts_with(b"fLaC") {
            let length = source.seek(SeekFrom::End(0))?;
            return Self::with(Flac::new(source, length).map_err(fault_of)?, tags, Vec::new());
        }
        if head.starts_with(b"OggS") {
            return Self::with(Ogg::new(source).map_err(fault_of)?, tags, Vec::new());
        }
        if head.starts_with(b"\x1a\x45\xdf\xa3") {
            return Self::with(Matroska::new(source).map_err(fault_of)?, tags, Vec::new());
        }
        let (mut parts, mut missing) = (Vec::new(), Missing::default());
        if is_mp4(head) {
            (source, missing) = mp4::mended(source)?;
            parts = edits::parts(&mut source)?;
        }
        source.seek(SeekFrom::Start(0))?;
        let mut stream = MediaSourceStream::new(source, Default::default());
        let options = FormatOptions::default();
        let opened = match head {
            [b'c', b'a', b'f', b'f', ..] => formats::CafReader::try_probe_new(stream, options),
            _ => {
                // Where a search for its first box would have left the stream.
                stream.ignore_bytes(4)?;
                formats::IsoMp4Reader::try_probe_new(stream, options)
            }
        };
        let format = opened.map_err(|e| match e {
            Symphonia::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
                AudioFault::Corrupt("the file ends inside its header".to_owned())
            }
            // A container of a known format that lacks what it must have, such as an index cut off with its end.
            Symphonia::Unsupported(why) if !why.contains("support") => AudioFault::Corrupt(why.to_owned()),
            Symphonia::DecodeError(why) if why.contains("unsupported") => {
                fault_of(Symphonia::Unsupported(why))
            }
            other => fault_of(other),
        })?;
        let opened = Self::with(format, tags, parts)?;
        Ok(Self { missing, ..opened })
    }

    fn with(
        mut reader: impl Reader + 'static,
        mut tags: Tags,
        parts: Vec<(u32, Part)>,
    ) -> Result<Self, AudioFault> {
        reader.tags(&mut tags);
        Ok(Self { reader: Box::new(reader), tags, parts, missing: Missing::default() })
    }
}

/// Whether a container begins so that is read.
fn is_known(head: &[u8]) -> bool {
    wave::family(head).is_some()
        || aiff::is_aiff(head)
        || is_mp4(head)
        || [&b"OggS"[..], b"fLaC", b"caff", b"\x1a\x45\xdf\xa3"].iter().any(|name| head.starts_with(name))
}

/// Whether an MP4 or QuickTime file begins so. Old ones have no box that says what they are.
fn is_mp4(head: &[u8]) -> bool {
    const BOXES: [&[u8]; 8] = [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof"];
    let size = head.first_chunk().map_or(0, |&size| u32::from_be_bytes(size));
    head.get(4..8).is_some_and(|name| BOXES.contains(&name)) && (size == 1 || size >= 8)
}

/// Where a container other than MP4 begins behind something else.
fn find_container(source: &mut dyn MediaSource, content: Range<u64>) -> io::Result<Option<u64>> {
    /// How far it is looked for.
    const SEARCH: u64 = 1 << 20;
    let bytes = around::bytes(source, content.start..content.end.min(content.start + SEARCH))?;
    let found = bytes.windows(SNIFF).position(|head| {
        matches!(head[0], b'R' | b'F' | b'O' | b'f' | b'c' | 0x1a | b'r' | b'B')
            && !is_mp4(head)
            && is_known(head)
    });
    Ok(found.map(|at| content.start + at as u64))
}
