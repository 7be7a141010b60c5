//! A disk that is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use genre_recognizer::label::{Apply, LabelError, Mode};
use tempfile::tempdir;

use super::common::*;

/// A small file system in memory; none where this user may not mount one.
struct Small {
    at: PathBuf,
}

impl Small {
    fn new(at: &Path, kilobytes: usize) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={kilobytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|done| done.status.success()) {
            return Some(Self { at: at.to_owned() });
        }
        crate::common::skip("no small file system: only root may mount one");
        None
    }

    fn resize(&self, kilobytes: usize) {
        let size = format!("remount,size={kilobytes}k");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.at).status().unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

#[test]
fn a_full_disk_leaves_every_file_old_or_new() {
    let folder = tempdir().unwrap();
    let Some(small) = Small::new(&folder.path().join("small"), 8_000) else { return };
    let root = small.at.join("music");
    library(&root, 40);
    // No padding, so that every file that gets a genre grows.
    for (name, bytes) in contents(&root) {
        let seed = bytes[bytes.len() - 1];
        let frames =
            [frame("TIT2", b"\x03x"), frame("APIC", &[&b"\0a/b\0\x03\0"[..], &[seed; 9_000]].concat())];
        let mut file = mp3(seed, &frames);
        let size = frames.concat().len();
        file.drain(10 + size..10 + size + 200);
        file[6..10].copy_from_slice(&[21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8));
        fs::write(root.join(name), file).unwrap();
    }
    let before = contents(&root);
    let plan = plan(&root, &["New"]);
    let expected = {
        let copied = folder.path().join("music");
        copy(&root, &copied);
        let plan = super::common::plan(&copied, &["New"]);
        assert_eq!(apply_with(&plan, &Apply::default()).unwrap().0.written, 40);
        contents(&copied)
    };
    assert!(expected.keys().eq(before.keys()));
    // All but a few kilobytes is taken, so that it ends somewhere on the way: in a copy, or in the journal.
    let mut ends = Vec::new();
    let mut filler = Vec::new();
    let free = |small: &Small| {
        let output = Command::new("df").args(["-k", "--output=avail"]).arg(&small.at).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().nth(1).unwrap().trim().parse::<usize>().unwrap()
    };
    for i in 0.. {
        let path = small.at.join(format!("filler {i}"));
        fs::write(&path, [7; 1024]).unwrap();
        filler.push(path);
        if free(&small) <= 8 {
            break;
        }
    }
    for _ in 0..200 {
        let result = apply_with(&plan, &Apply { mode: Mode::Replace, ..Apply::default() });
        for (name, bytes) in contents(&root) {
            assert!(bytes == before[&name] || bytes == expected[&name], "{}", name.display());
        }
        match result {
            Ok((tally, _)) => {
                assert_eq!(tally.refused, 0);
                break;
            }
            Err(error) => {
                assert!(matches!(error, LabelError::Full(_)), "{error}");
                ends.push(error.to_string());
            }
        }
        // A little more room.
        for path in filler.drain(..filler.len().min(3)) {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(!ends.is_empty(), "the disk was never full");
    assert!(contents(&root) == expected);
    small.resize(20_000);
    undo(&plan);
    for name in before.keys() {
        assert_eq!(genres(&root.join(name)), [""; 0]);
    }
}
