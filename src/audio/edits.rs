//! Which part of an MP4 file's samples is the song: its edit lists (ISO/IEC 14496-12, 8.6.6) and iTunes' "iTunSMPB",
//! which the format reader does not heed. Encoders mark their delay and padding so. And whether its fragments declare
//! more samples than can be there, which the format reader would count one by one.

use std::io::{self, Read, Seek, SeekFrom};

use super::error::AudioFault;

/// The part of a track that is to be heard, in units of 1/`scale` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where it starts.
    pub start: u64,
    /// How long it is; `None` to the end.
    pub length: Option<u64>,
    /// Units a second.
    pub scale: u32,
}

impl Part {
    /// (samples to drop, samples to keep) at `rate` Hz.
    pub(super) fn samples(self, rate: u32) -> (u64, Option<u64>) {
        let scaled = |units: u64| {
            let (rate, scale) = (u128::from(rate), u128::from(self.scale.max(1)));
            u64::try_from((u128::from(units) * rate + scale / 2) / scale).unwrap_or(u64::MAX)
        };
        (scaled(self.start), self.length.map(scaled))
    }
}

/// Reads the value of iTunes' tag: hexadecimal words, of which the second is the delay and the fourth the length.
pub(super) fn itunes(value: &str, rate: u32) -> Option<Part> {
    let mut words = value.split_whitespace().skip(1).map(|word| u64::from_str_radix(word, 16).ok());
    let (start, _, length) = (words.next()??, words.next()??, words.next()??);
    (length > 0).then_some(Part { start, length: Some(length), scale: rate })
}

/// What of a track's boxes matters here.
#[derive(Debug, Default)]
struct Track {
    id: u32,
    scale: u32,
    /// (length in the movie's units, start in the track's, −1 for silence)
    edits: Vec<(u64, i64)>,
}

/// The parts of the tracks of an MP4 file, by track number. Empty for any other file, and where a list says more than
/// "from here, so long". The position of `source` is left anywhere.
///
/// # Errors
/// [`AudioFault::Io`]; [`AudioFault::Corrupt`] where fragments declare more samples than the file has bytes, or where it
/// has more than [`BOXES`] boxes.
pub(super) fn parts(source: &mut (impl Read + Seek)) -> Result<Vec<(u32, Part)>, AudioFault> {
    let end = source.seek(SeekFrom::End(0))?;
    let mut walk = Walk { source, budget: BOXES, movie: 0, tracks: Vec::new(), samples: 0 };
    walk.boxes(0, end, 0)?;
    if walk.samples > end {
        return Err(AudioFault::Corrupt("its fragments declare more samples than it has bytes".to_owned()));
    }
    if walk.budget == 0 {
        return Err(AudioFault::Corrupt(format!("it has more than {BOXES} boxes")));
    }
    let (movie, tracks) = (walk.movie, walk.tracks);
    let part = |track: &Track| {
        let mut heard = track.edits.iter().filter(|(_, start)| *start >= 0);
        let (&(length, start), None) = (heard.next()?, heard.next()) else {
            return None;
        };
        // From units of the movie to those of the track.
        let length = u128::from(length) * u128::from(track.scale) / u128::from(movie.max(1));
        let length = u64::try_from(length).ok().filter(|&n| n > 0);
        Some((track.id, Part { start: start as u64, length, scale: track.scale }))
    };
    Ok(tracks.iter().filter_map(part).collect())
}

/// Most boxes that are looked at; a song in fragments of a second has about ten a second.
const BOXES: u32 = 1 << 18;

struct Walk<'a, S> {
    source: &'a mut S,
    /// How many boxes may still be looked at.
    budget: u32,
    movie: u32,
    tracks: Vec<Track>,
    /// Samples that fragments declare.
    samples: u64,
}

impl<S: Read + Seek> Walk<'_, S> {
    fn boxes(&mut self, mut at: u64, end: u64, depth: u32) -> io::Result<()> {
        while end.saturating_sub(at) >= 8 && self.budget > 0 {
            self.budget -= 1;
            let head = self.bytes::<16>(at)?;
            let (size, kind) = (be32(&head, 0), &head[4..8]);
            let (size, header) = match size {
                0 => (end - at, 8),
                1 => (u64::from(be32(&head, 8)) << 32 | u64::from(be32(&head, 12)), 16),
                size => (u64::from(size), 8),
            };
            // No MP4 file, or a damaged one.
            if size < header || size > end - at {
                return Ok(());
            }
            let inside = at + header;
            match (kind, depth) {
                (b"moov" | b"moof", 0) | (b"traf", 1) | (b"edts" | b"mdia", 2) => {
                    self.boxes(inside, at + size, depth + 1)?
                }
                (b"trak", 1) => {
                    self.tracks.push(Track::default());
                    self.boxes(inside, at + size, depth + 1)?;
                }
                (b"mvhd", 1) => self.movie = self.after_times(inside)?,
                (b"tkhd", 2) => {
                    let id = self.after_times(inside)?;
                    self.track(|track| track.id = id);
                }
                (b"mdhd", 3) => {
                    let scale = self.after_times(inside)?;
                    self.track(|track| track.scale = scale);
                }
                (b"trun", 2) => {
                    let count = be32(&self.bytes::<8>(inside)?, 4);
                    self.samples = self.samples.saturating_add(u64::from(count));
                }
                (b"elst", 3) => self.edits(inside)?,
                _ => {}
            }
            at += size;
        }
        Ok(())
    }

    fn edits(&mut self, at: u64) -> io::Result<()> {
        let head = self.bytes::<8>(at)?;
        let (long, count) = (head[0] == 1, be32(&head, 4));
        // Longer lists are not encoders' work.
        for i in 0..u64::from(count.min(8)) {
            let edit = if long {
                let b = self.bytes::<20>(at + 8 + 20 * i)?;
                let wide = |i| u64::from(be32(&b, i)) << 32 | u64::from(be32(&b, i + 4));
                (wide(0), wide(8) as i64)
            } else {
                let b = self.bytes::<12>(at + 8 + 12 * i)?;
                (u64::from(be32(&b, 0)), i64::from(be32(&b, 4) as i32))
            };
            self.track(|track| track.edits.push(edit));
        }
        Ok(())
    }

    /// The word that follows version, flags and two times in "mvhd", "tkhd" and "mdhd".
    fn after_times(&mut self, at: u64) -> io::Result<u32> {
        let b = self.bytes::<24>(at)?;
        Ok(be32(&b, if b[0] == 1 { 20 } else { 12 }))
    }

    fn track(&mut self, set: impl FnOnce(&mut Track)) {
        if let Some(track) = self.tracks.last_mut() {
            set(track);
        }
    }

    /// The bytes at `at`; zeros past the end of the file.
    fn bytes<const N: usize>(&mut self, at: u64) -> io::Result<[u8; N]> {
        self.source.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::with_capacity(N);
        self.source.by_ref().take(N as u64).read_to_end(&mut bytes)?;
        bytes.resize(N, 0);
        Ok(std::array::from_fn(|i| bytes[i]))
    }
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|i| bytes[at + i]))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn atom(kind: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        [&(inside.len() as u32 + 8).to_be_bytes()[..], kind, inside].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    fn file(edits: &[u32]) -> Vec<u8> {
        let track = [
            atom(b"tkhd", &words(&[0, 0, 0, 7])),
            atom(b"edts", &atom(b"elst", &words(edits))),
            atom(b"mdia", &atom(b"mdhd", &words(&[0, 0, 0, 44_100, 0]))),
        ];
        let movie = [atom(b"mvhd", &words(&[0, 0, 0, 1000])), atom(b"trak", &track.concat())];
        [atom(b"ftyp", b"M4A "), atom(b"mdat", &[9; 99]), atom(b"moov", &movie.concat())].concat()
    }

    #[test]
    fn edit_lists_are_read() {
        let one = file(&[0, 1, 2000, 1024, 1 << 16]);
        let part = Part { start: 1024, length: Some(88_200), scale: 44_100 };
        assert_eq!(parts(&mut Cursor::new(&one)).unwrap(), [(7, part)]);
        assert_eq!(part.samples(22_050), (512, Some(44_100)));
        // Silence first; no length; two parts; damage of every kind.
        let silence = file(&[0, 2, 500, u32::MAX, 1 << 16, 2000, 1024, 1 << 16]);
        assert_eq!(parts(&mut Cursor::new(&silence)).unwrap(), [(7, part)]);
        let endless = file(&[0, 1, 0, 1024, 1 << 16]);
        assert_eq!(parts(&mut Cursor::new(&endless)).unwrap(), [(7, Part { length: None, ..part })]);
        assert_eq!(parts(&mut Cursor::new(&file(&[0, 2, 9, 0, 0, 9, 5, 0]))).unwrap(), []);
        for cut in 0..one.len() {
            parts(&mut Cursor::new(&one[..cut])).unwrap();
        }
        assert_eq!(parts(&mut Cursor::new(b"RIFF\0\0\0\0WAVE")).unwrap(), []);
    }

    #[test]
    fn more_samples_than_bytes_are_damage() {
        let fragment = |count| atom(b"moof", &atom(b"traf", &atom(b"trun", &words(&[0, count]))));
        let file = |count| [atom(b"ftyp", b"M4A "), fragment(9), fragment(count)].concat();
        assert!(parts(&mut Cursor::new(file(50))).is_ok());
        assert!(matches!(parts(&mut Cursor::new(file(u32::MAX))), Err(AudioFault::Corrupt(_))));
        let boxes = [atom(b"ftyp", b"M4A "), atom(b"free", b"").repeat(BOXES as usize)].concat();
        assert!(matches!(parts(&mut Cursor::new(boxes)), Err(AudioFault::Corrupt(_))));
    }

    #[test]
    fn itunes_tags_are_read() {
        let value = " 00000000 00000840 000001CA 00000000003F31F6 00000000";
        assert_eq!(itunes(value, 44_100), Some(Part { start: 2112, length: Some(0x3F31F6), scale: 44_100 }));
        assert_eq!(itunes(" 00000000 00000840", 44_100), None);
        assert_eq!(itunes("", 44_100), None);
    }
}
