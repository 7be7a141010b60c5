//! What kind of AAC a track is (ISO/IEC 14496-3): only "low complexity" is decoded here. What else there is, is named,
//! whether its header says so or, as with HE-AAC, only its packets.

use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;

use super::error::AudioFault;

/// Packets of a track that are searched for spectral band replication, and in how many it must be found: every packet of
/// HE-AAC has it.
pub(super) const WATCHED: u64 = 32;
pub(super) const ENOUGH: u64 = 3;

/// Bits, most significant first.
#[derive(Clone, Copy)]
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn left(&self) -> usize {
        (8 * self.bytes.len()).saturating_sub(self.at)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        (count <= self.left()).then(|| self.at += count)
    }

    fn read(&mut self, count: usize) -> Option<u32> {
        let from = self.at;
        self.skip(count)?;
        let bit = |at: usize| u32::from(self.bytes[at / 8] >> (7 - at % 8) & 1);
        Some((from..self.at).fold(0, |value, at| value << 1 | bit(at)))
    }
}

/// Checks a track's AudioSpecificConfig, and returns it as the decoder understands it: without what depends on other
/// tracks and without extensions that are switched off.
///
/// # Errors
/// [`AudioFault::Unsupported`] names what is no AAC of low complexity.
pub(super) fn checked(config: &[u8]) -> Result<Vec<u8>, AudioFault> {
    let cut = || AudioFault::Corrupt("its AAC header is cut off".to_owned());
    let unsupported = |what: &str| Err(AudioFault::Unsupported(what.to_owned()));
    let mut bits = Bits::new(config);
    let kind = object_type(&mut bits).ok_or_else(cut)?;
    let rate = bits.at;
    let index = sampling(&mut bits).ok_or_else(cut)?;
    let after = bits.at;
    let mut channels = bits.read(4).ok_or_else(cut)?;
    match kind {
        2 => {}
        1 => return unsupported("AAC Main"),
        3 => return unsupported("AAC SSR"),
        4 => return unsupported("AAC LTP"),
        5 => return unsupported(HE),
        29 => return unsupported(HE_V2),
        23 | 39 => return unsupported("AAC of low delay"),
        42 => return unsupported("xHE-AAC (USAC)"),
        kind => return unsupported(&format!("MPEG-4 audio of object type {kind}")),
    }
    // GASpecificConfig.
    if bits.read(1).ok_or_else(cut)? == 1 {
        return unsupported("AAC with frames of 960 samples");
    }
    if bits.read(1).ok_or_else(cut)? == 1 {
        // The delay of a core coder; some programs set the bit without one, at the end.
        let _ = bits.skip(14);
    }
    let _ = bits.skip(1);
    if channels == 0 {
        channels = match program(&mut bits) {
            Some(count @ 1..=2) => count,
            Some(_) => return unsupported("AAC with more than 2 channels"),
            None => return unsupported("AAC whose header does not tell its channels"),
        };
    }
    if channels > 2 {
        return unsupported("AAC with more than 2 channels");
    }
    // An extension that decoders may overlook.
    if bits.left() >= 16
        && bits.read(11) == Some(0x2b7)
        && object_type(&mut bits) == Some(5)
        && bits.read(1) == Some(1)
    {
        let _ = sampling(&mut bits);
        return unsupported(match bits.read(11) == Some(0x548) && bits.read(1) == Some(1) {
            true => HE_V2,
            false => HE,
        });
    }
    let mut plain = Writer::default();
    plain.put(2, 5);
    let mut rate = Bits { bytes: config, at: rate };
    for _ in 0..if index == 15 { 28 } else { after - rate.at } {
        plain.put(rate.read(1).ok_or_else(cut)?, 1);
    }
    plain.put(channels, 4);
    plain.put(0, 3);
    Ok(plain.bytes)
}

const HE: &str = "HE-AAC (AAC with spectral band replication)";
const HE_V2: &str = "HE-AAC v2 (AAC with spectral band replication and parametric stereo)";

/// Collects bits.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    count: usize,
}

impl Writer {
    fn put(&mut self, value: u32, width: usize) {
        for bit in (0..width).rev() {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.count % 8);
            }
            self.count += 1;
        }
    }
}

fn object_type(bits: &mut Bits) -> Option<u32> {
    match bits.read(5)? {
        31 => Some(32 + bits.read(6)?),
        kind => Some(kind),
    }
}

/// The index of a rate; 15 where the rate itself follows.
fn sampling(bits: &mut Bits) -> Option<u32> {
    let index = bits.read(4)?;
    if index == 15 {
        bits.skip(24)?;
    }
    Some(index)
}

/// How many channels a program config element has.
fn program(bits: &mut Bits) -> Option<u32> {
    bits.skip(4 + 2 + 4)?;
    let [front, side, back] = [bits.read(4)?, bits.read(4)?, bits.read(4)?];
    let low = bits.read(2)?;
    bits.skip(3 + 4)?;
    // Three kinds of mixing down.
    for width in [4, 4, 3] {
        if bits.read(1)? == 1 {
            bits.skip(width)?;
        }
    }
    let mut channels = low;
    for _ in 0..front + side + back {
        channels += 1 + bits.read(1)?;
        bits.skip(4)?;
    }
    Some(channels)
}

/// Whether a packet has spectral band replication, of which no header needs to tell. `decoder` gives a fresh one.
///
/// # Errors
/// Those of `decoder`.
pub(super) fn is_replicated(
    packet: &Packet,
    decoder: impl Fn() -> Result<Box<dyn AudioDecoder>, AudioFault>,
) -> Result<bool, AudioFault> {
    for at in replications(&packet.data) {
        // Bits may look so by chance. Where an element really begins, a decoder says what it thinks of other names that
        // are put there: it refuses "program config" (5) and "coupling" (2), and takes "end" (7) for the end.
        let with = |name: u8| -> Result<Result<usize, Error>, AudioFault> {
            let mut data = packet.data.to_vec();
            for (i, bit) in (at..at + 3).enumerate() {
                let mask = 0x80 >> (bit % 8);
                data[bit / 8] =
                    if name >> (2 - i) & 1 == 1 { data[bit / 8] | mask } else { data[bit / 8] & !mask };
            }
            let mut other = packet.clone();
            other.data = data.into_boxed_slice();
            Ok(decoder()?.decode(&other).map(|audio| audio.frames()))
        };
        let refused = |result: Result<usize, Error>, what: &str| matches!(result, Err(Error::Unsupported(why)) if why.contains(what));
        if refused(with(5)?, "program config") && refused(with(2)?, "coupling") && with(7)?.is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is said of a track in many of whose packets it was found.
pub(super) fn replicated() -> AudioFault {
    AudioFault::Unsupported(HE.to_owned())
}

/// The places of a packet where a fill element with spectral band replication may begin, and be followed by others up to
/// the packet's end.
fn replications(data: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (0..8 * data.len()).filter(|&at| replication(Bits { bytes: data, at }).is_some())
}

fn replication(mut bits: Bits) -> Option<()> {
    let contents = fill(&mut bits)?;
    let mut inside = Bits { at: contents, ..bits };
    (contents < bits.at && matches!(inside.read(4)?, 13 | 14)).then_some(())?;
    rest(bits)
}

/// Passes over a fill element; where its contents begin.
fn fill(bits: &mut Bits) -> Option<usize> {
    (bits.read(3)? == 6).then_some(())?;
    let mut count = bits.read(4)? as usize;
    if count == 15 {
        count += bits.read(8)? as usize;
        count -= 1;
    }
    let start = bits.at;
    bits.skip(8 * count)?;
    Some(start)
}

/// Whether fill and data elements follow, and then the packet's end.
fn rest(mut bits: Bits) -> Option<()> {
    for _ in 0..8 {
        let mut next = bits;
        match next.read(3)? {
            7 => return (next.left() < 8).then_some(()),
            6 => {
                fill(&mut bits)?;
            }
            4 => {
                next.skip(4)?;
                let align = next.read(1)?;
                let mut count = next.read(8)? as usize;
                if count == 255 {
                    count += next.read(8)? as usize;
                }
                if align == 1 {
                    next.skip(next.left() % 8)?;
                }
                next.skip(8 * count)?;
                bits = next;
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        text.chars().filter(|c| !c.is_whitespace()).for_each(|c| writer.put(u32::from(c == '1'), 1));
        writer.bytes
    }

    #[test]
    fn configs_are_read() {
        let says = |text: &str| checked(&bits(text)).map_err(|fault| fault.to_string());
        // 44.1 kHz, stereo; with the bit of a core coder, with and without its delay; with its rate written out.
        let plain = vec![0x12, 0x10];
        assert_eq!(says("00010 0100 0010 000"), Ok(plain.clone()));
        assert_eq!(says("00010 0100 0010 010"), Ok(plain.clone()));
        assert_eq!(says("00010 0100 0010 01 00000000000000 0"), Ok(plain.clone()));
        let written = says("00010 1111 000000001010110001000100 0001 000").unwrap();
        assert_eq!(written, bits("00010 1111 000000001010110001000100 0001 000"));
        // Replication switched off, and on in three ways.
        assert_eq!(says("00010 0100 0010 000 01010110111 00101 0"), Ok(plain));
        for (text, name) in [
            ("00101 0111 0010 0100 00010 000", HE),
            ("11101 0111 0001 0100 00010 000", HE_V2),
            ("00010 0111 0010 000 01010110111 00101 1 0100", HE),
            ("00010 0111 0001 000 01010110111 00101 1 0100 10101001000 1", HE_V2),
            ("00001 0100 0010 000", "AAC Main"),
            ("00010 0100 0010 100", "960 samples"),
            ("11111 001010 0100 0010", "USAC"),
            ("00010 0100 0110 000", "more than 2 channels"),
            ("00010 0100 0000 000", "does not tell its channels"),
        ] {
            let error = says(text).unwrap_err();
            assert!(error.contains(name) && error.contains("ffmpeg -i"), "{text}: {error}");
        }
        // One pair of channels, described element by element.
        let program = "0000 01 0100 0001 0000 0000 00 000 0000 0 0 0 1 0000";
        assert_eq!(says(&format!("00010 0100 0000 000 {program}")), Ok(vec![0x12, 0x10]));
        assert!(checked(&[]).is_err() && checked(&[0x12]).is_err());
    }

    #[test]
    fn replication_is_found_in_packets() {
        let places = |text: &str| replications(&bits(text)).collect::<Vec<_>>();
        let payload = "1101 0000 11110000";
        assert_eq!(places(&format!("0101 110 0010 {payload} 111")), [4]);
        // Behind it a fill of zeros, and a data element.
        assert_eq!(places(&format!("0101 110 0010 {payload} 110 0001 00000000 111")), [4]);
        assert_eq!(places(&format!("0101 110 0010 {payload} 100 0000 0 00000001 11111111 111")), [4]);
        // Another kind of contents; no end.
        assert_eq!(places("0101 110 0010 0000 0000 11110000 111"), [0; 0]);
        assert_eq!(places(&format!("0101 110 0010 {payload} 001 0000000000000000")), [0; 0]);
        assert_eq!(places(""), [0; 0]);
    }
}
