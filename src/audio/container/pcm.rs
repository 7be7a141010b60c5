//! Sound in blocks of one size, PCM or ADPCM, wherever in a file it lies.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, well_known as codec};
use symphonia::core::errors::Result as Read;
use symphonia::core::formats::{FormatId, Track};
use symphonia::core::io::MediaSource;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::super::error::AudioFault;
use super::super::limits;
use super::super::reader::{Missing, Reader, Unit};
use super::super::tags::Tags;
use super::window::Window;

/// Samples a channel in a packet.
const FRAMES: u64 = 4096;
/// A size just below 2 or 4 GiB is a placeholder, as writers to pipes leave it.
const PLACEHOLDER: u64 = 0x7eff_0000;

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Unsigned,
    Signed,
    Float,
    ALaw,
    MuLaw,
    /// Microsoft's and IMA's, in blocks of so many bytes.
    MsAdpcm {
        block: u16,
    },
    ImaAdpcm {
        block: u16,
    },
}

/// What a file's header says about its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub coding: Coding,
    /// Bytes of a sample.
    pub bytes: u16,
    pub big_endian: bool,
    pub rate: u32,
    pub channels: u16,
}

/// Where the samples lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub start: u64,
    /// Where the file or the next part of it begins.
    pub end: u64,
    /// Bytes that the header declares, placeholders included.
    pub declared: u64,
}

impl Data {
    /// The bytes from `start` to `end` at most, `declared` bytes where those are fewer.
    pub(super) fn new(start: u64, declared: u64, end: u64) -> Self {
        Self { start, end: start.saturating_add(declared).min(end).max(start), declared }
    }

    /// Bytes that the header declares; those that are there, where that is a placeholder for what was not known.
    fn promised(&self) -> u64 {
        let there = self.end - self.start;
        let placeholder = (PLACEHOLDER..1 << 31).contains(&self.declared) || self.declared >= 0xffff_0000;
        if placeholder { there } else { self.declared.max(there) }
    }
}

impl Layout {
    /// The decoder, and whether only the upper half of each sample is given to it.
    fn codec(&self) -> Option<(AudioCodecId, bool)> {
        use Coding::{ALaw, Float, ImaAdpcm, MsAdpcm, MuLaw, Signed, Unsigned};
        let (little, big) = match (self.coding, self.bytes) {
            (Unsigned, 1) => (codec::CODEC_ID_PCM_U8, codec::CODEC_ID_PCM_U8),
            (Signed, 1) => (codec::CODEC_ID_PCM_S8, codec::CODEC_ID_PCM_S8),
            (Signed, 2) => (codec::CODEC_ID_PCM_S16LE, codec::CODEC_ID_PCM_S16BE),
            (Signed, 3) => (codec::CODEC_ID_PCM_S24LE, codec::CODEC_ID_PCM_S24BE),
            // 64 bits are more than floats hold.
            (Signed, 4 | 8) => (codec::CODEC_ID_PCM_S32LE, codec::CODEC_ID_PCM_S32BE),
            (Float, 4) => (codec::CODEC_ID_PCM_F32LE, codec::CODEC_ID_PCM_F32BE),
            (Float, 8) => (codec::CODEC_ID_PCM_F64LE, codec::CODEC_ID_PCM_F64BE),
            (ALaw, 1) => (codec::CODEC_ID_PCM_ALAW, codec::CODEC_ID_PCM_ALAW),
            (MuLaw, 1) => (codec::CODEC_ID_PCM_MULAW, codec::CODEC_ID_PCM_MULAW),
            (MsAdpcm { .. }, _) if !self.big_endian => (codec::CODEC_ID_ADPCM_MS, codec::CODEC_ID_ADPCM_MS),
            (ImaAdpcm { .. }, _) if !self.big_endian => {
                (codec::CODEC_ID_ADPCM_IMA_WAV, codec::CODEC_ID_ADPCM_IMA_WAV)
            }
            _ => return None,
        };
        Some((if self.big_endian { big } else { little }, (self.coding, self.bytes) == (Signed, 8)))
    }

    /// (bytes, samples a channel) of a block.
    fn block(&self) -> Option<(u64, u64)> {
        let channels = u64::from(self.channels);
        match self.coding {
            Coding::MsAdpcm { block } => {
                let samples = u64::from(block).checked_sub(7 * channels)? * 2 / channels.max(1) + 2;
                Some((block.into(), samples))
            }
            Coding::ImaAdpcm { block } => {
                let samples = u64::from(block).checked_sub(4 * channels)? * 2 / channels.max(1) + 1;
                Some((block.into(), samples))
            }
            _ => Some((channels * u64::from(self.bytes), 1)),
        }
        .filter(|&(bytes, _)| bytes > 0)
    }
}

/// Reads blocks.
pub(in crate::audio) struct Pcm {
    window: Window,
    format: FormatId,
    tracks: Vec<Track>,
    start: u64,
    end: u64,
    /// Bytes and samples a channel of a block, and blocks in a packet.
    block: (u64, u64),
    blocks: u64,
    /// Whether only the upper half of each sample is given to the decoder, and where in the sample it lies.
    halved: Option<usize>,
    cut: bool,
}

impl Pcm {
    /// Reads `data` of `source`, laid out as `layout` says.
    ///
    /// # Errors
    /// [`AudioFault::Unsupported`] and [`AudioFault::Corrupt`] where that cannot be, and those of reading.
    pub(super) fn new(
        source: Box<dyn MediaSource>,
        format: FormatId,
        layout: Layout,
        data: Data,
    ) -> Result<Self, AudioFault> {
        let Layout { coding, bytes, rate, channels, .. } = layout;
        if channels == 0 {
            return Err(AudioFault::Corrupt("its header declares no channels".to_owned()));
        }
        if usize::from(channels) > limits::CHANNELS {
            return Err(AudioFault::TooManyChannels(channels.into()));
        }
        let Some((codec, halved)) = layout.codec() else {
            let bits = 8 * u32::from(bytes);
            return Err(AudioFault::Unsupported(match coding {
                Coding::MsAdpcm { .. } | Coding::ImaAdpcm { .. } => "big-endian ADPCM".to_owned(),
                coding => format!("PCM of {bits} bits ({coding:?})"),
            }));
        };
        let Some(block) = layout.block() else {
            return Err(AudioFault::Corrupt("its header declares blocks without samples".to_owned()));
        };
        if block.1 > limits::PACKET {
            return Err(AudioFault::Corrupt(format!("its header declares packets of {} samples", block.1)));
        }
        let blocks = (FRAMES / block.1).max(1);
        let mut params = AudioCodecParameters::new();
        params
            .for_codec(codec)
            .with_sample_rate(rate)
            .with_channels(Channels::Discrete(channels))
            .with_max_frames_per_packet(blocks * block.1)
            .with_frames_per_block(block.1);
        if matches!(coding, Coding::Unsigned | Coding::Signed | Coding::Float) {
            let bits = if halved { 32 } else { 8 * u32::from(bytes) };
            params.with_bits_per_sample(bits).with_bits_per_coded_sample(bits);
        }
        let mut track = Track::new(0);
        track.with_codec_params(CodecParameters::Audio(params));
        track.with_num_frames((data.promised() / block.0).saturating_mul(block.1));
        let window = Window::new(source, data.start)?;
        let halved = halved.then_some(if layout.big_endian { 0 } else { 4 });
        let cut = data.promised() > data.end - data.start;
        let (start, end, tracks) = (data.start, data.end, vec![track]);
        Ok(Self { window, format, tracks, start, end, block, blocks, halved, cut })
    }
}

impl Reader for Pcm {
    fn format(&self) -> FormatId {
        self.format
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next(&mut self) -> Read<Option<Unit>> {
        let (bytes, samples) = self.block;
        let here = self.window.position();
        let blocks = (self.end.saturating_sub(here) / bytes).min(self.blocks);
        let wanted = (blocks * bytes) as usize;
        let there = self.window.peek(wanted)?;
        // The file may have become shorter.
        let wanted = wanted.min(there.len()) / bytes as usize * bytes as usize;
        if wanted == 0 {
            return Ok(None);
        }
        let data = match self.halved {
            Some(from) => there[..wanted].chunks_exact(8).flat_map(|s| s[from..from + 4].to_vec()).collect(),
            None => there[..wanted].to_vec(),
        };
        self.window.skip(wanted as u64)?;
        let samples = Duration::from(wanted as u64 / bytes * samples);
        Ok(Some(Packet::new(0, Timestamp::ZERO, samples, data).into()))
    }

    fn seek_to(&mut self, _track: u32, sample: u64) -> Read<Option<u64>> {
        let (bytes, samples) = self.block;
        let block = sample / samples.max(1);
        self.window.go_to(self.start.saturating_add(block.saturating_mul(bytes)).min(self.end))?;
        Ok(Some(block * samples))
    }

    fn tags(&mut self, _tags: &mut Tags) {}

    fn missing(&self) -> Missing {
        Missing { packets: 0, cut: self.cut }
    }
}
