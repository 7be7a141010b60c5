//! Names of genres that tags cannot hold, and paths that break lines.

use std::fs;
use std::path::Path;

use genre_recognizer::model::Model;

use super::common::*;
use super::program::*;

/// The included model, with other names for its genres, as `odd.safetensors`; and a taxonomy that names them otherwise, as
/// `names.toml`.
fn odd_model(at: &Path) {
    let mut model = Model::load(&model()).unwrap();
    let mut taxonomy = "[genres]\n".to_owned();
    for (i, genre) in model.card.genres.iter_mut().enumerate() {
        *genre = if i % 2 == 0 { format!("Soul; {i}") } else { format!("Line\n{i}") };
        taxonomy += &if i % 2 == 0 {
            format!("\"Soul {i}\" = {{ aliases = [\"Soul; {i}\"] }}\n")
        } else {
            format!("\"Line {i}\" = {{}}\n")
        };
    }
    model.save(&at.join("odd.safetensors")).unwrap();
    fs::write(at.join("names.toml"), taxonomy).unwrap();
}

#[test]
fn a_model_whose_genres_tags_cannot_hold_is_refused_before_it_hears() {
    let folder = music();
    let at = folder.path();
    odd_model(at);
    let hear = "music --model odd.safetensors --device cpu --threshold 0.05";
    let refused = run(at, &format!("plan {hear}"), 1);
    let [line] = refused.err.lines().collect::<Vec<_>>()[..] else { panic!("{}", refused.err) };
    for words in [
        "\"Soul; 0\" (it has a semicolon",
        "\"Line\\x0A1\" (it has a line break or another control character)",
        "--taxonomy",
        "rename its folder and train again",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    assert!(!at.join("genres.plan").exists() && !at.join(".cache/genre-recognizer/heard").exists());
    // The first cure.
    run(at, &format!("plan {hear} --taxonomy names.toml"), 0);
    let shown = run(at, "show genres.plan", 0).out;
    assert!(shown.lines().count() == NAMES.len() && shown.contains(r"Line\x0A"), "{shown}");
    run(at, "apply genres.plan", 0);
    run(at, &format!("audit {hear} --taxonomy names.toml"), 0);
    // Names of genres break no lines elsewhere either.
    let heard = ran(program(at, "predict --device cpu --top-k 14 --model odd.safetensors music"));
    assert_eq!((heard.code, heard.out.lines().count()), (Some(0), NAMES.len()), "{}", heard.out);
    assert!(
        heard.out.lines().all(|line| line.contains(r"Line\x0A1 ") && line.contains("Soul; 0 ")),
        "{}",
        heard.out
    );
    let timed = ran(program(at, "predict --device cpu --timeline --model odd.safetensors music"));
    assert!(timed.out.lines().all(|line| line.contains(" %")), "{}", timed.out);
}

#[test]
fn a_dataset_whose_genres_tags_cannot_hold_is_warned_of() {
    let folder = music();
    let at = folder.path();
    for genre in ["A;B", "Pop"] {
        fs::create_dir_all(at.join("set").join(genre)).unwrap();
        for name in ["four.wav", "eight.wav"] {
            fs::copy(at.join("music").join(name), at.join("set").join(genre).join(name)).unwrap();
        }
    }
    let checked = ran(program(at, "dataset check set --quick"));
    let says = "  the genre \"A;B\" can be learnt, but label cannot write it into tags: it has a semicolon";
    assert!(checked.code == Some(1) && checked.out.contains(says), "{}", checked.out);
    assert!(checked.out.matches("cannot write it").count() == 1, "{}", checked.out);
}

#[cfg(unix)]
#[test]
fn paths_with_line_breaks_are_shown_on_one_line_and_in_no_playlist() {
    let folder = music();
    let (at, root) = (folder.path(), folder.path().join("music"));
    fs::rename(root.join("four.wav"), root.join("new\nline.wav")).unwrap();
    fs::write(root.join("no\nsong.mp3"), "no music\n".repeat(50)).unwrap();
    let planned = run(at, "plan music --model MODEL --device cpu --threshold 0", 1);
    assert!(planned.err.contains(r"cannot be labelled: no\x0Asong.mp3: "), "{}", planned.err);
    let shown = run(at, "show genres.plan --page page.html", 0).out;
    assert!(shown.contains(r"new\x0Aline.wav: no genre") && shown.contains(r"no\x0Asong.mp3: "), "{shown}");
    assert!(fs::read_to_string(at.join("page.html")).unwrap().contains(r"new\x0Aline.wav"));
    let listed = run(at, "show genres.plan --format m3u --playlists lists", 1);
    let left = "left out: new\\x0Aline.wav: a playlist cannot hold a path with a line break";
    assert!(listed.err.contains(left), "{}", listed.err);
    let mut entries = 0;
    for list in contents(&at.join("lists")).values() {
        for line in String::from_utf8_lossy(list).lines().filter(|line| *line != "#EXTM3U") {
            assert!(Path::new(line).is_file(), "{line}");
            entries += 1;
        }
    }
    assert_eq!(entries, NAMES.len() - 1);
    let applied = run(at, "apply genres.plan", 1);
    assert!(applied.out.contains(r"new\x0Aline.wav: "), "{}", applied.out);
    assert!(applied.err.contains(r"cannot be labelled: no\x0Asong.mp3: "), "{}", applied.err);
    // Files that are left alone are named so too.
    fs::write(root.join("new\nline.wav"), "").unwrap();
    let undone = run(at, "undo genres.plan.journal", 1);
    assert!(undone.err.contains(r"left alone: new\x0Aline.wav: "), "{}", undone.err);
}
