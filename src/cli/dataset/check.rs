use std::fmt::{Display, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::flags::CacheFlags;
use super::super::label::LabelFlags;
use super::super::progress::Progress;
use super::super::{CliError, End, counted, print, warn_of_trouble};
use crate::audio::AudioSpec;
use crate::dataset::check::{Depth, Report, check};
use crate::files::{self, printable, shown_text};

/// Reads every song of a dataset and says what is in it, what cannot be used and what should be mended.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// Folder with one subfolder of songs for each genre
    #[arg(value_name = "DIR", default_value = "dataset")]
    folder: PathBuf,
    #[command(flatten)]
    labels: LabelFlags,
    /// Read only headers and tags, not the music: quick, but damage further in goes unnoticed
    #[arg(long)]
    quick: bool,
    /// Shortest song that can be used
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    shortest: f64,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    cache: CacheFlags,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer dataset check
  genre-recognizer dataset check ~/Music --quick
  genre-recognizer dataset check ~/Music --format json > report.json

Exit codes: 0 nothing to do; 1 something needs a hand, or an error; 2 a wrong command line.
What is decoded is kept for training (see --no-cache).";

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=7200.0).contains(seconds));
    seconds.ok_or_else(|| "0 to 7200 seconds are possible".to_string())
}

impl Check {
    pub fn run(&self) -> Result<End, CliError> {
        let cache = self.cache.open();
        let depth = if self.quick { Depth::Headers } else { Depth::Samples(cache.as_ref()) };
        let progress = Progress::new("reading");
        let folder = self.labels.dataset(Some(&self.folder))?.unwrap_or_default();
        let report = check(&folder, &AudioSpec::default(), self.shortest, depth, |done, total, path| {
            progress.at(done, total, &files::shown(path.file_name().unwrap_or_default().as_ref()));
        });
        progress.finish();
        let report = report?;
        cache.iter().for_each(warn_of_trouble);
        print(&match self.format {
            Format::Table => table(&report),
            Format::Json => {
                let json = serde_json::to_string_pretty(&report);
                json.map_err(|error| CliError::Other(format!("writing json failed: {error}")))? + "\n"
            }
        })?;
        Ok(if report.needs_attention { End::Incomplete } else { End::Success })
    }
}

const HEADERS: [&str; 7] = ["genre", "songs", "hours", "artists", "problems", "formats", "rates (kHz)"];

fn table(report: &Report) -> String {
    let mut rows: Vec<[String; 7]> = vec![HEADERS.map(String::from)];
    rows.extend(report.genres.iter().map(|genre| {
        let artists = match (genre.artists, genre.songs_without_artist) {
            (artists, 0) => artists.to_string(),
            (artists, unknown) => format!("{artists} ({unknown} unknown)"),
        };
        [
            shown_text(&genre.genre),
            genre.songs.to_string(),
            format!("{:.2}", genre.hours),
            artists,
            genre.problems.to_string(),
            tally(&genre.formats),
            tally(genre.sample_rates.iter().map(|(hz, n)| (f64::from(*hz) / 1000.0, n))),
        ]
    }));
    let mut text = format!("{}\n", shown_text(&report.dataset));
    text += &aligned(&rows);
    let _ = write!(text, "{}, {:.2} h", counted(report.songs, "song"), report.hours);
    if report.other_files > 0 {
        let _ =
            write!(text, "; {} without an audio extension passed over", counted(report.other_files, "file"));
    }
    text.push('\n');
    if !report.problems.is_empty() {
        let _ = writeln!(text, "\n{}:", counted(report.problems.len(), "problem"));
        for problem in &report.problems {
            let _ = writeln!(text, "  {problem}");
        }
    }
    for (title, needs_attention) in [("to mend", true), ("to know", false)] {
        let mut findings = report.findings.iter().filter(|f| f.needs_attention == needs_attention).peekable();
        if findings.peek().is_some() {
            let _ = writeln!(text, "\n{title}:");
        }
        for finding in findings {
            let _ = writeln!(text, "  {}", printable(&finding.what));
            for song in &finding.songs {
                let _ = writeln!(text, "    {}", shown_text(song));
            }
        }
    }
    text
}

/// Names with how often each occurs, the most frequent first: "MP3 12, FLAC 3".
fn tally<'a, K: Display + 'a>(counts: impl IntoIterator<Item = (K, &'a usize)>) -> String {
    let mut counts: Vec<(K, &usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(a.1));
    counts.iter().map(|(name, count)| format!("{name} × {count}")).collect::<Vec<_>>().join(", ")
}

/// Rows in columns; numbers to the right.
fn aligned(rows: &[[String; 7]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let _ = match column {
                1 | 2 | 4 => write!(text, "  {cell:>width$}"),
                _ => write!(text, "  {cell:<width$}"),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
