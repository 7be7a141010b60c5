//! Elements of EBML (RFC 8794).

/// An element's header: its name (with the bits that give its length), its size, and the header's own length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub id: u32,
    /// `None` where it is not known.
    pub size: Option<u64>,
    pub length: usize,
}

/// Reads the header that `bytes` begin with.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let width = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..width).filter(|_| width <= 4)?;
    let id = id.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
    let (size, length) = number(bytes.get(width..)?)?;
    Some(Header { id, size, length: width + length })
}

/// A number of variable length, `None` inside where all its bits are set, and how many bytes it takes.
pub(super) fn number(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let width = first.leading_zeros() as usize + 1;
    let bytes = bytes.get(..width).filter(|_| width <= 8)?;
    let mask = if width == 8 { 0 } else { u64::from(first) & (0xff >> width) };
    let value = bytes[1..].iter().fold(mask, |value, &byte| value << 8 | u64::from(byte));
    let all = (1 << (7 * width)) - 1;
    Some(((value != all).then_some(value), width))
}

/// The elements inside `bytes`, as far as they are whole: (name, contents).
pub(super) fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let Header { id, size, length } = header(bytes)?;
        let rest = bytes.get(length..)?;
        let size = size.and_then(|size| usize::try_from(size).ok())?;
        let (inside, after) = rest.split_at_checked(size)?;
        bytes = after;
        Some((id, inside))
    })
}

/// A whole number.
pub(super) fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// A number with a fraction, of 4 or 8 bytes.
pub(super) fn float(bytes: &[u8]) -> f64 {
    match bytes.len() {
        4 => f32::from_bits(unsigned(bytes) as u32).into(),
        8 => f64::from_bits(unsigned(bytes)),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_numbers() {
        assert_eq!(
            header(b"\x1a\x45\xdf\xa3\x84"),
            Some(Header { id: 0x1a45_dfa3, size: Some(4), length: 5 })
        );
        assert_eq!(
            header(b"\xa3\x01\xff\xff\xff\xff\xff\xff\xff"),
            Some(Header { id: 0xa3, size: None, length: 9 })
        );
        assert_eq!(
            (number(b"\x40\x02"), number(b"\xff"), number(b"\x00"), number(b"\x40")),
            (Some((Some(2), 2)), Some((None, 1)), None, None)
        );
        let all: Vec<_> = elements(b"\xd7\x81\x05\x83\x81\x02\x86\x8f").collect();
        assert_eq!(all, [(0xd7, &b"\x05"[..]), (0x83, b"\x02")]);
        assert_eq!(
            (unsigned(b"\x01\x02"), float(&1.5f32.to_be_bytes()), float(&2.5f64.to_be_bytes())),
            (258, 1.5, 2.5)
        );
    }
}
