//! STREAMINFO, which describes a FLAC stream (RFC 9639, 8.2).

use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecParameters, well_known as codec};
use symphonia::core::formats::Track;

use super::flac_frame::Frame;

/// Bytes of STREAMINFO.
pub(super) const INFO: usize = 34;
/// The smallest block that the format allows.
const SMALLEST: u16 = 16;

/// What STREAMINFO says that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Info {
    pub rate: u32,
    pub channels: u8,
    pub bits: u8,
    /// Samples a channel; 0 where that is not known.
    pub total: u64,
}

impl Info {
    pub fn read(block: &[u8; INFO]) -> Self {
        let word = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| block[at + i]));
        let packed = word(10);
        Self {
            rate: (packed >> 44) as u32,
            channels: (packed >> 41 & 7) as u8 + 1,
            bits: (packed >> 36 & 31) as u8 + 1,
            total: packed & ((1 << 36) - 1),
        }
    }

    /// STREAMINFO for a decoder that is given blocks of any size.
    pub fn block(&self) -> Vec<u8> {
        let packed = u64::from(self.rate) << 44
            | u64::from(self.channels - 1) << 41
            | u64::from(self.bits - 1) << 36
            | self.total;
        let sizes = [SMALLEST.to_be_bytes(), u16::MAX.to_be_bytes()].concat();
        [&sizes[..], &[0; 6], &packed.to_be_bytes(), &[0; 16]].concat()
    }

    pub fn track(&self) -> Track {
        let mut params = AudioCodecParameters::new();
        params.for_codec(codec::CODEC_ID_FLAC).with_sample_rate(self.rate);
        params.with_channels(Channels::Discrete(self.channels.into())).with_bits_per_sample(self.bits.into());
        params.with_extra_data(self.block().into_boxed_slice());
        let mut track = Track::new(0);
        track.with_codec_params(CodecParameters::Audio(params));
        if self.total > 0 {
            track.with_num_frames(self.total);
        }
        track
    }

    /// As a frame has it.
    pub fn of(self, frame: &Frame) -> Self {
        Self { rate: frame.rate.unwrap_or(self.rate), channels: frame.channels, ..self }
    }
}

/// STREAMINFO with sizes of blocks such as may be, for containers that keep it beside packets.
pub(in crate::audio) fn described(info: &[u8]) -> Vec<u8> {
    let half = |at: usize| u16::from_be_bytes([info[at], info[at + 1]]);
    let (least, most) = match (half(0), half(2)) {
        (_, most) if most < SMALLEST => (SMALLEST, u16::MAX),
        (least, most) => (least.clamp(SMALLEST, most), most),
    };
    let frames = |at: usize| u32::from_be_bytes([0, info[at], info[at + 1], info[at + 2]]);
    let mut mended = [&least.to_be_bytes()[..], &most.to_be_bytes(), &info[4..]].concat();
    if frames(4) > frames(7) {
        mended[4..10].fill(0);
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_blocks_are_mended() {
        let of = |least: u16, most: u16| {
            let info = [&least.to_be_bytes()[..], &most.to_be_bytes(), &[0; 6], &[7; 24]].concat();
            let mended = described(&info);
            (u16::from_be_bytes([mended[0], mended[1]]), u16::from_be_bytes([mended[2], mended[3]]))
        };
        assert_eq!((of(0, 4096), of(192, 4608), of(0, 0)), ((16, 4096), (192, 4608), (16, u16::MAX)));
    }
}
