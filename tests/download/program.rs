//! The program, and what it leaves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use genre_recognizer::audio::write_wav;
use tempfile::TempDir;

pub const RATE: u32 = 8_000;

/// A folder with a dataset in it, and files beside it that must stay the only ones.
pub struct Place {
    pub folder: TempDir,
}

/// What a command came to.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// `dataset download` in this folder, without pauses, for songs of at least a second.
    pub fn command(&self, yt_dlp: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_genre-recognizer"));
        command.current_dir(self.folder.path()).args([
            "dataset",
            "download",
            "--pause",
            "0",
            "--min-seconds",
            "1",
        ]);
        command.arg("--yt-dlp").arg(yt_dlp).args(arguments).stdin(Stdio::null());
        command
    }

    /// The dataset's songs, sorted; everything else that is not hidden or a table is a failure.
    #[track_caller]
    pub fn songs(&self) -> Vec<String> {
        let root = self.path("dataset");
        let mut songs = Vec::new();
        for entry in fs::read_dir(&root).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() && !name.starts_with('.') {
                for song in fs::read_dir(entry.path()).unwrap().flatten() {
                    assert!(song.file_type().unwrap().is_file(), "{song:?}");
                    songs.push(format!("{name}/{}", song.file_name().into_string().unwrap()));
                }
            } else {
                let known = ["attribution.csv", "tracks.csv", ".download-archive.txt", ".download"];
                assert!(known.contains(&name.as_str()), "{name}");
            }
        }
        songs.sort();
        songs
    }

    /// The column of a table in the dataset, sorted.
    pub fn column(&self, table: &str, column: &str) -> Vec<String> {
        let Ok(mut reader) = csv::Reader::from_path(self.path("dataset").join(table)) else {
            return Vec::new();
        };
        let at = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
        let mut cells: Vec<_> = reader.records().map(|row| row.unwrap()[at].to_owned()).collect();
        cells.sort();
        cells
    }

    /// That the songs are all recorded once, decodable, and the scratch folder holds none.
    #[track_caller]
    pub fn consistent(&self) {
        let songs = self.songs();
        assert_eq!(self.column("attribution.csv", "path"), songs);
        for song in &songs {
            genre_recognizer::audio::decode(&self.path("dataset").join(song)).unwrap();
        }
        let tracks: BTreeSet<_> = self.column("tracks.csv", "path").into_iter().collect();
        assert!(tracks.iter().all(|path| songs.contains(path)), "{tracks:?}");
        let scratch = fs::read_dir(self.path("dataset/.download")).unwrap().flatten();
        let left: Vec<_> =
            scratch.map(|entry| entry.file_name()).filter(|name| name != "lock" && name != "cache").collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// The names of everything in the folder itself.
    pub fn beside(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }
}

impl Ran {
    pub fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        let ran = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        // Nothing that a remote side says may steer the terminal.
        assert!(!(ran.out.clone() + &ran.err).contains(['\u{1b}', '\0', '\u{202e}']), "{:?}", ran.err);
        ran
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// The lines of failures have these words, one each, and there are no others.
    #[track_caller]
    pub fn failures(&self, words: &[&str]) {
        let lines: Vec<&str> = self.err.lines().filter(|line| line.starts_with("failed: ")).collect();
        assert_eq!(lines.len(), words.len(), "{}", self.err);
        for word in words {
            assert!(lines.iter().any(|line| line.contains(word)), "`{word}` is not in: {}", self.err);
        }
    }

    /// wanted, there, new, failed, passed, untried of a genre in the summary, or the first of them.
    #[track_caller]
    pub fn row<const N: usize>(&self, genre: &str) -> [usize; N] {
        let line = self.out.lines().find(|line| line.split_whitespace().next() == Some(genre));
        let line = line.unwrap_or_else(|| panic!("no {genre}: {}\n{}", self.out, self.err));
        let cells: Vec<_> =
            line.split_whitespace().skip(1).take(N).map(|cell| cell.parse().unwrap()).collect();
        cells.try_into().unwrap()
    }
}

/// The bytes of a WAV file of a tone.
pub fn tone(seconds: f32, frequency: f32) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    let samples: Vec<f32> = (0..(seconds * RATE as f32) as usize)
        .map(|n| 0.5 * (std::f32::consts::TAU * frequency * n as f32 / RATE as f32).sin())
        .collect();
    write_wav(&path, RATE, &[&samples]).unwrap();
    fs::read(path).unwrap()
}

/// Whether a process runs. One that has ended, and that nobody has asked about since, does not.
pub fn runs(id: &str) -> bool {
    if fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") Z ")) {
        return false;
    }
    Command::new("kill").args(["-0", id]).stderr(Stdio::null()).status().unwrap().success()
}

pub fn signal(name: &str, id: u32) {
    assert!(Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap().success());
}

/// Waits until something holds, and fails after a while.
#[track_caller]
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("waited in vain for {what}");
}
