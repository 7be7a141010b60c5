//! What other people's files taught: files that are cut, glued, joined late, damaged in the middle, or written by programs
//! with ideas of their own. All are made from nothing.

use std::fs;
use std::path::{Path, PathBuf};

use genre_recognizer::audio::{
    AudioFault, AudioSpec, Decoded, Loss, Recording, decode, decode_bytes, has_audio_extension, inspect,
    record,
};
use tempfile::{TempDir, tempdir};

use super::ffmpeg;

/// A folder, and ffmpeg to fill it with files.
struct Studio(TempDir);

impl Studio {
    /// `None`, said aloud, where there is no ffmpeg.
    fn open(test: &str) -> Option<Self> {
        ffmpeg::is_here(test).then(|| Self(tempdir().unwrap()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A glide over noise, both sides different, of `seconds` at `rate` Hz, as ffmpeg writes it with `how`; the file's
    /// bytes. `None`, said aloud, where this ffmpeg cannot.
    fn song(&self, name: &str, rate: u32, channels: u32, seconds: f64, how: &str) -> Option<Vec<u8>> {
        let wav = self.path("source.wav");
        let samples: Vec<Vec<f32>> = (0..channels)
            .map(|channel| {
                let sample = |i: usize| {
                    let t = i as f64 / f64::from(rate);
                    let hertz = 200.0 + 130.0 * f64::from(channel) + 90.0 * t;
                    let noise = ((i * 7919 + channel as usize * 104_729) % 1009) as f64 / 1009.0 - 0.5;
                    (0.4 * (std::f64::consts::TAU * hertz * t).sin() + 0.05 * noise) as f32
                };
                (0..(seconds * f64::from(rate)) as usize).map(sample).collect()
            })
            .collect();
        let planes: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
        genre_recognizer::audio::write_wav(&wav, rate, &planes).unwrap();
        match ffmpeg::run("", &wav, how, &self.path(name)) {
            Ok(()) => Some(fs::read(self.path(name)).unwrap()),
            Err(why) => {
                ffmpeg::skip(how, &why);
                None
            }
        }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// What ffmpeg decodes of a file, mixed to mono at the rate of most tests.
    fn theirs(&self, file: &Path) -> Vec<f32> {
        let raw = self.path("theirs.raw");
        let codec = if file.extension().is_some_and(|e| e == "opus") { "-c:a libopus" } else { "" };
        ffmpeg::run(codec, file, "-f f32le -ac 1 -ar 44100", &raw).unwrap();
        fs::read(raw).unwrap().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }
}

fn recorded(file: &Path) -> Result<Recording, AudioFault> {
    match record(file, &AudioSpec::default(), &mut std::io::sink()) {
        Ok(recording) => Ok(recording),
        Err(genre_recognizer::audio::RecordError::Audio(error)) => Err(error.fault),
        Err(error) => panic!("{error}"),
    }
}

fn loss(file: &Path) -> Option<Loss> {
    recorded(file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display())).source.loss
}

/// The song in mono, as a model hears it.
fn heard(file: &Path) -> Vec<f32> {
    let song = genre_recognizer::audio::load(
        file,
        &AudioSpec { normalise: genre_recognizer::audio::Normalise::None, ..AudioSpec::default() },
        0.0,
    );
    song.unwrap_or_else(|error| panic!("{error}")).samples().unwrap().remove(0)
}

/// How alike two runs of samples are, from −1 to 1, over the length of the shorter.
fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let length = a.len().min(b.len());
    let (a, b) = (&a[..length], &b[..length]);
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
}

/// The samples of a packet of any codec here, at 44.1 kHz.
const PACKET: i64 = 1200;

fn same_as_ffmpeg(studio: &Studio, file: &Path) {
    let (ours, theirs) = (heard(file), studio.theirs(file));
    let alike = correlation(&ours, &theirs);
    let longer = ours.len() as i64 - theirs.len() as i64;
    assert!(longer.abs() <= PACKET && alike > 0.999, "{}: {longer} samples more, {alike}", file.display());
}

/// One rule for what is cut off, whatever the format: it is used as far as it goes, and what is missing is said.
#[test]
fn cut_files_follow_one_rule() {
    let Some(studio) = Studio::open("files that are cut off") else { return };
    for (name, how, declares) in [
        ("a.mp3", "-c:a libmp3lame -b:a 128k", true),
        ("vbr.mp3", "-c:a libmp3lame -q:a 4", true),
        ("a.flac", "-c:a flac", true),
        ("a.m4a", "-c:a aac -movflags +faststart", true),
        ("alac.m4a", "-c:a alac -movflags +faststart", true),
        ("a.webm", "-c:a libopus", true),
        ("a.mka", "-c:a libvorbis", true),
        ("a.wav", "-c:a pcm_s16le", true),
        ("a.aiff", "-c:a pcm_s16be", true),
        ("a.caf", "-c:a pcm_s16be", true),
        ("a.ogg", "-c:a libvorbis", false),
        ("a.opus", "-c:a libopus", false),
        ("a.aac", "-c:a aac -f adts", false),
        ("bare.mp3", "-c:a libmp3lame -write_xing 0 -id3v2_version 0", false),
    ] {
        let Some(whole) = studio.song(name, 44_100, 2, 6.0, how) else { continue };
        let path = studio.path(name);
        assert_eq!(loss(&path), None, "{name}");
        for percent in [90, 70, 51, 50, 40, 25] {
            // Not where a packet ends.
            let file = studio.file(name, &whole[..whole.len() * percent / 100 + 3]);
            let loss = loss(&file).unwrap_or_else(|| panic!("{name} {percent}: nothing said"));
            let share = loss.seconds / 6.0;
            assert!(
                (share - percent as f64 / 100.0).abs() < if declares { 0.1 } else { 0.25 },
                "{name} {percent}: {share}"
            );
            assert_eq!(loss.declared.is_some(), declares, "{name} {percent}: {loss}");
            assert!(loss.cut && loss.failed == 0, "{name} {percent}: {loss}");
            if percent == 70 {
                same_as_ffmpeg(&studio, &file);
            }
        }
    }
    // An index at the end is lost with it.
    if let Some(whole) = studio.song("late.m4a", 44_100, 1, 3.0, "-c:a aac") {
        let says =
            recorded(&studio.file("late.m4a", &whole[..whole.len() * 9 / 10])).unwrap_err().to_string();
        assert!(says.contains("index") && says.contains("cut off"), "{says}");
    }
}

#[test]
fn damage_in_the_middle_is_counted() {
    let Some(studio) = Studio::open("files damaged in the middle") else { return };
    for (name, how) in [
        ("a.mp3", "-c:a libmp3lame -b:a 128k"),
        ("a.aac", "-c:a aac -f adts"),
        ("a.flac", "-c:a flac"),
        ("a.ogg", "-c:a libvorbis"),
        ("a.opus", "-c:a libopus"),
        ("a.m4a", "-c:a aac"),
        ("a.webm", "-c:a libopus"),
    ] {
        let Some(whole) = studio.song(name, 44_100, 2, 6.0, how) else { continue };
        let mut damaged = whole.clone();
        for (i, byte) in damaged[whole.len() / 2..whole.len() / 2 + whole.len() / 10].iter_mut().enumerate() {
            *byte = (i * 31 % 251) as u8;
        }
        let loss = loss(&studio.file(name, &damaged)).unwrap_or_else(|| panic!("{name}: nothing said"));
        let gone = loss.declared.map_or(0.0, |declared| declared - loss.seconds);
        assert!(loss.failed > 0 || gone > 0.2, "{name}: {loss:?}");
        assert!(loss.seconds > 3.5, "{name}: {loss:?}");
        assert!(loss.to_string().contains("of "), "{loss}");
    }
}

#[test]
fn parts_of_other_channels_and_rates_are_heard() {
    let Some(studio) = Studio::open("files whose rate or channels change midway") else { return };
    let bare = "-c:a libmp3lame -write_xing 0 -id3v2_version 0";
    for (name, how, parts) in [
        ("a.mp3", bare, &[(44_100, 2, 3.0), (44_100, 1, 1.0)][..]),
        ("a.mp3", bare, &[(44_100, 1, 0.3), (44_100, 2, 3.0)]),
        ("a.mp3", bare, &[(48_000, 2, 1.0), (44_100, 2, 1.0), (22_050, 1, 1.0), (48_000, 2, 1.0)]),
        ("a.mp2", "-c:a mp2 -b:a 128k", &[(44_100, 2, 1.0), (44_100, 1, 2.0)]),
        ("a.aac", "-c:a aac -f adts", &[(44_100, 1, 0.5), (44_100, 2, 2.0), (48_000, 2, 1.0)]),
        ("a.ogg", "-c:a libvorbis", &[(44_100, 2, 2.0), (44_100, 1, 1.0), (22_050, 2, 1.0)]),
        ("a.opus", "-c:a libopus", &[(48_000, 1, 0.5), (48_000, 2, 3.0)]),
        ("flac.ogg", "-c:a flac -f ogg", &[(44_100, 2, 1.0), (48_000, 1, 1.0)]),
        ("a.flac", "-c:a flac", &[(44_100, 2, 1.0), (44_100, 2, 1.5)]),
        ("a.flac", "-c:a flac", &[(44_100, 2, 1.0), (48_000, 1, 1.0), (22_050, 2, 0.5)]),
        ("a.mka", "-c:a libvorbis", &[(44_100, 2, 1.0), (22_050, 1, 1.0)]),
        ("a.webm", "-c:a libopus", &[(48_000, 1, 1.0), (48_000, 2, 1.0)]),
    ] {
        let (mut glued, mut wanted, mut whole) = (Vec::new(), Vec::new(), true);
        for (i, &(rate, channels, seconds)) in parts.iter().enumerate() {
            let Some(mut part) = studio.song(name, rate, channels, seconds, how) else {
                whole = false;
                break;
            };
            wanted.extend(heard(&studio.path(name)));
            if name.ends_with("ogg") || name.ends_with("opus") {
                renumber(&mut part, i as u8);
            }
            glued.extend(part);
        }
        if !whole {
            continue;
        }
        let file = studio.file(name, &glued);
        let ours = heard(&file);
        // Rounding, where rates change.
        let more = ours.len() as i64 - wanted.len() as i64;
        assert!(more.abs() <= parts.len() as i64, "{name} {parts:?}: {more} samples more");
        let alike = correlation(&ours, &wanted);
        assert!(alike > 0.999, "{name} {parts:?}: {alike}");
        assert_eq!(loss(&file), None, "{name} {parts:?}");
        let Decoded { rate, channels } = decode(&file).unwrap();
        assert_eq!((rate, channels.len()), (parts[0].0, parts[0].1 as usize));
        let seconds: f64 = parts.iter().map(|(.., seconds)| seconds).sum();
        assert!((channels[0].len() as f64 / f64::from(rate) - seconds).abs() < 0.2, "{name} {parts:?}");
    }
}

/// Where frames of a FLAC file begin: numbers of fixed blocks follow one another.
fn flac_frames(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut starts) = (0, Vec::new());
    while at + 6 < bytes.len() {
        let number = usize::from(bytes[at + 4]);
        // Frames from 128 on take two bytes for their number.
        let number = if number < 128 { number } else { (number & 31) << 6 | usize::from(bytes[at + 5] & 63) };
        if bytes[at] == 0xff && bytes[at + 1] == 0xf8 && number == starts.len() {
            starts.push(at);
        }
        at += 1;
    }
    starts
}

#[test]
fn frames_of_flac_that_are_lost_are_counted() {
    let Some(studio) = Studio::open("FLAC without some of its frames") else { return };
    let Some(whole) = studio.song("a.flac", 44_100, 2, 6.0, "-c:a flac") else { return };
    let starts = flac_frames(&whole);
    assert!(starts.len() > 40, "{starts:?}");
    let wanted = decode(&studio.path("a.flac")).unwrap().channels.remove(0);
    let block = wanted.len().div_ceil(starts.len());
    for (first, count) in [(0, 1), (20, 1), (20, 3), (9, 20)] {
        let lost = [&whole[..starts[first]], &whole[starts[first + count]..]].concat();
        let file = studio.file("b.flac", &lost);
        let loss = loss(&file).unwrap_or_else(|| panic!("{first} {count}: nothing said"));
        assert_eq!((loss.failed, loss.packets), (count as u64, starts.len() as u64), "{first} {count}");
        let left = decode(&file).unwrap().channels.remove(0);
        assert!((wanted.len() - left.len()).abs_diff(count * block) < 64 * count, "{first} {count}");
        assert_eq!(
            left[..first * (wanted.len() - left.len()) / count],
            wanted[..first * (wanted.len() - left.len()) / count]
        );
    }
    // A bit that is wrong: its frame is left out, in every container that has frames as they are.
    let mut damaged = whole.clone();
    damaged[(starts[10] + starts[11]) / 2] ^= 1;
    assert_eq!(loss(&studio.file("b.flac", &damaged)).unwrap().failed, 1);
    for name in ["b.mka", "b.mp4"] {
        ffmpeg::run("", &studio.path("a.flac"), "-c copy -strict -2", &studio.path(name)).unwrap();
        let mut inside = fs::read(studio.path(name)).unwrap();
        let frame = &whole[starts[10]..starts[11]];
        let at = inside.windows(frame.len()).position(|window| window == frame).unwrap();
        inside[at + frame.len() / 2] ^= 1;
        assert_eq!(loss(&studio.file(name, &inside)).unwrap().failed, 1, "{name}");
    }
    // More than half of it.
    let lost = [&whole[..starts[3]], &whole[starts[3 + starts.len() * 2 / 3]..]].concat();
    assert!(recorded(&studio.file("b.flac", &lost)).unwrap_err().to_string().contains("packets could not"));
}

/// Bytes added, overwritten, zeroed and cut out, `share` of the way into a file.
fn damages(whole: &[u8], share: f64, count: usize) -> [(&'static str, Vec<u8>); 4] {
    let at = (whole.len() as f64 * share) as usize;
    let noise: Vec<u8> = (0..count).map(|i| (i * i % 251 + i % 5) as u8).collect();
    [
        ("added", [&whole[..at], &noise, &whole[at..]].concat()),
        ("overwritten", [&whole[..at], &noise, &whole[at + count..]].concat()),
        ("zeros", [&whole[..at], &vec![0; count], &whole[at + count..]].concat()),
        ("cut out", [&whole[..at], &whole[at + count..]].concat()),
    ]
}

#[test]
fn damaged_matroska_goes_on_with_the_next_cluster() {
    let Some(studio) = Studio::open("Matroska that is damaged in the middle") else { return };
    for (name, how) in [
        ("a.webm", "-c:a libopus -cluster_time_limit 1000"),
        ("a.mka", "-c:a flac -cluster_time_limit 1000"),
        ("vorbis.mka", "-c:a libvorbis -cluster_time_limit 1000"),
        ("live.webm", "-c:a libopus -f webm -live 1 -cluster_time_limit 1000"),
    ] {
        let Some(whole) = studio.song(name, 48_000, 2, 8.0, how) else { continue };
        for share in [0.3, 0.5, 0.8] {
            for (damage, bytes) in damages(&whole, share, 3001) {
                let file = studio.file(name, &bytes);
                let loss = loss(&file).unwrap_or_else(|| panic!("{name} {share} {damage}: nothing said"));
                assert!(loss.failed > 0, "{name} {share} {damage}: {loss}");
                // No more than the rest of a cluster, and what the damage reaches into.
                assert!(loss.seconds > 6.2, "{name} {share} {damage}: {loss}");
            }
        }
    }
    // From nothing: a block's size that reaches over a cluster, and one that is not there.
    let frames: Vec<Vec<u8>> =
        (0..20u16).map(|i| (0..400u16).flat_map(|n| (i * 400 + n).to_le_bytes()).collect()).collect();
    let clusters = |list: &[&[Vec<u8>]]| {
        let mut bytes = matroska(&[], list[0]);
        for frames in &list[1..] {
            bytes.extend(cluster(frames));
        }
        bytes
    };
    let whole = clusters(&[&frames[..8], &frames[8..12], &frames[12..]]);
    assert_eq!(decode_bytes(whole.clone()).unwrap().channels[0].len(), 8000);
    let block = |&at: &usize| whole[at..].starts_with(b"\xa3\x01\0\0\0");
    // Not the last byte of the header's name.
    let blocks: Vec<usize> = (20..whole.len()).filter(block).collect();
    assert_eq!(blocks.len(), 20);
    for (block, size, heard) in [(3, 0x2000u32, 15), (9, 0x1000, 17), (9, 1, 18), (9, 0xff_ffff, 17)] {
        let mut damaged = whole.clone();
        damaged[blocks[block] + 5..blocks[block] + 9].copy_from_slice(&size.to_be_bytes());
        let samples = decode_bytes(damaged).unwrap().channels[0].len();
        assert!(samples.abs_diff(heard * 400) <= 400, "{block} {size}: {samples}");
    }
}

#[test]
fn the_index_of_mp4_is_found_behind_damage() {
    let Some(studio) = Studio::open("MP4 that is damaged before its index") else { return };
    for (name, how) in [("a.m4a", "-c:a aac"), ("alac.m4a", "-c:a alac")] {
        let Some(whole) = studio.song(name, 44_100, 2, 6.0, how) else { continue };
        for (damage, bytes) in damages(&whole, 0.8, 2001) {
            // ALAC has no checksum, and few bits that must be as they are.
            if name == "alac.m4a" && matches!(damage, "overwritten" | "zeros") {
                continue;
            }
            let loss =
                loss(&studio.file(name, &bytes)).unwrap_or_else(|| panic!("{name} {damage}: nothing said"));
            assert!(loss.seconds > 4.0 && loss.seconds < 6.0, "{name} {damage}: {loss}");
        }
    }
    // Fragments go on with the next one.
    let how = "-c:a aac -movflags empty_moov+default_base_moof -frag_duration 500000";
    let Some(whole) = studio.song("frag.m4a", 44_100, 2, 6.0, how) else { return };
    for (damage, bytes) in damages(&whole, 0.5, 2001) {
        let loss = loss(&studio.file("frag.m4a", &bytes)).unwrap_or_else(|| panic!("{damage}: nothing said"));
        assert!(loss.failed > 0 && loss.seconds > 4.8, "{damage}: {loss}");
    }
}

/// The pages of an Ogg file: (start, end).
fn pages(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut at, mut pages) = (0, Vec::new());
    while at + 27 <= bytes.len() {
        let segments = usize::from(bytes[at + 26]);
        let body: usize = bytes[at + 27..at + 27 + segments].iter().map(|&b| usize::from(b)).sum();
        pages.push((at, at + 27 + segments + body));
        at += 27 + segments + body;
    }
    pages
}

/// Makes a page's checksum right.
fn seal(page: &mut [u8]) {
    page[22..26].fill(0);
    let crc = page.iter().fold(0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
}

/// Gives an Ogg stream another serial number.
fn renumber(bytes: &mut [u8], number: u8) {
    for (from, to) in pages(bytes) {
        bytes[from + 14..from + 18].fill(number);
        seal(&mut bytes[from..to]);
    }
}

#[test]
fn ogg_pages_need_not_tell_the_time() {
    let Some(studio) = Studio::open("Ogg without and with late granule positions") else { return };
    for (name, how) in
        [("a.ogg", "-c:a libvorbis -q:a 4"), ("a.opus", "-c:a libopus"), ("flac.ogg", "-c:a flac -f ogg")]
    {
        let Some(whole) = studio.song(name, 48_000, 2, 12.0, how) else { continue };
        let wanted = decode(&studio.path(name)).unwrap();
        let all = pages(&whole);
        // No page but the last tells; every second one; all but the first.
        for (first, step) in [(2, 1), (3, 2), (4, 1)] {
            let mut silent = whole.clone();
            for &(from, to) in all[first..all.len() - 1].iter().step_by(step) {
                silent[from + 6..from + 14].fill(0xff);
                seal(&mut silent[from..to]);
            }
            assert_eq!(decode(&studio.file(name, &silent)).unwrap(), wanted, "{name} {first} {step}");
        }
        // Joined late: the headers, and pages from anywhere on.
        let headers = all.iter().position(|(from, _)| whole[from + 6..from + 14] != [0; 8]).unwrap();
        for share in [3, 5, 8] {
            let mut late = whole[..all[headers - 1].1].to_vec();
            late.extend(&whole[all[all.len() * share / 10].0..]);
            let file = studio.file(name, &late);
            assert_eq!(loss(&file), None, "{name} {share}");
            same_as_ffmpeg(&studio, &file);
            let seconds = inspect(&file).unwrap().seconds.unwrap();
            assert!((seconds - recorded(&file).unwrap().seconds()).abs() < 1.2, "{name} {share}: {seconds}");
        }
    }
}

#[test]
fn the_default_track_is_played() {
    let Some(studio) = Studio::open("Matroska's default track") else { return };
    let (Some(_), Some(_)) = (
        studio.song("first.flac", 44_100, 1, 1.0, "-c:a flac"),
        studio.song("second.flac", 44_100, 2, 1.5, "-c:a flac"),
    ) else {
        return;
    };
    let both = studio.path("both.mka");
    for default in [0, 1] {
        let second = studio.path("second.flac");
        let flags = format!("-disposition:a:{} 0 -disposition:a:{default} default", 1 - default);
        let how = format!("-i {} -map 0 -map 1 -c copy {flags}", second.display());
        ffmpeg::run("", &studio.path("first.flac"), &how, &both).unwrap();
        assert_eq!(decode(&both).unwrap().channels.len(), 1 + default);
    }
}

/// An element of EBML with a size of 8 bytes.
fn element(id: u32, inside: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect();
    [&name[..], &(1u64 << 56 | inside.len() as u64).to_be_bytes(), inside].concat()
}

/// Matroska of 16-bit PCM, with what a track says of its compression, and the frames as they are stored.
fn matroska(encoding: &[u8], frames: &[Vec<u8>]) -> Vec<u8> {
    let number = |id: u32, value: u32| element(id, &value.to_be_bytes());
    let sound = [element(0xb5, &8000f64.to_be_bytes()), number(0x9f, 1), number(0x6264, 16)].concat();
    let encodings =
        if encoding.is_empty() { Vec::new() } else { element(0x6d80, &element(0x6240, encoding)) };
    let track =
        [number(0xd7, 1), number(0x83, 2), element(0x86, b"A_PCM/INT/LIT"), element(0xe1, &sound), encodings];
    let tracks = element(0x1654_ae6b, &element(0xae, &track.concat()));
    let header = element(0x1a45_dfa3, &element(0x4282, b"matroska"));
    [header, element(0x1853_8067, &[tracks, cluster(frames)].concat())].concat()
}

/// A cluster of frames of the first track.
fn cluster(frames: &[Vec<u8>]) -> Vec<u8> {
    let block = |frame: &Vec<u8>| element(0xa3, &[b"\x81\0\0\x80", frame.as_slice()].concat());
    let time = element(0xe7, &0u32.to_be_bytes());
    element(0x1f43_b675, &[time, frames.iter().flat_map(block).collect()].concat())
}

#[test]
fn compressed_matroska_is_unpacked_or_named() {
    use std::io::Write;
    let pcm: Vec<u8> = (0..16_000u32).flat_map(|i| ((i * 37 % 4001) as i16 - 2000).to_le_bytes()).collect();
    let wanted =
        decode_bytes(matroska(&[], &pcm.chunks(1000).map(<[u8]>::to_vec).collect::<Vec<_>>())).unwrap();
    assert_eq!(wanted.channels[0].len(), 16_000);
    let number = |id: u32, value: u8| element(id, &[value]);
    let zlib = |bytes: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zipped: Vec<Vec<u8>> = pcm.chunks(1000).map(zlib).collect();
    // The defaults of the format mean zlib; so does every value written out.
    for encoding in [element(0x5034, &[]), [number(0x5032, 1), element(0x5034, &number(0x4254, 0))].concat()]
    {
        assert_eq!(decode_bytes(matroska(&encoding, &zipped)).unwrap(), wanted);
    }
    let stripped = element(0x5034, &[number(0x4254, 3), element(0x4255, &pcm[..2])].concat());
    let frame = vec![pcm[2..].to_vec()];
    assert_eq!(decode_bytes(matroska(&stripped, &frame)).unwrap(), wanted);
    for (encoding, name) in [
        (element(0x5034, &number(0x4254, 1)), "bzip2"),
        (element(0x5034, &number(0x4254, 2)), "LZO"),
        (number(0x5033, 1), "encryption"),
    ] {
        let fault = decode_bytes(matroska(&encoding, &zipped)).unwrap_err();
        assert!(matches!(&fault, AudioFault::Unsupported(what) if what.contains(name)), "{fault}");
    }
    // A frame that is damaged is one that fails.
    let mut damaged = zipped;
    damaged[5].truncate(9);
    assert_eq!(decode_bytes(matroska(&element(0x5034, &[]), &damaged)).unwrap().channels[0].len(), 15_500);
}

/// ADTS frames of `bytes`, with a fill element of spectral band replication before the end of each from `from` on.
fn with_replication(bytes: &[u8], from: usize) -> Vec<u8> {
    let (mut at, mut out, mut index) = (0, Vec::new(), 0);
    while at + 7 <= bytes.len() {
        let length = usize::from(bytes[at + 3] & 3) << 11
            | usize::from(bytes[at + 4]) << 3
            | usize::from(bytes[at + 5] >> 5);
        let frame = &bytes[at..at + length];
        at += length;
        let bit = |i: usize| frame[i / 8] >> (7 - i % 8) & 1;
        // The end is three ones, and zeros up to a whole byte.
        let end = (0..8 * frame.len()).rev().find(|&i| bit(i) == 1).unwrap() - 2;
        let mut bits: Vec<u8> = (56..end).map(bit).collect();
        if index >= from {
            bits.extend(
                "110 0011 1101 0110 1100 0101 1111 0000".bytes().filter(|&b| b != b' ').map(|b| b - b'0'),
            );
        }
        bits.extend([1, 1, 1]);
        let body: Vec<u8> = bits
            .chunks(8)
            .map(|byte| (0..8).fold(0, |sum, i| sum << 1 | byte.get(i).unwrap_or(&0)))
            .collect();
        let length = body.len() + 7;
        let mut head = frame[..7].to_vec();
        head[3] = head[3] & !3 | (length >> 11) as u8;
        (head[4], head[5]) = ((length >> 3) as u8, head[5] & 0x1f | (length << 5) as u8);
        out.extend(head);
        out.extend(body);
        index += 1;
    }
    out
}

#[test]
fn he_aac_is_named_without_a_header() {
    let Some(studio) = Studio::open("HE-AAC that only its packets show") else { return };
    for channels in [1, 2] {
        let Some(plain) = studio.song("a.aac", 22_050, channels, 2.0, "-c:a aac -b:a 48k -f adts") else {
            return;
        };
        // The same frames without it decode as before.
        let wanted = decode(&studio.path("a.aac")).unwrap();
        assert_eq!(decode(&studio.file("b.aac", &with_replication(&plain, usize::MAX))).unwrap(), wanted);
        for from in [0, 4] {
            let file = studio.file("he.aac", &with_replication(&plain, from));
            let says = decode(&file).unwrap_err().to_string();
            assert!(says.contains("HE-AAC") && says.contains("ffmpeg -i"), "{says}");
            // And in MP4, whose header says nothing of it either.
            let inside = studio.path("he.m4a");
            if ffmpeg::run("", &file, "-c copy", &inside).is_ok() {
                assert!(decode(&inside).unwrap_err().to_string().contains("HE-AAC"));
            }
        }
    }
}

#[test]
fn metadata_that_nobody_needs_is_no_reason_to_refuse_flac() {
    let Some(studio) = Studio::open("FLAC with odd metadata") else { return };
    let Some(plain) = studio.song("a.flac", 44_100, 2, 1.0, "-c:a flac") else { return };
    let wanted = decode(&studio.path("a.flac")).unwrap();
    let block =
        |kind: u8, inside: &[u8]| [&[kind], &(inside.len() as u32).to_be_bytes()[1..], inside].concat();
    let with = |more: &[u8]| [&plain[..42], more, &plain[42..]].concat();
    for (name, bytes) in [
        ("a cue sheet of no compact disc", with(&block(5, &[7; 500]))),
        ("a picture cut short", with(&block(6, &[0, 0, 0, 3, 0, 0, 0xff, 0xff]))),
        ("a seek table of a broken length", with(&block(3, &[1; 19]))),
        ("two seek tables", with(&[block(3, &[0; 18]), block(3, &[0; 18])].concat())),
        ("a block of a kind of the future", with(&block(99, &[9; 40]))),
        ("a second description", with(&block(0, &plain[8..42]))),
    ] {
        assert_eq!(decode(&studio.file("b.flac", &bytes)).unwrap(), wanted, "{name}");
    }
    for least in [[0, 0], [0, 16], plain[10..12].try_into().unwrap()] {
        let mut other = plain.clone();
        other[8..10].copy_from_slice(&least);
        assert_eq!(decode(&studio.file("b.flac", &other)).unwrap(), wanted, "{least:?}");
    }
}

#[test]
fn wav_headers_need_not_be_true() {
    let samples: Vec<i16> = (0..8000).map(|i| ((i * 53) % 2003 - 1000) as i16).collect();
    let little: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let big: Vec<u8> = samples.iter().flat_map(|s| s.to_be_bytes()).collect();
    let chunk = |name: &[u8], size: u32, inside: &[u8]| [name, &size.to_le_bytes(), inside].concat();
    let format = |channels: u16, block: u16, bits: u16| {
        let words = [1, channels, 8000, 0, 8000, 0, block, bits];
        chunk(b"fmt ", 16, &words.map(u16::to_le_bytes).concat())
    };
    let data = |size: u32| chunk(b"data", size, &little);
    let riff = |size: u32, parts: &[Vec<u8>]| {
        [b"RIFF".to_vec(), size.to_le_bytes().to_vec(), b"WAVE".to_vec(), parts.concat()].concat()
    };
    let mono = format(1, 2, 16);
    let wanted = decode_bytes(riff(16_036, &[mono.clone(), data(16_000)])).unwrap();
    assert_eq!(wanted.channels[0].len(), 8000);
    for (name, bytes) in [
        ("its size 8 short", riff(16_028, &[mono.clone(), data(16_000)])),
        ("its size of an empty file", riff(36, &[mono.clone(), data(16_000)])),
        ("both sizes 0", riff(0, &[mono.clone(), data(0)])),
        ("the data's size 0", riff(16_036, &[mono.clone(), data(0)])),
        ("sizes of a pipe", riff(u32::MAX, &[mono.clone(), data(u32::MAX)])),
        ("the data first", riff(16_036, &[data(16_000), mono.clone()])),
        ("a list that is damaged", riff(0, &[mono.clone(), chunk(b"LIST", 5, b"INFOI\0"), data(16_000)])),
        ("a chunk without its last byte", riff(0, &[mono.clone(), chunk(b"JUNK", 3, b"abc"), data(16_000)])),
    ] {
        assert_eq!(decode_bytes(bytes).unwrap(), wanted, "{name}");
    }
    // Big endian.
    let be = |n: u32| n.to_be_bytes();
    let rifx = [
        b"RIFX",
        &be(16_036)[..],
        b"WAVEfmt ",
        &be(16),
        &[0, 1, 0, 1],
        &be(8000),
        &be(16_000),
        &[0, 2, 0, 16],
        b"data",
        &be(16_000),
        &big,
    ]
    .concat();
    assert_eq!(decode_bytes(rifx).unwrap(), wanted);
    // No rate is damage.
    let still = [1u16, 1, 0, 0, 0, 0, 2, 16].map(u16::to_le_bytes).concat();
    let says = decode_bytes(riff(0, &[chunk(b"fmt ", 16, &still), data(16_000)])).unwrap_err().to_string();
    assert_eq!(says, "damaged: its header declares a sample rate of 0 Hz");
    // 20 bits in 24, and 16 in 32.
    for (block, bits, lower) in [(3, 20, 1), (4, 24, 2), (8, 64, 6)] {
        let wide: Vec<u8> =
            samples.iter().flat_map(|s| [vec![0; lower], s.to_le_bytes().to_vec()].concat()).collect();
        let file = riff(0, &[format(1, block, bits), chunk(b"data", wide.len() as u32, &wide)]);
        assert_eq!(decode_bytes(file).unwrap(), wanted, "{bits} bits");
    }
    // AIFF: blocks that are not filled, and sizes that a pipe leaves.
    let common = [&[0, 1][..], &be(8000), &[0, 16], b"\x40\x0b\xfa\0\0\0\0\0\0\0"].concat();
    let aiff = |size: u32, sound: u32, block: u32| {
        let sound = [b"SSND", &be(sound)[..], &be(0), &be(block), &big].concat();
        [b"FORM", &be(size)[..], b"AIFFCOMM", &be(18), &common, &sound].concat()
    };
    for (size, sound, block) in [
        (16_046, 16_008, 0),
        (16_046, 16_008, 4096),
        (0, 0, 0),
        (u32::MAX, u32::MAX, 0),
        (0x7f00_0000, 0x7f00_0000, 0),
    ] {
        assert_eq!(decode_bytes(aiff(size, sound, block)).unwrap(), wanted, "{size:#x} {sound:#x} {block}");
    }
}

#[test]
fn mp3_with_other_things_around() {
    let Some(studio) = Studio::open("MP3 behind zeros, with stale headers and tags inside") else { return };
    let Some(bare) =
        studio.song("a.mp3", 44_100, 2, 3.0, "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0")
    else {
        return;
    };
    let wanted = decode(&studio.path("a.mp3")).unwrap();
    let id3 = b"ID3\x03\0\0\0\0\x01\x00".iter().copied().chain([0; 128]).collect::<Vec<u8>>();
    for (name, bytes) in [
        ("zeros", [vec![0; 3 << 20], bare.clone()].concat()),
        ("junk", [b"junk that is no music \xff\xfb\x90".repeat(50), bare.clone()].concat()),
        ("a tag, and zeros behind it", [id3.clone(), vec![0; 5000], bare.clone()].concat()),
        ("two tags", [id3.clone(), id3.clone(), bare.clone()].concat()),
        ("ID3v1 behind it", [bare.clone(), b"TAG".to_vec(), vec![b' '; 125]].concat()),
    ] {
        let file = studio.file("b.mp3", &bytes);
        assert_eq!(decode(&file).unwrap(), wanted, "{name}");
        assert_eq!(loss(&file), None, "{name}");
    }
    // Tags between two songs are no frames.
    let twice = studio.file("b.mp3", &[&bare[..], b"TAG", &[b' '; 125], &id3, &bare].concat());
    assert_eq!(decode(&twice).unwrap().channels[0].len(), 2 * wanted.channels[0].len());
    assert_eq!(loss(&twice), None);
    // A number of frames that was true before the song was cut.
    for how in ["-c:a libmp3lame -b:a 128k -id3v2_version 0", "-c:a libmp3lame -q:a 3 -id3v2_version 0"] {
        let Some(mut stale) = studio.song("c.mp3", 44_100, 2, 3.0, how) else { continue };
        let length = decode(&studio.path("c.mp3")).unwrap().channels[0].len();
        let at = stale.windows(4).position(|w| w == b"Xing" || w == b"Info").unwrap() + 8;
        let frames = u32::from_be_bytes(stale[at..at + 4].try_into().unwrap());
        for (factor, divisor) in [(3, 1), (10, 1), (1, 3)] {
            stale[at..at + 4].copy_from_slice(&(frames * factor / divisor).to_be_bytes());
            let file = studio.file("c.mp3", &stale);
            let now = decode(&file).unwrap().channels[0].len();
            // What the end would have been trimmed by is not known any more.
            assert!((length..length + 2400).contains(&now), "{how} ×{factor}/{divisor}: {now} for {length}");
            assert_eq!(loss(&file), None, "{how} ×{factor}/{divisor}");
        }
    }
    let free = [&b"\xff\xfb\x00\x64"[..], &[0x55; 648]].concat().repeat(40);
    assert!(decode_bytes(free).unwrap_err().to_string().contains("free format"));
}

#[test]
fn mp4_need_not_say_what_it_is() {
    let Some(studio) = Studio::open("MP4 without ftyp") else { return };
    for (how, label) in
        [("-c:a aac", "late"), ("-c:a aac -movflags +faststart", "early"), ("-c:a pcm_s16be -f mov", "mov")]
    {
        let Some(plain) = studio.song("a.m4a", 44_100, 2, 1.0, how) else { continue };
        let wanted = decode(&studio.path("a.m4a")).unwrap();
        let mut other = plain.clone();
        other[4..8].copy_from_slice(b"free");
        assert_eq!(decode(&studio.file("b.m4a", &other)).unwrap(), wanted, "{label}");
    }
}

#[test]
fn an_inverted_channel_is_heard() {
    let Some(studio) = Studio::open("a channel inverted") else { return };
    for (codec, format) in [("pcm_s16le", "wav"), ("libmp3lame -b:a 192k", "mp3"), ("libvorbis", "ogg")] {
        for pan in ["pan=stereo|c0=c0|c1=-1*c0", "pan=stereo|c0=-1*c1|c1=c1", "pan=stereo|c0=c0|c1=-0.6*c0"] {
            let how = format!("-af {pan} -c:a {codec} -f {format}");
            let Some(_) = studio.song("a.song", 44_100, 2, 3.0, &how) else { continue };
            let left = decode(&studio.path("a.song")).unwrap().channels.remove(0);
            let alike = correlation(&heard(&studio.path("a.song")), &left);
            assert!(alike > 0.999, "{how}: {alike}");
        }
    }
}

#[test]
fn one_burst_does_not_make_a_song_quiet() {
    let Some(studio) = Studio::open("a burst") else { return };
    let Some(_) = studio.song("a.wav", 44_100, 1, 6.0, "-af volume=0.1 -c:a pcm_f32le") else { return };
    let quiet = recorded(&studio.path("a.wav")).unwrap().peak;
    let mut burst = fs::read(studio.path("a.wav")).unwrap();
    let at = burst.len() / 2 / 4 * 4;
    for sample in burst[at..at + 4 * 1500].chunks_exact_mut(4) {
        sample.copy_from_slice(&1f32.to_le_bytes());
    }
    let recording = recorded(&studio.file("b.wav", &burst)).unwrap();
    assert!((recording.peak - quiet).abs() < 0.01, "{} and {quiet}", recording.peak);
}

#[test]
fn names_that_songs_go_by() {
    for name in ["a.mov", "b.DFF", "c.spx", "d.dts", "e.amr", "f.voc", "g.eac3", "h.w64", "i.mp3"] {
        assert!(has_audio_extension(Path::new(name)), "{name}");
    }
    assert!(!has_audio_extension(Path::new("notes.txt")));
}

/// Decoders and readers of packets use the type of the system's errors for damage.
#[test]
fn damage_is_no_fault_of_the_disk() {
    let Some(studio) = Studio::open("damage that looks like a disk's") else { return };
    for (name, how) in [
        ("a.m4a", "-c:a aac"),
        ("a.aac", "-c:a aac -f adts"),
        ("a.caf", "-c:a alac"),
        ("a.aiff", "-c:a pcm_s16be"),
        ("a.mp3", "-c:a libmp3lame"),
        ("a.flac", "-c:a flac"),
        ("a.mka", "-c:a flac"),
    ] {
        let Some(whole) = studio.song(name, 44_100, 1, 0.3, how) else { continue };
        for at in 0..whole.len().min(600) {
            for value in [0x00, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                if let Err(fault) = decode_bytes(damaged) {
                    assert!(!matches!(fault, AudioFault::Io(_)), "{name} {at} {value}: {fault}");
                }
            }
        }
    }
}
