//! Headers and checksums of FLAC's frames (RFC 9639, 9.1 and 9.3).

/// Bytes of the longest header.
pub(super) const HEADER: usize = 16;

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes of the header.
    pub header: usize,
    /// Whether blocks differ in size, and frames are numbered by their first samples.
    pub variable: bool,
    /// The frame's number, or that of its first sample.
    pub number: u64,
    /// Samples a channel.
    pub samples: u32,
    /// Samples a second and bits a sample, where STREAMINFO need not be asked.
    pub rate: Option<u32>,
    pub bits: Option<u8>,
    pub channels: u8,
}

impl Frame {
    /// More bytes than a frame has that stores samples of so many bits as they are, side channel and checksum included.
    pub fn most(&self, bits: u8) -> usize {
        let bits = usize::from(self.bits.unwrap_or(bits)) + 1;
        HEADER + usize::from(self.channels) * (8 + (self.samples as usize * bits).div_ceil(8)) + 2
    }
}

/// The frame that begins here, if one does whose header's checksum is right.
pub(super) fn parse(bytes: &[u8]) -> Option<Frame> {
    let &[0xff, sync @ (0xf8 | 0xf9), sizes, kinds, ..] = bytes else {
        return None;
    };
    let (channels, bits) = (kinds >> 4, kinds >> 1 & 7);
    let bits = match bits {
        0 => None,
        bits => Some(*[8, 12, 0, 16, 20, 24, 32].get(usize::from(bits) - 1).filter(|&&bits| bits > 0)?),
    };
    if kinds & 1 == 1 || channels > 10 {
        return None;
    }
    let (number, mut at) = coded(bytes.get(4..)?)?;
    at += 4;
    let mut take = |count: usize| {
        let value = bytes.get(at..at + count)?.iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
        at += count;
        Some(value)
    };
    let samples = match sizes >> 4 {
        1 => 192,
        n @ 2..=5 => 576 << (n - 2),
        6 => take(1)? + 1,
        7 => take(2)? + 1,
        n @ 8..=15 => 256 << (n - 8),
        _ => return None,
    };
    const RATES: [u32; 11] =
        [88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];
    let rate = match sizes & 15 {
        0 => None,
        n @ 1..=11 => Some(RATES[usize::from(n) - 1]),
        12 => Some(1000 * take(1)?),
        13 => Some(take(2)?),
        14 => Some(10 * take(2)?),
        _ => return None,
    };
    let whole = bytes.get(..=at)?.iter().fold(0, |crc, &byte| CRC8[usize::from(crc ^ byte)]) == 0;
    (whole && rate != Some(0)).then_some(Frame {
        header: at + 1,
        variable: sync & 1 == 1,
        number,
        samples,
        rate,
        bits,
        // Three ways to store two channels.
        channels: if channels > 7 { 2 } else { channels + 1 },
    })
}

/// A number in as many bytes as the first one has leading ones, as UTF-8 has it, and how many these are.
fn coded(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let width = match first.leading_ones() {
        0 => return Some((first.into(), 1)),
        1 | 8 => return None,
        width => width as usize,
    };
    let mut number = u64::from(first) & (0x7f >> width);
    for &byte in bytes.get(1..width)? {
        if byte >> 6 != 2 {
            return None;
        }
        number = number << 6 | u64::from(byte & 0x3f);
    }
    Some((number, width))
}

/// The checksum of a frame's bytes; with those of the checksum at its end, 0.
pub(in crate::audio) fn checksum(bytes: &[u8]) -> u16 {
    summed(0, bytes)
}

/// A checksum with `bytes` more: eight at once, each with what it comes to behind those after it.
pub(super) fn summed(mut crc: u16, bytes: &[u8]) -> u16 {
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        let [high, low] = crc.to_be_bytes();
        crc = CRC16[7][usize::from(eight[0] ^ high)] ^ CRC16[6][usize::from(eight[1] ^ low)];
        for (table, &byte) in CRC16[..6].iter().rev().zip(&eight[2..]) {
            crc ^= table[usize::from(byte)];
        }
    }
    rest.iter().fold(crc, |crc, &byte| crc << 8 ^ CRC16[0][usize::from((crc >> 8) as u8 ^ byte)])
}

const CRC8: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut crc, mut bit) = (i as u8, 0);
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 7 == 1 { 0x07 } else { 0 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// What a byte comes to, followed by as many zeros as the table's place says.
static CRC16: [[u16; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let (mut crc, mut bit) = ((i as u16) << 8, 0);
        while bit < 64 {
            crc = crc << 1 ^ if crc >> 15 == 1 { 0x8005 } else { 0 };
            bit += 1;
            if bit % 8 == 0 {
                tables[bit / 8 - 1][i] = crc;
            }
        }
        i += 1;
    }
    tables
};

/// A header with its checksum.
#[cfg(test)]
pub(super) fn sealed(bytes: &[u8]) -> Vec<u8> {
    let crc = bytes.iter().fold(0, |crc, &byte| CRC8[usize::from(crc ^ byte)]);
    [bytes, &[crc]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        // (a header without its checksum; blocks of any size, number, samples, rate, bits, channels)
        for (bytes, wanted) in [
            (&b"\xff\xf8\xc9\x18\x05"[..], (false, 5, 4096, Some(44_100), Some(16), 2)),
            (b"\xff\xf9\x79\x18\xc8\x80\x02\x40", (true, 0x200, 0x241, Some(44_100), Some(16), 2)),
            (b"\xff\xf8\x6c\xa0\x00\x11\x60", (false, 0, 0x12, Some(96_000), None, 2)),
            (
                b"\xff\xf8\x5e\x0c\xfe\xbf\xbf\xbf\xbf\xbf\xbf\x00\x64",
                (false, (1 << 36) - 1, 4608, Some(1000), Some(24), 1),
            ),
        ] {
            let whole = sealed(bytes);
            let frame = parse(&[&whole[..], b"more"].concat()).unwrap();
            let got = (frame.variable, frame.number, frame.samples, frame.rate, frame.bits, frame.channels);
            assert_eq!((got, frame.header), (wanted, whole.len()));
            for cut in 0..whole.len() {
                assert_eq!(parse(&whole[..cut]), None);
            }
            let mut damaged = whole;
            damaged[4] ^= 1;
            assert_eq!(parse(&damaged), None);
        }
        for bad in [
            &b"\xff\xf8\x09\x18\0"[..],
            b"\xff\xf8\xcf\x18\0",
            b"\xff\xf8\xc9\xb8\0",
            b"\xff\xf8\xc9\x19\0",
            b"\xff\xf8\xc9\x16\0",
            b"\xff\xf8\xc9\x18\x80",
            b"\xff\xf8\xc9\x18\xc2\0",
            b"\xff\xfa\xc9\x18\0",
        ] {
            assert_eq!(parse(&sealed(bad)), None, "{bad:?}");
        }
    }

    #[test]
    fn checksums_end_in_zero() {
        // The check value of CRC-16/UMTS.
        assert_eq!(checksum(b"123456789"), 0xfee8);
        assert_eq!(checksum(b"123456789\xfe\xe8"), 0);
        let bytes: Vec<u8> = (0..99u32).map(|i| (i * i % 251) as u8).collect();
        for at in 0..bytes.len() {
            assert_eq!(summed(checksum(&bytes[..at]), &bytes[at..]), checksum(&bytes));
        }
    }
}
