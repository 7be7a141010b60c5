//! What files are called: containers, codecs, and what is neither decoded nor audio.

use symphonia::core::codecs::audio::{AudioCodecId, CODEC_ID_NULL_AUDIO, well_known as codec};
use symphonia::core::formats::{FormatId, well_known as format};

/// What a file's first bytes show it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Audio (or video with audio) in a container or codec that is not decoded here.
    Unsupported(&'static str),
    /// Not audio.
    Other(&'static str),
}

/// How many bytes [`kind_of`] looks at.
pub(super) const SNIFF: usize = 40;

/// (offset, bytes, kind): checked before probing, because a probe that searches for MPEG sync words finds false ones
/// in the middle of compressed data of other kinds.
const SIGNATURES: &[(usize, &[u8], Kind)] = &[
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind::Unsupported("WMA (ASF)")),
    (0, b"MAC ", Kind::Unsupported("Monkey's Audio")),
    (0, b"wvpk", Kind::Unsupported("WavPack")),
    (0, b"MPCK", Kind::Unsupported("Musepack")),
    (0, b"MP+", Kind::Unsupported("Musepack")),
    (0, b"TTA1", Kind::Unsupported("True Audio (TTA)")),
    (0, b"DSD ", Kind::Unsupported("DSD (DSF)")),
    (0, b"FRM8", Kind::Unsupported("DSD (DSDIFF)")),
    (0, b"#!AMR", Kind::Unsupported("AMR")),
    (0, b".RMF", Kind::Unsupported("RealAudio")),
    (0, b".ra\xfd", Kind::Unsupported("RealAudio")),
    (0, b".snd", Kind::Unsupported("Sun/NeXT AU")),
    (0, b"FLV\x01", Kind::Unsupported("Flash video")),
    (28, b"Speex   ", Kind::Unsupported("Speex")),
    (0, b"\x56\xe0", Kind::Unsupported("AAC in LATM")),
    (0, b"\x56\xe1", Kind::Unsupported("AAC in LATM")),
    (0, b"\x56\xe2", Kind::Unsupported("AAC in LATM")),
    (0, b"\x56\xe3", Kind::Unsupported("AAC in LATM")),
    (0, b"\0\0\x01\xba", Kind::Unsupported("an MPEG program stream")),
    (0, b"nut/multimedia", Kind::Unsupported("NUT")),
    (0, b"tBaK", Kind::Unsupported("TAK")),
    (0, b"OFR ", Kind::Unsupported("OptimFROG")),
    (0, b"ADIF", Kind::Unsupported("AAC in ADIF")),
    (0, b"Creative Voice File", Kind::Unsupported("Creative Voice (VOC)")),
    (0, b"\x0b\x77", Kind::Unsupported("AC-3 or E-AC-3")),
    (0, b"\x77\x0b", Kind::Unsupported("AC-3 or E-AC-3")),
    (0, b"\xfe\x7f\x01\x80", Kind::Unsupported("DTS")),
    (0, b"\x1f\xff\xe8\x00", Kind::Unsupported("DTS")),
    (0, b"\xff\x1f\x00\xe8", Kind::Unsupported("DTS")),
    (0, b"\x64\x58\x20\x25", Kind::Unsupported("DTS")),
    (0, b"\x7f\xfe\x80\x01", Kind::Unsupported("DTS")),
    (0, b"MThd", Kind::Unsupported("MIDI (notes, not sound)")),
    (8, b"AVI ", Kind::Unsupported("AVI")),
    (0, b"\xff\xd8\xff", Kind::Other("a JPEG picture")),
    (0, b"\x89PNG", Kind::Other("a PNG picture")),
    (0, b"GIF8", Kind::Other("a GIF picture")),
    (8, b"WEBP", Kind::Other("a WebP picture")),
    (0, b"%PDF", Kind::Other("a PDF document")),
    (0, b"PK\x03\x04", Kind::Other("a ZIP archive")),
    (0, b"\x1f\x8b", Kind::Other("a gzip archive")),
    (0, b"\xfd7zXZ\0", Kind::Other("an xz archive")),
    (0, b"7z\xbc\xaf", Kind::Other("a 7z archive")),
    (0, b"Rar!", Kind::Other("a RAR archive")),
    (0, b"\x7fELF", Kind::Other("a program")),
    (0, b"MZ", Kind::Other("a program")),
    (0, b"<!DOCTYPE", Kind::Other("a web page")),
    (0, b"<!doctype", Kind::Other("a web page")),
    (0, b"<html", Kind::Other("a web page")),
    (0, b"<?xml", Kind::Other("XML")),
    (0, b"#EXTM3U", Kind::Other("a playlist")),
    (0, b"[playlist]", Kind::Other("a playlist")),
];

/// What the first [`SNIFF`] bytes of a file show it to be, where that is neither decodable audio nor unknown.
pub(super) fn kind_of(head: &[u8]) -> Option<Kind> {
    SIGNATURES
        .iter()
        .find(|(offset, bytes, _)| head.get(*offset..).is_some_and(|rest| rest.starts_with(bytes)))
        .map(|&(_, _, kind)| kind)
}

/// Whether a file that is no known format reads as text, from its first bytes.
pub(super) fn is_text(head: &[u8]) -> bool {
    !head.is_empty() && head.iter().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e))
}

/// Names of codecs, whether decoded or not.
const CODECS: &[(AudioCodecId, &str)] = &[
    (codec::CODEC_ID_MP1, "MP1"),
    (codec::CODEC_ID_MP2, "MP2"),
    (codec::CODEC_ID_MP3, "MP3"),
    (codec::CODEC_ID_AAC, "AAC"),
    (codec::CODEC_ID_ALAC, "ALAC"),
    (codec::CODEC_ID_FLAC, "FLAC"),
    (codec::CODEC_ID_VORBIS, "Vorbis"),
    (codec::CODEC_ID_OPUS, "Opus"),
    (codec::CODEC_ID_PCM_MULAW, "PCM mu-law"),
    (codec::CODEC_ID_PCM_ALAW, "PCM A-law"),
    (codec::CODEC_ID_SPEEX, "Speex"),
    (codec::CODEC_ID_MUSEPACK, "Musepack"),
    (codec::CODEC_ID_AC3, "AC-3"),
    (codec::CODEC_ID_EAC3, "E-AC-3"),
    (codec::CODEC_ID_AC4, "AC-4"),
    (codec::CODEC_ID_DCA, "DTS"),
    (codec::CODEC_ID_ATRAC3, "ATRAC3"),
    (codec::CODEC_ID_WMA, "WMA"),
    (codec::CODEC_ID_TRUEHD, "TrueHD"),
    (codec::CODEC_ID_WAVPACK, "WavPack"),
    (codec::CODEC_ID_TTA, "True Audio (TTA)"),
    (codec::CODEC_ID_ADPCM_MS, "Microsoft ADPCM"),
    (codec::CODEC_ID_ADPCM_IMA_WAV, "IMA ADPCM"),
    (codec::CODEC_ID_ADPCM_IMA_QT, "IMA ADPCM (QuickTime)"),
    (codec::CODEC_ID_ADPCM_G722, "G.722"),
    (codec::CODEC_ID_ADPCM_G726, "G.726"),
];

/// A name for a codec; `short` is symphonia's, where it decodes it.
pub(super) fn codec_name(id: AudioCodecId, short: Option<&str>) -> String {
    match (CODECS.iter().find(|(known, _)| *known == id), short) {
        (Some((_, name)), _) => (*name).to_owned(),
        (None, Some(short)) => {
            short.strip_prefix("pcm_").map_or(short.to_owned(), |kind| format!("PCM {kind}"))
        }
        (None, None) if id == CODEC_ID_NULL_AUDIO => "of its audio track (unknown)".to_owned(),
        (None, None) => id.to_string(),
    }
}

const CONTAINERS: &[(FormatId, &str)] = &[
    (format::FORMAT_ID_WAVE, "WAV"),
    (format::FORMAT_ID_AIFF, "AIFF"),
    (format::FORMAT_ID_CAF, "CAF"),
    (format::FORMAT_ID_MP1, "MP1"),
    (format::FORMAT_ID_MP2, "MP2"),
    (format::FORMAT_ID_MP3, "MP3"),
    (format::FORMAT_ID_ADTS, "ADTS"),
    (format::FORMAT_ID_OGG, "Ogg"),
    (format::FORMAT_ID_FLAC, "FLAC"),
    (format::FORMAT_ID_ISOMP4, "MP4"),
    (format::FORMAT_ID_MKV, "Matroska"),
];

/// A name for a container.
pub(super) fn container_name(id: FormatId) -> &'static str {
    CONTAINERS.iter().find(|(known, _)| *known == id).map_or("unknown", |(_, name)| name)
}
