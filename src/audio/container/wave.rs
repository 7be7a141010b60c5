//! WAV: RIFF, RIFX, RF64, BW64 (ITU-R BS.2088) and Sony's Wave64. Symphonia's reader believes sizes that are not true, and
//! knows the first of them only.

use std::io;

use symphonia::core::formats::well_known::FORMAT_ID_WAVE;
use symphonia::core::io::MediaSource;

use super::super::error::AudioFault;
use super::super::tags::Tags;
use super::around;
use super::chunks::{Chunk, Family, chunks};
use super::pcm::{Coding, Data, Layout, Pcm};

/// Most bytes of a list of tags.
const LIST: u64 = 1 << 16;

/// What a WAV file holds.
pub(in crate::audio) enum Wave {
    Pcm(Box<Pcm>),
    /// A stream of MPEG frames from here to there.
    Mpeg(Box<dyn MediaSource>, u64, u64),
}

/// The family of the WAV file that begins so, if it is one, and where its chunks begin.
pub(in crate::audio) fn family(head: &[u8]) -> Option<(Family, u64)> {
    let form = head.get(8..12);
    match head.get(..4)? {
        b"RIFF" | b"RF64" | b"BW64" if form == Some(b"WAVE") => {
            Some((Family::Riff { big_endian: false }, 12))
        }
        b"RIFX" if form == Some(b"WAVE") => Some((Family::Riff { big_endian: true }, 12)),
        b"riff" if head.get(24..28) == Some(b"wave") => Some((Family::Wave64, 40)),
        _ => None,
    }
}

/// Reads the chunks of a WAV file, and its tags, before or after the samples.
///
/// # Errors
/// [`AudioFault`], where it holds nothing that can be decoded.
pub(in crate::audio) fn open(
    mut source: Box<dyn MediaSource>,
    (family, at): (Family, u64),
    mut tags: Tags,
) -> Result<(Wave, Tags), AudioFault> {
    let source_end = source.byte_len().unwrap_or(0);
    let found = chunks(source.as_mut(), family, at)?;
    for chunk in &found {
        let end = chunk.start.saturating_add(chunk.size).min(source_end);
        match &chunk.name {
            b"LIST" | b"list" => info(source.as_mut(), chunk, family, &mut tags)?,
            b"id3 " | b"ID3 " => around::id3v2(source.as_mut(), chunk.start..end, &mut tags),
            _ => {}
        }
    }
    let of = |name: &[u8; 4]| found.iter().find(|chunk| chunk.name == *name);
    let Some(format) = of(b"fmt ") else {
        return Err(AudioFault::Corrupt("it has no chunk that says how samples are stored".to_owned()));
    };
    let format =
        around::bytes(source.as_mut(), format.start..format.start.saturating_add(format.size.min(64)))?;
    let big_endian = family == Family::Riff { big_endian: true };
    // An empty one may stand before the one with the samples.
    let data = found.iter().filter(|chunk| chunk.name == *b"data").max_by_key(|chunk| chunk.size > 0);
    let Some(data) = data else {
        return Err(AudioFault::Corrupt("the file ends inside its header".to_owned()));
    };
    let data = Data::new(data.start, data.size, source_end);
    match layout(&format, big_endian)? {
        Some(layout) => Ok((Wave::Pcm(Box::new(Pcm::new(source, FORMAT_ID_WAVE, layout, data)?)), tags)),
        None => Ok((Wave::Mpeg(source, data.start, data.end), tags)),
    }
}

/// How samples are stored, from the "fmt " chunk; `None` for MPEG frames.
fn layout(format: &[u8], big_endian: bool) -> Result<Option<Layout>, AudioFault> {
    let half = |at: usize| {
        let bytes: Option<[u8; 2]> = format.get(at..at + 2).and_then(|b| b.try_into().ok());
        bytes.map(|b| if big_endian { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) })
    };
    let (Some(tag), Some(channels), Some(low), Some(high), Some(block)) =
        (half(0), half(2), half(4), half(6), half(12))
    else {
        return Err(AudioFault::Corrupt("its chunk that says how samples are stored is cut off".to_owned()));
    };
    let (low, high) = if big_endian { (high, low) } else { (low, high) };
    let rate = u32::from(high) << 16 | u32::from(low);
    let bits = half(14).unwrap_or(8);
    // The extensible format has the tag in the first bytes of its identifier.
    let tag = if tag == 0xfffe { half(24).unwrap_or(tag) } else { tag };
    // Samples of 20 bits fill 24, and 24 may fill 32: blocks tell, unless they cannot be true.
    let rounded = bits.div_ceil(8);
    let filled = block.checked_div(channels).filter(|&bytes| bytes * channels == block && bytes <= 8);
    let bytes = filled.filter(|&bytes| bytes >= rounded && bytes > 0).unwrap_or(rounded);
    let coding = match tag {
        1 if bytes == 1 => Coding::Unsigned,
        1 => Coding::Signed,
        3 => Coding::Float,
        6 => Coding::ALaw,
        7 => Coding::MuLaw,
        2 => Coding::MsAdpcm { block },
        0x11 => Coding::ImaAdpcm { block },
        0x50 | 0x55 => return Ok(None),
        tag => {
            return Err(AudioFault::Unsupported(match tag {
                0x31 => "GSM in WAV".to_owned(),
                0x160..=0x163 => "WMA in WAV".to_owned(),
                0x2000 => "AC-3 in WAV".to_owned(),
                0x2001 => "DTS in WAV".to_owned(),
                0xff | 0x1600..=0x1610 => "AAC in WAV".to_owned(),
                tag => format!("the WAV format {tag:#06x}"),
            }));
        }
    };
    let bytes = if matches!(coding, Coding::ALaw | Coding::MuLaw) { 1 } else { bytes };
    Ok(Some(Layout { coding, bytes, big_endian, rate, channels }))
}

/// Reads a list of tags.
fn info(source: &mut dyn MediaSource, list: &Chunk, family: Family, tags: &mut Tags) -> io::Result<()> {
    let bytes = around::bytes(source, list.start..list.start + list.size.min(LIST))?;
    let big_endian = family == Family::Riff { big_endian: true };
    if let Some(entries) = bytes.strip_prefix(b"INFO") {
        self::entries(entries, big_endian, tags);
    }
    Ok(())
}

fn entries(mut list: &[u8], big_endian: bool, tags: &mut Tags) {
    while let [a, b, c, d, s0, s1, s2, s3, rest @ ..] = list {
        let size = [*s0, *s1, *s2, *s3];
        let size = if big_endian { u32::from_be_bytes(size) } else { u32::from_le_bytes(size) } as usize;
        let Some((value, after)) = rest.split_at_checked(size) else {
            return;
        };
        if let Ok(name) = std::str::from_utf8(&[*a, *b, *c, *d]) {
            tags.named(name, &text(value));
        }
        // Some programs forget the byte that makes an entry even.
        let padded = size % 2 == 1 && after.first().is_none_or(|&byte| byte == 0);
        list = after.get(usize::from(padded)..).unwrap_or_default();
    }
}

/// UTF-8, or else Latin-1, up to the first zero.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|&b| b == 0).next().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::super::reader::Reader;
    use super::*;

    fn chunk(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        let size = (inside.len() as u32).to_le_bytes();
        [name, &size[..], inside, &b"\0"[..inside.len() % 2]].concat()
    }

    /// (artists, title, samples) of a file.
    type Found = Result<(Vec<String>, Option<String>, Option<u64>), AudioFault>;

    fn read(chunks: &[Vec<u8>]) -> Found {
        read_bytes([b"RIFF\0\0\0\0WAVE".to_vec(), chunks.concat()].concat())
    }

    fn read_bytes(bytes: Vec<u8>) -> Found {
        let family = family(&bytes[..bytes.len().min(40)]);
        let source = Box::new(Cursor::new(bytes));
        let Some(family) = family else {
            return Err(AudioFault::Empty("no family"));
        };
        match open(source, family, Tags::default())? {
            (Wave::Pcm(pcm), tags) => Ok((tags.artists(), tags.title(), pcm.tracks()[0].num_frames)),
            (Wave::Mpeg(..), _) => Err(AudioFault::Empty("MPEG")),
        }
    }

    fn format() -> Vec<u8> {
        chunk(b"fmt ", &[1, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0])
    }

    #[test]
    fn tags_are_found_anywhere() {
        let list =
            [&b"INFO"[..], &chunk(b"IART", b"Bj\xf6rk\0"), &chunk(b"INAM", "Jóga".as_bytes())].concat();
        let (data, list) = (chunk(b"data", &[1; 77]), chunk(b"LIST", &list));
        let wanted = (vec!["Björk".to_owned()], Some("Jóga".to_owned()), Some(38));
        for chunks in [[format(), list.clone(), data.clone()], [data.clone(), format(), list.clone()]] {
            assert_eq!(read(&chunks).unwrap(), wanted);
        }
        let whole = [format(), list, data].concat();
        for cut in 0..whole.len() {
            let _ = read(&[whole[..cut].to_vec()]);
        }
        // An odd entry without the byte behind it.
        let odd = chunk(b"LIST", b"INFOIART\x05\0\0\0Anne\0INAM\x02\0\0\0A\0");
        let found = read(&[format(), odd, chunk(b"data", &[1; 8])]).unwrap();
        assert_eq!((found.0, found.1.as_deref()), (vec!["Anne".to_owned()], Some("A")));
        let endless = [
            chunk(b"LIST", b""),
            format(),
            chunk(b"data", &[1; 8]),
            b"LIST\xff\xff\xff\xffINFOIART\xff\xff\xff\xff".to_vec(),
        ];
        assert_eq!(read(&endless).unwrap(), (vec![], None, Some(4)));
        // ID3, in a chunk of its own.
        let id3 = b"ID3\x04\0\0\0\0\0\x12TPE1\0\0\0\x08\0\0\x03A One\0B";
        let found = read(&[format(), chunk(b"data", &[1; 8]), chunk(b"id3 ", id3)]).unwrap();
        assert_eq!(found.0, ["A One", "B"]);
    }

    #[test]
    fn sizes_need_not_be_true() {
        let data = |declared: u32| [&b"data"[..], &declared.to_le_bytes(), &[1; 80]].concat();
        let length = |chunks: &[Vec<u8>]| read(chunks).unwrap().2;
        assert_eq!(length(&[format(), data(0)]), Some(40));
        assert_eq!(length(&[format(), data(80)]), Some(40));
        assert_eq!(length(&[format(), data(160)]), Some(80));
        assert_eq!(length(&[format(), data(u32::MAX)]), Some(40));
        assert_eq!(length(&[format(), chunk(b"data", b""), chunk(b"data", &[1; 8])]), Some(4));
        assert_eq!(length(&[format(), chunk(b"data", b""), chunk(b"LIST", b"INFO")]), Some(0));
        assert!(read(&[format()]).is_err() && read(&[data(80)]).is_err());
        // The byte behind an odd chunk is there, or forgotten.
        for pad in [&b"\0"[..], b""] {
            let odd = [&b"JUNK\x03\0\0\0abc"[..], pad].concat();
            assert_eq!(length(&[odd, format(), data(80)]), Some(40));
        }
    }

    #[test]
    fn every_family_is_read() {
        let le = [b"WAVE".to_vec(), format(), chunk(b"data", &[1; 80])].concat();
        for name in [b"RIFF", b"RF64", b"BW64"] {
            assert_eq!(read_bytes([&name[..], &[0; 4], &le].concat()).unwrap().2, Some(40));
        }
        let ds64 = chunk(b"ds64", &[[0; 8], 40u64.to_le_bytes(), [0; 8]].concat());
        let long = [&b"RF64\0\0\0\0WAVE"[..], &ds64, &format(), b"data\xff\xff\xff\xff", &[1; 80]].concat();
        assert_eq!(read_bytes(long).unwrap().2, Some(20));
        let be =
            b"RIFX\0\0\0\0WAVEfmt \0\0\0\x10\0\x01\0\x01\0\0\x1f\x40\0\0\x3e\x80\0\x02\0\x10data\0\0\0\x50";
        assert_eq!(read_bytes([&be[..], &[1; 80]].concat()).unwrap().2, Some(40));
        let wide = |name: &[u8; 4], inside: &[u8]| {
            let size = (inside.len() as u64 + 24).to_le_bytes();
            [name, &[7; 12][..], &size, inside, &vec![0; inside.len().next_multiple_of(8) - inside.len()]]
                .concat()
        };
        let wave64 = [b"riff".to_vec(), vec![7; 20], b"wave".to_vec(), vec![7; 12]].concat();
        let wave64 = [wave64, wide(b"junk", &[3; 5]), wide(b"fmt ", &format()[8..]), wide(b"data", &[1; 80])];
        assert_eq!(read_bytes(wave64.concat()).unwrap().2, Some(40));
    }

    #[test]
    fn samples_fill_bytes() {
        let of = |tag: u16, channels: u16, block: u16, bits: u16| {
            let words = [tag, channels, 8000, 0, 0, 0, block, bits];
            let layout = layout(&words.map(u16::to_le_bytes).concat(), false).ok()??;
            Some((layout.coding, layout.bytes, layout.rate))
        };
        assert_eq!(of(1, 2, 6, 20), Some((Coding::Signed, 3, 8000)));
        assert_eq!(of(1, 2, 8, 24), Some((Coding::Signed, 4, 8000)));
        assert_eq!(of(1, 2, 6, 24), Some((Coding::Signed, 3, 8000)));
        assert_eq!(of(1, 1, 8, 64), Some((Coding::Signed, 8, 8000)));
        assert_eq!(of(1, 1, 1, 8), Some((Coding::Unsigned, 1, 8000)));
        assert_eq!(of(1, 2, 0, 16), Some((Coding::Signed, 2, 8000)));
        assert_eq!(of(3, 1, 8, 64), Some((Coding::Float, 8, 8000)));
        assert_eq!(of(7, 1, 1, 16), Some((Coding::MuLaw, 1, 8000)));
        assert_eq!(of(0x2001, 2, 4, 16), None);
    }
}
