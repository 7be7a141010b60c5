//! `label apply` and `label undo` that are killed at random moments, again and again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use genre_recognizer::label::Entry;
use genre_recognizer::rng::Rng;
use tempfile::tempdir;

use super::common::*;

const KILLS: usize = 50;
const FILES: usize = 200;

fn program(arguments: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_genre-recognizer"));
    command.arg("label").args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs it; killed after so long, unless it ended before. Whether it did.
fn ended(command: &mut Command, after: Duration) -> bool {
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + after;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return true;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Every song is whole: as it was, as it is to be, or as it is when that is undone.
fn check(root: &Path, states: &[&Files]) {
    let songs: Files = contents(root);
    let left: Vec<_> = songs.keys().filter(|name| !states[0].contains_key(*name)).collect();
    // At most the one copy that was being made.
    assert!(
        left.len() <= 1 && left.iter().all(|name| name.to_string_lossy().contains(".genre-recognizer-")),
        "{left:?}"
    );
    for name in states[0].keys() {
        let song = songs.get(name).unwrap_or_else(|| panic!("{} is lost", name.display()));
        assert!(states.iter().any(|state| state[name] == *song), "{} is damaged", name.display());
    }
}

/// Every song that was written is in the journal.
fn journal_is_true(root: &Path, journal: &Path, old: &Files) {
    let text = fs::read_to_string(journal).unwrap_or_default();
    let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
    let entries: Vec<Entry> = whole.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    for (name, song) in contents(root) {
        if old.get(&name).is_some_and(|old| *old != song) {
            let path = name.to_str().unwrap();
            assert!(entries.iter().any(|entry| entry.path == path), "{path} is not in the journal");
        }
    }
}

#[test]
fn sigkill_damages_and_loses_nothing() {
    let folder = tempdir().unwrap();
    let pristine = folder.path().join("pristine");
    library(&pristine, FILES);
    let old = contents(&pristine);
    // What it comes to when it is left alone, and how long that takes.
    let alone = folder.path().join("alone");
    copy(&pristine, &alone);
    let alone_plan = plan(&alone, &["New", "Newer"]);
    let journal = |plan: &Path| PathBuf::from(format!("{}.journal", plan.display()));
    let start = Instant::now();
    let long = Duration::from_secs(120);
    assert!(ended(&mut program(&[Path::new("apply"), Path::new("--replace"), &alone_plan]), long));
    let took = start.elapsed();
    let new = contents(&alone);
    assert!(new.keys().eq(old.keys()) && new.values().zip(old.values()).all(|(a, b)| a != b));
    assert!(ended(&mut program(&[Path::new("undo"), &journal(&alone_plan)]), long));
    let undone = contents(&alone);
    assert!(undone == old);

    let mut rng = Rng::new(5);
    let mut kills = 0;
    for round in 0.. {
        let root = folder.path().join(format!("music{round}"));
        copy(&pristine, &root);
        let plan = plan(&root, &["New", "Newer"]);
        let journal = journal(&plan);
        let mut moment = || took.mul_f64(0.25 * rng.uniform_f64());
        while !ended(&mut program(&[Path::new("apply"), Path::new("--replace"), &plan]), moment()) {
            kills += 1;
            check(&root, &[&old, &new]);
            journal_is_true(&root, &journal, &old);
        }
        assert!(contents(&root) == new);
        while !ended(&mut program(&[Path::new("undo"), &journal]), moment()) {
            kills += 1;
            check(&root, &[&old, &new]);
        }
        assert!(contents(&root) == old);
        if kills >= KILLS {
            break;
        }
    }
}
