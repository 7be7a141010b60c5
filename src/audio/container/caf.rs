//! CAF (Apple's Core Audio Format) of PCM. Symphonia's reader knows fewer kinds of it, and refuses what was written to a pipe.

use symphonia::core::formats::well_known::FORMAT_ID_CAF;
use symphonia::core::io::MediaSource;

use super::super::error::AudioFault;
use super::super::tags::Tags;
use super::around;
use super::chunks::{Family, chunks};
use super::pcm::{Coding, Data, Layout, Pcm};

/// What a CAF file holds.
pub(in crate::audio) enum Caf {
    Pcm(Box<Pcm>, Tags),
    /// Something that symphonia reads.
    Other(Box<dyn MediaSource>, Tags),
}

/// Reads a CAF file of PCM, and its tags.
///
/// # Errors
/// [`AudioFault`], where its samples cannot be decoded.
pub(in crate::audio) fn open(mut source: Box<dyn MediaSource>, mut tags: Tags) -> Result<Caf, AudioFault> {
    let found = chunks(source.as_mut(), Family::Caf, 8)?;
    let of = |name: &[u8; 4]| found.iter().find(|chunk| chunk.name == *name);
    let (Some(description), Some(data)) = (of(b"desc"), of(b"data")) else {
        return Ok(Caf::Other(source, tags));
    };
    let text = around::bytes(source.as_mut(), description.start..description.start + 32)?;
    let word = |at: usize| text.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let rate = f64::from_bits(u64::from(word(0)) << 32 | u64::from(word(4)));
    let (flags, packet, frames, channels, bits) = (word(12), word(16), word(20), word(24), word(28));
    let coding = match text.get(8..12) {
        Some(b"lpcm") if flags & 1 == 1 => Coding::Float,
        Some(b"lpcm") => Coding::Signed,
        Some(b"alaw") => Coding::ALaw,
        Some(b"ulaw") => Coding::MuLaw,
        _ => return Ok(Caf::Other(source, tags)),
    };
    let bytes =
        packet.checked_div(channels).filter(|&bytes| bytes <= 8 && bytes >= bits.div_ceil(8) && frames == 1);
    let (Some(bytes), Ok(channels)) = (bytes, u16::try_from(channels)) else {
        return Err(AudioFault::Corrupt("its header declares packets that hold no samples".to_owned()));
    };
    if let Some(info) = of(b"info") {
        // A number, and then names and values, each ending with a zero.
        let info = around::bytes(source.as_mut(), info.start + 4..info.start + info.size.clamp(4, 1 << 16))?;
        let mut texts = info.split(|&byte| byte == 0).map(String::from_utf8_lossy);
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            tags.named(&name, &value);
        }
    }
    let end = source.byte_len().unwrap_or(0);
    let big_endian = flags & 2 == 0;
    let layout = Layout { coding, bytes: bytes as u16, big_endian, rate: rate.round() as u32, channels };
    // A count of edits stands before the samples; a size of −1 is all that follows.
    let start = (data.start + 4).min(end);
    let declared = if data.size == u64::MAX { end - start } else { data.size.saturating_sub(4) };
    let data = Data::new(start, declared, end);
    Ok(Caf::Pcm(Box::new(Pcm::new(source, FORMAT_ID_CAF, layout, data)?), tags))
}
