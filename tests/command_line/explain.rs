//! `predict --explain`: a page a song, whatever the songs are called.

use super::*;

/// The pages in a folder, by name; nothing else may be there.
fn pages(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<(String, String)> = entries
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    pages.sort();
    pages
}

fn predict(folder: &Path, flags: &[&str]) -> Ran {
    let model = trained().path().join("runs/music-1/best.safetensors");
    let mut command = program(folder, "predict --device cpu --model");
    Ran::new(command.arg(model).args(flags).output().unwrap())
}

#[test]
fn songs_are_explained_in_a_page_each() {
    let folder = tempdir().unwrap();
    // Two songs of one name, and names that want to be markup, paths, flags or several lines.
    let mut hostile = vec!["--flag.wav", "&lt;'`{{x}}$(id).wav"];
    if cfg!(unix) {
        hostile.extend([
            "<img src=x onerror=alert(1)>.wav",
            "two\nlines \u{1b}[2J\".wav",
            "up\\..\\..\\down.wav",
            "con.wav",
        ]);
    }
    for name in &hostile {
        wav(&folder.path().join("songs").join(name), &sound(2, 3, 1.0));
    }
    for place in ["songs/a", "songs/b"] {
        wav(&folder.path().join(place).join("same.wav"), &sound(1, 4, 1.5));
    }
    let count = hostile.len() + 2;
    let ran = predict(folder.path(), &["--explain", "deep/why", "--format", "json", "songs"]).ends(0);
    let songs: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let songs = songs.as_array().unwrap();
    assert_eq!(songs.len(), count);
    let pages = pages(&folder.path().join("deep/why"));
    assert_eq!(pages.len(), count);
    for (name, page) in &pages {
        let stem = name.strip_suffix(".html").unwrap();
        assert!(stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        assert!(!stem.starts_with('-'), "{name}");
        assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"), "{name}");
        assert!(!page.contains("<img src=x") && !page.contains('\u{1b}'), "{name}");
        // Both pictures are in it.
        assert!(page.matches("data:image/png;base64,").count() >= 2, "{name}");
        assert!(page.contains("Recognised as"), "{name}");
    }
    // Every song knows its page.
    for song in songs {
        let page = folder.path().join(song["explanation"].as_str().unwrap());
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains(song["genres"][0]["genre"].as_str().unwrap()));
    }

    // Again: the same bytes in the same files.
    predict(folder.path(), &["--explain", "deep/why", "songs"]).ends(0);
    assert!(self::pages(&folder.path().join("deep/why")) == pages, "a page changed");
}

#[test]
fn explanations_of_one_song_and_of_none() {
    let folder = tempdir().unwrap();
    wav(&folder.path().join("tone.wav"), &sound(2, 5, 1.0));
    fs::write(folder.path().join("text.wav"), "this is not music").unwrap();
    let ran = predict(folder.path(), &["--explain", "why", "tone.wav", "text.wav"]).ends(1);
    let pages = pages(&folder.path().join("why"));
    assert_eq!(pages.len(), 1);
    assert!(pages[0].0.starts_with("tone-wav-"), "{}", pages[0].0);
    assert!(ran.out.contains(&format!("  explained in why/{}", pages[0].0)), "{}", ran.out);
    // Without the flag, nothing of it.
    let ran = predict(folder.path(), &["--format", "json", "tone.wav"]).ends(0);
    assert!(!ran.out.contains("explanation"), "{}", ran.out);
    // A file in the way is said before any song is read.
    predict(folder.path(), &["--explain", "tone.wav", "tone.wav"]).refused(&[
        "tone.wav",
        "cannot be made",
        "--explain",
    ]);
}
