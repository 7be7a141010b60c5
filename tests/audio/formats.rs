//! Every format, decoded here and by ffmpeg: the same samples, within the bound of its row.
//!
//! `cargo test --test program formats -- --nocapture` prints the table.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use genre_recognizer::audio::{
    AudioError, AudioFault, AudioSpec, Decoded, FileInfo, decode, inspect, record,
};
use genre_recognizer::rng::Rng;
use rayon::prelude::*;
use tempfile::tempdir;

use super::ffmpeg;

/// A format, and how closely both decoders must agree. Lengths must be equal, or ours that of the source.
struct Row {
    /// Ends in the file's extension, from which ffmpeg takes the container.
    name: String,
    rate: u32,
    channels: usize,
    encode: String,
    /// Largest absolute difference of two samples, of full scale 1.
    bound: f32,
    /// How many samples longer than the source the song may be otherwise, ...
    longer: i64,
    /// ... and why, or why the bound is what it is.
    why: &'static str,
}

/// Length of every song.
const SECONDS: f64 = 0.5;
const EXACT: f32 = 0.0;
/// One step of 16-bit PCM: ffmpeg's decoder rounds to it.
const STEP: f32 = 1.0 / 32768.0;
/// Two decoders in f32 that add in different orders.
const FLOAT: f32 = 1e-5;
const PADDING: &str = "the format reader does not tell of Matroska's padding";

fn row(name: &str, rate: u32, channels: usize, encode: &str, bound: f32) -> Row {
    let (name, encode) = (name.to_owned(), encode.to_owned());
    Row { name, rate, channels, encode, bound, longer: 0, why: "" }
}

impl Row {
    fn longer(self, longer: i64, why: &'static str) -> Self {
        Self { longer, why, ..self }
    }

    fn because(self, why: &'static str) -> Self {
        Self { why, ..self }
    }

    /// ffmpeg's options for decoding: the best of its decoders.
    fn decoder(&self) -> &'static str {
        match &self.encode {
            codec if codec.contains("libopus") => "-c:a libopus",
            codec if codec.contains("mp2") => "-c:a mp2float",
            _ => "",
        }
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    // PCM of every kind in every container that has it, mono and stereo in turn.
    for (container, codecs) in [
        ("wav", "pcm_u8 pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_f64le pcm_mulaw pcm_alaw"),
        ("w64", "pcm_u8 pcm_s16le pcm_f32le"),
        ("aiff", "pcm_s8 pcm_s16be pcm_s24be pcm_s32be"),
        ("aifc", "pcm_f32be pcm_f64be pcm_mulaw pcm_alaw"),
        ("caf", "pcm_s8 pcm_s16be pcm_s16le pcm_s24be pcm_s32le pcm_f32be pcm_f64le pcm_mulaw pcm_alaw"),
        ("mka", "pcm_u8 pcm_s16le pcm_s24le pcm_s16be pcm_s32le pcm_f32le pcm_f64le"),
        ("mov", "pcm_s16be pcm_s24le pcm_f32le"),
    ] {
        let format = if container == "aifc" { " -f aiff" } else { "" };
        for (i, codec) in codecs.split(' ').enumerate() {
            rows.push(row(
                &format!("a.{container}"),
                44_100,
                1 + i % 2,
                &format!("-c:a {codec}{format}"),
                EXACT,
            ));
        }
    }
    for (i, rate) in
        [8_000, 11_025, 22_050, 32_000, 48_000, 88_200, 96_000, 176_400, 192_000].into_iter().enumerate()
    {
        match i % 2 {
            0 => rows.push(row("a.wav", rate, 2, "-c:a pcm_s24le", EXACT)),
            _ => rows.push(row("a.wav", rate, 1, "-c:a pcm_f32le", EXACT)),
        }
    }
    for rate in [8_000, 48_000, 96_000, 192_000] {
        rows.push(row("a.flac", rate, 2, "-c:a flac -sample_fmt s32", EXACT));
    }
    for (name, encode) in [
        ("a.wav", "-c:a pcm_s16le"),
        ("a.flac", "-c:a flac"),
        ("rf64.wav", "-c:a pcm_s16le -rf64 always"),
        ("a.caf", "-c:a pcm_s24be"),
        ("a.mka", "-c:a pcm_s16le"),
        ("alac.m4a", "-c:a alac"),
    ] {
        rows.push(row(name, 48_000, 6, encode, EXACT));
    }
    let each = |rows: &mut Vec<Row>, name: &str, rate, encode: &str, bound| {
        rows.extend([1, 2].map(|channels| row(name, rate, channels, encode, bound)));
    };
    for (name, encode) in [
        ("a.flac", "-c:a flac"),
        ("flac.ogg", "-c:a flac -f ogg"),
        ("alac.m4a", "-c:a alac"),
        ("ms.wav", "-c:a adpcm_ms"),
        ("ima.wav", "-c:a adpcm_ima_wav"),
    ] {
        each(&mut rows, name, 44_100, encode, EXACT);
    }
    for (channels, name, encode) in [
        (2, "a24.flac", "-c:a flac -sample_fmt s32 -compression_level 12"),
        (1, "flac.mka", "-c:a flac"),
        (2, "flac.mp4", "-c:a flac -strict -2"),
        (2, "alac24.m4a", "-c:a alac -sample_fmt s32p"),
        (1, "alac.caf", "-c:a alac"),
        (2, "alac.mka", "-c:a alac"),
    ] {
        rows.push(row(name, 44_100, channels, encode, EXACT));
    }
    let why = "the lower 32 bits are more than floats hold";
    rows.push(row("a.wav", 44_100, 2, "-c:a pcm_s64le", 1e-9).because(why));
    let why = "ffmpeg's predictor keeps bits that a block's header drops";
    rows.extend([1, 2].map(|c| row("ima.caf", 44_100, c, "-c:a adpcm_ima_qt", 5e-3).because(why)));
    for (name, rate, encode) in [
        ("a.mp2", 44_100, "-c:a mp2 -b:a 192k"),
        ("a.mp2", 22_050, "-c:a mp2 -b:a 96k"),
        ("cbr.mp3", 44_100, "-c:a libmp3lame -b:a 128k"),
        ("vbr.mp3", 44_100, "-c:a libmp3lame -q:a 4"),
        ("bare.mp3", 44_100, "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0"),
        ("a.aac", 44_100, "-c:a aac -b:a 128k -f adts"),
        ("a.m4a", 44_100, "-c:a aac -b:a 128k"),
        ("a.ogg", 44_100, "-c:a libvorbis -q:a 5"),
    ] {
        each(&mut rows, name, rate, encode, FLOAT);
    }
    for (name, rate, channels, encode) in [
        ("cbr.mp3", 48_000, 2, "-c:a libmp3lame -b:a 320k"),
        ("cbr.mp3", 32_000, 1, "-c:a libmp3lame -b:a 96k"),
        ("vbr.mp3", 22_050, 2, "-c:a libmp3lame -q:a 4"),
        ("cbr.mp3", 8_000, 1, "-c:a libmp3lame -b:a 16k"),
        ("a.m4a", 48_000, 1, "-c:a aac -b:a 64k"),
        ("a.m4a", 22_050, 2, "-c:a aac -b:a 48k"),
        ("a.m4a", 96_000, 2, "-c:a aac -b:a 128k"),
        ("a.m4a", 8_000, 1, "-c:a aac -b:a 16k"),
        ("aac.mka", 44_100, 2, "-c:a aac -b:a 128k"),
        ("a.ogg", 8_000, 1, "-c:a libvorbis -q:a 3"),
        ("a.ogg", 96_000, 2, "-c:a libvorbis -q:a 5"),
        ("vorbis.webm", 48_000, 2, "-c:a libvorbis -q:a 2"),
        ("vorbis.mp4", 44_100, 2, "-c:a libvorbis -q:a 5"),
        ("mp3.wav", 44_100, 2, "-c:a libmp3lame -b:a 128k"),
        ("vorbis.mka", 44_100, 1, "-c:a libvorbis -q:a 8"),
    ] {
        rows.push(row(name, rate, channels, encode, FLOAT));
    }
    rows.push(row("mp3.mka", 44_100, 2, "-c:a libmp3lame", FLOAT).longer(2304, PADDING));
    for (name, encode) in [
        ("music.opus", "-c:a libopus -b:a 96k"),
        ("lowdelay.opus", "-c:a libopus -b:a 64k -application lowdelay -frame_duration 2.5"),
        ("speech.opus", "-c:a libopus -b:a 16k -application voip -frame_duration 60"),
        ("hybrid.opus", "-c:a libopus -b:a 28k -application voip"),
        ("opus.mp4", "-c:a libopus -b:a 96k -strict -2"),
    ] {
        each(&mut rows, name, 48_000, encode, STEP);
    }
    rows.push(row("opus.webm", 48_000, 2, "-c:a libopus -b:a 96k", STEP).longer(960, PADDING));
    rows.push(row("opus.mka", 48_000, 1, "-c:a libopus -frame_duration 40", STEP).longer(1920, PADDING));
    rows.push(row("opus.caf", 48_000, 2, "-c:a libopus -b:a 96k", STEP));
    rows.push(row("surround.opus", 48_000, 6, "-c:a libopus -b:a 256k", STEP));
    rows
}

/// Notes that come and go over soft noise, every channel its own; [`SECONDS`] long, planar.
fn source(rate: u32, channels: usize) -> Vec<Vec<f32>> {
    let length = (f64::from(rate) * SECONDS) as usize;
    let channel = |c: usize| {
        let mut rng = Rng::new(c as u64);
        let sample = |i: usize| {
            let t = i as f32 / rate as f32;
            let note = [220.0, 330.0, 440.0, 587.0][(t * 8.0) as usize % 4] * (1.0 + 0.37 * c as f32);
            let envelope = (-6.0 * (t * 8.0).fract()).exp() * ((t * 8.0).fract() * 30.0).min(1.0);
            let noise = rng.next_u64() as f32 / u64::MAX as f32 - 0.5;
            0.5 * envelope * (std::f32::consts::TAU * note * t).sin() + 0.02 * noise
        };
        (0..length).map(sample).collect()
    };
    (0..channels).map(channel).collect()
}

fn interleaved(planes: &[Vec<f32>]) -> Vec<u8> {
    let frames = planes.first().map_or(0, Vec::len);
    (0..frames).flat_map(|i| planes.iter().flat_map(move |p| p[i].to_le_bytes())).collect()
}

fn planar(bytes: &[u8], channels: usize) -> Vec<Vec<f32>> {
    let samples: Vec<f32> =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(std::array::from_fn(|i| b[i]))).collect();
    (0..channels).map(|c| samples.iter().skip(c).step_by(channels).copied().collect()).collect()
}

/// What came of a row.
enum Outcome {
    Compared { error: f32, extra: i64, longer: i64, reordered: bool },
    Failed(String),
    Skipped(String),
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    // A NaN counts as infinitely far.
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, |most, d| if d <= most { most } else { d })
}

fn compare(row: &Row, folder: &Path) -> Outcome {
    let (raw, file, theirs) = (folder.join("source.raw"), folder.join(&row.name), folder.join("decoded.raw"));
    fs::write(&raw, interleaved(&source(row.rate, row.channels))).unwrap();
    let before = format!("-f f32le -ar {} -ac {}", row.rate, row.channels);
    if let Err(why) = ffmpeg::run(&before, &raw, &row.encode, &file) {
        return Outcome::Skipped(why);
    }
    if let Err(why) = ffmpeg::run(row.decoder(), &file, "-f f32le", &theirs) {
        return Outcome::Skipped(why);
    }
    let theirs = planar(&fs::read(theirs).unwrap(), row.channels);
    let Decoded { rate, channels } = match decode(&file) {
        Ok(decoded) => decoded,
        Err(error) => return Outcome::Failed(error.fault.to_string()),
    };
    // All is there, and that is what is said.
    match record(&file, &AudioSpec::default(), &mut std::io::sink()).map(|song| song.source.loss) {
        Ok(None) => {}
        Ok(Some(loss)) => return Outcome::Failed(format!("said to be damaged: {loss}")),
        Err(error) => return Outcome::Failed(error.to_string()),
    }
    if (rate, channels.len()) != (row.rate, row.channels) {
        return Outcome::Failed(format!("{rate} Hz, {} channels", channels.len()));
    }
    // Orders of channels differ between formats: each is compared with the nearest, and none serves twice.
    let mut order = Vec::new();
    let mut error = 0.0f32;
    for ours in &channels {
        let distance = |c: &usize| difference(ours, &theirs[*c]);
        let left = (0..theirs.len()).filter(|c| !order.contains(c));
        let nearest = left.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
        error = error.max(distance(&nearest));
        order.push(nearest);
    }
    let [ours, theirs, source] =
        [&channels, &theirs, &source(row.rate, row.channels)].map(|planes| planes[0].len() as i64);
    Outcome::Compared { error, extra: ours - theirs, longer: ours - source, reordered: !order.is_sorted() }
}

#[test]
fn every_format_decodes_as_ffmpeg_does() {
    if !ffmpeg::is_here("formats against ffmpeg") {
        return;
    }
    let rows = rows();
    let folder = tempdir().unwrap();
    let outcomes: Vec<Outcome> = rows
        .par_iter()
        .enumerate()
        .map(|(i, row)| {
            let own = folder.path().join(i.to_string());
            fs::create_dir(&own).unwrap();
            compare(row, &own)
        })
        .collect();
    println!(
        "| file | Hz | channels | ffmpeg's arguments | largest difference | bound | samples more | than the source | note |"
    );
    println!("|---|---:|---:|---|---:|---:|---:|---:|---|");
    let mut wrong = Vec::new();
    for (row, outcome) in rows.iter().zip(&outcomes) {
        let Row { name, rate, channels, encode, bound, longer: most, why } = row;
        let start = format!("| {name} | {rate} | {channels} | `{encode}` |");
        match outcome {
            Outcome::Compared { error, extra, longer, reordered } => {
                let order = if *reordered { "channels in another order" } else { "" };
                println!("{start} {error:.1e} | {bound:.1e} | {extra} | {longer} | {order}{why} |");
                let length = *extra == 0 || (0..=*most).contains(longer);
                if !(error <= bound && length) {
                    wrong.push(format!("{start} {error:e}, {extra} samples more"));
                }
            }
            Outcome::Failed(fault) => wrong.push(format!("{start} {fault}")),
            Outcome::Skipped(why) => {
                ffmpeg::skip(&format!("{name} {encode}"), why);
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// Writes `planes` through ffmpeg to `name` in `folder`; `None`, said aloud, where it cannot.
fn encode(folder: &Path, name: &str, rate: u32, planes: &[Vec<f32>], arguments: &str) -> Option<PathBuf> {
    let (raw, file) = (folder.join("source.raw"), folder.join(name));
    fs::write(&raw, interleaved(planes)).unwrap();
    let before = format!("-f f32le -ar {rate} -ac {}", planes.len());
    match ffmpeg::run(&before, &raw, arguments, &file) {
        Ok(()) => Some(file),
        Err(why) => {
            ffmpeg::skip(&format!("{name} {arguments}"), &why);
            None
        }
    }
}

/// (file, channels, ffmpeg's arguments, what its error must say).
const REFUSED: &[(&str, usize, &str, &str)] = &[
    ("a.wma", 2, "-c:a wmav2", "WMA (ASF)"),
    ("wma.mka", 2, "-c:a wmav2", "codec"),
    ("a.ac3", 2, "-c:a ac3", "AC-3"),
    ("ac3.mka", 2, "-c:a ac3", "AC-3"),
    ("ac3.mp4", 2, "-c:a ac3", "AC-3"),
    ("eac3.mka", 2, "-c:a eac3", "E-AC-3"),
    ("dts.mka", 2, "-c:a dca -strict -2", "DTS"),
    ("a.dts", 2, "-c:a dca -strict -2", "DTS"),
    ("truehd.mka", 2, "-c:a truehd -strict -2", "TrueHD"),
    ("tta.mka", 2, "-c:a tta", "TTA"),
    ("a.tta", 2, "-c:a tta", "TTA"),
    ("a.wv", 2, "-c:a wavpack", "WavPack"),
    ("wavpack.mka", 2, "-c:a wavpack", "WavPack"),
    ("speex.ogg", 1, "-c:a libspeex -ar 32000", "Speex"),
    ("a.au", 2, "-c:a pcm_s16be", "AU"),
    ("a.avi", 2, "-c:a pcm_s16le", "AVI"),
    ("a.flv", 2, "-c:a libmp3lame", "Flash"),
    ("g722.mka", 1, "-c:a g722 -ar 16000", "codec"),
    ("a.eac3", 2, "-c:a eac3", "E-AC-3"),
    ("a.voc", 2, "-c:a pcm_s16le", "VOC"),
    ("a.spx", 1, "-c:a libspeex -ar 32000 -f ogg", "Speex"),
    ("gsm.wav", 1, "-c:a libgsm_ms -ar 8000", "GSM"),
    ("main.m4a", 2, "-c:a aac -profile:a aac_main", "AAC Main"),
    ("main.aac", 2, "-c:a aac -profile:a aac_main -f adts", "AAC Main"),
    ("surround.aac", 6, "-c:a aac -f adts", "AAC with more than 2 channels"),
    ("ima.mov", 2, "-c:a adpcm_ima_qt", "codec"),
    ("ima.aifc", 2, "-c:a adpcm_ima_qt -f aiff", "compression type"),
    ("surround.ogg", 6, "-c:a libvorbis", "Vorbis with more than 2 channels"),
    ("surround.m4a", 6, "-c:a aac", "AAC with more than 2 channels"),
];

#[test]
fn what_is_not_decoded_is_named_with_the_cure() {
    if !ffmpeg::is_here("formats that are not decoded") {
        return;
    }
    let folder = tempdir().unwrap();
    let wrong: Vec<String> = REFUSED
        .par_iter()
        .enumerate()
        .filter_map(|(i, &(name, channels, arguments, says))| {
            let own = folder.path().join(i.to_string());
            fs::create_dir(&own).unwrap();
            let file = encode(&own, name, 44_100, &source(44_100, channels), arguments)?;
            let (decoded, inspected) = (decode(&file).map(|_| ()), inspect(&file).map(|_| ()));
            let named = |result: Result<(), AudioError>| match result {
                Err(error) => {
                    let message = error.to_string();
                    let named = matches!(error.fault, AudioFault::Unsupported(_))
                        && message.contains(says)
                        && message.contains("ffmpeg -i");
                    (!named).then_some(message)
                }
                Ok(()) => Some(format!("{name}: no error")),
            };
            named(decoded).or_else(|| named(inspected))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn headers_and_tags_are_read() {
    if !ffmpeg::is_here("tags of every format") {
        return;
    }
    let folder = tempdir().unwrap();
    let planes = source(44_100, 2);
    let cases = [
        ("a.mp3", "-c:a libmp3lame", "MP3", "MP3", None),
        ("a.flac", "-c:a flac -sample_fmt s16", "FLAC", "FLAC", Some(16)),
        ("a.ogg", "-c:a libvorbis", "Ogg", "Vorbis", None),
        ("a.m4a", "-c:a aac", "MP4", "AAC", None),
        ("alac.m4a", "-c:a alac -sample_fmt s16p", "MP4", "ALAC", Some(16)),
        ("a.wav", "-c:a pcm_s24le", "WAV", "PCM s24le", Some(24)),
        ("a.aiff", "-c:a pcm_s16be -write_id3v2 1", "AIFF", "PCM s16be", Some(16)),
        ("a.mka", "-c:a flac -sample_fmt s16", "Matroska", "FLAC", Some(16)),
    ];
    for (name, arguments, container, codec, bits) in cases {
        // Spaces separate arguments, so no-break spaces stand for them.
        let tags =
            "-metadata title=Song -metadata album_artist=Various\u{a0}Artists -metadata artist=The\u{a0}Band";
        let Some(file) = encode(folder.path(), name, 44_100, &planes, &format!("{arguments} {tags}")) else {
            continue;
        };
        let info = inspect(&file).unwrap();
        let declared = info.seconds.unwrap_or_else(|| panic!("{name}: no length"));
        assert!((declared - SECONDS).abs() < 0.06, "{name}: {declared} s");
        let seconds = info.seconds;
        let wanted = FileInfo {
            container: container.to_owned(),
            codec: codec.to_owned(),
            sample_rate: 44_100,
            channels: 2,
            bits,
            seconds,
            artists: vec!["The Band".to_owned()],
            loss: None,
            title: Some("Song".to_owned()),
        };
        assert_eq!(info, wanted, "{name}");
    }
}

#[test]
fn the_right_track_and_all_of_it() {
    if !ffmpeg::is_here("files with several tracks, glued files") {
        return;
    }
    let folder = tempdir().unwrap();
    let planes = source(44_100, 2);
    let plain = |name: &str, arguments: &str| encode(folder.path(), name, 44_100, &planes, arguments);
    let count = |path: &Path| decode(path).unwrap().channels[0].len();
    let length = planes[0].len();
    // A film: its sound, in whatever place.
    let (Some(ac3), Some(flac)) = (plain("a.ac3", "-c:a ac3"), plain("a.flac", "-c:a flac")) else {
        return;
    };
    let wanted = decode(&flac).unwrap();
    for (name, maps) in [
        ("film.mp4", "-map 1:v -map 0:a -c:a alac -shortest"),
        ("film.mkv", "-map 1:v -map 0:a -c:a flac -shortest"),
    ] {
        let film = folder.path().join(name);
        let arguments = format!("-f lavfi -i testsrc=d=0.5:s=64x64 {maps}");
        if let Err(why) = ffmpeg::run("", &flac, &arguments, &film) {
            ffmpeg::skip(name, &why);
            continue;
        }
        assert_eq!(decode(&film).unwrap(), wanted, "{name}");
    }
    // The default track's codec is not decoded, the other's is.
    let two = folder.path().join("two.mka");
    let second = format!("-i {} -map 0:a -map 1:a -c copy -disposition:a:0 default", flac.display());
    ffmpeg::run("", &ac3, &second, &two).unwrap();
    assert_eq!(decode(&two).unwrap(), wanted);
    let silent = folder.path().join("silent.mp4");
    ffmpeg::run("", &flac, "-f lavfi -i testsrc=d=0.5:s=64x64 -map 1:v", &silent).unwrap();
    assert!(inspect(&silent).unwrap_err().to_string().contains("a film without sound"));

    // Glued files are one song: chained Ogg, and MP3 whose first part has a length in its header.
    for (name, arguments, slack) in [
        ("a.ogg", "-c:a libvorbis", 0),
        ("a.opus", "-c:a libopus -ar 48000", 0),
        ("a.mp3", "-c:a libmp3lame", 3456),
        ("bare.mp3", "-c:a libmp3lame -q:a 2 -write_xing 0 -id3v2_version 0", 3456),
    ] {
        let Some(file) = plain(name, arguments) else { continue };
        let once = count(&file);
        let bytes = fs::read(&file).unwrap();
        // Chained streams have serial numbers of their own.
        let mut other = bytes.clone();
        if name.ends_with("mp3") {
            fs::write(&file, [bytes.clone(), bytes].concat()).unwrap();
        } else {
            renumber(&mut other);
            fs::write(&file, [bytes, other].concat()).unwrap();
        }
        let twice = count(&file);
        assert!(twice >= 2 * once && twice <= 2 * once + slack, "{name}: {once}, twice {twice}");
    }
    // A bare MP3 of variable bit rate whose start is cheap: all of it is there, and it is no damage that an estimate
    // from the start promises more.
    let mut late = vec![0.0; 44_100 * 2];
    late.extend(source(44_100, 1).concat().iter().cycle().take(44_100 * 4).map(|s| s * 1.5));
    if let Some(file) =
        encode(folder.path(), "late.mp3", 44_100, &[late.clone()], "-c:a libmp3lame -q:a 0 -write_xing 0")
    {
        assert!((late.len()..late.len() + 3456).contains(&count(&file)));
    }
    assert_eq!(length, wanted.channels[0].len());
}

/// Tags at the end of a file, which ffmpeg does not write.
#[test]
fn trailing_tags_are_read() {
    if !ffmpeg::is_here("tags at the end of MP3 files") {
        return;
    }
    let folder = tempdir().unwrap();
    let Some(file) =
        encode(folder.path(), "a.mp3", 44_100, &source(44_100, 1), "-c:a libmp3lame -id3v2_version 0")
    else {
        return;
    };
    let plain = fs::read(&file).unwrap();
    let wanted = decode(&file).unwrap();
    let mut id3v1 = b"TAG".to_vec();
    for (text, length) in [("A song", 30), ("The Band with a name that is c", 30), ("", 65)] {
        id3v1.extend(text.bytes().chain(std::iter::repeat(0)).take(length));
    }
    let item = |key: &str, value: &str| {
        [&(value.len() as u32).to_le_bytes()[..], &[0; 4], key.as_bytes(), b"\0", value.as_bytes()].concat()
    };
    let items = [item("Title", "A song"), item("Artist", "The Band with a name that is cut")].concat();
    let words = [2000, items.len() as u32 + 32, 2, 0, 0, 0].map(u32::to_le_bytes).concat();
    let ape = [&items[..], b"APETAGEX", &words].concat();
    for (tags, artist) in [
        (id3v1.clone(), "The Band with a name that is c"),
        (ape.clone(), "The Band with a name that is cut"),
        ([ape, id3v1].concat(), "The Band with a name that is cut"),
    ] {
        fs::write(&file, [&plain[..], &tags].concat()).unwrap();
        let info = inspect(&file).unwrap();
        assert_eq!((info.artists, info.title.as_deref()), (vec![artist.to_owned()], Some("A song")));
        assert_eq!(decode(&file).unwrap(), wanted);
    }
}

/// Gives an Ogg stream another serial number, checksums included.
fn renumber(bytes: &mut [u8]) {
    let mut at = 0;
    while at + 27 <= bytes.len() {
        let segments = usize::from(bytes[at + 26]);
        let body: usize = bytes[at + 27..at + 27 + segments].iter().map(|&b| usize::from(b)).sum();
        let end = at + 27 + segments + body;
        bytes[at + 14] ^= 0x55;
        bytes[at + 22..at + 26].fill(0);
        let crc = bytes[at..end].iter().fold(0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
                crc << 1 ^ (if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 })
            })
        });
        bytes[at + 22..at + 26].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}

#[test]
fn many_files_are_inspected_fast() {
    if !ffmpeg::is_here("the headers of 10,000 files") {
        return;
    }
    let folder = tempdir().unwrap();
    let planes = source(44_100, 2);
    let kinds = [
        ("a.wav", "-c:a pcm_s16le"),
        ("a.mp3", "-c:a libmp3lame"),
        ("a.flac", "-c:a flac"),
        ("a.ogg", "-c:a libvorbis"),
    ];
    let files: Vec<PathBuf> =
        kinds.iter().filter_map(|(name, how)| encode(folder.path(), name, 44_100, &planes, how)).collect();
    let paths: Vec<PathBuf> = (0..10_000)
        .map(|i| {
            let from = &files[i % files.len()];
            let to = folder.path().join(format!("{i} {}", from.file_name().unwrap().to_string_lossy()));
            fs::hard_link(from, &to).unwrap();
            to
        })
        .collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let start = Instant::now();
    let good = pool.install(|| paths.par_iter().filter(|path| inspect(path).is_ok()).count());
    let seconds = start.elapsed().as_secs_f64();
    println!("{good} files inspected in {seconds:.2} s on 2 threads");
    assert!(good == paths.len() && seconds < 10.0, "{good} files in {seconds:.2} s");
}
