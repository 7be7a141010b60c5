//! What is known of files and of audio, kept in a folder between runs.
//!
//! Every run appends to a file of its own, a line of JSON a fact; so a killed run loses nothing but a line, and runs side by
//! side do not meet. Files are known by path, size and time; audio by a digest of its content, so that songs that were
//! moved, or whose tags were changed, are not heard again.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::LabelError;
use super::plan::Tagged;
use crate::files;

const EXTENSION: &str = "jsonl";
/// More files than these are made into one.
const FEW: usize = 8;

/// What a file was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub size: u64,
    pub modified: u64,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    pub stamp: Stamp,
    /// The digest of its encoded audio, or of the whole file where its tags are not understood.
    pub content: String,
    /// Its format, for people.
    pub format: String,
    pub tags: Vec<Tagged>,
    /// Why its tags cannot be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A run of seconds that speak for the most probable genre.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    pub from: f64,
    pub to: f64,
    /// The mean over its frames.
    pub probability: f32,
}

/// What was heard in some audio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    pub seconds: f64,
    /// Of every genre, in the model's order.
    pub probabilities: Vec<f32>,
    /// The longest runs that speak for the most probable genre.
    pub moments: Vec<Moment>,
    /// Why it cannot be heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A line; its key as hexadecimal digits.
#[derive(Serialize, Deserialize)]
enum Fact {
    #[serde(rename = "f")]
    File(String, FileFacts),
    #[serde(rename = "h")]
    Heard(String, Heard),
}

/// The facts that are known, and where new ones are kept.
#[derive(Debug)]
pub struct Index {
    files: HashMap<u128, FileFacts>,
    heard: HashMap<u128, Heard>,
    out: Option<(BufWriter<File>, PathBuf)>,
}

fn file_key(path: &Path) -> u128 {
    xxh3_128(path.as_os_str().as_encoded_bytes())
}

fn heard_key(content: &str, how: &str) -> u128 {
    xxh3_128(format!("{content} {how}").as_bytes())
}

impl Index {
    /// An index that is not kept.
    pub fn in_memory() -> Self {
        Self { files: HashMap::new(), heard: HashMap::new(), out: None }
    }

    /// The index in a folder, which is made where there is none.
    ///
    /// # Errors
    /// [`LabelError`] where the folder cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, LabelError> {
        fs::create_dir_all(folder).map_err(LabelError::at(folder))?;
        let mut index = Self::in_memory();
        let mut old = Vec::new();
        for entry in fs::read_dir(folder).map_err(LabelError::at(folder))? {
            let path = entry.map_err(LabelError::at(folder))?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                old.push(path);
            }
        }
        // Names begin with times.
        old.sort();
        for path in &old {
            index.read(path)?;
        }
        if old.len() > FEW {
            index.compact(folder, &old)?;
        }
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{:020}-{}.{EXTENSION}", time.as_nanos(), std::process::id());
        let path = folder.join(name);
        let file =
            OpenOptions::new().append(true).create_new(true).open(&path).map_err(LabelError::at(&path))?;
        // Others leave it alone while it is in use.
        let _ = file.try_lock();
        index.out = Some((BufWriter::new(file), path));
        Ok(index)
    }

    fn read(&mut self, path: &Path) -> Result<(), LabelError> {
        let mut lines = BufReader::new(File::open(path).map_err(LabelError::at(path))?);
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line).map_err(LabelError::at(path))? == 0 {
                return Ok(());
            }
            // What is not whole was being written when its program was killed.
            match serde_json::from_slice(&line) {
                Ok(Fact::File(key, facts)) => {
                    u128::from_str_radix(&key, 16).ok().and_then(|key| self.files.insert(key, facts));
                }
                Ok(Fact::Heard(key, heard)) => {
                    u128::from_str_radix(&key, 16).ok().and_then(|key| self.heard.insert(key, heard));
                }
                Err(_) => {}
            }
        }
    }

    /// Makes one file of all that no other program writes to.
    fn compact(&self, folder: &Path, old: &[PathBuf]) -> Result<(), LabelError> {
        let mut text = Vec::new();
        for (key, facts) in &self.files {
            line(&mut text, &Fact::File(format!("{key:x}"), facts.clone()))?;
        }
        for (key, heard) in &self.heard {
            line(&mut text, &Fact::Heard(format!("{key:x}"), heard.clone()))?;
        }
        let path = folder.join(format!("{:020}-all.{EXTENSION}", 0));
        files::write_atomic(&path, &text).map_err(LabelError::at(&path))?;
        for old in old.iter().filter(|old| **old != path) {
            if File::open(old).is_ok_and(|file| file.try_lock().is_ok()) {
                fs::remove_file(old).map_err(LabelError::at(old))?;
            }
        }
        Ok(())
    }

    /// What is known of a file, if it is still the same.
    pub fn file(&self, path: &Path, stamp: Stamp) -> Option<&FileFacts> {
        self.files.get(&file_key(path)).filter(|facts| facts.stamp == stamp)
    }

    /// What was heard in this content, in this way (which model, how much of the song).
    pub fn heard(&self, content: &str, how: &str) -> Option<&Heard> {
        self.heard.get(&heard_key(content, how))
    }

    /// Keeps what is known of a file.
    ///
    /// # Errors
    /// [`LabelError`] where it cannot be written.
    pub fn add_file(&mut self, path: &Path, facts: FileFacts) -> Result<(), LabelError> {
        let key = file_key(path);
        self.write(&Fact::File(format!("{key:x}"), facts.clone()))?;
        self.files.insert(key, facts);
        Ok(())
    }

    /// Keeps what was heard.
    ///
    /// # Errors
    /// [`LabelError`] where it cannot be written.
    pub fn add_heard(&mut self, content: &str, how: &str, heard: Heard) -> Result<(), LabelError> {
        let key = heard_key(content, how);
        self.write(&Fact::Heard(format!("{key:x}"), heard.clone()))?;
        self.heard.insert(key, heard);
        Ok(())
    }

    fn write(&mut self, fact: &Fact) -> Result<(), LabelError> {
        let Some((out, path)) = &mut self.out else { return Ok(()) };
        let mut text = Vec::new();
        line(&mut text, fact)?;
        // One write a fact, so that a killed program leaves whole ones.
        out.write_all(&text).and_then(|()| out.flush()).map_err(LabelError::at(path))
    }
}

fn line(text: &mut Vec<u8>, fact: &Fact) -> Result<(), LabelError> {
    serde_json::to_writer(&mut *text, fact).map_err(|error| LabelError::Other(error.to_string()))?;
    text.push(b'\n');
    Ok(())
}

impl Drop for Index {
    fn drop(&mut self) {
        // A run that learnt nothing leaves nothing.
        if let Some((out, path)) = &self.out
            && out.get_ref().metadata().is_ok_and(|about| about.len() == 0)
        {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(content: &str) -> FileFacts {
        let stamp = Stamp { size: 1, modified: 2 };
        FileFacts { stamp, content: content.into(), format: "MP3".into(), tags: vec![], trouble: None }
    }

    #[test]
    fn facts_survive_runs_and_torn_lines() {
        let folder = tempfile::tempdir().unwrap();
        let heard = Heard { seconds: 1.0, probabilities: vec![0.25, 0.75], moments: vec![], trouble: None };
        for run in 0..20 {
            let mut index = Index::open(folder.path()).unwrap();
            for before in 0..run {
                let path = format!("/{before}.mp3");
                assert_eq!(
                    index.file(path.as_ref(), facts("").stamp),
                    Some(&facts(&before.to_string())),
                    "{run}"
                );
                assert_eq!(index.heard(&before.to_string(), "m"), Some(&heard));
            }
            assert_eq!(index.heard("0", "another model"), None);
            assert_eq!(index.file("/0.mp3".as_ref(), Stamp { size: 1, modified: 3 }), None);
            index.add_file(format!("/{run}.mp3").as_ref(), facts(&run.to_string())).unwrap();
            index.add_heard(&run.to_string(), "m", heard.clone()).unwrap();
            if let Some((out, _)) = &mut index.out {
                out.write_all(b"{\"f\":[\"1").unwrap();
            }
            drop(index);
        }
        assert!(fs::read_dir(folder.path()).unwrap().count() <= FEW + 2);
        drop(Index::open(folder.path()).unwrap());
        let before = fs::read_dir(folder.path()).unwrap().count();
        drop(Index::open(folder.path()).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
    }
}
