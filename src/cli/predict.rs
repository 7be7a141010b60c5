use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::explain::Explanations;
use super::progress::Progress;
use super::{CliError, DeviceFlag, End, Format, counted, models, open, print, say};
use crate::audio::{self, Loss, Song};
use crate::files;
use crate::model::Model;
use crate::recognize::{Guess, Recognizer, TimedGuess};

/// Names the genre of songs.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Predict {
    /// Songs, or folders of songs
    #[arg(required = true, value_name = "SONG|DIR")]
    songs: Vec<PathBuf>,
    /// A trained model, or included [default: the newest best.safetensors of the runs in ./runs, else the included one]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// How many genres to name
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,
    /// Call songs unsure whose genre is less probable than this; 0 for none [default: what the model says]
    #[arg(long, value_name = "P", value_parser = probability)]
    unsure_below: Option<f32>,
    /// Show the genre of every frame, too
    #[arg(long)]
    timeline: bool,
    /// Write a page for each song into this folder: its spectrogram, what in it spoke for its genre, and its timeline
    #[arg(long, value_name = "DIR")]
    explain: Option<PathBuf>,
    /// How to write the results
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceFlag,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer predict song.mp3
  genre-recognizer predict --model runs/music/best.safetensors --top-k 1 --format csv ~/Music/new
  genre-recognizer predict --timeline --format json song.flac
  genre-recognizer predict --explain why song.flac

csv has a row a song: path, seconds, genre1, probability1 ..., unsure, and of songs that could only be heard in part the seconds
that the file declares (declared) and what is missing (loss). With --timeline it has a row a frame: path, start, genre,
probability.

Exit code 1 where a file could not be recognised; the others are.";

pub fn probability(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    value.ok_or_else(|| "a probability from 0 to 1 is wanted".to_string())
}

/// A recognised song.
#[derive(Serialize)]
struct Recognised {
    #[serde(serialize_with = "files::serialize_path")]
    path: PathBuf,
    /// How much of it was heard.
    seconds: f64,
    /// What of it could not be heard; none where all could.
    loss: Option<Loss>,
    /// Whether the most probable genre is too improbable to go by.
    unsure: bool,
    /// The `top_k` most probable genres.
    genres: Vec<Guess>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<TimedGuess>>,
    /// The page that explains the verdict.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "explained")]
    explanation: Option<PathBuf>,
}

fn explained<S: serde::Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    files::serialize_path(path.as_deref().unwrap_or(Path::new("")), serializer)
}

impl Predict {
    pub fn run(&self) -> Result<End, CliError> {
        let mut model = match &self.model {
            Some(path) => Model::load(path)?,
            None => models::find()?.1,
        };
        let (files, mut problems) = songs(&self.songs);
        let decision = &mut model.card.decision;
        decision.unsure_below = self.unsure_below.or(decision.unsure_below);
        let mut recognizer = Recognizer::new(model, open(self.device)?)?;
        let explain = self.explain.as_ref();
        let mut explanations = explain.map(|folder| Explanations::new(folder, &recognizer)).transpose()?;
        let progress = Progress::new("recognising");
        let mut writer = Writer::new(self.format, self.top_k as usize);
        for (done, file) in files.iter().enumerate() {
            match recognizer.load(file) {
                Ok(song) => {
                    let recognised = self.recognise(&mut recognizer, &mut explanations, file, &song)?;
                    if let Some(loss) = &recognised.loss {
                        progress.line(&format!("partly heard: {}: {loss}", files::shown(file)));
                    }
                    progress.suspend(|| writer.write(&recognised))?;
                }
                Err(error) => {
                    progress.line(&format!("skipped: {error}"));
                    problems += 1;
                }
            }
            progress.at(done + 1, files.len(), "");
        }
        progress.finish();
        writer.end()?;
        if problems > 0 {
            say(&format!("{} recognised, {problems} skipped", counted(writer.written, "song")));
            return Ok(End::Incomplete);
        }
        Ok(End::Success)
    }

    fn recognise(
        &self,
        recognizer: &mut Recognizer,
        explanations: &mut Option<Explanations>,
        path: &Path,
        song: &Song,
    ) -> Result<Recognised, CliError> {
        let mut verdict = recognizer.recognize_song(song)?;
        let explanation = explanations.as_mut().map(|e| e.write(path, song, &verdict)).transpose()?;
        verdict.guesses.truncate(self.top_k as usize);
        Ok(Recognised {
            path: path.to_owned(),
            seconds: song.seconds(),
            loss: song.recording().source.loss.clone(),
            unsure: verdict.unsure,
            genres: verdict.guesses,
            timeline: self.timeline.then_some(verdict.timeline),
            explanation,
        })
    }
}

/// The files named, and the audio files in the folders named, sorted; and how many names led nowhere.
fn songs(names: &[PathBuf]) -> (Vec<PathBuf>, usize) {
    let mut files = Vec::new();
    let mut problems = 0;
    for name in names {
        if !name.is_dir() {
            files.push(name.clone());
            continue;
        }
        let (found, unreadable) = audio_files(name);
        if found.is_empty() && unreadable == 0 {
            say(&format!("skipped: {}: no audio files in this folder", files::shown(name)));
            problems += 1;
        }
        problems += unreadable;
        files.extend(found);
    }
    (files, problems)
}

/// The audio files below a folder, sorted, and how many folders could not be read; hidden ones and links to folders are
/// passed over.
fn audio_files(folder: &Path) -> (Vec<PathBuf>, usize) {
    let mut files = Vec::new();
    let mut unreadable = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                say(&format!("skipped: {}: cannot be read: {error}", files::shown(&folder)));
                unreadable += 1;
                continue;
            }
        };
        for entry in entries.flatten() {
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let (path, kind) = (entry.path(), entry.file_type());
            match kind {
                _ if hidden => {}
                Ok(kind) if kind.is_dir() => folders.push(path),
                _ if audio::has_audio_extension(&path) && !path.is_dir() => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    (files, unreadable)
}

/// Writes results as they come.
struct Writer {
    format: Format,
    top_k: usize,
    written: usize,
}

impl Writer {
    fn new(format: Format, top_k: usize) -> Self {
        Self { format, top_k, written: 0 }
    }

    fn write(&mut self, song: &Recognised) -> Result<(), CliError> {
        let text = match self.format {
            Format::Table => table(song),
            Format::Json => {
                let json = serde_json::to_string(song).map_err(|e| CliError::Other(e.to_string()))?;
                format!("{}{json}", if self.written == 0 { "[\n" } else { ",\n" })
            }
            Format::Csv => self.csv(song)?,
        };
        self.written += 1;
        print(&text)
    }

    /// A row a song: path, seconds heard, then genre and probability by rank, whether it is unsure, seconds that its header
    /// declares where fewer are there, and what is missing; with a timeline a row a frame.
    fn csv(&self, song: &Recognised) -> Result<String, CliError> {
        let fail = |error: String| CliError::Other(format!("writing csv failed: {error}"));
        let mut csv = csv::Writer::from_writer(Vec::new());
        let mut row = |fields: &[String]| csv.write_record(fields).map_err(|e| fail(e.to_string()));
        let path = crate::paths::text(&song.path);
        if let Some(timeline) = &song.timeline {
            if self.written == 0 {
                row(&["path", "start", "genre", "probability"].map(String::from))?;
            }
            for m in timeline {
                let (start, p) = (format!("{:.3}", m.start), format!("{:.4}", m.probability));
                row(&[path.clone(), start, m.genre.clone(), p])?;
            }
        } else {
            if self.written == 0 {
                let ranks = (1..=song.genres.len().min(self.top_k))
                    .flat_map(|i| [format!("genre{i}"), format!("probability{i}")]);
                row(&["path".to_string(), "seconds".to_string()]
                    .into_iter()
                    .chain(ranks)
                    .chain(["unsure", "declared", "loss"].map(String::from))
                    .collect::<Vec<_>>())?;
            }
            let ranked = song.genres.iter().flat_map(|g| [g.genre.clone(), format!("{:.4}", g.probability)]);
            let cells = [path, format!("{:.2}", song.seconds)].into_iter().chain(ranked);
            let loss = song.loss.as_ref();
            let declared = loss.and_then(|loss| loss.declared).map(|seconds| format!("{seconds:.2}"));
            let lost = loss.map(Loss::to_string);
            let last = [song.unsure.to_string(), declared.unwrap_or_default(), lost.unwrap_or_default()];
            row(&cells.chain(last).collect::<Vec<_>>())?;
        }
        let bytes = csv.into_inner().map_err(|e| fail(e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| fail(e.to_string()))
    }

    fn end(&self) -> Result<(), CliError> {
        match self.format {
            Format::Json => print(if self.written == 0 { "[]\n" } else { "\n]\n" }),
            _ => Ok(()),
        }
    }
}

fn table(song: &Recognised) -> String {
    let guesses: Vec<String> = song
        .genres
        .iter()
        .map(|g| format!("{} {:.1} %", files::shown_text(&g.genre), 100.0 * g.probability))
        .collect();
    let guesses = guesses.join(", ");
    let verdict = if song.unsure { format!("unsure ({guesses})") } else { guesses };
    let mut text = format!("{}: {verdict}\n", files::shown(&song.path));
    if let Some(page) = &song.explanation {
        text += &format!("  explained in {}\n", files::shown(page));
    }
    for moment in song.timeline.iter().flatten() {
        let (minutes, seconds) = ((moment.start / 60.0) as u64, moment.start % 60.0);
        let (genre, percent) = (files::shown_text(&moment.genre), 100.0 * moment.probability);
        text += &format!("  {minutes}:{seconds:04.1}  {genre:<24} {percent:5.1} %\n");
    }
    text
}
