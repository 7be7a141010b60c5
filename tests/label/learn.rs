//! What is said where a library's tags teach too little.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::common::*;
use super::program::*;

/// A song of noise in CAF, whose tags are not read.
fn caf(path: &Path) {
    let mut bytes = b"caff\0\x01\0\0desc".to_vec();
    bytes.extend(32u64.to_be_bytes());
    bytes.extend(8_000f64.to_be_bytes());
    bytes.extend(b"lpcm");
    // No flags: integers, the larger byte first; bytes and frames of a packet, channels, bits.
    [0u32, 2, 1, 1, 16].into_iter().for_each(|number| bytes.extend(number.to_be_bytes()));
    let samples: Vec<u8> = (0..32_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 27) as u8).collect();
    bytes.extend(b"data");
    bytes.extend((4 + samples.len() as u64).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(samples);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_library_without_genres_makes_no_dataset() {
    let folder = tempdir().unwrap();
    let (at, root) = (folder.path(), folder.path().join("music"));
    fs::create_dir(&root).unwrap();
    for i in 0..3 {
        fs::write(root.join(format!("{i}.mp3")), song(i, None)).unwrap();
    }
    let none = run(at, "learn music --out set", 1);
    let says = "error: music: by the songs' tags, no genre has 10 songs, 3 songs without a genre that says anything; give \
                songs a genre in their tags first\n";
    assert!(none.err == says && !at.join("set").exists(), "{}", none.err);
    // Training says so of the library, and not of a folder that nobody knows.
    let train =
        |flags: &str| ran(program(at, &format!("train --device cpu --labels tags --dataset music {flags}")));
    let untaught = train("");
    assert_eq!((untaught.code, untaught.err.as_str()), (Some(1), says));

    for i in 3..6 {
        fs::write(root.join(format!("{i}.mp3")), song(i, Some("Rock"))).unwrap();
    }
    fs::write(root.join("6.mp3"), song(6, Some("Jazz"))).unwrap();
    let few = run(at, "learn music --out set", 1);
    let says = "no genre has 10 songs, \"Rock\" has 3, \"Jazz\" has 1, 3 songs without a genre that says anything; give a smaller";
    assert!(few.err.contains(&format!("{says} --least, or")) && !at.join("set").exists(), "{}", few.err);
    let untaught = train("");
    assert!(untaught.err.contains(&format!("{says} --least-songs, or")), "{}", untaught.err);
    let one = train("--least-songs 2");
    let says = "error: music: by the songs' tags, only \"Rock\" has 2 songs, and two genres are needed, \"Jazz\" has 1, ";
    assert!(one.code == Some(1) && one.err.starts_with(says), "{}", one.err);
    let one = run(at, "learn music --least 2 --out one", 0);
    assert!(one.err == "training needs a second genre\n" && at.join("one/Rock").is_dir(), "{}", one.err);
    // Of one song each, there are two.
    assert!(run(at, "learn music --least 1 --out set", 0).err.starts_with("train on it: "));
    fs::write(root.join("7.mp3"), song(7, Some("Zydeco"))).unwrap();
    (0..7).for_each(|i| fs::remove_file(root.join(format!("{i}.mp3"))).unwrap());
    assert!(run(at, "learn music --out other", 1).err.contains("--taxonomy"));
}

#[test]
fn a_place_without_room_is_named_before_a_library_is_read() {
    let folder = tempdir().unwrap();
    let (at, root) = (folder.path(), folder.path().join("music"));
    library(&root, 3);
    fs::write(at.join("song.mp3"), song(1, None)).unwrap();
    for (out, words) in [
        ("song.mp3", "song.mp3 is a file; name another folder with --out"),
        ("song.mp3/set", "song.mp3 is a file; name another folder with --out"),
        ("music", "music is not empty; name another folder with --out"),
    ] {
        let refused = run(at, &format!("learn music --out {out}"), 1);
        assert!(refused.err.contains(words) && refused.out.is_empty(), "{}\n{}", refused.err, refused.out);
    }
}

/// Files whose tags cannot be read are described as a plan describes them.
#[test]
fn what_cannot_be_read_is_called_what_it_is() {
    let folder = music();
    let (at, root) = (folder.path(), folder.path().join("music"));
    caf(&root.join("whole.caf"));
    fs::write(root.join("cut.caf"), &fs::read(root.join("whole.caf")).unwrap()[..30]).unwrap();
    fs::write(root.join("text.mp3"), "no music\n".repeat(50)).unwrap();
    fs::write(root.join("text.webm"), "no music\n".repeat(50)).unwrap();
    let planned = run(at, &format!("plan music {HEAR}"), 1).err;
    let learnt = run(at, "learn music", 0).out;
    for (name, word) in [
        ("whole.caf", "genres in CAF are neither read nor written"),
        ("cut.caf", "ends inside"),
        ("text.mp3", "text"),
        ("text.webm", "text"),
    ] {
        let after = |text: &str, before: &str| {
            text.lines().find_map(|line| line.strip_prefix(&format!("{before}{name}: ")).map(str::to_owned))
        };
        let reason = after(&learnt, "  ");
        assert!(reason.as_ref().is_some_and(|reason| reason.contains(word)), "{name}: {learnt}");
        assert_eq!(reason, after(&planned, "cannot be labelled: "), "{name}");
    }
}
