//! Plans that were edited, and plans of parts.

use std::fs;
use std::path::PathBuf;

use genre_recognizer::label::{Head, Line, Plan, Shard, Writer, find, merge};
use tempfile::tempdir;

use super::common::*;

#[test]
fn nonsense_is_named_by_its_line() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("music");
    library(&root, 3);
    let path = plan(&root, &["New"]);
    let good = fs::read_to_string(&path).unwrap();
    assert_eq!(Plan::open(&path).unwrap().len, 3);
    let lines: Vec<&str> = good.lines().collect();
    let third = |from: &str, to: &str| {
        let edited = lines[2].replace(from, to);
        assert_ne!(edited, lines[2], "{from}");
        [lines[0], lines[1], &edited, lines[3]].join("\n")
    };
    let size = third("\"size\":", "\"size\":\"large\",\"x\":");
    for (text, words) in [
        (String::new(), &["is no plan", "empty"][..]),
        ("nonsense\n".to_owned(), &["is no plan", "first line"]),
        (lines[1..].join("\n"), &["is no plan", "names the library, is missing"]),
        ("<!DOCTYPE html>\n<html>".to_owned(), &["is no plan", "browser"]),
        ("path,tagged,genres,genre1\na,b,c,d\n".to_owned(), &["is no plan", "table"]),
        ("{\"journal\":1,\"library\":\"/a\"}\n".to_owned(), &["is no plan", "label undo"]),
        (lines[0].replace("\"plan\":1,", "\"plan\":1"), &["line 1", "column"]),
        (good.replacen("\"plan\":1", "\"plan\":9", 1), &["line 1", "version 9"]),
        (third("}", ""), &["line 3"]),
        (size, &["line 3", "u64"]),
        (third("\"artist 1/", "\"../"), &["line 3", "inside the library"]),
        (third("\"artist 1/", "\"/etc/"), &["line 3", "inside the library"]),
        (third("[\"New\"]", "[\"New; Old\"]"), &["line 3", "semicolon"]),
        (third("[\"New\"]", "[\"\"]"), &["line 3", "empty"]),
        (third("[\"New\"]", "[\"New\\nOld\"]"), &["line 3", r"New\x0AOld", "line break"]),
        (third("[\"New\"]", "\"New\""), &["line 3"]),
        (third("\"genres\":[\"New\"]", "\"genre\":[\"New\"]"), &["line 3", "genre"]),
        (third("\"audio\":\"", "\"audio\":\"x"), &["line 3", "audio"]),
        (good.clone() + lines[1] + "\n", &["line 5", "before"]),
    ] {
        fs::write(&path, &text).unwrap();
        let error = Plan::open(&path).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}\n{text}");
    }
    // Files that are no text, and what is no file.
    let sound: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(good.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (bytes, word) in [([&b"RIFF\x24\0\0\0WAVE"[..], &sound].concat(), "audio"), (wide, "UTF-16")] {
        fs::write(&path, bytes).unwrap();
        let error = Plan::open(&path).unwrap_err().to_string();
        assert!(error.contains("is no plan") && error.contains(word) && error.len() < 300, "{error}");
    }
    assert!(Plan::open(&root).unwrap_err().to_string().contains("is a folder, and no plan"));
    let none = Plan::open(&folder.path().join("none")).unwrap_err().to_string();
    assert!(none.contains("no such plan"), "{none}");
    // As Windows' editors save it.
    fs::write(&path, format!("\u{feff}{}", good.replace('\n', "\r\n"))).unwrap();
    assert_eq!(Plan::open(&path).unwrap().lines().unwrap().map(Result::unwrap).count(), 3);
    // Blank lines, and other genres, may be written in.
    fs::write(&path, format!("{}\n\n{}\n", lines[0], lines[1].replace("New", "Neu"))).unwrap();
    assert_eq!(Plan::open(&path).unwrap().len, 1);
}

#[test]
fn parts_make_the_whole() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("music");
    library(&root, 30);
    let whole = fs::read(plan(&root, &["New"])).unwrap();
    let part = |number: usize, of: usize, model: &str| -> PathBuf {
        let path = folder.path().join(format!("{number}-{of}-{model}.plan"));
        let shard = Some(Shard { number, of });
        let mut writer = Writer::new(&path, &Head { shard, model: model.into(), ..head(&root) }).unwrap();
        for song in find(&root, shard).unwrap().found {
            writer.line(&line(&root, &song.name, &["New"])).unwrap();
        }
        writer.finish().unwrap();
        path
    };
    let parts: Vec<PathBuf> = (1..=4).map(|number| part(number, 4, "a model")).collect();
    let out = folder.path().join("merged.plan");
    let merged = merge(&parts[1..3], &out).unwrap();
    assert_eq!((merged.missing, out.exists()), (vec![1, 4], false));
    // In any order.
    let shuffled = [2, 0, 3, 1].map(|i| parts[i].clone());
    let merged = merge(&shuffled, &out).unwrap();
    assert_eq!((merged.len, merged.missing), (30, vec![]));
    assert_eq!(fs::read(&out).unwrap(), whole);
    let lines: Vec<Line> = Plan::open(&out).unwrap().lines().unwrap().map(|line| line.unwrap().1).collect();
    assert!(lines.is_sorted_by(|a, b| a.path < b.path));
    for (plans, word) in [
        ([parts[0].clone(), parts[0].clone()], "both part 1"),
        ([parts[0].clone(), part(2, 3, "a model")], "not parts of one"),
        ([parts[0].clone(), part(2, 4, "another")], "not parts of one"),
        ([parts[0].clone(), out.clone()], "not a plan of a part"),
    ] {
        let error = merge(&plans, &folder.path().join("no")).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
