//! Headers of frames of MPEG audio (ISO/IEC 11172-3, 2.4.1.3; 13818-3, 2.4.2.3) and of ADTS (13818-7, 6.2).

/// What does not change within a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub kind: Kind,
    /// Samples a second.
    pub rate: u32,
    pub channels: u8,
}

/// The codec of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Mp1,
    Mp2,
    Mp3,
    /// AAC, with its AudioSpecificConfig.
    Aac {
        config: [u8; 2],
    },
}

/// A frame, from its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub spec: Spec,
    /// Bytes of the frame, its header included.
    pub length: usize,
    /// Bytes of its header that its decoder does not want.
    pub header: usize,
    /// Samples a channel. A frame of more than one packet is not taken apart: only decoding tells where they end.
    pub samples: u32,
    /// Where in the frame the first one of a stream may say something about it; 0 where it cannot.
    pub side: usize,
}

impl Frame {
    /// Whether the frame holds several packets.
    pub fn is_several(&self) -> bool {
        matches!(self.spec.kind, Kind::Aac { .. }) && self.samples > 1024
    }
}

/// Rates in Hz of MPEG-1; of MPEG-2 half, of 2.5 a quarter.
const RATES: [u32; 3] = [44_100, 48_000, 32_000];
/// Rates in kbit/s: of MPEG-1 layers I, II, III; of MPEG-2 layer I, layers II and III.
const BITS: [[u16; 15]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
/// Rates in Hz of AAC.
const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// The frame that begins here, if one does.
pub(super) fn parse(bytes: &[u8]) -> Option<Frame> {
    let &[0xff, b, c, d, ..] = bytes else {
        return None;
    };
    match (b >> 5 == 7, b >> 1 & 3) {
        (false, _) => None,
        (true, 0) if b >> 4 == 15 => adts(bytes),
        (true, 0) => None,
        (true, layer) => mpeg([b, c, d], 4 - layer),
    }
}

fn mpeg([b, c, d]: [u8; 3], layer: u8) -> Option<Frame> {
    let version = b >> 3 & 3;
    let (mpeg1, shift) = match version {
        3 => (true, 0),
        2 => (false, 1),
        0 => (false, 2),
        _ => return None,
    };
    let rate = RATES.get(usize::from(c >> 2 & 3))? >> shift;
    let row = match (mpeg1, layer) {
        (true, layer) => usize::from(layer) - 1,
        (false, 1) => 3,
        (false, _) => 4,
    };
    let bits = u32::from(*BITS[row].get(usize::from(c >> 4))?);
    // Emphasis 2 is reserved; rate 0 is a frame of any length.
    if bits == 0 || d & 3 == 2 {
        return None;
    }
    let padding = u32::from(c >> 1 & 1);
    let (kind, samples, length) = match (layer, mpeg1) {
        (1, _) => (Kind::Mp1, 384, 4 * (12_000 * bits / rate + padding)),
        (2, _) => (Kind::Mp2, 1152, 144_000 * bits / rate + padding),
        (_, true) => (Kind::Mp3, 1152, 144_000 * bits / rate + padding),
        (_, false) => (Kind::Mp3, 576, 72_000 * bits / rate + padding),
    };
    let channels = if d >> 6 == 3 { 1 } else { 2 };
    let side = match (layer, mpeg1, channels) {
        (3, true, 2) => 32,
        (3, true, _) | (3, false, 2) => 17,
        (3, false, _) => 9,
        _ => 0,
    };
    let spec = Spec { kind, rate, channels };
    Some(Frame { spec, length: length as usize, header: 0, samples, side })
}

fn adts(bytes: &[u8]) -> Option<Frame> {
    let &[_, b, c, d, e, f, g, ..] = bytes else {
        return None;
    };
    let (profile, index) = (c >> 6, c >> 2 & 15);
    let rate = *AAC_RATES.get(usize::from(index))?;
    let channels = (c & 1) << 2 | d >> 6;
    let length = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f >> 5);
    let header = if b & 1 == 0 { 9 } else { 7 };
    // The audio object type is one more than the profile.
    let config = u16::from(profile + 1) << 11 | u16::from(index) << 7 | u16::from(channels) << 3;
    let blocks = 1 + u32::from(g & 3);
    let spec = Spec { kind: Kind::Aac { config: config.to_be_bytes() }, rate, channels };
    (length > header).then_some(Frame { spec, length, header, samples: 1024 * blocks, side: 0 })
}

/// Whether MPEG frames of "free format" begin here, whose rate, and so their length, no header tells.
pub(in crate::audio) fn is_free_format(bytes: &[u8]) -> bool {
    let header = |at: usize| {
        let &[0xff, b, c, d] = bytes.get(at..at + 4)? else {
            return None;
        };
        let valid = b >> 5 == 7 && b >> 3 & 3 != 1 && b >> 1 & 3 != 0 && c >> 4 == 0 && c >> 2 & 3 != 3;
        // Padding may change, and so may the coding of stereo.
        valid.then_some([b, c & !2, d & 0xc0])
    };
    let Some(first) = header(0) else {
        return false;
    };
    // Twice the same distance, up to padding.
    let next = |from: usize| (from + 24..bytes.len().min(from + 3000)).find(|&at| header(at) == Some(first));
    let Some(second) = next(0) else { return false };
    (second - 4..=second + 4).any(|step| header(second + step) == Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        let frame =
            |bytes: &[u8]| parse(bytes).map(|f| (f.spec.kind, f.spec.rate, f.spec.channels, f.length));
        // 128 kbit/s; the shortest of MPEG-2.5; layers I and II.
        assert_eq!(frame(b"\xff\xfb\x90\x64"), Some((Kind::Mp3, 44_100, 2, 417)));
        assert_eq!(frame(b"\xff\xfb\x92\xc4"), Some((Kind::Mp3, 44_100, 1, 418)));
        assert_eq!(frame(b"\xff\xe3\x18\xc4"), Some((Kind::Mp3, 8_000, 1, 72)));
        assert_eq!(frame(b"\xff\xff\x18\xc0"), Some((Kind::Mp1, 32_000, 1, 48)));
        assert_eq!(frame(b"\xff\xfd\xa4\x00"), Some((Kind::Mp2, 48_000, 2, 576)));
        let aac = Kind::Aac { config: [0x12, 0x10] };
        assert_eq!(frame(b"\xff\xf1\x50\x80\x02\x1f\xfc"), Some((aac, 44_100, 2, 16)));
        for bad in
            [&b"\xff\xfb\xf0\x64"[..], b"\xff\xfb\x9c\x64", b"\xff\xeb\x90\x64", b"\xff\xfb\x90", b"\xff"]
        {
            assert_eq!(frame(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn free_format_is_known() {
        let frame = [&b"\xff\xfb\x00\x64"[..], &[0x55; 600]].concat();
        assert!(is_free_format(&frame.repeat(3)));
        assert!(!is_free_format(&frame) && !is_free_format(b""));
        assert!(!is_free_format(&[&b"\xff\xfb\x90\x64"[..], &[0x55; 600]].concat().repeat(3)));
    }
}
