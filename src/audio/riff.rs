//! Artist and title of a WAV file: its "LIST" chunk of form "INFO", before or after the samples. (The format reader
//! parses the one before them, and loses it.)

use std::io::{self, Read, Seek, SeekFrom};

/// Most chunks that are looked at, and most bytes of a list.
const CHUNKS: usize = 1000;
const LIST: u64 = 1 << 16;

/// (artist, title) of a RIFF WAVE file. The position of `source` is left anywhere.
pub(super) fn artist_and_title(
    source: &mut (impl Read + Seek),
) -> io::Result<(Option<String>, Option<String>)> {
    let mut found = (None, None);
    let mut at = 12;
    for _ in 0..CHUNKS {
        source.seek(SeekFrom::Start(at))?;
        let mut head = Vec::new();
        source.by_ref().take(12).read_to_end(&mut head)?;
        let &[a, b, c, d, s0, s1, s2, s3, ref form @ ..] = &head[..] else {
            break;
        };
        let size = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
        if [a, b, c, d] == *b"LIST" && form == b"INFO" {
            let mut list = Vec::new();
            source.by_ref().take(size.saturating_sub(4).min(LIST)).read_to_end(&mut list)?;
            entries(&list, &mut found);
        }
        at += 8 + size + size % 2;
    }
    Ok(found)
}

fn entries(mut list: &[u8], found: &mut (Option<String>, Option<String>)) {
    while let [a, b, c, d, s0, s1, s2, s3, rest @ ..] = list {
        let size = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
        let Some(value) = rest.get(..size) else {
            return;
        };
        match &[*a, *b, *c, *d] {
            b"IART" => found.0 = Some(text(value)),
            b"INAM" => found.1 = Some(text(value)),
            _ => {}
        }
        list = rest.get(size + size % 2..).unwrap_or_default();
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

    use super::*;

    #[test]
    fn lists_are_found_anywhere() {
        let chunk = |name: &[u8; 4], inside: &[u8]| {
            let size = (inside.len() as u32).to_le_bytes();
            [name, &size[..], inside, &b"\0"[..inside.len() % 2]].concat()
        };
        let list =
            [&b"INFO"[..], &chunk(b"IART", b"Bj\xf6rk\0"), &chunk(b"INAM", "Jóga".as_bytes())].concat();
        let file = |chunks: &[Vec<u8>]| [b"RIFF\0\0\0\0WAVE".to_vec(), chunks.concat()].concat();
        let (data, list) = (chunk(b"data", &[1; 77]), chunk(b"LIST", &list));
        let wanted = (Some("Björk".to_owned()), Some("Jóga".to_owned()));
        for chunks in [[list.clone(), data.clone()], [data.clone(), list.clone()]] {
            assert_eq!(artist_and_title(&mut Cursor::new(file(&chunks))).unwrap(), wanted);
        }
        let whole = file(&[list, data]);
        for cut in 0..whole.len() {
            artist_and_title(&mut Cursor::new(&whole[..cut])).unwrap();
        }
        let endless = file(&[chunk(b"LIST", b""), b"LIST\xff\xff\xff\xffINFOIART\xff\xff\xff\xff".to_vec()]);
        assert_eq!(artist_and_title(&mut Cursor::new(endless)).unwrap(), (None, None));
    }
}
