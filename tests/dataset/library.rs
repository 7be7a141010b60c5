//! Songs that are ready to be read.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use genre_recognizer::dataset::{Library, scan};

use super::common::*;

#[test]
fn loading_passes_over_what_cannot_be_used() {
    let folder = Folder::new();
    folder.tone("a/1.wav", 440.0, 1.0);
    folder.tone("a/2.wav", 550.0, 2.0);
    folder.tone("a/short.wav", 660.0, 0.5);
    folder.file("b/broken.mp3", b"no music at all");
    folder.file("c/empty.ogg", b"");
    folder.tone("c/3.wav", 770.0, 1.5);
    let data = scan(folder.root()).unwrap();
    let (calls, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let library = Library::load(&data, &spec(), 1.0, None, |done, total, path| {
        assert!(path.is_file() && total == 6);
        calls.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(done, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!((calls.into_inner(), most.into_inner()), (6, 6));
    // The genre without a usable song is gone, and the labels follow.
    assert_eq!(library.dataset.genres, ["a", "c"]);
    assert_eq!(names(&library.dataset), ["a/1.wav", "a/2.wav", "c/3.wav"]);
    assert_eq!(library.dataset.songs.iter().map(|s| s.genre).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(library.songs.iter().map(|s| s.len()).collect::<Vec<_>>(), [8_000, 16_000, 12_000]);
    let problems: Vec<String> = library.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    for (problem, (name, says)) in problems.iter().zip([
        ("a/short.wav", "too short"),
        ("b/broken.mp3", "not an audio file"),
        ("c/empty.ogg", "empty"),
        ("b", "genre left out"),
    ]) {
        let start = format!("{}: ", folder.root().join(name).display());
        assert!(problem.starts_with(&start) && problem.contains(says), "{problem}");
    }

    // What is only recognised keeps its genres.
    let library = Library::load_as_is(&data, &spec(), 1.0, None, |_, _, _| {});
    assert_eq!(library.dataset.genres, ["a", "b", "c"]);
    assert_eq!((library.dataset.counts(), library.problems.len()), (vec![2, 0, 1], 3));

    fs::remove_file(folder.root().join("c/3.wav")).unwrap();
    let data = scan(folder.root()).unwrap();
    let error = Library::load(&data, &spec(), 1.0, None, |_, _, _| {}).unwrap_err().to_string();
    assert!(error.contains("only \"a\" has any") && error.contains("mend or convert"), "{error}");
}
