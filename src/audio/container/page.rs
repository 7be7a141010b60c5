//! Pages of Ogg (RFC 3533, section 6).

use std::io;

use symphonia::core::checksum::Crc32;
use symphonia::core::io::Monitor;

use super::window::Window;

/// Bytes of a page's header before its table of segments, and of the longest page.
const HEADER: usize = 27;
pub(super) const LONGEST: usize = HEADER + 255 + 255 * 255;

/// A page: where its packets end, and what its header says.
pub(super) struct Page {
    pub continued: bool,
    pub first: bool,
    pub last: bool,
    pub granule: i64,
    pub serial: u32,
    pub sequence: u32,
    pub segments: Vec<u8>,
    pub body: Vec<u8>,
}

/// The next page that is whole; `None` at the end. What is damaged is passed over.
pub(super) fn next_page(window: &mut Window) -> io::Result<Option<Page>> {
    loop {
        let bytes = window.peek(LONGEST)?;
        if bytes.len() < HEADER {
            return Ok(None);
        }
        match page_length(bytes) {
            Some(length) if length <= bytes.len() && intact(&bytes[..length]) => {
                let page = read_page(&bytes[..length]);
                window.skip(length as u64)?;
                return Ok(Some(page));
            }
            _ => {
                let next = bytes.iter().skip(1).position(|&b| b == b'O').map_or(bytes.len(), |i| i + 1);
                window.skip(next as u64)?;
            }
        }
    }
}

/// The last granule position of a stream from `from` on.
pub(super) fn last_granule(window: &mut Window, from: u64, serial: u32) -> io::Result<Option<i64>> {
    window.go_to(from)?;
    let mut last = None;
    while let Some(page) = next_page(window)? {
        if page.serial == serial && page.granule >= 0 {
            last = Some(page.granule);
        }
    }
    Ok(last)
}

/// The length of the page that begins here, if one does; at least [`HEADER`] bytes are given.
fn page_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..HEADER)?;
    if !header.starts_with(b"OggS\0") || header[5] & 0xf8 != 0 {
        return None;
    }
    let segments = bytes.get(HEADER..HEADER + usize::from(header[26]))?;
    Some(HEADER + segments.len() + segments.iter().map(|&s| usize::from(s)).sum::<usize>())
}

/// Whether a page's checksum is right.
fn intact(page: &[u8]) -> bool {
    let mut crc = Crc32::new(0);
    crc.process_buf_bytes(&page[..22]);
    crc.process_buf_bytes(&[0; 4]);
    crc.process_buf_bytes(&page[26..]);
    crc.crc().to_le_bytes() == page[22..26]
}

/// Reads a page of the length that [`page_length`] gave.
fn read_page(page: &[u8]) -> Page {
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| page[at + i]));
    let flags = page[5];
    let body = HEADER + usize::from(page[26]);
    Page {
        continued: flags & 1 != 0,
        first: flags & 2 != 0,
        last: flags & 4 != 0,
        granule: (u64::from(word(10)) << 32 | u64::from(word(6))) as i64,
        serial: word(14),
        sequence: word(18),
        segments: page[HEADER..body].to_vec(),
        body: page[body..].to_vec(),
    }
}
