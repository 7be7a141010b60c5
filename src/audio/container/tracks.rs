//! Matroska's descriptions of tracks (RFC 9559, 5.1.4).

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, CODEC_ID_NULL_AUDIO, well_known as codec,
};

use super::coding::{self, Coding, unpacked};
use super::ebml::{elements, float, unsigned};

/// A track.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub number: u32,
    pub default: bool,
    /// Its codec, where it is one of sound.
    pub params: Option<AudioCodecParameters>,
    /// How its frames are stored, in the order in which that is undone.
    pub codings: Vec<Coding>,
}

/// The tracks that an element describes.
pub(super) fn entries(tracks: &[u8]) -> Vec<Entry> {
    elements(tracks).filter(|(id, _)| *id == 0xae).filter_map(|(_, track)| entry(track)).collect()
}

fn entry(track: &[u8]) -> Option<Entry> {
    let (mut number, mut kind, mut default) = (0, 0, true);
    let (mut name, mut private, mut codings) = (String::new(), Vec::new(), Vec::new());
    let (mut rate, mut channels, mut bits) = (8000.0, 1, 0);
    for (id, value) in elements(track) {
        match id {
            0xd7 => number = u32::try_from(unsigned(value)).ok()?,
            0x83 => kind = unsigned(value),
            0x88 => default = unsigned(value) != 0,
            0x86 => name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            0x63a2 => private = value.to_vec(),
            0x6d80 => codings = coding::codings(value),
            0xe1 => {
                for (id, value) in elements(value) {
                    match id {
                        0xb5 => rate = float(value),
                        0x9f => channels = unsigned(value),
                        0x6264 => bits = unsigned(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let of = |frames: bool| codings.iter().filter(move |(scope, _)| scope & if frames { 1 } else { 2 } != 0);
    let private_codings: Vec<Coding> = of(false).map(|(_, coding)| coding.clone()).collect();
    let private = unpacked(&private, &private_codings).unwrap_or(private);
    let params = (kind == 2).then(|| {
        let mut params = AudioCodecParameters::new();
        params.for_codec(codec_of(&name, bits)).with_sample_rate(rate.round() as u32);
        params.with_channels(Channels::Discrete(u16::try_from(channels).unwrap_or(u16::MAX)));
        if (name.starts_with("A_PCM") || name == "A_FLAC") && bits > 0 {
            params.with_bits_per_sample(bits as u32);
        }
        let extra = match name.as_str() {
            "A_FLAC" => stream_info(&private),
            // The header of HE-AAC, which files with these old names lack.
            name if name.ends_with("/SBR") && private.is_empty() => vec![0x2b, 0x92, 0x08, 0],
            _ => private.clone(),
        };
        if !extra.is_empty() {
            params.with_extra_data(extra.into_boxed_slice());
        }
        params
    });
    let codings = of(true).map(|(_, coding)| coding.clone()).collect();
    Some(Entry { number, default, params, codings })
}

/// STREAMINFO, from FLAC's whole header.
fn stream_info(private: &[u8]) -> Vec<u8> {
    let mut rest = private.strip_prefix(b"fLaC").unwrap_or_default();
    while let [kind, high, middle, low, inside @ ..] = rest {
        let size = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        if kind & 0x7f == 0 {
            return inside.get(..34).unwrap_or_default().to_vec();
        }
        rest = inside.get(size..).unwrap_or_default();
    }
    Vec::new()
}

fn codec_of(name: &str, bits: u64) -> AudioCodecId {
    match (name, bits) {
        ("A_VORBIS", _) => codec::CODEC_ID_VORBIS,
        ("A_OPUS", _) => codec::CODEC_ID_OPUS,
        ("A_FLAC", _) => codec::CODEC_ID_FLAC,
        ("A_ALAC", _) => codec::CODEC_ID_ALAC,
        ("A_MPEG/L1", _) => codec::CODEC_ID_MP1,
        ("A_MPEG/L2", _) => codec::CODEC_ID_MP2,
        ("A_MPEG/L3", _) => codec::CODEC_ID_MP3,
        ("A_PCM/INT/LIT" | "A_PCM/INT/BIG", 8) => codec::CODEC_ID_PCM_U8,
        ("A_PCM/INT/LIT", 16) => codec::CODEC_ID_PCM_S16LE,
        ("A_PCM/INT/LIT", 24) => codec::CODEC_ID_PCM_S24LE,
        ("A_PCM/INT/LIT", 32) => codec::CODEC_ID_PCM_S32LE,
        ("A_PCM/INT/BIG", 16) => codec::CODEC_ID_PCM_S16BE,
        ("A_PCM/INT/BIG", 24) => codec::CODEC_ID_PCM_S24BE,
        ("A_PCM/INT/BIG", 32) => codec::CODEC_ID_PCM_S32BE,
        ("A_PCM/FLOAT/IEEE", 32) => codec::CODEC_ID_PCM_F32LE,
        ("A_PCM/FLOAT/IEEE", 64) => codec::CODEC_ID_PCM_F64LE,
        ("A_MPC", _) => codec::CODEC_ID_MUSEPACK,
        ("A_TRUEHD", _) => codec::CODEC_ID_TRUEHD,
        ("A_TTA1", _) => codec::CODEC_ID_TTA,
        ("A_WAVPACK4", _) => codec::CODEC_ID_WAVPACK,
        (name, _) if name.starts_with("A_AAC") => codec::CODEC_ID_AAC,
        (name, _) if name.starts_with("A_AC3") => codec::CODEC_ID_AC3,
        (name, _) if name.starts_with("A_EAC3") => codec::CODEC_ID_EAC3,
        (name, _) if name.starts_with("A_DTS") => codec::CODEC_ID_DCA,
        _ => CODEC_ID_NULL_AUDIO,
    }
}
