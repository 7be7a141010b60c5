//! What `plan` and `audit` have in common: a library is heard.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use xxhash_rust::xxh3::Xxh3Default;

use super::failed;
use crate::cli::progress::Progress;
use crate::cli::{CliError, DeviceFlag, counted, models, open, say};
use crate::dataset::unwritable;
use crate::files;
use crate::label::{self, Deciding, Found, Hearing, Index, Shard, Songs, Taxonomy, from_environment};
use crate::model::{Labels, Model};
use crate::recognize::Recognizer;
use crate::score::Decision;

/// Flags of commands that hear a library.
#[derive(Args)]
pub struct Flags {
    /// Folder of songs, in any layout
    #[arg(value_name = "LIBRARY")]
    library: PathBuf,
    /// A trained model, or included [default: the newest best.safetensors of the runs in ./runs, else the included one]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// A genre must be as probable [default: what the model says, usually 0.5]
    #[arg(long, value_name = "P", value_parser = least)]
    threshold: Option<f32>,
    /// Hear so much of each song, in evenly spaced parts; little else is decoded [default: all]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<f64>,
    /// How genres are spelt, and which belong together [default: that of dataset/taxonomy.toml]
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
    /// Only a part of the library, such as 3/8; auto: as Slurm, Kubernetes or AWS Batch say
    #[arg(long, value_name = "I/N|auto")]
    shard: Option<String>,
    /// Number of parts, for --shard auto where the scheduler does not say it (Kubernetes)
    #[arg(long, value_name = "N", requires = "shard")]
    shards: Option<usize>,
    /// Threads that decode [default: one a core]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<u16>,
    /// Folder that remembers what was heard [default: in the system's folder for caches]
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
    /// Hear every song anew, and remember nothing
    #[arg(long, conflicts_with = "index")]
    no_index: bool,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceFlag,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (5.0..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "5 to 3600 seconds are possible; leave --seconds out to hear all".to_string())
}

fn threads(text: &str) -> Result<u16, String> {
    let threads = text.parse().ok().filter(|threads| (1..=256).contains(threads));
    threads.ok_or_else(|| "1 to 256 threads are possible; leave --threads out for one a core".to_string())
}

fn least(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    value.ok_or_else(|| {
        "a probability from 0 (every song gets a genre) to 1 is wanted, such as 0.5".to_string()
    })
}

/// A library that was heard.
pub struct HeardLibrary {
    pub songs: Songs,
    pub index: Index,
    pub taxonomy: Taxonomy,
    pub genres: Vec<String>,
    pub threshold: f32,
    /// The model's digest.
    pub model: String,
    /// How it was heard: the model's digest, and how much of each song.
    pub how: String,
    pub seconds: Option<f64>,
    pub shard: Option<Shard>,
    /// Whether every song was gone through.
    pub whole: bool,
}

impl HeardLibrary {
    pub fn deciding(&self, top: usize) -> Deciding<'_> {
        Deciding { genres: &self.genres, top, threshold: self.threshold, taxonomy: &self.taxonomy }
    }

    /// What was heard in a song.
    pub fn heard(&self, song: &Found) -> Option<&label::Heard> {
        let facts = self.index.file(&song.path, label::stamp(&song.path).ok()?)?;
        self.index.heard(&facts.content, &self.how)
    }
}

impl Flags {
    fn shard(&self) -> Result<Option<Shard>, CliError> {
        let Some(text) = &self.shard else { return Ok(None) };
        let variable = |name: &str| std::env::var(name).ok();
        let shard = if text == "auto" { from_environment(variable, self.shards) } else { text.parse() };
        shard.map(Some).map_err(|why| CliError::Usage(format!("--shard: {why}")))
    }

    fn index(&self) -> Result<Index, CliError> {
        let folder =
            self.index.clone().or_else(|| Some(dirs::cache_dir()?.join("genre-recognizer").join("heard")));
        match folder {
            _ if self.no_index => Ok(Index::in_memory()),
            Some(folder) => Index::open(&folder).map_err(|error| {
                CliError::Other(format!(
                    "the folder that remembers what was heard cannot be used: {error}; name another with --index, or remember \
                     nothing with --no-index"
                ))
            }),
            None => {
                say("this system has no folder for caches, so nothing is remembered; name one with --index");
                Ok(Index::in_memory())
            }
        }
    }

    /// Hears what is not known yet. `writing`: the genres are for tags, so each needs a name that tags can hold.
    pub fn hear(&self, writing: bool, stop: &AtomicBool) -> Result<HeardLibrary, CliError> {
        let shard = self.shard()?;
        let taxonomy = Taxonomy::open(self.taxonomy.as_deref()).map_err(failed)?;
        let model = match &self.model {
            Some(path) => Model::load(path)?,
            None => models::find()?.1,
        };
        if model.card.config.labels == Labels::Tags {
            return Err(CliError::Usage(
                "this model tells tags, such as instruments and moods, and not genres; label with a model of genres \
                 (train --from teaches it yours)"
                    .to_string(),
            ));
        }
        if writing {
            writable(&model.card.genres, &taxonomy)?;
        }
        let threshold = self.threshold.or(model.card.decision.unsure_below).unwrap_or(0.0);
        let genres = model.card.genres.clone();
        let model_digest = digest(&model)?;
        let how = self.seconds.map_or(model_digest.clone(), |s| format!("{model_digest} {s} s of parts"));
        let songs = label::find(&self.library, shard).map_err(failed)?;
        for (path, reason) in &songs.problems {
            say(&format!("skipped: {}: {reason}", files::shown(path)));
        }
        // A part of a small library may be empty.
        let songs = if shard.is_none() { songs.some().map_err(failed)? } else { songs };
        let mut index = self.index()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut recognizer = Recognizer::new(model, open(self.device)?)?;
        let mut hearing = Hearing {
            recognizer: &mut recognizer,
            how: &how,
            seconds: self.seconds,
            threads: self.threads.map_or(cores, usize::from),
        };
        let (bar, start) = (Progress::new("hearing"), Instant::now());
        let progress = label::hear(&songs.found, &mut hearing, &mut index, stop, |progress| {
            bar.at(progress.done, progress.total, &pace(&progress, start));
        })
        .map_err(failed)?;
        bar.finish();
        if progress.done > progress.known {
            let (read, heard) = (counted(progress.done - progress.known, "song"), progress.heard);
            let pace = pace(&progress, start);
            let pace = if pace.is_empty() { pace } else { format!(": {pace}") };
            say(&format!("{read} read, {heard} heard{pace}"));
        }
        let whole = progress.done == progress.total;
        Ok(HeardLibrary {
            songs,
            index,
            taxonomy,
            genres,
            threshold,
            model: model_digest,
            how,
            seconds: self.seconds,
            shard,
            whole,
        })
    }
}

/// Fails where a genre cannot be written into tags, as the taxonomy writes it.
fn writable(genres: &[String], taxonomy: &Taxonomy) -> Result<(), CliError> {
    let fault = |genre: &String| {
        let written = taxonomy.written(genre);
        unwritable(&written).map(|why| format!("\"{}\" ({why})", files::shown_text(&written)))
    };
    let faults: Vec<String> = genres.iter().filter_map(fault).collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(CliError::Other(format!(
        "the model knows genres that cannot be written into tags: {}; make each an alias of another name in a taxonomy \
         (--taxonomy; docs/labelling.md shows how), or rename its folder and train again",
        faults.join(", ")
    )))
}

/// How fast it goes, and how long it will.
fn pace(progress: &label::Progress, start: Instant) -> String {
    let (seconds, heard) = (start.elapsed().as_secs_f64(), progress.done - progress.known);
    if heard == 0 || seconds < 0.5 {
        return String::new();
    }
    let rate = heard as f64 / seconds;
    let left = (progress.total - progress.done) as f64 / rate;
    let text = format!("{rate:.1} songs/s, {:.0} times real time", progress.seconds / seconds);
    match left {
        left if left < 1.0 => text,
        left if left < 120.0 => format!("{text}, {left:.0} s left"),
        left if left < 7200.0 => format!("{text}, {:.0} min left", left / 60.0),
        left => format!("{text}, {:.1} h left", left / 3600.0),
    }
}

/// A digest of all of a model that its probabilities depend on.
fn digest(model: &Model) -> Result<String, CliError> {
    let decision = Decision { unsure_below: None, ..model.card.decision };
    let card = serde_json::to_vec(&(&model.card.genres, &model.card.config, decision));
    let mut digest = Xxh3Default::new();
    digest.update(&card.map_err(|error| CliError::Other(error.to_string()))?);
    for (name, tensor) in &model.weights.0 {
        digest.update(name.as_bytes());
        digest.update(bytemuck::cast_slice(&tensor.data));
    }
    Ok(format!("{:032x}", digest.digest128()))
}
