//! Parts of a song, heard without decoding the rest: the same samples as those cut out of the whole.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use genre_recognizer::audio::{AudioSpec, Normalise, Song, record, record_parts, write_wav};
use genre_recognizer::rng::Rng;
use rayon::prelude::*;
use tempfile::tempdir;

use super::ffmpeg;

const SECONDS: usize = 40;
/// The first is nearer to the beginning than what is decoded before a part.
const SPANS: [(f64, f64); 3] = [(0.2, 4.2), (15.0, 19.0), (31.52, 35.52)];

/// Chords that change every quarter of a second, with a little noise, left and right apart.
fn music(path: &Path, rate: u32) {
    let mut rng = Rng::new(5);
    let len = SECONDS * rate as usize;
    let channel = |rng: &mut Rng, base: f32| -> Vec<f32> {
        let note =
            |i: usize, voice: usize| base * (1.0 + ((4 * i / rate as usize + 3 * voice) % 12) as f32 / 5.0);
        (0..len)
            .map(|i| {
                let t = i as f32 / rate as f32;
                let chord: f32 = (0..3).map(|voice| (std::f32::consts::TAU * note(i, voice) * t).sin()).sum();
                0.2 * chord + rng.range(-0.01, 0.01)
            })
            .collect()
    };
    let planes = [channel(&mut rng, 220.0), channel(&mut rng, 330.0)];
    write_wav(path, rate, &[&planes[0], &planes[1]]).unwrap();
}

fn spec(sample_rate: u32) -> AudioSpec {
    AudioSpec { sample_rate, channels: 1, normalise: Normalise::None }
}

fn whole(path: &Path, spec: &AudioSpec) -> (Vec<f32>, f64) {
    let mut bytes = Vec::new();
    let recording = record(path, spec, &mut bytes).unwrap();
    let song = Song::new(recording, Arc::new(bytes), spec.normalise);
    (song.samples().unwrap().remove(0), song.seconds())
}

fn parts(path: &Path, spec: &AudioSpec) -> Option<(Vec<f32>, f64)> {
    let mut bytes = Vec::new();
    let (recording, length) = record_parts(path, spec, |_| Some(SPANS.to_vec()), &mut bytes).unwrap()?;
    let song = Song::new(recording, Arc::new(bytes), spec.normalise);
    Some((song.samples().unwrap().remove(0), length))
}

/// The energy of what differs, as a share of that of the whole's parts; the lengths must be equal.
#[track_caller]
fn difference(name: &str, path: &Path, spec: &AudioSpec) -> f64 {
    let (all, seconds) = whole(path, spec);
    let (heard, length) = parts(path, spec).unwrap_or_else(|| panic!("{name}: not heard in parts"));
    assert!((seconds - length).abs() < 1e-3, "{name}: {seconds} s, and {length} s by its header");
    let at = |seconds: f64| (seconds * f64::from(spec.sample_rate)).round() as usize;
    let cut: Vec<f32> = SPANS.iter().flat_map(|&(from, to)| all[at(from)..at(to)].to_vec()).collect();
    assert_eq!(heard.len(), cut.len(), "{name}");
    let energy = |of: &mut dyn Iterator<Item = f32>| of.map(|s| f64::from(s).powi(2)).sum::<f64>();
    let differs = energy(&mut heard.iter().zip(&cut).map(|(a, b)| a - b));
    differs / energy(&mut cut.iter().copied())
}

#[test]
fn parts_are_those_of_the_whole() {
    if !ffmpeg::is_here("parts_are_those_of_the_whole") {
        return;
    }
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    music(&at("44100.wav"), 44_100);
    music(&at("48000.wav"), 48_000);
    // Stored in 16 bits, in blocks that begin elsewhere.
    const STORED: f64 = 1e-8;
    let rows = [
        ("s16.wav", 44_100, "-c:a pcm_s16le", STORED),
        ("s24.aiff", 44_100, "-c:a pcm_s24be", STORED),
        ("f32.caf", 48_000, "-c:a pcm_f32be", STORED),
        ("adpcm.wav", 44_100, "-c:a adpcm_ima_wav", STORED),
        ("a.flac", 44_100, "-c:a flac", STORED),
        ("deep.flac", 48_000, "-c:a flac -compression_level 12 -sample_fmt s32", STORED),
        ("flac.oga", 44_100, "-c:a flac", STORED),
        ("alac.m4a", 44_100, "-c:a alac", STORED),
        ("flac.mp4", 44_100, "-c:a flac -strict -2", STORED),
        // Noise that a decoder makes itself is another one.
        ("aac.m4a", 44_100, "-c:a aac -b:a 128k -aac_pns 0", 1e-8),
        ("pns.m4a", 48_000, "-c:a aac -b:a 64k", 1e-2),
        ("vorbis.ogg", 44_100, "-c:a libvorbis -q:a 5", 1e-8),
        ("low.ogg", 44_100, "-c:a libvorbis -q:a 0", 1e-8),
        // Opus predicts from all that was before, less and less.
        ("opus.opus", 48_000, "-c:a libopus -b:a 96k", 1e-6),
        ("speech.opus", 48_000, "-c:a libopus -b:a 24k -application voip", 1e-4),
        ("opus.mp4", 48_000, "-c:a libopus -b:a 96k -strict -2", 1e-6),
    ];
    rows.par_iter().for_each(|(name, rate, arguments, bound)| {
        let path = at(name);
        ffmpeg::run("", &at(&format!("{rate}.wav")), arguments, &path).unwrap();
        for spec in [spec(*rate), spec(16_000)] {
            let found = difference(name, &path, &spec);
            println!("{name} at {} Hz: {found:.1e}", spec.sample_rate);
            assert!(found <= *bound, "{name} at {} Hz: {found:.1e}", spec.sample_rate);
        }
    });
    // What is between the parts is not looked at.
    for name in ["s16.wav", "aac.m4a"] {
        let mut bytes = fs::read(at(name)).unwrap();
        let heard = parts(&at(name), &spec(16_000)).unwrap();
        let middle = 25 * bytes.len() / SECONDS;
        bytes[middle..middle + 500].fill(0xff);
        fs::write(at(name), bytes).unwrap();
        assert!(parts(&at(name), &spec(16_000)).unwrap() == heard, "{name}");
    }
}

#[test]
fn what_is_unusual_is_left_to_the_whole() {
    if !ffmpeg::is_here("what_is_unusual_is_left_to_the_whole") {
        return;
    }
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    music(&at("in.wav"), 44_100);
    ffmpeg::run("", &at("in.wav"), "-t 30", &at("shorter.wav")).unwrap();
    let none = |name: &str, bytes: &[u8]| {
        fs::write(at(name), bytes).unwrap();
        assert!(parts(&at(name), &spec(16_000)).is_none(), "{name}");
    };
    for (name, arguments) in [
        ("a.flac", "-c:a flac"),
        ("a.ogg", "-c:a libvorbis"),
        ("a.opus", "-c:a libopus"),
        ("a.m4a", "-c:a aac -movflags faststart"),
        ("a.wav", "-c:a pcm_s16le"),
    ] {
        ffmpeg::run("", &at("in.wav"), arguments, &at(name)).unwrap();
        let good = fs::read(at(name)).unwrap();
        assert!(parts(&at(name), &spec(16_000)).is_some(), "{name}");
        let (half, hole) = (good.len() / 2, 5_000.min(good.len() / 10));
        none(&format!("empty.{name}"), b"");
        if name != "a.ogg" && name != "a.opus" {
            // A stream of Ogg that ends early is as long as it is.
            none(&format!("cut.{name}"), &good[..3 * good.len() / 4]);
        }
        if name.ends_with("ogg") || name.ends_with("opus") || name.ends_with("flac") {
            let second = format!("second.{name}");
            ffmpeg::run("", &at("shorter.wav"), arguments, &at(&second)).unwrap();
            none(&format!("two.{name}"), &[&good[..], &fs::read(at(&second)).unwrap()].concat());
        }
        if name.ends_with("ogg") || name.ends_with("opus") {
            none(&format!("hole.{name}"), &[&good[..half], &good[half + hole..]].concat());
        }
    }
    // Fragments do not tell how long the song is, and frames alone not where they are.
    let fragments = "-c:a aac -movflags frag_keyframe+empty_moov -frag_duration 1000000";
    ffmpeg::run("", &at("in.wav"), fragments, &at("fragments.m4a")).unwrap();
    none("b.m4a", &fs::read(at("fragments.m4a")).unwrap());
    ffmpeg::run("", &at("in.wav"), "-c:a aac", &at("a.aac")).unwrap();
    none("b.aac", &fs::read(at("a.aac")).unwrap());
    none("text.flac", b"no music at all");
}
