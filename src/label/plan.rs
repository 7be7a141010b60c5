//! A plan: JSON Lines, first what it is about, then a line a file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::LabelError;
use super::apply::Mode;
use super::foreign::{MARK, Wanted, foreign, unopened};
use crate::dataset::unwritable;
use crate::{files, paths};

/// What plans of this program begin with.
const VERSION: u32 = 1;
/// Most bytes of a plan's first line.
const FIRST: u64 = 1 << 20;

/// A plan's first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The version of the form.
    pub plan: u32,
    /// The library's folder, absolute.
    #[serde(with = "paths")]
    pub library: PathBuf,
    /// The digest of the model that was asked.
    pub model: String,
    /// The genres that it knows.
    pub genres: Vec<String>,
    /// Most genres a song.
    pub top: usize,
    /// Genres less probable than this are not written.
    pub threshold: f32,
    /// Seconds of each song that were heard; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Which part of the library it is of; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl Head {
    /// The version that is written.
    pub const VERSION: u32 = VERSION;
}

/// A part of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// From 1.
    pub number: usize,
    pub of: usize,
}

impl Shard {
    /// Whether a file belongs to it, by its path in the library.
    pub fn has(&self, name: &str) -> bool {
        xxh3_64(name.as_bytes()) % self.of as u64 == self.number as u64 - 1
    }
}

/// A file of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its path in the library, as [`paths::text`] gives it.
    pub path: String,
    pub size: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub modified: u64,
    /// The digest of its encoded audio, as hexadecimal digits; empty where its tags cannot be written.
    pub audio: String,
    /// Its format, for people.
    pub format: String,
    /// What each of its tags says.
    pub tags: Vec<Tagged>,
    /// What would be written; nothing where the model is unsure, or the file was not heard.
    pub genres: Vec<String>,
    /// The most probable genres.
    pub probabilities: Vec<Chosen>,
    /// How long it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Why it was not heard, or why its tags cannot be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a tag of a file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tagged {
    /// Its kind with its version.
    pub tag: String,
    pub genres: Vec<String>,
}

/// A genre with its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    pub genre: String,
    pub probability: f32,
}

/// What a plan has in store for a file. A file that cannot be labelled is that, whatever else; one that has a genre keeps it,
/// unless that is replaced or added to; of the others, the model is sure or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Named,
    Keeps,
    Unsure,
    Troubled,
}

/// How many files there are of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    pub named: usize,
    pub keeps: usize,
    pub unsure: usize,
    pub troubled: usize,
}

impl Standings {
    pub fn count(&mut self, standing: Standing) {
        *match standing {
            Standing::Named => &mut self.named,
            Standing::Keeps => &mut self.keeps,
            Standing::Unsure => &mut self.unsure,
            Standing::Troubled => &mut self.troubled,
        } += 1;
    }
}

impl Line {
    /// What becomes of it in this mode.
    pub fn standing(&self, mode: Mode) -> Standing {
        if self.trouble.is_some() {
            Standing::Troubled
        } else if mode == Mode::OnlyIfEmpty && self.tags.iter().any(|tag| !tag.genres.is_empty()) {
            Standing::Keeps
        } else if self.genres.is_empty() {
            Standing::Unsure
        } else {
            Standing::Named
        }
    }

    /// The genres that its tags name, each once.
    pub fn tagged(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for genre in self.tags.iter().flat_map(|tag| &tag.genres) {
            if all.iter().all(|known| !known.eq_ignore_ascii_case(genre)) {
                all.push(genre);
            }
        }
        all
    }

    /// What is wrong with it, where it was edited.
    fn fault(&self) -> Option<String> {
        let path = paths::path(&self.path);
        if self.path.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Some(format!("\"{}\" is no path inside the library", files::shown_text(&self.path)));
        }
        for genre in &self.genres {
            if let Some(why) = unwritable(genre) {
                let genre = files::shown_text(genre);
                return Some(format!(
                    "\"{genre}\" cannot be the name of a genre: {why}; write another name in its place"
                ));
            }
        }
        let digits = self.audio.len() == 32 && self.audio.bytes().all(|b| b.is_ascii_hexdigit());
        if !self.genres.is_empty() && self.trouble.is_none() && !digits {
            return Some("\"audio\" is not the 32 digits that the plan had".to_owned());
        }
        None
    }
}

/// A plan that was read through once, so that every line of it is known to be good.
#[derive(Debug)]
pub struct Plan {
    path: PathBuf,
    pub head: Head,
    /// How many files it names.
    pub len: usize,
}

/// Writes a plan: whole, or not at all.
pub struct Writer {
    out: BufWriter<File>,
    scratch: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl Writer {
    /// Begins a plan.
    ///
    /// # Errors
    /// [`LabelError::Io`] and [`LabelError::Full`].
    pub fn new(path: &Path, head: &Head) -> Result<Self, LabelError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let scratch = path.with_file_name(name);
        let out = BufWriter::new(File::create(&scratch).map_err(LabelError::at(path))?);
        let mut writer = Self { out, scratch, path: path.to_owned(), finished: false };
        writer.write(head)?;
        Ok(writer)
    }

    /// Adds a file.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn line(&mut self, line: &Line) -> Result<(), LabelError> {
        self.write(line)
    }

    fn write(&mut self, value: &impl Serialize) -> Result<(), LabelError> {
        let mut line = serde_json::to_vec(value).map_err(|error| LabelError::Other(error.to_string()))?;
        line.push(b'\n');
        self.out.write_all(&line).map_err(LabelError::at(&self.path))
    }

    /// Puts it into its place.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn finish(mut self) -> Result<(), LabelError> {
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        let placed = synced.and_then(|()| std::fs::rename(&self.scratch, &self.path));
        placed.map_err(LabelError::at(&self.path))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.scratch);
        }
    }
}

/// A line of JSON.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, line: usize, text: &str) -> Result<T, LabelError> {
    serde_json::from_str(text).map_err(|error| {
        // The place that serde_json names is in the line.
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        LabelError::Line {
            path: path.to_owned(),
            line,
            reason: format!(
                "{reason} (column {}); mend the line, or delete it: its file is then left out",
                error.column()
            ),
        }
    })
}

impl Plan {
    /// Opens a plan and reads it through.
    ///
    /// # Errors
    /// [`LabelError::Io`]; [`LabelError::Line`] with the first line that cannot be.
    pub fn open(path: &Path) -> Result<Self, LabelError> {
        let unopened = |error| unopened(path, Wanted::Plan, error);
        let mut bytes = BufReader::new(File::open(path).map_err(unopened)?);
        let mut first = Vec::new();
        // No first line is longer, and a file that is none may have no lines.
        bytes.by_ref().take(FIRST).read_until(b'\n', &mut first).map_err(unopened)?;
        let text = String::from_utf8_lossy(&first);
        let head: Head = parse(path, 1, text.strip_prefix(MARK).unwrap_or(&text))
            .map_err(|error| foreign(path, Wanted::Plan, &first, error))?;
        let fail = |line, reason: String| LabelError::Line { path: path.to_owned(), line, reason };
        if head.plan != VERSION {
            return Err(fail(1, format!("a plan of version {}; this program reads {VERSION}", head.plan)));
        }
        if !head.library.is_absolute() {
            return Err(fail(1, "the library's folder is not absolute".to_owned()));
        }
        if head.shard.is_some_and(|shard| !(1..=shard.of).contains(&shard.number)) {
            return Err(fail(1, "there is no such shard".to_owned()));
        }
        let mut plan = Self { path: path.to_owned(), head, len: 0 };
        let mut seen = HashSet::new();
        for line in plan.lines()? {
            let (number, line) = line?;
            if let Some(reason) = line.fault() {
                return Err(fail(number, reason));
            }
            if !seen.insert(xxh3_64(line.path.as_bytes())) {
                return Err(fail(number, format!("\"{}\" was named before", files::shown_text(&line.path))));
            }
        }
        plan.len = seen.len();
        Ok(plan)
    }

    /// Its files, each with the number of its line.
    ///
    /// # Errors
    /// [`LabelError`] as of [`Plan::open`].
    pub fn lines(
        &self,
    ) -> Result<impl Iterator<Item = Result<(usize, Line), LabelError>> + use<>, LabelError> {
        let path = self.path.clone();
        let lines = BufReader::new(File::open(&path).map_err(LabelError::at(&path))?).lines();
        let numbered = lines.zip(1usize..).skip(1);
        Ok(numbered.filter_map(move |(text, number)| match text {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(parse(&path, number, &text).map(|line| (number, line))),
            Err(error) => Some(Err(LabelError::at(&path)(error))),
        }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
