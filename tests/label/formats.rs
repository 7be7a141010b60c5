//! Files of every format and kind of tag, made by ffmpeg and mutagen, labelled, read back by these, and undone.

use std::collections::BTreeMap;
use std::fs;

use genre_recognizer::label::{Mode, Outcome, Undone};
use tempfile::tempdir;

use super::common::*;
use super::python;
use crate::audio::ffmpeg;

/// Files that are left alone, with words of the reason.
const REFUSED: [(&str, &str); 13] = [
    ("adts.aac", "no tags"),
    ("chain.ogg", "follow each other"),
    ("chain.opus", "follow each other"),
    ("crypt.mp3", "encrypted"),
    ("cut.m4a", "cut off"),
    ("cut.wav", "cut off"),
    ("empty.mp3", "format"),
    ("frag.m4a", "would move"),
    ("junk.mp3", "not understood"),
    ("strayfull.ogg", "numbered anew"),
    ("strayfull.opus", "numbered anew"),
    ("text.mp3", "format"),
    ("x.caf", "format"),
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
            Outcome::Refused(reason) => drop(refused.insert(name, reason)),
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
    // What was not written is what it was, to the byte.
    for (name, reason) in refused {
        assert!(fs::read(old.join(name)).unwrap() == fs::read(new.join(name)).unwrap(), "{name}: {reason}");
    }
}
