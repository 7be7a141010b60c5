//! Opus as a codec of symphonia's, decoded by `ruopus`.

use ruopus::MultistreamDecoder;
use symphonia::core::audio::{
    AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, Channels, GenericAudioBufferRef,
};
use symphonia::core::codecs::CodecInfo;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, FinalizeResult,
};
use symphonia::core::codecs::registry::{RegisterableAudioDecoder, SupportedAudioCodec};
use symphonia::core::errors::{Error, Result};
use symphonia::core::packet::PacketRef;

/// Opus always decodes to this rate.
const RATE: u32 = 48_000;
/// Samples a channel of the longest packet, 120 ms.
const LONGEST: usize = 5760;

/// What an identification header says (RFC 7845, section 5.1).
#[derive(Debug, PartialEq)]
pub(super) struct Head {
    /// Samples to drop from the start.
    pub skip: u16,
    channels: u8,
    /// Gain in dB · 256.
    gain: i16,
    streams: u8,
    /// How many of the streams are stereo.
    coupled: u8,
    /// Which decoded channel every channel is; 255 is silence.
    mapping: Vec<u8>,
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

    fn decoder(&self) -> MultistreamDecoder {
        let (streams, coupled) = (usize::from(self.streams), usize::from(self.coupled));
        MultistreamDecoder::with_rate(RATE, streams, coupled, &self.mapping)
    }
}

/// Decodes Opus packets.
pub(super) struct Opus {
    params: AudioCodecParameters,
    head: Head,
    decoder: MultistreamDecoder,
    /// Output gain as a factor.
    gain: f32,
    buffer: AudioBuffer<f32>,
}

impl Opus {
    fn decode_packet(&mut self, packet: &PacketRef<'_>) -> Result<()> {
        let mut samples = self
            .decoder
            .decode_packet(packet.data)
            .map_err(|_| Error::DecodeError("opus: malformed packet"))?;
        if self.head.gain != 0 {
            samples.iter_mut().for_each(|s| *s *= self.gain);
        }
        let frames = samples.len() / usize::from(self.head.channels);
        if frames > self.buffer.capacity() {
            return Err(Error::DecodeError("opus: a packet of more than 120 ms"));
        }
        self.buffer.render_uninit(Some(frames));
        self.buffer.copy_from_slice_interleaved(&samples);
        self.buffer.trim(packet.trim_start.get() as usize, packet.trim_end.get() as usize);
        Ok(())
    }
}

impl AudioDecoder for Opus {
    fn reset(&mut self) {
        self.decoder = self.head.decoder();
    }

    fn codec_info(&self) -> &CodecInfo {
        &Self::supported_codecs()[0].info
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.params
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        self.buffer.clear();
        self.decode_packet(packet)?;
        Ok(self.buffer.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.buffer.as_generic_audio_buffer_ref()
    }
}

impl RegisterableAudioDecoder for Opus {
    fn try_registry_new(
        params: &AudioCodecParameters,
        _: &AudioDecoderOptions,
    ) -> Result<Box<dyn AudioDecoder>> {
        let head = match &params.extra_data {
            Some(bytes) => Head::read(bytes),
            // A container that keeps no header has one stream of one or two channels.
            None => {
                let channels = params.channels.as_ref().map_or(1, Channels::count);
                Head::read(&[b"OpusHead\x01", [channels as u8].as_slice(), &[0; 9]].concat())
            }
        };
        let head = head.ok_or(Error::DecodeError("opus: malformed identification header"))?;
        let channels = match &params.channels {
            Some(channels) if channels.count() == usize::from(head.channels) => channels.clone(),
            _ => Channels::Discrete(u16::from(head.channels)),
        };
        let buffer = AudioBuffer::new(AudioSpec::new(RATE, channels), LONGEST);
        let gain = 10f32.powf(f32::from(head.gain) / (20.0 * 256.0));
        Ok(Box::new(Self { params: params.clone(), decoder: head.decoder(), head, gain, buffer }))
    }

    fn supported_codecs() -> &'static [SupportedAudioCodec] {
        &[SupportedAudioCodec {
            id: CODEC_ID_OPUS,
            info: CodecInfo { short_name: "opus", long_name: "Opus", profiles: &[] },
        }]
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
