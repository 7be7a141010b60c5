//! What a look over a dataset tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use genre_recognizer::audio::write_wav;
use genre_recognizer::dataset::Cache;
use genre_recognizer::dataset::check::{Concern, Depth, Report, check};
use genre_recognizer::rng::Rng;

use super::common::*;

fn look(folder: &Folder, depth: Depth<'_>) -> Report {
    check(folder.root(), &spec(), 0.5, depth, |_, _, _| {}).unwrap()
}

/// A RIFF WAVE file: format tag 1 for integers, 3 for floats. `declared` is the length of data in its header.
fn wav(tag: u16, rate: u32, channels: u16, bits: u16, declared: usize, data: &[u8]) -> Vec<u8> {
    let block = channels.wrapping_mul(bits / 8);
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + declared as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    bytes.extend([tag, channels].iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend([rate, rate.wrapping_mul(block.into())].iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend([block, bits].iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend(b"data");
    bytes.extend((declared as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// 16-bit PCM of `count` samples.
fn pcm(count: usize, sample: impl Fn(usize) -> f32) -> Vec<u8> {
    (0..count).flat_map(|i| ((sample(i) * 32767.0) as i16).to_le_bytes()).collect()
}

fn floats(count: usize, sample: impl Fn(usize) -> f32) -> Vec<u8> {
    (0..count).flat_map(|i| sample(i).to_le_bytes()).collect()
}

/// Files that cannot be used: (name, bytes, what the reason says).
fn damaged() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let tone = |i: usize| (i as f32 * 0.3).sin() * 0.5;
    let good = pcm(8_000, tone);
    let whole = wav(1, RATE, 1, 16, good.len(), &good);
    let mut rng = Rng::new(5);
    let mut noise: Vec<u8> = (0..20_000).map(|_| rng.next_u64() as u8).collect();
    noise[0] = 0x77;
    vec![
        ("zero bytes.mp3", vec![], "no bytes"),
        ("a name\nof \u{1b}[31mlines.mp3", vec![], "no bytes"),
        ("text.mp3", b"This is no music.\n".to_vec(), "looks like text"),
        ("picture.mp3", b"\x89PNG\r\n\x1a\n0000000000000000".to_vec(), "PNG picture"),
        ("page.m4a", b"<!DOCTYPE html><html></html>".to_vec(), "web page"),
        ("archive.flac", b"PK\x03\x04000000000000000000".to_vec(), "ZIP archive"),
        ("noise.mp3", noise.clone(), ""),
        ("notes.wav", b"MThd\0\0\0\x06\0\x01\0\x02\0\0".to_vec(), "MIDI"),
        ("media.wma", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa".to_vec(), "WMA"),
        ("header cut at 4.wav", whole[..4].to_vec(), ""),
        ("header cut at 20.wav", whole[..20].to_vec(), ""),
        ("header cut at 43.wav", whole[..43].to_vec(), ""),
        ("header only.wav", whole[..44].to_vec(), ""),
        ("cut at a tenth.wav", whole[..44 + good.len() / 10].to_vec(), "too short"),
        ("cut before half.wav", whole[..44 + good.len() / 2 - 200].to_vec(), "too short"),
        ("one sample.wav", wav(1, RATE, 1, 16, 2, &good[2..4]), "too short"),
        ("too short.wav", wav(1, RATE, 1, 16, 6_000, &good[..6_000]), "too short"),
        ("silent.wav", wav(1, RATE, 1, 16, 16_000, &[0; 16_000]), "silent"),
        ("constant.wav", wav(1, RATE, 1, 16, 16_000, &pcm(8_000, |_| 0.3)), "silent"),
        ("dither.wav", wav(1, RATE, 1, 16, 16_000, &pcm(8_000, |i| (i % 2) as f32 / 32_000.0)), "silent"),
        (
            "nan.wav",
            wav(3, RATE, 1, 32, 32_000, &floats(8_000, |i| if i == 77 { f32::NAN } else { tone(i) })),
            "not finite",
        ),
        (
            "infinity.wav",
            wav(3, RATE, 1, 32, 32_000, &floats(8_000, |i| if i == 7_999 { f32::INFINITY } else { tone(i) })),
            "not finite",
        ),
        (
            "beyond all sound.wav",
            wav(3, 2 * RATE, 1, 32, 32_000, &floats(8_000, |i| if i == 4_000 { f32::MAX } else { tone(i) })),
            "beyond ±1e10",
        ),
        (
            "0 Hz.wav",
            wav(1, 0, 1, 16, good.len(), &good),
            "damaged: its header declares a sample rate of 0 Hz",
        ),
        ("4 GHz.wav", wav(1, u32::MAX, 1, 16, good.len(), &good), ""),
        ("0 channels.wav", wav(1, RATE, 0, 16, good.len(), &good), ""),
        ("65 channels.wav", wav(1, RATE, 65, 16, 65 * good.len(), &good.repeat(65)), ""),
        ("0 bits.wav", wav(1, RATE, 1, 0, good.len(), &good), ""),
        ("unknown codec.wav", wav(0x1234, RATE, 1, 16, good.len(), &good), ""),
        ("flac without frames.flac", [b"fLaC\x80\0\0\x22".to_vec(), vec![0x10; 34]].concat(), ""),
        ("ogg without pages.ogg", [b"OggS".to_vec(), noise[..500].to_vec()].concat(), ""),
        ("mp4 without tracks.m4a", b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom\0\0\0\x08moov".to_vec(), ""),
        ("matroska without anything.mka", b"\x1a\x45\xdf\xa3\x80".to_vec(), ""),
        ("caf without anything.caf", b"caff\0\x01\0\0".to_vec(), ""),
        ("aiff of huge chunks.aiff", b"FORM\xff\xff\xff\xffAIFFCOMM\xff\xff\xff\xff".to_vec(), ""),
    ]
}

/// Files that look wrong and are not: (name, bytes).
fn sound() -> Vec<(&'static str, Vec<u8>)> {
    let good = pcm(8_000, |i| (i as f32 * 0.3).sin() * 0.5);
    let whole = wav(1, RATE, 1, 16, good.len(), &good);
    let quiet = pcm(8_000, |i| (i as f32 * 0.21).sin() * 0.01);
    let other = pcm(9_000, |i| (i as f32 * 0.17).sin() * 0.5);
    vec![
        ("unscaled.wav", wav(3, 2 * RATE, 1, 32, 64_000, &floats(16_000, |i| 1e9 * (i as f32 * 0.3).sin()))),
        ("named as mp3.mp3", wav(1, RATE, 1, 16, quiet.len(), &quiet)),
        ("cut after half.wav", whole[..44 + good.len() * 6 / 10].to_vec()),
        ("declares thrice its length.wav", wav(1, RATE, 1, 16, 3 * good.len(), &good)),
        // As written to a pipe.
        ("declares 4 GiB.wav", wav(1, RATE, 1, 16, u32::MAX as usize - 36, &other)),
    ]
}

#[test]
fn every_kind_of_damage_is_named_and_the_good_files_stay() {
    let folder = Folder::new();
    let damaged = damaged();
    for (name, bytes, _) in &damaged {
        folder.file(&format!("bad/{name}"), bytes);
    }
    for (name, bytes) in sound() {
        folder.file(&format!("good/{name}"), &bytes);
    }
    folder.tone("bad/good.wav", 440.0, 1.0);
    fs::create_dir_all(folder.root().join("bad/a folder.mp3")).unwrap();
    let mut kinds = damaged.len();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        let bad = folder.root().join("bad");
        symlink("/no/such/file.mp3", bad.join("dangling.mp3")).unwrap();
        symlink("/dev/zero", bad.join("device.wav")).unwrap();
        symlink("itself.mp3", bad.join("itself.mp3")).unwrap();
        // Its bytes cannot be read, by whomever.
        symlink("/proc/self/mem", bad.join("unreadable.wav")).unwrap();
        // A loop of folders ends.
        symlink(".", bad.join("loop")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(bad.join("pipe.wav")).status();
        assert!(made.unwrap().success());
        kinds += if cfg!(target_os = "linux") { 5 } else { 4 };
    }
    assert!(kinds >= 25);

    let outside = Folder::new();
    let cache = Cache::new(outside.root());
    for depth in [Depth::Samples(None), Depth::Samples(Some(&cache)), Depth::Samples(Some(&cache))] {
        let report = look(&folder, depth);
        assert!(report.needs_attention);
        assert!(report.problems.iter().all(|p| !p.to_string().contains(char::is_control)));
        let reasons: BTreeMap<PathBuf, &str> =
            report.problems.iter().map(|p| (p.path.clone(), p.reason.as_str())).collect();
        for (name, _, says) in &damaged {
            let reason = reasons.get(&folder.root().join("bad").join(name));
            let reason = reason.unwrap_or_else(|| panic!("{name} is not among {reasons:#?}"));
            assert!(
                reason.contains(says) && !reason.contains('\n') && !reason.is_empty(),
                "{name}: {reason}"
            );
        }
        if cfg!(unix) {
            for (name, says) in [
                ("dangling.mp3", "cannot be read"),
                ("device.wav", "not a regular file"),
                ("itself.mp3", "cannot be read"),
                ("pipe.wav", "not a regular file"),
                ("unreadable.wav", "cannot be read"),
            ] {
                let reason = reasons.get(&folder.root().join("bad").join(name));
                let skip = name == "unreadable.wav" && !cfg!(target_os = "linux");
                assert!(skip || reason.is_some_and(|reason| reason.contains(says)), "{name}: {reason:?}");
            }
        }
        let (bad, good) = (&report.genres[0], &report.genres[1]);
        assert_eq!((bad.songs, good.songs, good.problems, report.songs), (1, 5, 0, 6), "{reasons:#?}");
        assert_eq!(bad.problems, report.problems.len());
    }
    // Headers alone: nothing panics, and what they tell is told.
    let report = look(&folder, Depth::Headers);
    let named = |name: &str| report.problems.iter().any(|p| p.path.ends_with(name));
    for name in
        ["zero bytes.mp3", "text.mp3", "0 Hz.wav", "65 channels.wav", "header cut at 20.wav", "media.wma"]
    {
        assert!(named(name), "{name}: {:#?}", report.problems);
    }
}

#[test]
fn a_report_counts_by_genre_and_finds_what_is_to_mend() {
    let folder = Folder::new();
    for i in 0..9 {
        folder.tone(&format!("rock/{i}.wav"), 300.0 + 20.0 * i as f32, 1.0);
    }
    for i in 0..2 {
        folder.tone(&format!("pop/{i}.wav"), 600.0 + 20.0 * i as f32, 1.8);
    }
    // A copy of a file, in another genre; and its music in another file.
    let song = fs::read(folder.root().join("rock/1.wav")).unwrap();
    folder.file("pop/copy.wav", &song);
    let mut tagged = song.clone();
    tagged.extend(b"LIST\x0e\0\0\0INFOINAM\x02\0\0\0x\0");
    let size = (tagged.len() as u32 - 8).to_le_bytes();
    tagged[4..8].copy_from_slice(&size);
    folder.file("rock/tagged.wav", &tagged);
    folder.tone("jazz/only.wav", 900.0, 1.0);
    let stereo: Vec<f32> = (0..16_000).map(|i| (i as f32 * 0.01).sin()).collect();
    write_wav(&folder.root().join("jazz/stereo.wav"), 16_000, &[&stereo, &stereo]).unwrap();
    folder.file("cover.jpg", b"");
    folder.file("rock/notes.txt", b"");
    folder.file(
        "tracks.csv",
        b"path,artist\nrock/0.wav,X\nrock/2.wav,x \npop/0.wav,X\njazz/only.wav,J\njazz/stereo.wav,J\n",
    );

    let report = look(&folder, Depth::Samples(None));
    assert_eq!((report.songs, report.problems.len(), report.other_files), (15, 0, 2));
    let [jazz, pop, rock] = &report.genres[..] else { panic!("{:?}", report.genres) };
    assert_eq!(
        (rock.genre.as_str(), rock.songs, rock.artists, rock.songs_without_artist),
        ("rock", 10, 1, 8)
    );
    assert_eq!((pop.songs, pop.artists, pop.songs_without_artist), (3, 1, 2));
    assert!((rock.hours - 10.0 / 3600.0).abs() < 1e-9 && (pop.hours - 4.6 / 3600.0).abs() < 1e-6);
    assert_eq!(jazz.sample_rates, BTreeMap::from([(8_000, 1), (16_000, 1)]));
    assert_eq!(jazz.channels, BTreeMap::from([(1, 1), (2, 1)]));
    let about = |concern: Concern| -> Vec<&str> {
        report.findings.iter().filter(|f| f.concern == concern).map(|f| f.what.as_str()).collect()
    };
    let [genres] = about(Concern::Genres)[..] else { panic!("{:?}", report.findings) };
    assert!(genres.contains("only one artist") && genres.contains("jazz"), "{genres}");
    let [imbalance] = about(Concern::Imbalance)[..] else { panic!("{:?}", report.findings) };
    assert!(imbalance.contains("jazz (2), pop (3)"), "{imbalance}");
    let [copies] =
        &report.findings.iter().filter(|f| f.concern == Concern::Duplicates).collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", report.findings)
    };
    assert_eq!(copies.songs, ["pop/copy.wav", "rock/1.wav", "rock/tagged.wav"]);
    assert!(
        copies.what.contains("in different files") && copies.what.contains("pop, rock"),
        "{}",
        copies.what
    );
    let artists = about(Concern::Artists);
    assert!(artists[0].contains("\"x\" is in several genres (1 in pop, 2 in rock)"), "{artists:?}");
    assert!(artists[1].contains("10 of 15 songs"), "{artists:?}");

    // By their bytes alone only the copy is found.
    let quick = look(&folder, Depth::Headers);
    let [copy] = &quick.findings.iter().filter(|f| f.concern == Concern::Duplicates).collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", quick.findings)
    };
    assert_eq!(copy.songs, ["pop/copy.wav", "rock/1.wav"]);
    assert!(copy.what.contains("one file"));
    assert_eq!((quick.songs, quick.genres[2].songs), (report.songs, 10));
}

#[test]
fn one_genre_or_nothing_usable_is_reported_not_refused() {
    let folder = Folder::new();
    folder.tone("rock/1.wav", 440.0, 1.0);
    folder.file("pop/2.mp3", b"nothing");
    let report = look(&folder, Depth::Samples(None));
    assert!(report.needs_attention && report.songs == 1);
    let whats: Vec<&str> = report.findings.iter().map(|f| f.what.as_str()).collect();
    assert!(
        whats[0].contains("at least two genres") && whats[1].contains("no song can be used of pop"),
        "{whats:?}"
    );
}
