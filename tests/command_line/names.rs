//! Names of files that are not UTF-8.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;

/// A dataset in a folder, and with songs, whose names differ in bytes that are no characters.
fn dataset(root: &Path) -> PathBuf {
    let music = root.join(OsStr::from_bytes(b"m\xfcsic"));
    for (genre, name) in GENRES.iter().enumerate() {
        for i in 0..6 {
            let song = [&[0x91 + i as u8][..], b".wav"].concat();
            wav(&music.join(name).join(OsStr::from_bytes(&song)), &sound(genre, i, 1.0));
        }
    }
    music
}

#[test]
fn validation_counts_no_song_that_was_trained_on() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    let music = dataset(root);
    let mut train = program(root, &format!("train --epochs 2 --run run {TINY} --dataset"));
    let ran = Ran::new(train.arg(&music).output().unwrap()).ends(0);
    assert!(ran.err.contains(r"m\xFCsic: 3 genres, 12 songs to train on, 6 to validate"), "{}", ran.err);
    // The dataset is found again by what the run's settings say of it.
    let evaluate = |split: &str| run(root, &format!("evaluate --model run/best.safetensors --split {split}"));
    let ran = evaluate("validation").ends(0);
    assert!(
        ran.out.contains(r"m\xFCsic: 6 songs (validation)") && !ran.err.contains("not here"),
        "{}",
        ran.out
    );
    evaluate("test").refused(&["used every song"]);
    let table = fs::read_to_string(root.join("run/split.csv")).unwrap();
    let kept: Vec<&str> = table.lines().filter(|row| row.ends_with(",validation")).collect();
    let ran = run(root, "evaluate --model run/best.safetensors --split validation --format csv").ends(0);
    let mut judged = csv::Reader::from_reader(ran.out.as_bytes());
    let judged: Vec<String> = judged.records().map(|row| row.unwrap()[2].to_owned()).collect();
    assert_eq!(judged.len(), kept.len());
    assert!(
        judged.iter().all(|path| kept.iter().any(|row| row.starts_with(&format!("{path},")))),
        "{judged:?}"
    );
    // A resumed run finds its songs too.
    fs::remove_file(root.join("run/metrics.json")).unwrap();
    run(root, "train --resume --run run --device cpu").ends(0);
}

#[test]
fn paths_are_printed_as_they_are() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    let music = dataset(root);
    let model = trained().path().join("runs/music-1/best.safetensors");
    let predict = |flags: &str| {
        let mut command = program(root, &format!("predict --device cpu {flags} --model"));
        Ran::new(command.arg(&model).arg(&music).output().unwrap()).ends(0)
    };
    assert!(predict("").out.lines().any(|line| line.contains(r"/m\xFCsic/tone/\x94.wav: tone ")));
    let csv = predict("--format csv").out;
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let json: serde_json::Value = serde_json::from_str(&predict("--format json").out).unwrap();
    for (row, song) in rows.records().zip(json.as_array().unwrap()) {
        let (row, path) = (row.unwrap(), song["path"].as_str().unwrap());
        assert_eq!(&row[0], path);
        assert!(genre_recognizer::paths::path(path).is_file(), "{path}");
    }
}

/// A name of bytes that are no characters, and one that spells out how such bytes are written.
#[test]
fn names_that_look_alike_are_two() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    let music = dataset(root);
    let names = [&b"x\xff.wav"[..], br"x\xFF.wav", br"x\x5CxFF.wav"];
    for (i, name) in names.into_iter().enumerate() {
        wav(&music.join("tone").join(OsStr::from_bytes(name)), &sound(2, 20 + i as u64, 1.0));
    }
    let wanted: BTreeSet<PathBuf> =
        names.iter().map(|name| music.join("tone").join(OsStr::from_bytes(name))).collect();
    let found = |texts: &mut dyn Iterator<Item = String>| {
        let paths = texts.map(|text| genre_recognizer::paths::path(&text));
        paths.map(|path| root.join(path)).filter(|path| wanted.contains(path)).collect::<BTreeSet<_>>()
    };
    let mut train = program(root, &format!("train --epochs 1 --run run {TINY} --dataset"));
    Ran::new(train.arg(&music).output().unwrap()).ends(0);
    let table = fs::read(root.join("run/split.csv")).unwrap();
    let mut split = csv::Reader::from_reader(table.as_slice());
    let mut rows = split.records().map(|row| format!(r"m\xFCsic/{}", &row.unwrap()[0]));
    assert_eq!(found(&mut rows), wanted);
    let predict = |format: &str| {
        let mut command =
            program(root, &format!("predict --device cpu --format {format} --model run/best.safetensors"));
        Ran::new(command.arg(&music).output().unwrap()).ends(0).out
    };
    let json: serde_json::Value = serde_json::from_str(&predict("json")).unwrap();
    let mut paths = json.as_array().unwrap().iter().map(|song| song["path"].as_str().unwrap().to_owned());
    assert_eq!(found(&mut paths), wanted);
    let table = predict("csv");
    let mut table = csv::Reader::from_reader(table.as_bytes());
    assert_eq!(found(&mut table.records().map(|row| row.unwrap()[0].to_owned())), wanted);
}

/// The command that a training prints works as it is.
#[test]
fn commands_to_try_can_be_typed() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    let music = dataset(root);
    let mut train = program(root, &format!("train --epochs 4 {TINY} --dataset"));
    let ran = Ran::new(train.arg(&music).output().unwrap()).ends(0);
    let command = ran.out.lines().find_map(|line| line.strip_prefix("try it: ")).unwrap();
    let output = Command::new("sh").args(["-c", command]).current_dir(root).output().unwrap();
    let ran = Ran::new(output).ends(0);
    assert!(ran.out.contains(r"m\xFCsic/"), "{command}: {}", ran.out);
}
