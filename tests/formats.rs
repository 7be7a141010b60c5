//! Every format, decoded here and by ffmpeg: the same samples, within the bound of its row.
//!
//! `cargo test --test formats -- --nocapture` prints the table.

mod ffmpeg;

use std::fs;
use std::path::Path;

use genre_recognizer::audio::{AudioFault, Decoded, decode};
use genre_recognizer::rng::Rng;
use rayon::prelude::*;
use tempfile::tempdir;

/// A format, and how closely both decoders must agree.
#[derive(Clone)]
struct Row {
    /// Ends in the file's extension, from which ffmpeg takes the container.
    name: String,
    rate: u32,
    channels: usize,
    encode: String,
    /// Options for ffmpeg's decoding.
    decode: &'static str,
    /// Largest absolute difference of two samples, of full scale 1.
    bound: f32,
    /// How many samples more than ffmpeg give, at least and at most, ...
    extra: (i64, i64),
    /// ... and why.
    why: &'static str,
}

const EXACT: f32 = 0.0;
/// One step of 16-bit PCM: ffmpeg's fixed-point decoders round to it.
const STEP: f32 = 1.0 / 32768.0;
/// Two decoders in f32 that add in different orders.
const FLOAT: f32 = 1e-5;

fn row(name: &str, rate: u32, channels: usize, encode: &str, bound: f32) -> Row {
    let (name, encode) = (name.to_owned(), encode.to_owned());
    Row { name, rate, channels, encode, decode: "", bound, extra: (0, 0), why: "" }
}

impl Row {
    fn extra(self, least: i64, most: i64, why: &'static str) -> Self {
        Self { extra: (least, most), why, ..self }
    }

    fn because(self, why: &'static str) -> Self {
        Self { why, ..self }
    }

    fn decoded_with(self, decode: &'static str) -> Self {
        Self { decode, ..self }
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    // PCM of every kind in every container that has it.
    for (container, codecs) in [
        ("wav", "pcm_u8 pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_f64le pcm_mulaw pcm_alaw"),
        ("aiff", "pcm_s8 pcm_s16be pcm_s24be pcm_s32be"),
        ("aifc", "pcm_f32be pcm_f64be pcm_mulaw pcm_alaw"),
        ("caf", "pcm_s8 pcm_s16be pcm_s16le pcm_s24be pcm_s32le pcm_f32be pcm_f64le pcm_mulaw pcm_alaw"),
        ("mka", "pcm_u8 pcm_s16le pcm_s16be pcm_s24le pcm_s32le pcm_f32le pcm_f64le"),
        ("mov", "pcm_s16le pcm_s24le pcm_f32le pcm_s16be"),
    ] {
        let format = if container == "aifc" { " -f aiff" } else { "" };
        for codec in codecs.split(' ') {
            for channels in [1, 2] {
                let encode = format!("-c:a {codec}{format}");
                rows.push(row(&format!("a.{container}"), 44_100, channels, &encode, EXACT));
            }
        }
    }
    for rate in [8_000, 11_025, 22_050, 32_000, 48_000, 88_200, 96_000, 176_400, 192_000] {
        rows.push(row("a.wav", rate, 2, "-c:a pcm_s24le", EXACT));
        rows.push(row("a.flac", rate, 2, "-c:a flac -sample_fmt s32", EXACT));
    }
    for (name, encode) in [
        ("a.wav", "-c:a pcm_s16le"),
        ("a.flac", "-c:a flac"),
        ("a.caf", "-c:a pcm_s24be"),
        ("a.mka", "-c:a pcm_s16le"),
        ("alac.m4a", "-c:a alac"),
    ] {
        rows.push(row(name, 48_000, 6, encode, EXACT));
    }
    for channels in [1, 2] {
        let exact = |name: &str, encode: &str| row(name, 44_100, channels, encode, EXACT);
        rows.extend([
            exact("a.flac", "-c:a flac"),
            exact("a24.flac", "-c:a flac -sample_fmt s32 -compression_level 12"),
            exact("flac.ogg", "-c:a flac -f ogg"),
            exact("flac.mka", "-c:a flac"),
            exact("flac.mp4", "-c:a flac -strict -2"),
            exact("alac.m4a", "-c:a alac"),
            exact("alac24.m4a", "-c:a alac -sample_fmt s32p"),
            exact("alac.caf", "-c:a alac"),
            exact("alac.mka", "-c:a alac"),
            exact("a.wav", "-c:a adpcm_ms"),
            exact("a.wav", "-c:a adpcm_ima_wav"),
            exact("ima.mov", "-c:a adpcm_ima_qt"),
            exact("ima.aifc", "-c:a adpcm_ima_qt -f aiff"),
            exact("ima.caf", "-c:a adpcm_ima_qt"),
        ]);
        let mpeg = |name: &str, rate, encode: &str| row(name, rate, channels, encode, FLOAT);
        rows.extend([
            mpeg("a.mp2", 44_100, "-c:a mp2 -b:a 192k"),
            mpeg("a.mp2", 22_050, "-c:a mp2 -b:a 96k"),
            mpeg("cbr.mp3", 44_100, "-c:a libmp3lame -b:a 128k"),
            mpeg("vbr.mp3", 44_100, "-c:a libmp3lame -q:a 4"),
            mpeg("cbr.mp3", 48_000, "-c:a libmp3lame -b:a 320k"),
            mpeg("cbr.mp3", 32_000, "-c:a libmp3lame -b:a 96k"),
            mpeg("vbr.mp3", 22_050, "-c:a libmp3lame -q:a 4"),
            mpeg("cbr.mp3", 8_000, "-c:a libmp3lame -b:a 16k"),
            mpeg("cbr.mp3", 44_100, "-c:a libmp3lame -b:a 128k -write_xing 0"),
            mpeg("mp3.mka", 44_100, "-c:a libmp3lame"),
            mpeg("a.aac", 44_100, "-c:a aac -b:a 128k -f adts"),
            mpeg("a.m4a", 44_100, "-c:a aac -b:a 128k"),
            mpeg("a.m4a", 48_000, "-c:a aac -b:a 64k"),
            mpeg("a.m4a", 22_050, "-c:a aac -b:a 48k"),
            mpeg("a.m4a", 96_000, "-c:a aac -b:a 128k"),
            mpeg("a.m4a", 8_000, "-c:a aac -b:a 16k"),
            mpeg("aac.mka", 44_100, "-c:a aac -b:a 128k"),
            mpeg("aac.caf", 44_100, "-c:a aac -b:a 128k"),
            mpeg("a.ogg", 44_100, "-c:a libvorbis -q:a 5"),
            mpeg("a.ogg", 8_000, "-c:a libvorbis -q:a 3"),
            mpeg("a.ogg", 96_000, "-c:a libvorbis -q:a 5"),
            mpeg("vorbis.webm", 48_000, "-c:a libvorbis -q:a 2"),
            mpeg("vorbis.mka", 44_100, "-c:a libvorbis -q:a 8"),
        ]);
        for (name, encode) in [
            ("music.opus", "-c:a libopus -b:a 96k"),
            ("lowdelay.opus", "-c:a libopus -b:a 64k -application lowdelay -frame_duration 2.5"),
            ("speech.opus", "-c:a libopus -b:a 16k -application voip -frame_duration 60"),
            ("hybrid.opus", "-c:a libopus -b:a 28k -application voip"),
            ("opus.webm", "-c:a libopus -b:a 96k"),
            ("opus.mka", "-c:a libopus -b:a 96k -frame_duration 40"),
            ("opus.mp4", "-c:a libopus -b:a 96k -strict -2"),
            ("opus.caf", "-c:a libopus -b:a 96k"),
        ] {
            rows.push(row(name, 48_000, channels, encode, STEP).decoded_with("-c:a libopus"));
        }
    }
    rows.push(row("a.ogg", 48_000, 6, "-c:a libvorbis -q:a 4", FLOAT));
    rows.push(row("a.m4a", 48_000, 6, "-c:a aac -b:a 256k", FLOAT));
    rows.push(row("surround.opus", 48_000, 6, "-c:a libopus -b:a 256k", STEP).decoded_with("-c:a libopus"));
    rows
}

/// Notes that come and go over soft noise, every channel its own; 0.7 s, planar.
fn source(rate: u32, channels: usize) -> Vec<Vec<f32>> {
    let length = (f64::from(rate) * 0.7) as usize;
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
    Compared { error: f32, extra: i64, reordered: bool },
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
    if let Err(why) = ffmpeg::run(row.decode, &file, "-f f32le", &theirs) {
        return Outcome::Skipped(why);
    }
    let theirs = planar(&fs::read(theirs).unwrap(), row.channels);
    let Decoded { rate, channels } = match decode(&file) {
        Ok(decoded) => decoded,
        Err(error) => return Outcome::Failed(error.fault.to_string()),
    };
    if (rate, channels.len()) != (row.rate, row.channels) {
        return Outcome::Failed(format!("{rate} Hz, {} channels", channels.len()));
    }
    // Orders of channels differ between formats: each is compared with the nearest, and none serves twice.
    let mut order = Vec::new();
    let mut error = 0.0f32;
    for ours in &channels {
        let distance = |c: &usize| difference(ours, &theirs[*c]);
        let nearest = (0..theirs.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
        error = error.max(distance(&nearest));
        order.push(nearest);
    }
    let reordered = !order.is_sorted();
    order.sort();
    order.dedup();
    if order.len() != channels.len() {
        return Outcome::Failed(format!("the channels do not match (difference {error:e})"));
    }
    Outcome::Compared { error, extra: channels[0].len() as i64 - theirs[0].len() as i64, reordered }
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
        "| file | Hz | channels | ffmpeg's arguments | largest difference | bound | samples more | note |"
    );
    println!("|---|---:|---:|---|---:|---:|---:|---|");
    let mut wrong = Vec::new();
    for (row, outcome) in rows.iter().zip(&outcomes) {
        let Row { name, rate, channels, encode, bound, extra: (least, most), why, .. } = row;
        let start = format!("| {name} | {rate} | {channels} | `{encode}` |");
        match outcome {
            Outcome::Compared { error, extra, reordered } => {
                let order = if *reordered { "channels in another order; " } else { "" };
                println!("{start} {error:.1e} | {bound:.1e} | {extra} | {order}{why} |");
                if !(error <= bound && (least..=most).contains(&extra)) {
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
