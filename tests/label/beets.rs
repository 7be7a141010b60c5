//! The plugin for beets, on a library that beets imports.

use std::fs;
use std::path::Path;

use genre_recognizer::dataset::demo;
use genre_recognizer::label::{Apply, Mode, Plan, Writer, find};
use tempfile::tempdir;

use super::common::*;
use super::python;

/// Renders a song into each of `names`.
pub fn songs(root: &Path, names: &[&str]) {
    let folder = tempdir().unwrap();
    let set = demo::Spec { songs_per_genre: 1, seconds: (4.0, 4.5), seed: 3 };
    demo::render_with(&set, folder.path(), |_, _| {}).unwrap();
    let mut rendered: Vec<_> = find(folder.path(), None).unwrap().found;
    rendered.sort_by(|a, b| a.name.cmp(&b.name));
    for (song, name) in rendered.iter().zip(names) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(&song.path, path).unwrap();
    }
}

#[test]
fn a_beets_library_is_labelled_through_the_plugin() {
    let Some(python) = python::with("beets, mutagen", "REQUIRE_BEETS") else { return };
    let folder = tempdir().unwrap();
    let music = folder.path().join("music");
    songs(&music, &["one.wav", "two.wav", "has.wav"]);
    // A title each, by which the test knows them, and to one a genre, written by our own writer.
    let plan = folder.path().join("mine.plan");
    let mut writer = Writer::new(&plan, &head(&music)).unwrap();
    writer.line(&line(&music, "has.wav", &["Mine"])).unwrap();
    writer.finish().unwrap();
    assert_eq!(Plan::open(&plan).unwrap().len, 1);
    apply_with(&plan, &Apply { mode: Mode::Replace, ..Apply::default() }).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = model();
    let plugins = root.join("contrib/beets/beetsplug");
    let title = "import sys, os, mutagen.wave, mutagen.id3\nfor name in os.listdir(sys.argv[1]):\n \
                 file = mutagen.wave.WAVE(os.path.join(sys.argv[1], name))\n \
                 if file.tags is None: file.add_tags()\n \
                 file.tags.add(mutagen.id3.TIT2(encoding=3, text=name[:-4])); file.save()";
    let titled = std::process::Command::new(&python).args(["-c", title]).arg(&music).status().unwrap();
    assert!(titled.success());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments =
        [text(folder.path()), env!("CARGO_BIN_EXE_genre-recognizer").into(), text(&model), text(&plugins)];
    let printed = python::script(&python, "beets_library.py", &arguments.each_ref().map(|a| &a[..]));
    assert!(printed.contains("labelled"), "{printed}");
}
