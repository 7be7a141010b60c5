//! FLAC (RFC 9639): streams of frames behind a header, several of them one after the other, with frames lost or damaged.
//!
//! Of the metadata only STREAMINFO is needed and the comments are wanted: symphonia refuses a whole song for a cue sheet
//! or a picture that it does not understand, loses frames whose blocking is not as STREAMINFO says, passes over frames
//! that are lost without a word, and ends where another file was glued to the first.

use std::io;

use symphonia::core::errors::{Error, Result};
use symphonia::core::formats::{FormatId, Track, well_known as format};
use symphonia::core::io::MediaSource;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::super::reader::{Missing, Reader, Unit};
use super::super::tags::Tags;
use super::around;
use super::flac_frame::{Frame, HEADER, parse, summed};
use super::flac_info::{INFO, Info};
use super::window::Window;

/// Most blocks of metadata, and most bytes of comments that are read.
const BLOCKS: usize = 1000;
const COMMENTS: u64 = 1 << 20;
/// How many times the length of the file may be looked through in vain for ends of frames that have none.
const VAIN: u64 = 16;

/// Reads FLAC.
pub(in crate::audio) struct Flac {
    window: Window,
    end: u64,
    info: Info,
    tracks: Vec<Track>,
    tags: Tags,
    missing: Missing,
    /// The number that the next frame is to have; `None` where the part may begin anywhere.
    next: Option<u64>,
    /// Samples of the part so far, those of frames that are lost included.
    position: u64,
    /// Bytes that were looked through for the ends of frames that have none.
    vain: u64,
    /// Where the part's frames begin, and how many samples the first has.
    begins: u64,
    block: u64,
    /// Whether the part ends where its header says, and the file with it; `None` until that is asked.
    whole: Option<bool>,
}

impl Flac {
    /// Reads the header of a FLAC stream that begins where `source` does and ends at `end` at the latest.
    ///
    /// # Errors
    /// Those of reading, and of a stream that nothing describes.
    pub(in crate::audio) fn new(source: Box<dyn MediaSource>, end: u64) -> Result<Self> {
        let mut flac = Self {
            window: Window::new(source, 0)?,
            end,
            info: Info { rate: 0, channels: 1, bits: 16, total: 0 },
            tracks: Vec::new(),
            tags: Tags::default(),
            missing: Missing::default(),
            next: None,
            position: 0,
            vain: 0,
            begins: 0,
            block: 0,
            whole: None,
        };
        flac.begin()?;
        Ok(flac)
    }

    /// Begins a part with its header, which the window stands at.
    fn begin(&mut self) -> Result<()> {
        let Some(mut info) = self.metadata()? else {
            return Err(Error::DecodeError("flac: the block that describes the stream is not there"));
        };
        (self.begins, self.block, self.whole) = (self.window.position(), 0, None);
        if let Some(frame) = parse(self.window.peek(HEADER)?) {
            info = info.of(&frame);
            self.block = frame.samples.into();
        }
        (self.info, self.next, self.position) = (info, None, 0);
        self.tracks = vec![info.track()];
        Ok(())
    }

    /// Reads the metadata. The window stands where frames are to begin.
    fn metadata(&mut self) -> Result<Option<Info>> {
        self.window.skip(4)?;
        let mut info = None;
        for _ in 0..BLOCKS {
            let left = self.end.saturating_sub(self.window.position());
            let head = self.window.peek(4)?;
            let &[kind, high, middle, low, ..] = head else {
                return Err(Error::DecodeError("the file ends inside its header"));
            };
            // Some files lack the mark of the last block: these are frames.
            if kind == 0xff {
                break;
            }
            let size = u64::from(u32::from_be_bytes([0, high, middle, low]));
            self.window.skip(4)?;
            let inside = self.window.position();
            match kind & 0x7f {
                0 if info.is_none() => {
                    info = self.window.peek(INFO)?.first_chunk().map(Info::read);
                }
                4 => {
                    let most = size.min(COMMENTS).min(left) as usize;
                    let comments = self.window.peek(most)?;
                    self.tags.comments(&comments[..most.min(comments.len())]);
                }
                _ => {}
            }
            // A length past the end is damage: frames are looked for behind the header.
            if 4 + size > left {
                break;
            }
            self.window.go_to(inside + size)?;
            if kind & 0x80 != 0 {
                break;
            }
        }
        Ok(info)
    }

    /// Finds the next frame that is whole, and its length; `None` at the end. The window stands at it.
    fn frame(&mut self) -> Result<Option<(Frame, usize)>> {
        let mut torn = false;
        loop {
            let left = self.end.saturating_sub(self.window.position());
            let bytes = bounded(self.window.peek(HEADER.max(around::ID3V2))?, left);
            if bytes.is_empty() {
                self.missing.cut |= torn;
                return Ok(None);
            }
            let step = if let Some(frame) = parse(bytes) {
                let most = frame.most(self.info.bits);
                let last = self.info.total > 0 && self.after(&frame).1 >= self.info.total;
                let bytes = bounded(self.window.peek(most + HEADER)?, left);
                let length = length(bytes, &frame, most, bytes.len() as u64 == left, last);
                if let Some(length) = length {
                    return Ok(Some((frame, length)));
                }
                // It may go on behind the file's end.
                torn |= bytes.len() as u64 == left && bytes.len() < most;
                self.vain += bytes.len() as u64;
                if self.vain > VAIN * (self.end + (1 << 20)) {
                    return Err(Error::DecodeError("flac: beginnings of frames without an end"));
                }
                1
            } else if is_header(bytes) {
                self.begin()?;
                return Err(Error::ResetRequired);
            } else if let Some(length) = around::id3v2_length(bytes).filter(|&length| length <= left) {
                length
            } else {
                let bytes = bounded(self.window.peek(1 << 12)?, left);
                let next = bytes.iter().skip(1).position(|&b| matches!(b, 0xff | b'f' | b'I'));
                next.map_or(bytes.len(), |at| at + 1) as u64
            };
            self.window.skip(step)?;
        }
    }

    /// How many frames are missing before this one, and where in the part it ends.
    fn after(&self, frame: &Frame) -> (u64, u64) {
        let (number, samples) = (frame.number, u64::from(frame.samples));
        let gap = match self.next {
            // A number that is less than expected begins anew: nothing says what is missing.
            Some(next) => number.saturating_sub(next),
            None => number,
        };
        let lost = if frame.variable { gap.div_ceil(samples.max(1)) } else { gap };
        let end = self.position.saturating_add(lost.saturating_mul(samples)).saturating_add(samples);
        // A part that begins in the second half, or is of no known length, was joined late or cut out.
        let joined = self.next.is_none() && end > self.info.total / 2;
        (if joined { 0 } else { lost }, end)
    }
}

impl Flac {
    /// The first sample of a frame. Of blocks of one size the last may be shorter, so that it is the first that tells.
    fn first_sample(&self, frame: &Frame) -> u64 {
        if frame.variable { frame.number } else { frame.number.saturating_mul(self.block) }
    }

    /// Whether the last frame of the file is the last that the header tells of.
    fn is_whole(&mut self) -> Result<bool> {
        let most = 4 * (1 << 16) + HEADER as u64;
        self.window.go_to(self.end.saturating_sub(most).max(self.begins))?;
        let mut last = 0;
        while let Some((frame, length)) = self.frame()? {
            last = self.first_sample(&frame) + u64::from(frame.samples);
            self.window.skip(length as u64)?;
        }
        Ok(self.info.total > 0 && self.block > 0 && last == self.info.total)
    }

    /// Halves the bytes among which the frame with this sample begins, then goes from frame to frame.
    fn find(&mut self, sample: u64) -> Result<Option<u64>> {
        const NEAR: u64 = 1 << 16;
        let (mut low, mut high) = (self.begins, self.end);
        while high - low > NEAR {
            let middle = low + (high - low) / 2;
            self.window.go_to(middle)?;
            let found = self.frame()?.map(|(frame, _)| self.first_sample(&frame));
            let at = self.window.position();
            match found.filter(|&first| first <= sample && at < high) {
                Some(_) => low = at,
                None => high = middle,
            }
        }
        self.window.go_to(low)?;
        while let Some((frame, length)) = self.frame()? {
            let first = self.first_sample(&frame);
            if first + u64::from(frame.samples) > sample {
                (self.next, self.position) = (Some(frame.number), first);
                return Ok(Some(first).filter(|&first| first <= sample));
            }
            self.window.skip(length as u64)?;
        }
        Ok(None)
    }
}

/// As many of `bytes` as are `left`.
fn bounded(bytes: &[u8], left: u64) -> &[u8] {
    &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))]
}

/// Whether a stream begins here: its name, and STREAMINFO.
fn is_header(bytes: &[u8]) -> bool {
    bytes.starts_with(b"fLaC") && matches!(bytes.get(4..8), Some([0 | 0x80, 0, 0, 34]))
}

/// The length of the frame that `bytes` begin with: up to where its checksum is right and another frame, stream or tag
/// begins, or `all` ends. What follows the `last` one of a stream may be anything.
fn length(bytes: &[u8], frame: &Frame, most: usize, all: bool, last: bool) -> Option<usize> {
    let places = frame.header + 3..=bytes.len().min(most);
    let (mut crc, mut until) = (0, 0);
    for at in places.clone() {
        let rest = &bytes[at..];
        let begins = match rest.first() {
            Some(0xff) => parse(rest).is_some(),
            Some(b'f') => is_header(rest),
            Some(b'I') => around::id3v2_length(rest).is_some(),
            Some(_) => false,
            None => all,
        };
        if begins {
            crc = summed(crc, &bytes[until..at]);
            until = at;
            if crc == 0 {
                return Some(at);
            }
        }
    }
    // By chance a checksum is right that is none: the decoder passes over what is too much.
    (crc, until) = (0, 0);
    let is_end = |at: &usize| {
        crc = summed(crc, &bytes[until..*at]);
        until = *at;
        crc == 0
    };
    if last { places.filter(is_end).last() } else { None }
}

impl Reader for Flac {
    fn format(&self) -> FormatId {
        format::FORMAT_ID_FLAC
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next(&mut self) -> Result<Option<Unit>> {
        let Some((frame, length)) = self.frame()? else {
            return Ok(None);
        };
        let info = self.info.of(&frame);
        if info != self.info {
            // A part that no header begins.
            (self.info, self.next, self.position) = (Info { total: 0, ..info }, None, 0);
            self.tracks = vec![self.info.track()];
            return Err(Error::ResetRequired);
        }
        let (lost, position) = self.after(&frame);
        self.missing.packets = self.missing.packets.saturating_add(lost);
        self.position = position;
        let step = if frame.variable { frame.samples.into() } else { 1 };
        self.next = Some(frame.number.saturating_add(step));
        let Some(data) = self.window.take(length)?.map(<[u8]>::to_vec) else {
            return Err(Error::IoError(io::ErrorKind::UnexpectedEof.into()));
        };
        let samples = Duration::from(u64::from(frame.samples));
        Ok(Some(Packet::new(0, Timestamp::ZERO, samples, data).into()))
    }

    fn seek_to(&mut self, _track: u32, sample: u64) -> Result<Option<u64>> {
        // What looks like the beginning of a frame within another is none that is missing.
        let missing = self.missing;
        let whole = match self.whole {
            Some(whole) => whole,
            None => self.is_whole()?,
        };
        self.whole = Some(whole);
        let found = if whole { self.find(sample)? } else { None };
        self.missing = missing;
        Ok(found)
    }

    fn tags(&mut self, tags: &mut Tags) {
        tags.join(std::mem::take(&mut self.tags));
    }

    fn missing(&self) -> Missing {
        self.missing
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::flac_frame::{checksum, sealed};
    use super::*;

    fn block(kind: u8, inside: &[u8]) -> Vec<u8> {
        [&[kind], &(inside.len() as u32).to_be_bytes()[1..], inside].concat()
    }

    fn info(channels: u8, total: u64) -> Info {
        Info { rate: 44_100, channels, bits: 16, total }
    }

    fn header(info: Info) -> Vec<u8> {
        [b"fLaC".to_vec(), block(0x80, &info.block())].concat()
    }

    /// A frame of 192 samples of one value; numbered by its first sample where blocks are of any size.
    fn frame(variable: bool, number: u8, channels: u8, value: u16) -> Vec<u8> {
        let head = sealed(&[0xff, 0xf8 | u8::from(variable), 0x19, (channels - 1) << 4 | 8, number]);
        let channel = [&[0][..], &value.to_be_bytes()].concat();
        let inside = [head, channel.repeat(channels.into())].concat();
        [&inside[..], &checksum(&inside).to_be_bytes()].concat()
    }

    fn frames(numbers: impl IntoIterator<Item = u8>) -> Vec<u8> {
        numbers.into_iter().flat_map(|number| frame(false, number, 1, 7)).collect()
    }

    fn open(bytes: &[u8]) -> Result<Flac> {
        Flac::new(Box::new(Cursor::new(bytes.to_vec())), bytes.len() as u64)
    }

    /// The number of packets of every part, and what is missing.
    fn read(bytes: &[u8]) -> (Vec<usize>, Missing) {
        let mut flac = open(bytes).unwrap();
        let mut parts = vec![0];
        loop {
            match flac.next() {
                Ok(Some(_)) => *parts.last_mut().unwrap() += 1,
                Ok(None) => return (parts, flac.missing()),
                Err(Error::ResetRequired) => parts.push(0),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn lost(packets: u64) -> Missing {
        Missing { packets, cut: false }
    }

    #[test]
    fn metadata_is_passed_over() {
        let comments = b"\x01\0\0\0v\x01\0\0\0\x08\0\0\0artist=A".to_vec();
        let described = info(1, 384);
        let blocks =
            [block(0, &described.block()), block(5, &[9; 30]), block(4, &comments), block(0x86, &[1; 5])];
        let bytes = [b"fLaC".to_vec(), blocks.concat(), frames(0..2)].concat();
        let mut flac = open(&bytes).unwrap();
        assert_eq!(flac.info, described);
        let mut tags = Tags::default();
        flac.tags(&mut tags);
        assert_eq!((tags.artists(), read(&bytes)), (vec!["A".to_owned()], (vec![2], lost(0))));
        // A last block without its mark; a length past the end; nothing.
        for broken in [vec![], b"\x06\xff\xff\xff".to_vec()] {
            let bytes = [b"fLaC".to_vec(), block(0, &described.block()), broken, frames(0..2)].concat();
            assert_eq!(read(&bytes).0, [2]);
        }
        assert!(open(b"fLaC").is_err() && open(b"fLaC\x81\0\0\x01x").is_err());
        // Frames know better than the header.
        let wrong = [header(info(2, 0)), frames(0..2)].concat();
        assert_eq!((open(&wrong).unwrap().info, read(&wrong).0), (info(1, 0), vec![2]));
    }

    #[test]
    fn streams_follow_one_another() {
        let one = [header(info(1, 576)), frames(0..3)].concat();
        let stereo: Vec<u8> = (0..2).flat_map(|number| frame(false, number, 2, 9)).collect();
        let two = [header(info(2, 384)), stereo.clone()].concat();
        let id3 = b"ID3\x03\0\0\0\0\0\x03abc".to_vec();
        let id3v1 = [&b"TAG"[..], &[b' '; 125]].concat();
        for (bytes, parts) in [
            ([one.clone(), one.clone()].concat(), &[3, 3][..]),
            ([one.clone(), two.clone(), one.clone()].concat(), &[3, 2, 3]),
            ([one.clone(), id3, two.clone()].concat(), &[3, 2]),
            ([one.clone(), id3v1, two.clone()].concat(), &[3, 2]),
            ([one.clone(), b"junk that is nothing".to_vec()].concat(), &[3]),
            // Without a header of its own.
            ([one.clone(), frames(0..2)].concat(), &[5]),
            ([one.clone(), stereo].concat(), &[3, 2]),
        ] {
            assert_eq!(read(&bytes), (parts.to_vec(), lost(0)));
        }
        let mut both = open(&[one, two].concat()).unwrap();
        while both.next().is_ok() {}
        assert_eq!((both.info, both.tracks()[0].num_frames), (info(2, 384), Some(384)));
    }

    #[test]
    fn frames_that_are_missing_are_counted() {
        let file = |numbers: &[u8]| [header(info(1, 20 * 192)), frames(numbers.iter().copied())].concat();
        let length = frame(false, 0, 1, 7).len();
        let all: Vec<u8> = (0..20).collect();
        assert_eq!(read(&file(&all)), (vec![20], lost(0)));
        for hole in [0..1, 7..8, 7..12, 1..19] {
            let left: Vec<u8> = all.iter().copied().filter(|n| !hole.contains(n)).collect();
            assert_eq!(read(&file(&left)), (vec![left.len()], lost(hole.len() as u64)), "{hole:?}");
        }
        // Cut out of a longer song; of no known length.
        assert_eq!(read(&file(&all[15..])), (vec![5], lost(0)));
        assert_eq!(read(&[header(info(1, 0)), frames(15..20)].concat()), (vec![5], lost(0)));
        // Numbered by samples.
        let samples = |numbers: &[u8]| {
            let frames: Vec<u8> = numbers.iter().flat_map(|&number| frame(true, number, 1, 7)).collect();
            read(&[header(info(1, 0)), frames].concat())
        };
        assert_eq!((samples(&[0]), samples(&[0, 127])), ((vec![1], lost(0)), (vec![2], lost(0))));
        // Damage: a byte inside, bytes between, zeros.
        let whole = file(&all);
        let at = header(info(1, 0)).len() + 5 * length;
        for (name, bytes, left) in [
            ("a byte", [&whole[..at + 7], &[0x55], &whole[at + 8..]].concat(), 19),
            ("a hole", [&whole[..at + 3], &whole[at + 3 + 2 * length..]].concat(), 17),
            ("zeros", [&whole[..at], &vec![0; 2 * length], &whole[at + 2 * length..]].concat(), 17),
            ("bytes more", [&whole[..at], &[0x33; 50], &whole[at..]].concat(), 19),
        ] {
            let (parts, missing) = read(&bytes);
            assert!(parts[0] >= left && parts[0] < 20, "{name}: {parts:?}");
            assert_eq!(missing, lost(20 - parts[0] as u64), "{name}");
        }
        // Cut off inside the last frame.
        let (parts, missing) = read(&whole[..whole.len() - 3]);
        assert_eq!((parts, missing), (vec![19], Missing { packets: 0, cut: true }));
    }

    #[test]
    fn beginnings_without_an_end_are_given_up() {
        let heads = sealed(&[0xff, 0xf8, 0xf9, 0x78, 0]).repeat(300);
        let bytes = [header(info(8, 0)), heads, vec![0x55; 600_000]].concat();
        let start = std::time::Instant::now();
        assert!(open(&bytes).unwrap().next().is_err() && start.elapsed().as_secs() < 10);
    }
}
