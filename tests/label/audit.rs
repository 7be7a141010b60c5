//! What contradicts the tags.

use std::fs;

use genre_recognizer::label::{Line, Writer};

use super::beets::songs;
use super::common::*;
use super::program::*;

#[test]
fn audit_names_what_contradicts_the_tags() {
    let folder = music();
    let (at, root) = (folder.path(), folder.path().join("music"));
    run(at, &format!("plan music {HEAR}"), 0);
    let all = lines(&at.join("genres.plan"));
    let sure: Vec<&Line> = all.iter().filter(|line| !line.genres.is_empty()).collect();
    let other = |line: &Line| if line.genres[0] == "Rock" { "Classical" } else { "Rock" };
    // Two of them get a tag that their sound contradicts, and one a tag that it does not.
    let plan = at.join("wrong.plan");
    let mut writer = Writer::new(&plan, &head(&root)).unwrap();
    for line in &sure[..2] {
        writer.line(&super::common::line(&root, &line.path, &[other(line)])).unwrap();
    }
    writer.line(&super::common::line(&root, &sure[2].path, &[&sure[2].genres[0]])).unwrap();
    // Not judged: what the model does not know.
    writer.line(&super::common::line(&root, &sure[3].path, &["Zydeco"])).unwrap();
    writer.finish().unwrap();
    run(at, "apply wrong.plan", 0);
    let found = run(at, &format!("audit music {HEAR} --json"), 0).out;
    let mut found: Vec<serde_json::Value> =
        found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let confidence = |song: &serde_json::Value| {
        song["probability"].as_f64().unwrap() - song["tagged_probability"].as_f64().unwrap()
    };
    assert!(found.is_sorted_by(|a, b| confidence(a) >= confidence(b)));
    found.sort_by_key(|song| song["path"].to_string());
    let mut wanted = [&sure[0].path, &sure[1].path];
    wanted.sort();
    assert_eq!(found.iter().map(|song| song["path"].as_str().unwrap()).collect::<Vec<_>>(), wanted);
    for song in &found {
        let moments = song["moments"].as_array().unwrap();
        assert!(!moments.is_empty() && moments.iter().all(|m| m["from"].as_f64() < m["to"].as_f64()));
    }
    // A file that cannot be heard is not judged either.
    fs::write(root.join("text.mp3"), "no music\n".repeat(50)).unwrap();
    let told = run(at, &format!("audit music {HEAR} --most 1"), 0);
    assert_eq!(told.out.lines().count(), 1);
    let says = "\n2 of 3 songs whose tags name a genre that the model knows sound like another; not judged: 4 without a genre, \
                1 of genres that the model does not know, 1 cannot be heard; named: the first 1\n";
    assert!(told.err.ends_with(says), "{}", told.err);
    let untagged = at.join("untagged");
    songs(&untagged, &NAMES[..1]);
    let none = run(at, &format!("audit untagged {HEAR}"), 0);
    assert!(none.err.ends_with("no song can be judged; not judged: 1 without a genre\n"), "{}", none.err);
}
