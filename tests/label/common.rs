//! Small libraries, and what is in them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use genre_recognizer::label::{
    self, Apply, Head, Journal, Keeping, LabelError, Line, Mode, Outcome, Plan, Tally, Undone, Writer, tags,
};
use genre_recognizer::paths;

fn syncsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8)
}

/// A frame of ID3v2.4.
pub fn frame(name: &str, contents: &[u8]) -> Vec<u8> {
    [name.as_bytes(), &syncsafe(contents.len()), &[0, 0], contents].concat()
}

/// An MP3 file of silent frames that differ by `seed`, with these frames of ID3v2.4 before them.
pub fn mp3(seed: u8, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut body = frames.concat();
    body.resize(body.len() + 200, 0);
    let mut bytes = [&b"ID3\x04\0\0"[..], &syncsafe(body.len()), &body].concat();
    for _ in 0..30 {
        let mut audio = vec![seed; 417];
        audio[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0xc0]);
        bytes.extend(audio);
    }
    bytes
}

/// A song with a title, a picture, something private, and perhaps a genre.
pub fn song(seed: u8, genre: Option<&str>) -> Vec<u8> {
    let mut frames = vec![
        frame("TIT2", format!("\x03Song {seed}").as_bytes()),
        frame("APIC", &[&b"\0image/png\0\x03\0"[..], &[seed; 3_000]].concat()),
        frame("PRIV", &[&b"owner\0"[..], &[0xff, 0, seed, 0xe0]].concat()),
    ];
    frames.extend(genre.map(|genre| frame("TCON", format!("\x03{genre}").as_bytes())));
    mp3(seed, &frames)
}

/// A library of `count` songs, every third with a genre.
pub fn library(root: &Path, count: usize) {
    for i in 0..count {
        let path = root.join(format!("artist {}/song {i}.mp3", i % 7));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, song(i as u8, i.is_multiple_of(3).then_some("Old"))).unwrap();
    }
}

pub fn line(root: &Path, name: &str, genres: &[&str]) -> Line {
    let facts = label::facts(&root.join(paths::path(name))).unwrap();
    Line {
        path: name.to_owned(),
        size: facts.stamp.size,
        modified: facts.stamp.modified,
        audio: if facts.trouble.is_some() { String::new() } else { facts.content },
        format: facts.format,
        tags: facts.tags,
        genres: genres.iter().map(|&genre| genre.to_owned()).collect(),
        probabilities: vec![],
        seconds: None,
        trouble: facts.trouble,
    }
}

pub fn head(root: &Path) -> Head {
    Head {
        plan: Head::VERSION,
        library: fs::canonicalize(root).unwrap(),
        model: "a model".into(),
        genres: vec!["new".into()],
        top: 2,
        threshold: 0.5,
        seconds: None,
        shard: None,
    }
}

/// A plan that names these genres for every song of a library; where it is.
pub fn plan(root: &Path, genres: &[&str]) -> PathBuf {
    let path = root.with_extension("plan");
    let mut writer = Writer::new(&path, &head(root)).unwrap();
    for song in label::find(root, None).unwrap().found {
        writer.line(&line(root, &song.name, genres)).unwrap();
    }
    writer.finish().unwrap();
    path
}

/// Applies a plan; what became of each file.
pub fn apply_with(plan: &Path, options: &Apply) -> Result<(Tally, BTreeMap<String, Outcome>), LabelError> {
    let mut outcomes = BTreeMap::new();
    let tally = label::apply(
        &Plan::open(plan)?,
        &plan.with_extension("journal"),
        options,
        &AtomicBool::new(false),
        |line, outcome| {
            outcomes.insert(line.path.clone(), outcome.clone());
        },
    )?;
    Ok((tally, outcomes))
}

pub fn apply(plan: &Path, mode: Mode) -> BTreeMap<String, Outcome> {
    apply_with(plan, &Apply { mode, ..Apply::default() }).unwrap().1
}

pub fn undo(plan: &Path) -> BTreeMap<String, Undone> {
    let mut outcomes = BTreeMap::new();
    let journal = Journal::open(&plan.with_extension("journal")).unwrap();
    let whole = label::undo(&journal, Keeping::default(), &AtomicBool::new(false), |entry, undone| {
        outcomes.insert(entry.path.clone(), undone.clone());
    });
    assert!(whole.unwrap());
    outcomes
}

pub fn inspect(path: &Path) -> tags::Inspection {
    tags::inspect(&File::open(path).unwrap()).unwrap()
}

pub fn genres(path: &Path) -> Vec<String> {
    inspect(path).genres()
}

/// Every file below a folder, hidden ones too, with its bytes.
pub fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                all.insert(entry.strip_prefix(root).unwrap().to_owned(), fs::read(&entry).unwrap());
            }
        }
    }
    all
}

/// Copies a library.
pub fn copy(from: &Path, to: &Path) {
    for (name, bytes) in contents(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A model that comes with the program.
pub fn model() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).min().unwrap()
}
