//! Files of every format and kind of tag, made by ffmpeg and mutagen, labelled, read back by these, and undone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use genre_recognizer::label::{Mode, Outcome, Undone, tags};
use genre_recognizer::rng::Rng;
use tempfile::tempdir;

use super::common::*;
use super::python;
use crate::audio::ffmpeg;

/// Files that are left alone, with words of the reason.
const REFUSED: [(&str, &str); 13] = [
    ("adts.aac", "no tags"),
    ("chain.ogg", "one after the other"),
    ("chain.opus", "one after the other"),
    ("crypt.mp3", "encrypted"),
    ("cut.m4a", "cut off"),
    ("cut.wav", "cut off"),
    ("empty.mp3", "format"),
    ("frag.m4a", "would move"),
    ("junk.mp3", "not understood"),
    ("strayfull.ogg", "numbered anew"),
    ("strayfull.opus", "numbered anew"),
    ("text.mp3", "format"),
    ("x.caf", "CAF"),
];

#[test]
fn every_format_is_labelled_and_undone_as_mutagen_and_ffprobe_read_it() {
    if !ffmpeg::is_here("labelling files of every format") {
        return;
    }
    let Some(python) = python::with("mutagen", "REQUIRE_MUTAGEN") else { return };
    let folder = tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let [old_text, new_text] = [&old, &new].map(|path| path.to_str().unwrap());
    python::script(&python, "corpus.py", &[old_text]);
    copy(&old, &new);
    let plan = plan(&new, &["Rock", "Hip-Hop", "Chanson française"]);
    let outcomes = apply(&plan, Mode::Replace);
    let mut refused: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, outcome) in &outcomes {
        match outcome {
            Outcome::Refused(reason) | Outcome::Troubled(reason) => drop(refused.insert(name, reason)),
            outcome => assert!(matches!(outcome, Outcome::Written(_)), "{name}: {outcome:?}"),
        }
    }
    // v1.mp3 has nothing but ID3v1, which holds one number.
    let expected = REFUSED.iter().map(|(name, _)| *name).chain(["v1.mp3", "lyrics.mp3", "x.mka"]);
    let expected: std::collections::BTreeSet<&str> = expected.collect();
    assert!(refused.keys().copied().eq(expected.iter().copied()), "{refused:?}");
    for (name, word) in REFUSED {
        assert!(refused[name].contains(word), "{name}: {}", refused[name]);
    }
    python::script(
        &python,
        "check.py",
        &[old_text, new_text, "written", "Rock", "Hip-Hop", "Chanson française"],
    );
    let undone = undo(&plan);
    assert!(undone.values().all(|undone| *undone == Undone::Restored), "{undone:?}");
    python::script(&python, "check.py", &[old_text, new_text, "undone"]);
    damaged(&old);
    // What was not written is what it was, to the byte.
    for (name, reason) in refused {
        assert!(fs::read(old.join(name)).unwrap() == fs::read(new.join(name)).unwrap(), "{name}: {reason}");
    }
}

/// Files that are damaged at random are refused, or all but their genre is as it was: nothing else is let through.
fn damaged(folder: &Path) {
    let files: Vec<Vec<u8>> =
        contents(folder).into_values().filter(|file| (100..100_000).contains(&file.len())).collect();
    let (from, to) = (folder.join("damaged"), folder.join("written"));
    let mut rng = Rng::new(9);
    let (mut written, mut refused) = (0, 0);
    for _ in 0..3_000 {
        let mut bytes = files[rng.below(files.len())].clone();
        for _ in 0..1 + rng.below(3) {
            let near = if rng.below(3) == 0 { bytes.len() } else { bytes.len().min(600) };
            let at = if rng.below(4) == 0 {
                bytes.len() - 1 - rng.below(bytes.len().min(200))
            } else {
                rng.below(near)
            };
            match rng.below(5) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, rng.below(256) as u8),
                2 => bytes[at] ^= 1 << rng.below(8),
                3 => bytes[at] = 255,
                _ => bytes[at] = rng.below(256) as u8,
            }
        }
        fs::write(&from, bytes).unwrap();
        let file = File::open(&from).unwrap();
        let result = tags::inspect(&file).and_then(|old| {
            let (_, after) = tags::encode(&file, &["Rock".to_owned()])?;
            let pieces = tags::rewrite(&file, &after)?;
            let mut out = File::options().read(true).write(true).create(true).truncate(true).open(&to)?;
            tags::write(&pieces, &tags::Source::new(&file)?, &mut out)?;
            tags::verify(&old, &tags::inspect(&out)?, &after)
        });
        match result {
            Ok(()) => written += 1,
            Err(tags::TagError::Refused(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    fs::remove_file(from).unwrap();
    fs::remove_file(to).unwrap();
    assert!(written > 500 && refused > 500, "{written} written, {refused} refused");
}
