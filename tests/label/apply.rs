//! Plans are applied and undone.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use genre_recognizer::label::{Apply, Entry, Journal, Keeping, Mode, Outcome, Undone};
use tempfile::{TempDir, tempdir};

use super::common::*;

fn written(genres: &[&str]) -> Outcome {
    Outcome::Written(genres.iter().map(|&genre| genre.to_owned()).collect())
}

#[track_caller]
fn refused(outcome: &Outcome, word: &str) {
    assert!(matches!(outcome, Outcome::Refused(reason) if reason.contains(word)), "{outcome:?}");
}

/// A library `music` of two songs: `a.mp3` without a genre, `b.mp3` with one.
fn two() -> TempDir {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("music")).unwrap();
    fs::write(folder.path().join("music/a.mp3"), song(1, None)).unwrap();
    fs::write(folder.path().join("music/b.mp3"), song(2, Some("Old"))).unwrap();
    folder
}

#[test]
fn what_a_file_has_is_kept_replaced_or_added_to() {
    for (mode, second, genres_of_second) in [
        (Mode::OnlyIfEmpty, Outcome::Has, &["Old"][..]),
        (Mode::Replace, written(&["New", "Newer"]), &["New", "Newer"]),
        (Mode::Add, written(&["Old", "New", "Newer"]), &["Old", "New", "Newer"]),
    ] {
        let folder = two();
        let root = folder.path().join("music");
        let before = contents(&root);
        let plan = plan(&root, &["New", "Newer"]);
        let pretended = apply_with(&plan, &Apply { mode, pretend: true, ..Apply::default() }).unwrap().1;
        assert!(contents(&root) == before && !plan.with_extension("journal").exists());
        let outcomes = apply(&plan, mode);
        assert_eq!(pretended, outcomes);
        assert_eq!(outcomes["a.mp3"], written(&["New", "Newer"]));
        assert_eq!(outcomes["b.mp3"], second);
        assert_eq!(genres(&root.join("a.mp3")), ["New", "Newer"]);
        assert_eq!(genres(&root.join("b.mp3")), genres_of_second);
        // Once more: nothing is left to do.
        let after = contents(&root);
        let again = apply(&plan, mode);
        assert_eq!(again["a.mp3"], Outcome::Done);
        assert!(matches!(again["b.mp3"], Outcome::Done | Outcome::Has) && contents(&root) == after);
        // Their padding had room, so that every byte is as before.
        assert!(undo(&plan).values().all(|undone| *undone == Undone::Restored));
        assert!(contents(&root) == before);
        assert!(undo(&plan).values().all(|undone| *undone == Undone::Before));
    }
}

#[test]
fn a_file_that_says_so_is_not_written() {
    let folder = two();
    let root = folder.path().join("music");
    let plan = plan(&root, &["Old"]);
    assert_eq!(apply(&plan, Mode::Replace)["b.mp3"], Outcome::Same);
    assert_eq!(apply(&plan, Mode::Add)["b.mp3"], Outcome::Same);
}

#[test]
fn undo_leaves_what_others_wrote_since() {
    let folder = two();
    let root = folder.path().join("music");
    let plan = plan(&root, &["New"]);
    apply(&plan, Mode::Replace);
    // One gets another genre, the other another title.
    let other = song(1, Some("Mine"));
    fs::write(root.join("a.mp3"), &other).unwrap();
    let retitled =
        mp3(2, &[frame("TIT2", b"\x03Other"), frame("TCON", b"\x03New"), frame("TXXX", b"\x03k\0v")]);
    fs::write(root.join("b.mp3"), retitled).unwrap();
    let undone = undo(&plan);
    assert!(
        matches!(&undone["a.mp3"], Undone::Refused(reason) if reason.contains("no longer")),
        "{undone:?}"
    );
    // The field is not at the place that it was written to.
    assert!(matches!(undone["b.mp3"], Undone::Refused(_) | Undone::Restored));
    assert!(fs::read(root.join("a.mp3")).unwrap() == other);
    assert!(fs::read(root.join("b.mp3")).unwrap().windows(5).any(|text| text == b"Other"));
}

#[test]
fn files_that_changed_since_the_plan_stay() {
    let folder = two();
    let root = folder.path().join("music");
    let plan = plan(&root, &["New"]);
    let (a, b) = (root.join("a.mp3"), root.join("b.mp3"));
    // Another size; and other audio of the same size at the same time.
    fs::write(&a, [song(1, None), vec![0; 5]].concat()).unwrap();
    let time = fs::metadata(&b).unwrap().modified().unwrap();
    let mut bytes = song(2, Some("Old"));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&b, bytes).unwrap();
    File::options().write(true).open(&b).unwrap().set_modified(time).unwrap();
    let before = contents(&root);
    let outcomes = apply(&plan, Mode::Replace);
    refused(&outcomes["a.mp3"], "changed since the plan");
    refused(&outcomes["b.mp3"], "audio");
    assert!(contents(&root) == before);
    fs::remove_file(&a).unwrap();
    refused(&apply(&plan, Mode::Replace)["a.mp3"], "No such file");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    use std::process::Command;

    use genre_recognizer::label::find;

    use super::*;

    #[test]
    fn links_lead_to_their_targets_and_not_out_of_the_library() {
        let folder = two();
        let root = folder.path().join("music");
        fs::create_dir(root.join("deep")).unwrap();
        symlink("../a.mp3", root.join("deep/link.mp3")).unwrap();
        fs::write(folder.path().join("outside.mp3"), song(3, None)).unwrap();
        symlink(folder.path().join("outside.mp3"), root.join("out.mp3")).unwrap();
        symlink("nowhere.mp3", root.join("dangling.mp3")).unwrap();
        // Round in a circle, and to songs elsewhere, which would be overlooked without a word.
        symlink("..", root.join("deep/up")).unwrap();
        fs::create_dir(folder.path().join("elsewhere")).unwrap();
        symlink(folder.path().join("elsewhere"), root.join("more")).unwrap();
        let songs = find(&root, None).unwrap();
        let names: Vec<&str> = songs.found.iter().map(|song| song.name.as_str()).collect();
        // The link and its target are one.
        assert_eq!(names, ["a.mp3", "b.mp3"]);
        assert_eq!(songs.problems.len(), 3);
        // A plan that was edited may name the links all the same.
        let plan = plan(&root, &["New"]);
        let text = fs::read_to_string(&plan).unwrap().replace("\"a.mp3\"", "\"deep/link.mp3\"");
        let outside = serde_json::to_string(&line(&root, "out.mp3", &["New"])).unwrap();
        fs::write(&plan, text + &outside + "\n").unwrap();
        let outcomes = apply(&plan, Mode::Replace);
        assert_eq!(outcomes["deep/link.mp3"], written(&["New"]));
        refused(&outcomes["out.mp3"], "out of the library");
        assert!(fs::symlink_metadata(root.join("deep/link.mp3")).unwrap().is_symlink());
        assert_eq!(genres(&root.join("a.mp3")), ["New"]);
        assert!(fs::read(folder.path().join("outside.mp3")).unwrap() == song(3, None));
        undo(&plan);
        assert!(fs::read(root.join("a.mp3")).unwrap() == song(1, None));
    }

    #[test]
    fn hard_links_are_parted_only_when_told() {
        let folder = two();
        let root = folder.path().join("music");
        let seed = folder.path().join("torrent.mp3");
        fs::hard_link(root.join("a.mp3"), &seed).unwrap();
        let plan = plan(&root, &["New"]);
        refused(&apply(&plan, Mode::Replace)["a.mp3"], "hard links");
        let keeping = Keeping { part_hard_links: true, ..Keeping::default() };
        let parted = apply_with(&plan, &Apply { mode: Mode::Replace, keeping, pretend: false }).unwrap().1;
        assert_eq!(parted["a.mp3"], written(&["New"]));
        assert!(fs::read(&seed).unwrap() == song(1, None));
    }

    /// What nothing would be written to is counted as the plan counts it.
    #[test]
    fn files_that_stay_as_they_are_need_not_be_writable() {
        let folder = two();
        let root = folder.path().join("music");
        fs::hard_link(root.join("b.mp3"), root.join("c.mp3")).unwrap();
        fs::write(root.join("d.mp3"), song(4, Some("Old"))).unwrap();
        fs::set_permissions(root.join("d.mp3"), fs::Permissions::from_mode(0o444)).unwrap();
        let path = plan(&root, &["New"]);
        for pretend in [true, false] {
            let (tally, outcomes) = apply_with(&path, &Apply { pretend, ..Apply::default() }).unwrap();
            assert_eq!((tally.written, tally.has, tally.refused), (1, 3, 0), "{outcomes:?}");
        }
        for pretend in [true, false] {
            let options = Apply { mode: Mode::Replace, pretend, ..Apply::default() };
            let (tally, outcomes) = apply_with(&path, &options).unwrap();
            assert_eq!((tally.done, tally.refused), (1, 3), "{outcomes:?}");
            ["b.mp3", "c.mp3"].iter().for_each(|name| refused(&outcomes[*name], "hard links"));
            refused(&outcomes["d.mp3"], "read-only");
        }
        fs::remove_file(path.with_extension("journal")).unwrap();
        let same = apply(&plan(&root, &["Old"]), Mode::Replace);
        assert_eq!((&same["b.mp3"], &same["d.mp3"]), (&Outcome::Same, &Outcome::Same));
        // What is to be written must be, also to be undone.
        let journal = path.with_extension("journal");
        fs::hard_link(root.join("a.mp3"), folder.path().join("a.mp3")).unwrap();
        assert!(
            journal.exists()
                && matches!(&undo(&path)["a.mp3"], Undone::Refused(why) if why.contains("hard links"))
        );
    }

    #[test]
    fn nothing_but_regular_writable_files_is_opened_for_writing() {
        let folder = two();
        let root = folder.path().join("music");
        fs::write(root.join("c.mp3"), song(3, None)).unwrap();
        let plan = plan(&root, &["New"]);
        fs::set_permissions(root.join("a.mp3"), fs::Permissions::from_mode(0o444)).unwrap();
        fs::remove_file(root.join("b.mp3")).unwrap();
        fs::create_dir(root.join("b.mp3")).unwrap();
        fs::remove_file(root.join("c.mp3")).unwrap();
        // Whoever opened it would wait for ever.
        assert!(Command::new("mkfifo").arg(root.join("c.mp3")).status().unwrap().success());
        let outcomes = apply(&plan, Mode::Replace);
        refused(&outcomes["a.mp3"], "read-only");
        refused(&outcomes["b.mp3"], "not a regular file");
        refused(&outcomes["c.mp3"], "not a regular file");
    }

    #[test]
    fn mode_owner_attributes_and_time_are_kept() {
        for keep in [true, false] {
            let folder = two();
            let root = folder.path().join("music");
            let path = root.join("a.mp3");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            // Only root may give files away.
            let given = chown(&path, Some(1234), Some(2345)).is_ok();
            let marked = xattr::set(&path, "user.rating", b"five").is_ok();
            let time = SystemTime::now() - Duration::from_secs(1_000_000);
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            let plan = plan(&root, &["New"]);
            let keeping = Keeping { time: keep, ..Keeping::default() };
            let options = Apply { mode: Mode::Replace, keeping, pretend: false };
            assert_eq!(apply_with(&plan, &options).unwrap().1["a.mp3"], written(&["New"]));
            let about = fs::metadata(&path).unwrap();
            assert_eq!(about.mode() & 0o7777, 0o640);
            if given {
                assert_eq!((about.uid(), about.gid()), (1234, 2345));
            }
            if marked {
                assert_eq!(xattr::get(&path, "user.rating").unwrap().as_deref(), Some(&b"five"[..]));
            }
            assert_eq!(about.modified().unwrap() == time, keep);
        }
    }
}

#[test]
fn what_killed_programs_left_is_swept_away_and_what_is_in_use_is_not() {
    let folder = two();
    let root = folder.path().join("music");
    let names = [".genre-recognizer-dead.tmp", ".genre-recognizer-alive.tmp", ".other.tmp"];
    let [dead, alive, other] = names.map(|name| root.join(name));
    for path in [&dead, &alive, &other] {
        fs::write(path, b"half a song").unwrap();
    }
    let held = File::open(&alive).unwrap();
    held.lock().unwrap();
    apply(&plan(&root, &["New"]), Mode::Replace);
    assert!(!dead.exists() && alive.exists() && other.exists());
}

#[test]
fn a_journal_is_one_librarys_and_one_programs_and_forgets_a_torn_line() {
    let folder = two();
    let root = folder.path().join("music");
    let plan = plan(&root, &["New"]);
    apply(&plan, Mode::OnlyIfEmpty);
    let journal = plan.with_extension("journal");
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, [&whole[..], b"{\"path\":\"b.mp3\",\"au"].concat()).unwrap();
    assert_eq!(apply(&plan, Mode::Replace)["a.mp3"], Outcome::Done);
    assert_eq!(genres(&root.join("b.mp3")), ["New"]);
    let longer = fs::read(&journal).unwrap();
    assert!(longer.starts_with(&whole) && longer.len() > whole.len());
    // In use.
    let file = File::open(&journal).unwrap();
    file.lock().unwrap();
    let error = apply_with(&plan, &Apply::default()).unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
    drop(file);
    // Another library's.
    let other = folder.path().join("other");
    copy(&root, &other);
    let others = super::common::plan(&other, &["New"]);
    fs::copy(&journal, others.with_extension("journal")).unwrap();
    let error = apply_with(&others, &Apply::default()).unwrap_err().to_string();
    assert!(error.contains("is the journal of"), "{error}");
    // Damaged in the middle: named by its line.
    fs::write(&journal, longer.iter().map(|&b| if b == b'[' { b'(' } else { b }).collect::<Vec<_>>())
        .unwrap();
    let error = apply_with(&plan, &Apply::default()).unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn a_damaged_line_of_a_journal_stops_nothing_else() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("music");
    library(&root, 9);
    let before = contents(&root);
    let plan = plan(&root, &["New"]);
    apply(&plan, Mode::Replace);
    let after = contents(&root);
    let journal = plan.with_extension("journal");
    let whole = fs::read_to_string(&journal).unwrap();
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    let lost: Entry = serde_json::from_str(&lines[4]).unwrap();
    // Zeros, as a disk leaves them, and half of a line.
    lines[4] = "\0".repeat(lines[4].len());
    let half: Entry = serde_json::from_str(&lines[6]).unwrap();
    lines[6].truncate(40);
    fs::write(&journal, lines.join("\n") + "\n").unwrap();
    let damaged: Vec<usize> = Journal::open(&journal).unwrap().damaged().iter().map(|d| d.line).collect();
    assert_eq!(damaged, [5, 7]);
    let undone = undo(&plan);
    assert!(undone.len() == 7 && undone.values().all(|undone| *undone == Undone::Restored), "{undone:?}");
    for (name, bytes) in contents(&root) {
        let is = |entry: &Entry| name.to_str() == Some(&entry.path);
        let wanted = if is(&lost) || is(&half) { &after } else { &before };
        assert!(bytes == wanted[&name], "{}", name.display());
    }
    // Nothing is added to such a journal; and what is none is left alone.
    let error =
        apply_with(&plan, &Apply { mode: Mode::Replace, ..Apply::default() }).unwrap_err().to_string();
    assert!(error.contains("line 5") && error.contains("another journal"), "{error}");
    let lines = b"RIFF\0\0\0\0WAVE no line ends here";
    for bytes in [&lines[..], b"{\"plan\":1}\n", b"text\n"] {
        fs::write(&journal, bytes).unwrap();
        for error in [apply_with(&plan, &Apply::default()).err(), Journal::open(&journal).err()] {
            let error = error.unwrap().to_string();
            assert!(error.contains("is no journal"), "{error}");
        }
        assert!(fs::read(&journal).unwrap() == bytes);
    }
    // Without its first line nobody knows which library it is of.
    fs::write(&journal, whole.split_once('\n').unwrap().1).unwrap();
    let error = Journal::open(&journal).unwrap_err().to_string();
    assert!(error.contains("names the library, is missing"), "{error}");
}

#[test]
fn pretending_knows_what_was_written() {
    let folder = two();
    let root = folder.path().join("music");
    let plan = plan(&root, &["New"]);
    apply(&plan, Mode::Replace);
    let options = Apply { mode: Mode::Replace, pretend: true, ..Apply::default() };
    let (tally, outcomes) = apply_with(&plan, &options).unwrap();
    assert_eq!((tally.done, tally.refused), (2, 0), "{outcomes:?}");
}

/// A copy that is not right is found, whatever is wrong with it.
#[test]
fn verification_finds_every_difference() {
    use genre_recognizer::label::tags::{encode, inspect, verify};
    let folder = two();
    let path = folder.path().join("music/b.mp3");
    let old = inspect(&File::open(&path).unwrap()).unwrap();
    let (before, after) = encode(&File::open(&path).unwrap(), &["New".to_owned()]).unwrap();
    let check = |bytes: Vec<u8>, states| {
        let copy = folder.path().join("copy");
        fs::write(&copy, bytes).unwrap();
        inspect(&File::open(&copy).unwrap()).and_then(|new| verify(&old, &new, states))
    };
    let good = song(2, Some("New"));
    check(good.clone(), &after).unwrap();
    check(song(2, Some("Old")), &before).unwrap();
    assert!(check(song(2, Some("Old")), &after).is_err());
    assert!(check(song(2, None), &after).is_err());
    // Any byte of the audio, the picture, the title, the private frame.
    let padding = good.len() - 30 * 417 - 200..good.len() - 30 * 417;
    let mut caught = 0;
    for at in (10..good.len()).step_by(37).chain(10..120).filter(|at| !padding.contains(at)) {
        let mut bad = good.clone();
        bad[at] ^= 0x01;
        assert!(check(bad, &after).is_err(), "byte {at}");
        caught += 1;
    }
    assert!(caught > 400);
    assert!(check(good[..good.len() - 1].to_vec(), &after).is_err());
    assert!(check([&good[..], &[0]].concat(), &after).is_err());
}
