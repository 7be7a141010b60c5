//! Which of a file's tracks is decoded, and everything that headers tell about it, checked.

use std::sync::OnceLock;

use symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, CODEC_ID_NULL_AUDIO, well_known as codec,
};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::formats::{FormatId, Track, TrackFlags, TrackType, well_known as format};
use symphonia::core::packet::Packet;

use super::aac;
use super::container::flac_frame::checksum;
use super::container::{flac_info, mp4};
use super::edits::{self, Part};
use super::error::{AudioFault, fault_of};
use super::info::FileInfo;
use super::kinds::{codec_name, container_name};
use super::limits;
use super::open::Opened;
use super::opus::Head;
#[cfg(feature = "opus")]
use super::opus_decoder::Opus;

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
    /// Whether it says nothing about a file that ends where a packet does: programs that cut MP3 leave it as it was.
    pub stale: bool,
    /// Whether pages say which samples are to be heard.
    pub paged: bool,
    /// Whether nothing but packets' own checksums tells whether they are whole.
    unchecked: bool,
}

impl Opened {
    /// The audio track to decode, after its limits have been checked: the file's default where that can be decoded,
    /// else the first that can.
    pub(super) fn choose(&self) -> Result<Chosen, AudioFault> {
        let tracks = self.reader.tracks();
        let audio = |track: &&Track| matches!(track.track_type(), Some(TrackType::Audio));
        let mut candidates: Vec<&Track> = tracks.iter().filter(audio).collect();
        candidates.sort_by_key(|track| !track.flags.contains(TrackFlags::DEFAULT));
        let params = |track: &Track| {
            let mut params = track.codec_params.as_ref().and_then(|p| p.audio().cloned())?;
            if params.codec == CODEC_ID_NULL_AUDIO && params.extra_data.as_deref().is_some_and(mp4::is_vorbis)
            {
                (params.codec, params.channels) = (codec::CODEC_ID_VORBIS, None);
            }
            Some(params)
        };
        let known = |p: &AudioCodecParameters| codecs().get_audio_decoder(p.codec).is_some();
        let readable = |track: &Track| self.reader.refuses(track.id).is_none();
        let all = || candidates.iter().filter_map(|&track| Some((track, params(track)?)));
        let Some((track, mut params)) =
            all().find(|(track, p)| known(p) && readable(track)).or_else(|| all().next())
        else {
            // Tracks whose kind is not known may hold sound.
            return Err(match tracks.iter().any(|track| track.track_type().is_none()) || tracks.is_empty() {
                true => AudioFault::Unsupported("the codec of its tracks (unknown)".to_owned()),
                false => AudioFault::NotAudio { found: Some("a film without sound") },
            });
        };
        if let Some(what) = self.reader.refuses(track.id) {
            return Err(AudioFault::Unsupported(what));
        }
        if !known(&params) {
            return Err(AudioFault::Unsupported(format!("the codec {}", codec_name(params.codec, None))));
        }
        if matches!(params.codec, codec::CODEC_ID_PCM_MULAW | codec::CODEC_ID_PCM_ALAW) {
            // Some readers give the size of a code, where the decoder expects that of a sample.
            (params.bits_per_sample, params.bits_per_coded_sample) = (None, None);
        }
        if params.codec == codec::CODEC_ID_FLAC {
            let info = params.extra_data.as_deref().filter(|info| info.len() >= 34);
            params.extra_data = info.map(|info| flac_info::described(info).into_boxed_slice());
        }
        if params.codec == codec::CODEC_ID_AAC
            && let Some(config) = params.extra_data.as_deref().filter(|config| !config.is_empty())
        {
            params.extra_data = Some(aac::checked(config)?.into_boxed_slice());
            params.channels = None;
        }
        // MP4 has no room for rates above 65535 Hz; the codec's own header knows.
        if params.channels.is_none() || params.sample_rate.is_none_or(|rate| rate == 0) {
            params.sample_rate = params.sample_rate.filter(|&rate| rate > 0);
            // Where the codec has no header of its own, nothing tells.
            let timeless = |fault| match (params.sample_rate, &params.extra_data) {
                (None, None) => AudioFault::Corrupt("its header declares a sample rate of 0 Hz".to_owned()),
                _ => fault,
            };
            let found = decoder(&params).map_err(timeless)?.codec_params().clone();
            params.sample_rate = found.sample_rate.or(params.sample_rate);
            params.channels = found.channels.or(params.channels);
        }
        check_packet(&params)?;
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
        let exact = (!mpeg || lame.is_some())
            && !self.is_one_of(&[format::FORMAT_ID_ADTS, format::FORMAT_ID_OGG])
            && (track.num_frames.is_some() || !self.is_one_of(&[format::FORMAT_ID_MKV]));
        let paged = self.is_one_of(&[format::FORMAT_ID_OGG]);
        let unchecked = params.codec == codec::CODEC_ID_FLAC
            && self.is_one_of(&[format::FORMAT_ID_MKV, format::FORMAT_ID_ISOMP4]);
        Ok(Chosen { id: track.id, params, part, declared, exact, stale: mpeg, paged, unchecked })
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
                // Vorbis' first packet counts in MP4's time, but gives no sample.
                let vorbis = params.codec == codec::CODEC_ID_VORBIS;
                let primed =
                    |part: Part| if vorbis && part.start <= 4096 { Part { start: 0, ..part } } else { part };
                first.then(itunes).flatten().or_else(edit).map(primed).or_else(opus)
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

    /// The length in seconds that the header declares.
    fn declared(
        &self,
        track: &Track,
        params: &AudioCodecParameters,
        part: Option<Part>,
    ) -> Result<Option<f64>, AudioFault> {
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
        if !declared.is_finite() {
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

/// Refuses packets that no decoder should allocate.
fn check_packet(params: &AudioCodecParameters) -> Result<(), AudioFault> {
    let declared = [params.max_frames_per_packet, params.frames_per_block].into_iter().flatten().max();
    match declared.filter(|&samples| samples > limits::PACKET) {
        Some(samples) => {
            Err(AudioFault::Corrupt(format!("its header declares packets of {samples} samples")))
        }
        None => Ok(()),
    }
}

fn decoder(params: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>, AudioFault> {
    check_packet(params)?;
    codecs().make_audio_decoder(params, &AudioDecoderOptions::default()).map_err(fault_of)
}

impl Chosen {
    /// Whether a packet, before which `decoded` others were, shows that the track is HE-AAC.
    ///
    /// # Errors
    /// Those of [`Chosen::decoder`].
    pub(super) fn is_replicated(&self, packet: &Packet, decoded: u64) -> Result<bool, AudioFault> {
        let watched = self.params.codec == codec::CODEC_ID_AAC && decoded <= aac::WATCHED;
        if watched { aac::is_replicated(packet, || self.decoder()) } else { Ok(false) }
    }

    /// Whether a packet is not as it was written, where it carries a checksum that nobody has looked at.
    pub(super) fn is_damaged(&self, packet: &Packet) -> bool {
        self.unchecked && checksum(&packet.data) != 0
    }

    /// Whether what its packets decode to lies where they are said to begin.
    pub(super) fn is_placed(&self) -> bool {
        // Vorbis' first packet gives no sample; pages count that.
        self.paged || self.params.codec != codec::CODEC_ID_VORBIS
    }

    /// A decoder for the track.
    pub(super) fn decoder(&self) -> Result<Box<dyn AudioDecoder>, AudioFault> {
        decoder(&self.params)
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
