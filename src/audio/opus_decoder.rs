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

use super::opus::Head;

/// Opus always decodes to this rate.
const RATE: u32 = 48_000;
/// Samples a channel of the longest packet, 120 ms.
const LONGEST: usize = 5760;

impl Head {
    pub(super) fn decoder(&self) -> MultistreamDecoder {
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
