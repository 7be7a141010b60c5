//! From bytes to a format reader and the track to decode, with everything checked that headers tell.

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::sync::OnceLock;

use symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known as codec,
};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::common::Limit;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::{Hint, Probe};
use symphonia::core::formats::{FormatId, FormatOptions, Track, TrackFlags, TrackType, well_known as format};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::default::{formats, meta};

use super::container;
use super::edits::{self, Part};
use super::error::AudioFault;
use super::info::FileInfo;
use super::kinds::{Kind, SNIFF, codec_name, container_name, is_text, kind_of};
use super::limits;
use super::opus::Head;
#[cfg(feature = "opus")]
use super::opus_decoder::Opus;
use super::reader::Reader;
use super::riff;
use super::tags::Tags;

/// Symphonia's codecs, and that of Opus.
fn codecs() -> &'static CodecRegistry {
    static CODECS: OnceLock<CodecRegistry> = OnceLock::new();
    CODECS.get_or_init(|| {
        let mut codecs = CodecRegistry::new();
        symphonia::default::register_enabled_codecs(&mut codecs);
        #[cfg(feature = "opus")]
        codecs.register_audio_decoder::<Opus>();
        codecs
    })
}

/// Readers of every container but MP4: for files that do not begin as one. Its reader would be found for one behind
/// anything else too, where [`edits::parts`] has not looked at what it counts.
fn without_mp4() -> &'static Probe {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    PROBE.get_or_init(|| {
        let mut probe = Probe::new();
        probe.register_format::<formats::AdtsReader<'_>>();
        probe.register_format::<formats::AiffReader<'_>>();
        probe.register_format::<formats::CafReader<'_>>();
        probe.register_format::<formats::FlacReader<'_>>();
        probe.register_format::<formats::MkvReader<'_>>();
        probe.register_format::<formats::MpaReader<'_>>();
        probe.register_format::<formats::OggReader<'_>>();
        probe.register_format::<formats::WavReader<'_>>();
        probe.register_metadata::<meta::ApeReader<'_>>();
        probe.register_metadata::<meta::Id3v1Reader<'_>>();
        probe.register_metadata::<meta::Id3v2Reader<'_>>();
        probe
    })
}

/// A file whose container has been read.
pub(super) struct Opened {
    pub reader: Box<dyn Reader>,
    pub tags: Tags,
    /// What MP4 says about the parts of its tracks that are to be heard.
    parts: Vec<(u32, Part)>,
}

/// The track to decode.
pub(super) struct Chosen {
    pub id: u32,
    params: AudioCodecParameters,
    /// The part to be heard, where decoders do not see to that themselves.
    pub part: Option<Part>,
    /// Seconds that the header declares, where it does.
    pub declared: Option<f64>,
    /// Whether that number is exact, not an estimate.
    pub exact: bool,
    /// Whether pages say which samples are to be heard.
    pub paged: bool,
}

impl Opened {
    /// Finds out what `source` is and reads its headers.
    pub(super) fn new(mut source: Box<dyn MediaSource>) -> Result<Self, AudioFault> {
        let mut head = Vec::with_capacity(SNIFF);
        Read::by_ref(&mut source).take(SNIFF as u64).read_to_end(&mut head)?;
        if head.is_empty() {
            return Err(AudioFault::Empty("the file has no bytes"));
        }
        match kind_of(&head) {
            Some(Kind::Unsupported(name)) => return Err(AudioFault::Unsupported(name.to_owned())),
            Some(Kind::Other(name)) => return Err(AudioFault::NotAudio { found: Some(name) }),
            None => {}
        }
        let (parts, probe) = match head.get(4..8) {
            Some(b"ftyp") => (edits::parts(&mut source)?, symphonia::default::get_probe()),
            _ => (Vec::new(), without_mp4()),
        };
        let mut tags = Tags::default();
        if head.starts_with(b"RIFF") {
            let (artist, title) = riff::artist_and_title(&mut source)?;
            tags.named("IART", artist.as_deref().unwrap_or_default());
            tags.named("INAM", title.as_deref().unwrap_or_default());
        }
        source.seek(SeekFrom::Start(0))?;
        if head.starts_with(b"OggS") {
            return Self::with(container::ogg::Ogg::new(source).map_err(fault_of)?, tags, parts);
        }
        let source = MediaSourceStream::new(source, Default::default());
        // Pictures and long tags are not needed: none is kept.
        let metadata = MetadataOptions::default()
            .limit_visual_bytes(Limit::Maximum(0))
            .limit_tag_bytes(Limit::Maximum(1 << 16));
        let format =
            probe.probe(&Hint::new(), source, FormatOptions::default(), metadata).map_err(|e| match e {
                Symphonia::Unsupported(why) if why.starts_with("core (probe)") => {
                    AudioFault::NotAudio { found: is_text(&head).then_some("text") }
                }
                Symphonia::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
                    AudioFault::Corrupt("the file ends inside its header".to_owned())
                }
                // A container of a known format that lacks what it must have, such as an index cut off with its end.
                Symphonia::Unsupported(why) if !why.contains("support") => {
                    AudioFault::Corrupt(why.to_owned())
                }
                Symphonia::DecodeError(why) if why.contains("unsupported") => {
                    fault_of(Symphonia::Unsupported(why))
                }
                other => fault_of(other),
            })?;
        Self::with(format, tags, parts)
    }

    fn with(
        mut reader: impl Reader + 'static,
        mut tags: Tags,
        parts: Vec<(u32, Part)>,
    ) -> Result<Self, AudioFault> {
        reader.tags(&mut tags);
        Ok(Self { reader: Box::new(reader), tags, parts })
    }

    /// The audio track to decode, after its limits have been checked: the file's default where that can be decoded,
    /// else the first that can.
    pub(super) fn choose(&self) -> Result<Chosen, AudioFault> {
        let tracks = self.reader.tracks();
        let audio = |track: &&Track| matches!(track.track_type(), Some(TrackType::Audio));
        let mut candidates: Vec<&Track> = tracks.iter().filter(audio).collect();
        candidates.sort_by_key(|track| !track.flags.contains(TrackFlags::DEFAULT));
        let params = |track: &Track| track.codec_params.as_ref().and_then(|p| p.audio().cloned());
        let known = |p: &AudioCodecParameters| codecs().get_audio_decoder(p.codec).is_some();
        let all = || candidates.iter().filter_map(|&track| Some((track, params(track)?)));
        let Some((track, mut params)) = all().find(|(_, p)| known(p)).or_else(|| all().next()) else {
            // Tracks whose kind is not known may hold sound.
            return Err(match tracks.iter().any(|track| track.track_type().is_none()) || tracks.is_empty() {
                true => AudioFault::Unsupported("the codec of its tracks (unknown)".to_owned()),
                false => AudioFault::NotAudio { found: Some("a film without sound") },
            });
        };
        if !known(&params) {
            return Err(AudioFault::Unsupported(format!("the codec {}", codec_name(params.codec, None))));
        }
        if matches!(params.codec, codec::CODEC_ID_PCM_MULAW | codec::CODEC_ID_PCM_ALAW) {
            // Some readers give the size of a code, where the decoder expects that of a sample.
            (params.bits_per_sample, params.bits_per_coded_sample) = (None, None);
        }
        // MP4 has no room for rates above 65535 Hz; the codec's own header knows.
        if params.channels.is_none() || params.sample_rate.is_none_or(|rate| rate == 0) {
            params.sample_rate = params.sample_rate.filter(|&rate| rate > 0);
            let found = decoder(&params)?.codec_params().clone();
            params.sample_rate = found.sample_rate.or(params.sample_rate);
            params.channels = found.channels.or(params.channels);
        }
        let rate = params.sample_rate.unwrap_or(*limits::RATES.start());
        check_spec(rate, params.channels.as_ref().map_or(1, |c| c.count()))?;
        // Symphonia undoes the coupling of channels in the wrong order (the Vorbis specification, 4.3.5, begins with the
        // last step), which only matters from three on; and it has no surround AAC.
        let stereo = matches!(params.codec, codec::CODEC_ID_VORBIS | codec::CODEC_ID_AAC);
        if stereo && params.channels.as_ref().is_some_and(|c| c.count() > 2) {
            let name = codec_name(params.codec, None);
            return Err(AudioFault::Unsupported(format!("{name} with more than 2 channels")));
        }
        let part = self.part(track, &params, rate);
        let declared = self.declared(track, &params, part)?;
        let mpeg = self.is_one_of(&[format::FORMAT_ID_MP1, format::FORMAT_ID_MP2, format::FORMAT_ID_MP3]);
        let lame = track.padding.zip(track.num_frames).map(|(padding, frames)| frames + u64::from(padding));
        let exact =
            (!mpeg || lame.is_some()) && !self.is_one_of(&[format::FORMAT_ID_ADTS, format::FORMAT_ID_OGG]);
        let paged = self.is_one_of(&[format::FORMAT_ID_OGG]);
        Ok(Chosen { id: track.id, params, part, declared, exact, paged })
    }

    fn is_one_of(&self, formats: &[FormatId]) -> bool {
        formats.contains(&self.reader.format())
    }

    /// The part of a track that is to be heard, where its packets do not tell: in Ogg and MP3 they do.
    fn part(&self, track: &Track, params: &AudioCodecParameters, rate: u32) -> Option<Part> {
        let scale = rate;
        let opus = || {
            let head = Head::read(params.extra_data.as_deref()?)?;
            Some(Part { start: u64::from(head.skip), length: None, scale })
        };
        match self.reader.format() {
            format::FORMAT_ID_ISOMP4 => {
                let itunes = || edits::itunes(self.tags.gapless.as_deref()?, rate);
                let edit = || self.parts.iter().find(|(id, _)| *id == track.id).map(|&(_, part)| part);
                let first = params.codec == codec::CODEC_ID_AAC;
                first.then(itunes).flatten().or_else(edit).or_else(opus)
            }
            format::FORMAT_ID_CAF => {
                let start = u64::from(track.delay.unwrap_or(0));
                let length = track.padding.and(track.num_frames);
                (start > 0 || length.is_some()).then_some(Part { start, length, scale })
            }
            _ if params.codec == codec::CODEC_ID_OPUS => opus(),
            _ => None,
        }
    }

    /// The length that the header declares, unless it is a placeholder as writers to pipes leave it: 2 or 4 GiB of PCM
    /// (less at most 64 KiB).
    fn declared(
        &self,
        track: &Track,
        params: &AudioCodecParameters,
        part: Option<Part>,
    ) -> Result<Option<f64>, AudioFault> {
        const PLACEHOLDER: u64 = 0x7fff_0000;
        let heard = part.and_then(|part| Some(part.length? as f64 / f64::from(part.scale.max(1))));
        let frames = || Some(track.num_frames? as f64 / f64::from(params.sample_rate?.max(1)));
        let seconds = |ticks: symphonia::core::units::Duration, base: Option<_>| -> Option<f64> {
            let base: symphonia::core::units::TimeBase = base?;
            Some(ticks.get() as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get()))
        };
        let duration = || seconds(track.duration?, track.time_base);
        let media = self.reader.media_info();
        let whole = || seconds(media.duration?, media.time_base);
        let Some(declared) = heard.or_else(frames).or_else(duration).or_else(whole) else {
            return Ok(None);
        };
        let bits = params.bits_per_coded_sample.or(params.bits_per_sample).unwrap_or(0);
        let channels = params.channels.as_ref().map_or(1, |c| c.count());
        let bytes = track.num_frames.unwrap_or(0).saturating_mul(channels as u64 * u64::from(bits)) / 8;
        if bytes >= PLACEHOLDER || !declared.is_finite() {
            return Ok(None);
        }
        if declared <= limits::SECONDS as f64 {
            return Ok(Some(declared));
        }
        // These count samples; the others estimate, or count from when a broadcast began.
        let exact = self.is_one_of(&[
            format::FORMAT_ID_WAVE,
            format::FORMAT_ID_AIFF,
            format::FORMAT_ID_CAF,
            format::FORMAT_ID_FLAC,
            format::FORMAT_ID_ISOMP4,
        ]);
        if exact { Err(AudioFault::TooLong) } else { Ok(None) }
    }

    /// What the headers and tags say of a track.
    pub(super) fn info(&self, chosen: &Chosen) -> FileInfo {
        let params = &chosen.params;
        let short = codecs().get_audio_decoder(params.codec).map(|codec| codec.codec.info.short_name);
        let name = codec_name(params.codec, short);
        let bits = match params.codec {
            // The sixth byte of its header.
            codec::CODEC_ID_ALAC => {
                params.extra_data.as_ref().and_then(|data| data.get(5).map(|&bits| bits.into()))
            }
            // Lossy codecs have no such number, whatever a container says.
            _ if name != "FLAC" && !name.starts_with("PCM") => None,
            _ => params.bits_per_coded_sample.or(params.bits_per_sample),
        };
        FileInfo {
            container: container_name(self.reader.format()).to_owned(),
            codec: name,
            sample_rate: params.sample_rate.unwrap_or(0),
            channels: params.channels.as_ref().map_or(0, |c| c.count()),
            bits,
            seconds: chosen.declared,
            artists: self.tags.artists(),
            title: self.tags.title(),
            loss: None,
        }
    }
}

fn decoder(params: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>, AudioFault> {
    let declared = [params.max_frames_per_packet, params.frames_per_block].into_iter().flatten().max();
    if let Some(samples) = declared.filter(|&samples| samples > limits::PACKET) {
        return Err(AudioFault::Corrupt(format!("its header declares packets of {samples} samples")));
    }
    codecs().make_audio_decoder(params, &AudioDecoderOptions::default()).map_err(fault_of)
}

impl Chosen {
    /// Looks at a packet for what cannot be decoded as it should be; `decoded` packets were before.
    ///
    /// # Errors
    /// [`AudioFault::Unsupported`].
    pub(super) fn watch(&self, _packet: &Packet, _decoded: u64) -> Result<(), AudioFault> {
        Ok(())
    }

    /// A decoder for the track.
    pub(super) fn decoder(&self) -> Result<Box<dyn AudioDecoder>, AudioFault> {
        decoder(&self.params)
    }
}

/// An error of symphonia's that ends the decoding.
pub(super) fn fault_of(error: Symphonia) -> AudioFault {
    match error {
        Symphonia::IoError(e) if e.kind() != ErrorKind::UnexpectedEof => AudioFault::Io(e),
        Symphonia::Unsupported(what) => AudioFault::Unsupported(format!("something in it ({what})")),
        other => AudioFault::Corrupt(other.to_string()),
    }
}

/// Refuses rates and numbers of channels past the limits, before anything is allocated for them.
pub(super) fn check_spec(rate: u32, channels: usize) -> Result<(), AudioFault> {
    if channels == 0 {
        return Err(AudioFault::Corrupt("its header declares no channels".to_owned()));
    }
    if channels > limits::CHANNELS {
        return Err(AudioFault::TooManyChannels(channels));
    }
    if !limits::RATES.contains(&rate) {
        return Err(AudioFault::Rate(rate));
    }
    Ok(())
}
