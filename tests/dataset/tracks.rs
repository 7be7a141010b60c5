//! `tracks.csv`: what was written is what is read, however it was written.

use std::path::Path;

use genre_recognizer::dataset::{DatasetError, Track, Tracks, parse_genres, parse_tracks};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Tracks, DatasetError> {
    parse_tracks(text.as_bytes(), Path::new("tracks.csv"))
}

/// The line and reason of the error in a table.
fn fault(text: &str) -> (u64, String) {
    match parse(text) {
        Err(DatasetError::Tracks { line, reason, .. }) => (line, reason),
        other => panic!("{text:?}: {other:?}"),
    }
}

/// A cell that survives the trimming of blanks, quotes, commas and line breaks inside included.
fn cell() -> impl Strategy<Value = String> {
    "([a-zé\",#;][ a-zé\",#;\n]{0,6}[a-zé\",#;])?"
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_read_as_written(
        rows in prop::collection::vec((cell(), cell(), prop::option::of(any::<u32>())), 0..8),
        mark in any::<bool>(),
        ending in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        blank in 0..3usize,
        ends in any::<bool>(),
    ) {
        let mut text = if mark { "\u{feff}".to_owned() } else { String::new() };
        text.push_str("Fold,other,SOURCE,path,genre");
        let mut wanted = Tracks::new();
        let mut line = 1;
        for (i, (genre, artist, fold)) in rows.into_iter().enumerate() {
            text.push_str(&ending.repeat(blank + 1));
            line += blank as u64 + 1;
            let number = fold.map(|f| f.to_string()).unwrap_or_default();
            let row = format!("{number},x,{} , .\\rock//{i}.mp3 ,{}", quoted(&artist), quoted(&genre));
            text.push_str(&row);
            let some = |cell: String| (!cell.is_empty()).then_some(cell);
            let breaks = row.matches('\n').count() as u64;
            wanted.insert(format!("rock/{i}.mp3"), Track { genre: some(genre), artist: some(artist), tags: Vec::new(), fold, line });
            line += breaks;
        }
        if ends {
            text.push_str(ending);
        }
        prop_assert_eq!(parse(&text).unwrap(), wanted, "{:?}", text);
    }

    #[test]
    fn genres_read_as_written(names in prop::collection::hash_set("[a-z][a-z, ]{0,4}[a-z]", 0..8)) {
        let names: Vec<String> = names.into_iter().collect();
        for ending in ["\n", ",\n", " , \r\n", "\r", "\n# comment\n\n"] {
            prop_assert_eq!(&parse_genres(&names.join(ending)), &names);
        }
    }
}

#[test]
fn one_song_has_one_path() {
    for path in ["rock/a.mp3", "./rock/a.mp3", "rock//a.mp3", "rock/./a.mp3", r".\rock\a.mp3", "rock/a.mp3/"]
    {
        let tracks = parse(&format!("path\n{path}\n")).unwrap();
        assert_eq!(tracks.into_keys().collect::<Vec<_>>(), ["rock/a.mp3"], "{path}");
    }
    let (line, reason) = fault("path\nrock/a.mp3\nrock\\\\a.mp3\n");
    assert_eq!((line, reason.contains("before, in line 2")), (3, true), "{reason}");
}

#[test]
fn paths_stay_in_the_dataset() {
    for path in [
        "/a.mp3",
        "//a.mp3",
        r"\a.mp3",
        "../a.mp3",
        "rock/../../a.mp3",
        "C:/a.mp3",
        r"c:\a.mp3",
        "./C:/a",
        ".",
        "./",
    ] {
        let (line, reason) = fault(&format!("path\n{path}\n"));
        assert_eq!((line, reason.contains("leaves the dataset folder")), (2, true), "{path}: {reason}");
    }
}

#[test]
fn errors_are_one_line() {
    for text in ["path\n\"../a\n\u{1b}[2J\"\n", "path,fold\na,\"1\n2\"\n", "path\n\"a\nb\"\n\"a\nb\"\n"] {
        let (_, reason) = fault(text);
        assert!(!reason.contains(char::is_control), "{reason:?}");
    }
}

/// A quote that nobody closed would make one cell of the rows behind it.
#[test]
fn quotes_that_are_not_closed_are_named() {
    for (text, line, words) in [
        ("path,artist\na,\"X\nb,Y\n", 2, "never closed"),
        ("path,artist\na,\"X", 2, "never closed"),
        ("path,artist\n\"a\"\"\nb,Y\n", 2, "never closed"),
        ("\u{feff}\"path,artist\na,X\n", 1, "never closed"),
        ("path,artist\r\n\r\na,X\r\nb,\"Y\r\nc,Z\r\n", 4, "never closed"),
        ("path,artist\ra,X\rb,\"Y\r", 3, "never closed"),
        // Closed by the next row's quote.
        ("path,artist\na,\"X\nb,\"Y\"\nc,Z\n", 2, "behind a closing quote"),
        ("path,artist\na,\"X\"Y\n", 2, "behind a closing quote"),
        ("path,artist\na,X\nb,\"\"Y\"\n", 3, "behind a closing quote"),
    ] {
        let (at, reason) = fault(text);
        assert!(
            at == line && reason.contains(words) && reason.contains("close it"),
            "{text:?}: line {at}: {reason}"
        );
    }
    // Quotes that are none: within a cell, doubled, before blanks.
    for (text, artist) in [
        ("path,artist\na,The \"X\"\n", "The \"X\""),
        ("path,artist\na,X\"\n", "X\""),
        ("path,artist\na,\"The \"\"X\"\"\"\n", "The \"X\""),
        ("path,artist\na,\"X\" \n", "X"),
        ("path,artist\na,\"X\nY\"\nb,Z\n", "X\nY"),
    ] {
        assert_eq!(parse(text).unwrap()["a"].artist.as_deref(), Some(artist), "{text:?}");
    }
}

/// A count of lines that began anew at every row would take hours here.
#[test]
fn long_tables_take_linear_time() {
    let rows = 300_000;
    let mut text = String::from("path,artist\r\n");
    for i in 0..rows {
        text.push_str(&format!("rock/{i}.mp3,A\r\n"));
    }
    let tracks = parse(&text).unwrap();
    assert_eq!(tracks.len(), rows);
    assert_eq!(tracks[&format!("rock/{}.mp3", rows - 1)].line, rows as u64 + 1);
    text.push_str("rock/0.mp3,A\r\n");
    assert_eq!(fault(&text).0, rows as u64 + 2);
}

#[test]
fn tags_are_separated_by_semicolons() {
    let table = "path,tags\na/1.mp3,\"jazz; female vocalists ;;80s\"\na/2.mp3,\n";
    let tracks = parse_tracks(table.as_bytes(), Path::new("tracks.csv")).unwrap();
    assert_eq!(tracks["a/1.mp3"].tags, ["jazz", "female vocalists", "80s"]);
    assert!(tracks["a/2.mp3"].tags.is_empty());
}
