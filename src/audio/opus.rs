//! The identification header of Opus.

/// What an identification header says (RFC 7845, section 5.1).
#[derive(Debug, PartialEq)]
pub(super) struct Head {
    /// Samples to drop from the start.
    pub skip: u16,
    pub channels: u8,
    /// Gain in dB · 256.
    pub gain: i16,
    pub streams: u8,
    /// How many of the streams are stereo.
    pub coupled: u8,
    /// Which decoded channel every channel is; 255 is silence.
    pub mapping: Vec<u8>,
}

impl Head {
    /// Reads "OpusHead" as Ogg and Matroska have it; version 0 is MP4's variant, whose numbers are big-endian.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"OpusHead")?;
        let &[version, channels, s0, s1, _, _, _, _, g0, g1, family, ref table @ ..] = rest else {
            return None;
        };
        let word = |a, b| if version == 0 { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) };
        let (streams, coupled, mapping) = match (family, table) {
            (0, _) => (1, channels.saturating_sub(1), (0..channels).collect()),
            (_, [streams, coupled, mapping @ ..]) => {
                (*streams, *coupled, mapping.get(..usize::from(channels))?.to_vec())
            }
            _ => return None,
        };
        let decoded = u16::from(streams) + u16::from(coupled);
        let valid = (1..=if family == 0 { 2 } else { 255 }).contains(&channels)
            && streams > 0
            && coupled <= streams
            && decoded <= 255
            && mapping.iter().all(|&m| m == 255 || u16::from(m) < decoded);
        let gain = word(g0, g1) as i16;
        valid.then_some(Self { skip: word(s0, s1), channels, gain, streams, coupled, mapping })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_and_checked() {
        let stereo = Head::read(b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\xff\0").unwrap();
        assert_eq!((stereo.skip, stereo.channels, stereo.gain), (312, 2, -256));
        assert_eq!((stereo.streams, stereo.coupled, &stereo.mapping[..]), (1, 1, &[0, 1][..]));
        // MP4's variant.
        assert_eq!(Head::read(b"OpusHead\0\x02\x01\x38\0\0\xbb\x80\xff\0\0").unwrap(), stereo);
        let surround = Head::read(b"OpusHead\x01\x06\0\0\x80\xbb\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05");
        assert_eq!(surround.as_ref().map(|head| head.channels), Some(6));
        #[cfg(feature = "opus")]
        assert_eq!(surround.unwrap().decoder().channels(), 6);
        for bad in [
            &b"OpusHead\x01\x00\0\0\0\0\0\0\0\0\0"[..],
            b"OpusHead\x01\x03\0\0\0\0\0\0\0\0\0",
            b"OpusHead\x01\x02\0\0\0\0\0\0\0\0\x01\x00\x00\0\x01",
            b"OpusHead\x01\x02\0\0\0\0\0\0\0\0\x01\x01\x02\0\x01",
            b"OpusHead\x01\x02\0\0\0\0\0\0\0\0\x01\x01\x01\0\x02",
            b"OpusHead\x01\x02\0\0\0\0\0\0\0\0\x01\x01\x01\0",
            b"OpusHead\x01\x02",
            b"",
        ] {
            assert_eq!(Head::read(bad), None, "{bad:?}");
        }
    }
}
