//! From bytes to a format reader and the track to decode, with everything checked that headers tell.

use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::ops::Range;
use std::sync::OnceLock;

use symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, CODEC_ID_NULL_AUDIO, well_known as codec,
};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::ProbeableFormat;
use symphonia::core::formats::{FormatId, FormatOptions, Track, TrackFlags, TrackType, well_known as format};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes};
use symphonia::core::packet::Packet;
use symphonia::default::formats;

use super::aac;
use super::container::elementary::Elementary;
use super::container::frame::is_free_format;
use super::container::matroska::Matroska;
use super::container::ogg::Ogg;
use super::container::splice::{Piece, Spliced};
use super::container::wave::Wave;
use super::container::{aiff, around, flac, mp4, wave};
use super::edits::{self, Part};
use super::error::AudioFault;
use super::info::FileInfo;
use super::kinds::{Kind, SNIFF, codec_name, container_name, is_text, kind_of};
use super::limits;
use super::opus::Head;
#[cfg(feature = "opus")]
use super::opus_decoder::Opus;
use super::reader::Reader;
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

/// A file whose container has been read.
pub(super) struct Opened {
    pub reader: Box<dyn Reader>,
    pub tags: Tags,
    /// What MP4 says about the parts of its tracks that are to be heard.
    parts: Vec<(u32, Part)>,
    /// Whether the file was found cut off before it was read.
    pub cut: bool,
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
}

impl Opened {
    /// Finds out what `source` is and reads its headers.
    pub(super) fn new(mut source: Box<dyn MediaSource>) -> Result<Self, AudioFault> {
        let mut tags = Tags::default();
        let content = around::tags(source.as_mut(), &mut tags)?;
        let head =
            around::bytes(source.as_mut(), content.start..content.end.min(content.start + SNIFF as u64))?;
        if head.is_empty() {
            return Err(AudioFault::Empty(match content.start {
                0 => "the file has no bytes",
                _ => "the file has tags and nothing else",
            }));
        }
        match kind_of(&head) {
            Some(Kind::Unsupported(name)) => return Err(AudioFault::Unsupported(name.to_owned())),
            Some(Kind::Other(name)) => return Err(AudioFault::NotAudio { found: Some(name) }),
            None => {}
        }
        if is_known(&head) {
            return Self::container(source, content, &head, tags);
        }
        let start = around::after_zeros(source.as_mut(), content.clone())?;
        let (frames, container) = (
            Elementary::find(source.as_mut(), start, content.end)?,
            find_container(source.as_mut(), content.clone())?,
        );
        match (frames, container) {
            (Some(frames), container) if container.is_none_or(|container| frames < container) => {
                let reader = Elementary::new(source, frames, content.end).map_err(fault_of)?;
                Self::with(reader, tags, Vec::new())
            }
            (_, Some(start)) => {
                let content = start..content.end;
                let head = around::bytes(source.as_mut(), start..start + SNIFF as u64)?;
                Self::container(source, content, &head, tags)
            }
            (_, None) => {
                let bytes = around::bytes(source.as_mut(), start..start + 10_000)?;
                Err(match is_free_format(&bytes) {
                    true => AudioFault::Unsupported("MP3 of \"free format\"".to_owned()),
                    false => AudioFault::NotAudio { found: is_text(&head).then_some("text") },
                })
            }
        }
    }

    /// Reads the headers of a container that begins with `head`.
    fn container(
        mut source: Box<dyn MediaSource>,
        content: Range<u64>,
        head: &[u8],
        mut tags: Tags,
    ) -> Result<Self, AudioFault> {
        let end = source.seek(SeekFrom::End(0))?;
        // Places are counted from where the format begins.
        let part = |source: Box<dyn MediaSource>, to: u64| -> Box<dyn MediaSource> {
            match content.start == 0 && to == end {
                true => source,
                false => Box::new(Spliced::new(source, vec![Piece::Source(content.start..to)])),
            }
        };
        if let Some(family) = wave::family(head) {
            return match wave::open(part(source, end), family, tags)? {
                (Wave::Pcm(reader), tags) => Self::with(*reader, tags, Vec::new()),
                (Wave::Mpeg(mut source, from, to), tags) => {
                    match Elementary::find(source.as_mut(), from, to)? {
                        Some(from) => {
                            let reader = Elementary::new(source, from, to).map_err(fault_of)?;
                            Self::with(reader, tags, Vec::new())
                        }
                        None => {
                            Err(AudioFault::Corrupt("it has no MPEG frames, as its header says".to_owned()))
                        }
                    }
                }
            };
        }
        if aiff::is_aiff(head) {
            let (reader, tags) = aiff::open(part(source, end), tags)?;
            return Self::with(reader, tags, Vec::new());
        }
        let mut source = part(source, content.end);
        if head.starts_with(b"caff") {
            match aiff::open_caf(source, tags)? {
                Ok((reader, tags)) => return Self::with(reader, tags, Vec::new()),
                Err(back) => (source, tags) = back,
            }
        } else if head.starts_with(b"fLaC") {
            let length = source.seek(SeekFrom::End(0))?;
            source = flac::mended(source, 0, length, &mut tags)?;
        }
        source.seek(SeekFrom::Start(0))?;
        if head.starts_with(b"OggS") {
            return Self::with(Ogg::new(source).map_err(fault_of)?, tags, Vec::new());
        }
        if head.starts_with(b"\x1a\x45\xdf\xa3") {
            return Self::with(Matroska::new(source).map_err(fault_of)?, tags, Vec::new());
        }
        let (mut parts, mut cut) = (Vec::new(), false);
        if is_mp4(head) {
            (source, cut) = mp4::mended(source)?;
            parts = edits::parts(&mut source)?;
        }
        source.seek(SeekFrom::Start(0))?;
        let mut stream = MediaSourceStream::new(source, Default::default());
        let options = FormatOptions::default();
        let opened = match head {
            [b'c', b'a', b'f', b'f', ..] => formats::CafReader::try_probe_new(stream, options),
            [b'f', b'L', b'a', b'C', ..] => formats::FlacReader::try_probe_new(stream, options),
            _ => {
                // Where a search for its first box would have left the stream.
                stream.ignore_bytes(4)?;
                formats::IsoMp4Reader::try_probe_new(stream, options)
            }
        };
        let format = opened.map_err(|e| match e {
            Symphonia::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
                AudioFault::Corrupt("the file ends inside its header".to_owned())
            }
            // A container of a known format that lacks what it must have, such as an index cut off with its end.
            Symphonia::Unsupported(why) if !why.contains("support") => AudioFault::Corrupt(why.to_owned()),
            Symphonia::DecodeError(why) if why.contains("unsupported") => {
                fault_of(Symphonia::Unsupported(why))
            }
            other => fault_of(other),
        })?;
        let opened = Self::with(format, tags, parts)?;
        Ok(Self { cut, ..opened })
    }

    fn with(
        mut reader: impl Reader + 'static,
        mut tags: Tags,
        parts: Vec<(u32, Part)>,
    ) -> Result<Self, AudioFault> {
        reader.tags(&mut tags);
        Ok(Self { reader: Box::new(reader), tags, parts, cut: false })
    }

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
            params.extra_data = info.map(|info| flac::described(info, None).into_boxed_slice());
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
            let found = decoder(&params)?.codec_params().clone();
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
        Ok(Chosen { id: track.id, params, part, declared, exact, stale: mpeg, paged })
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

    /// A decoder for the track.
    pub(super) fn decoder(&self) -> Result<Box<dyn AudioDecoder>, AudioFault> {
        decoder(&self.params)
    }
}

/// Whether a container begins so that is read.
fn is_known(head: &[u8]) -> bool {
    wave::family(head).is_some()
        || aiff::is_aiff(head)
        || is_mp4(head)
        || [&b"OggS"[..], b"fLaC", b"caff", b"\x1a\x45\xdf\xa3"].iter().any(|name| head.starts_with(name))
}

/// Whether an MP4 or QuickTime file begins so. Old ones have no box that says what they are.
fn is_mp4(head: &[u8]) -> bool {
    const BOXES: [&[u8]; 8] = [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof"];
    let size = head.first_chunk().map_or(0, |&size| u32::from_be_bytes(size));
    head.get(4..8).is_some_and(|name| BOXES.contains(&name)) && (size == 1 || size >= 8)
}

/// Where a container other than MP4 begins behind something else.
fn find_container(source: &mut dyn MediaSource, content: Range<u64>) -> io::Result<Option<u64>> {
    /// How far it is looked for.
    const SEARCH: u64 = 1 << 20;
    let bytes = around::bytes(source, content.start..content.end.min(content.start + SEARCH))?;
    let found = bytes.windows(SNIFF).position(|head| {
        matches!(head[0], b'R' | b'F' | b'O' | b'f' | b'c' | 0x1a | b'r' | b'B')
            && !is_mp4(head)
            && is_known(head)
    });
    Ok(found.map(|at| content.start + at as u64))
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
