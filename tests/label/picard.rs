//! The plugin for Picard, called as Picard does.

use std::path::Path;

use tempfile::tempdir;

use super::beets::songs;
use super::common::model;
use super::python;

#[test]
fn picard_labels_what_it_saved_through_the_plugin() {
    let Some(python) = python::with("mutagen", "REQUIRE_MUTAGEN") else { return };
    let folder = tempdir().unwrap();
    songs(folder.path(), &["two/one.wav", "two/has.wav", "three/three.wav"]);
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/picard/genrerecognizer");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let program = env!("CARGO_BIN_EXE_genre-recognizer").to_owned();
    let arguments = [text(folder.path()), program, text(&model()), text(&plugin)];
    let printed = python::script(&python, "picard_plugin.py", &arguments.each_ref().map(|a| &a[..]));
    assert!(printed.contains("labelled"), "{printed}");
}
