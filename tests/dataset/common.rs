//! What the tests of datasets share.

use std::fs;
use std::path::{Path, PathBuf};

use genre_recognizer::audio::{AudioSpec, write_wav};
use genre_recognizer::dataset::{Dataset, Entry, scan};
use tempfile::{TempDir, tempdir};

pub const RATE: u32 = 8_000;

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempdir().unwrap())
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A file that is found by its name; its bytes are not looked at.
    pub fn song(&self, name: &str) {
        self.file(name, b"x");
    }

    pub fn tone(&self, name: &str, frequency: f32, seconds: f32) {
        let path = self.file(name, b"");
        let n = (seconds * RATE as f32) as usize;
        let wave: Vec<f32> = (0..n)
            .map(|i| 0.5 * (i as f32 * frequency / RATE as f32 * std::f32::consts::TAU).sin())
            .collect();
        write_wav(&path, RATE, &[&wave]).unwrap();
    }

    pub fn error(&self) -> String {
        let message = scan(self.root()).unwrap_err().to_string();
        assert!(message.contains(&self.root().display().to_string()) && !message.contains('\n'), "{message}");
        message
    }
}

pub fn names(data: &Dataset) -> Vec<&str> {
    data.songs.iter().map(|s| s.name.as_str()).collect()
}

/// A dataset without files: (genre, artist) of each song.
pub fn made_up(songs: &[(usize, Option<usize>)]) -> Dataset {
    let genres = songs.iter().map(|s| s.0 + 1).max().unwrap_or(0);
    Dataset {
        root: PathBuf::from("made up"),
        genres: (0..genres).map(|g| format!("genre {g}")).collect(),
        songs: songs
            .iter()
            .enumerate()
            .map(|(i, &(genre, artist))| Entry {
                path: PathBuf::from(format!("{genre}/{i}.wav")),
                name: format!("{genre}/{i}.wav"),
                genre,
                artists: artist.map(|a| format!("artist {a}")).into_iter().collect(),
                fold: None,
                content: None,
                tags: Vec::new(),
            })
            .collect(),
        ..Dataset::default()
    }
}

pub fn spec() -> AudioSpec {
    AudioSpec { sample_rate: RATE, ..AudioSpec::default() }
}
