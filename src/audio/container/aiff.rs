//! AIFF and AIFF-C. Symphonia's reader refuses blocks, though nobody fills them, and sizes as writers to pipes leave them.

use symphonia::core::formats::well_known::FORMAT_ID_AIFF;
use symphonia::core::io::MediaSource;

use super::super::error::AudioFault;
use super::super::tags::Tags;
use super::around;
use super::chunks::{Family, chunks};
use super::pcm::{Coding, Data, Layout, Pcm};

/// Whether an AIFF file begins so.
pub(in crate::audio) fn is_aiff(head: &[u8]) -> bool {
    head.starts_with(b"FORM") && matches!(head.get(8..12), Some(b"AIFF" | b"AIFC"))
}

/// Reads the chunks of an AIFF file, and its tags.
///
/// # Errors
/// [`AudioFault`], where it holds nothing that can be decoded.
pub(in crate::audio) fn open(
    mut source: Box<dyn MediaSource>,
    mut tags: Tags,
) -> Result<(Pcm, Tags), AudioFault> {
    let source_end = source.byte_len().unwrap_or(0);
    let found = chunks(source.as_mut(), Family::Riff { big_endian: true }, 12)?;
    for chunk in &found {
        let end = chunk.start.saturating_add(chunk.size).min(source_end);
        let mut text = || around::bytes(source.as_mut(), chunk.start..end.min(chunk.start + 1000));
        match &chunk.name {
            b"NAME" => tags.named("title", &String::from_utf8_lossy(&text()?)),
            b"AUTH" => tags.named("artist", &String::from_utf8_lossy(&text()?)),
            b"ID3 " | b"id3 " => around::id3v2(source.as_mut(), chunk.start..end, &mut tags),
            _ => {}
        }
    }
    let of = |name: &[u8; 4]| found.iter().find(|chunk| chunk.name == *name);
    let (Some(common), Some(sound)) = (of(b"COMM"), of(b"SSND")) else {
        return Err(AudioFault::Corrupt("the file ends inside its header".to_owned()));
    };
    let common = around::bytes(source.as_mut(), common.start..common.start + common.size.min(64))?;
    let layout = layout(&common)?;
    let offset = around::bytes(source.as_mut(), sound.start..sound.start + 4)?;
    let offset = offset.try_into().map_or(0, u32::from_be_bytes);
    let skip = 8 + u64::from(offset);
    let data = Data::new(
        sound.start.saturating_add(skip).min(source_end),
        sound.size.saturating_sub(skip),
        source_end,
    );
    Ok((Pcm::new(source, FORMAT_ID_AIFF, layout, data)?, tags))
}

/// How samples are stored, from the "COMM" chunk.
fn layout(common: &[u8]) -> Result<Layout, AudioFault> {
    let half = |at: usize| common.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let (Some(channels), Some(bits), Some(rate)) = (half(0), half(6), common.get(8..18)) else {
        return Err(AudioFault::Corrupt("its chunk that says how samples are stored is cut off".to_owned()));
    };
    let rounded = bits.div_ceil(8);
    let compression = common.get(18..22).unwrap_or(b"NONE");
    let (coding, bytes, big_endian) = match compression.to_ascii_uppercase().as_slice() {
        b"NONE" | b"TWOS" => (Coding::Signed, rounded, true),
        b"SOWT" => (Coding::Signed, rounded, false),
        b"IN24" => (Coding::Signed, 3, true),
        b"IN32" => (Coding::Signed, 4, true),
        b"42NI" => (Coding::Signed, 3, false),
        b"23NI" => (Coding::Signed, 4, false),
        b"RAW " => (Coding::Unsigned, 1, true),
        b"FL32" => (Coding::Float, 4, true),
        b"FL64" => (Coding::Float, 8, true),
        b"ALAW" => (Coding::ALaw, 1, true),
        b"ULAW" => (Coding::MuLaw, 1, true),
        other => {
            let name: String =
                other.iter().map(|&b| if b.is_ascii_graphic() { b as char } else { '?' }).collect();
            return Err(AudioFault::Unsupported(format!("the compression type {name} of AIFF-C")));
        }
    };
    Ok(Layout { coding, bytes, big_endian, rate: extended(rate), channels })
}

/// A number of 80 bits (IEEE 754, extended), to the nearest whole one.
fn extended(bytes: &[u8]) -> u32 {
    let exponent = i32::from(u16::from_be_bytes([bytes[0] & 0x7f, bytes[1]])) - 16383 - 63;
    let mantissa = bytes[2..10].iter().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
    (mantissa as f64 * f64::from(exponent).exp2()).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_80_bits() {
        assert_eq!(extended(b"\x40\x0e\xac\x44\0\0\0\0\0\0"), 44_100);
        assert_eq!(extended(b"\x40\x0b\xfa\0\0\0\0\0\0\0"), 8_000);
        assert_eq!(extended(&[0; 10]), 0);
    }

    #[test]
    fn how_samples_are_stored() {
        let of = |bits: u8, compression: &[u8]| {
            let common =
                [&[0, 2, 0, 0, 0, 9, 0, bits][..], b"\x40\x0e\xac\x44\0\0\0\0\0\0", compression].concat();
            layout(&common).map(|l| (l.coding, l.bytes, l.big_endian))
        };
        assert_eq!(of(20, b"").unwrap(), (Coding::Signed, 3, true));
        assert_eq!(of(16, b"sowt").unwrap(), (Coding::Signed, 2, false));
        assert_eq!(of(32, b"fl32").unwrap(), (Coding::Float, 4, true));
        assert_eq!(of(8, b"raw ").unwrap(), (Coding::Unsigned, 1, true));
        assert!(of(16, b"ima4").unwrap_err().to_string().contains("compression type IMA4"));
        assert!(layout(b"").is_err());
    }
}
