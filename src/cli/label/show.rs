use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{PAGE, failed, make_room, page};
use crate::cli::{CliError, End, print, say};
use crate::files::{self, shown_text};
use crate::label::{Line, Mode, Plan, Standing};
use crate::paths;

/// Shows a plan: as a table, for scripts, as playlists or as a page.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Show {
    /// A plan
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// How to print it; m3u writes a playlist a genre into the folder of --playlists
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Folder for the playlists
    #[arg(long, value_name = "DIR", default_value = "playlists")]
    playlists: PathBuf,
    /// Write a page for a browser
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer label show genres.plan
  genre-recognizer label show genres.plan --page genres.html
  genre-recognizer label show genres.plan --format csv > genres.csv
  genre-recognizer label show genres.plan --format m3u --playlists ~/Playlists";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Table,
    Csv,
    Json,
    M3u,
}

fn other(error: impl std::fmt::Display) -> CliError {
    CliError::Other(format!("writing failed: {error}"))
}

impl Show {
    pub fn run(&self) -> Result<End, CliError> {
        let plan = Plan::open(&self.plan).map_err(failed)?;
        if let Some(path) = &self.page {
            let page = page::page(&plan).map_err(failed)?;
            make_room(path, PAGE, "--page")?;
            files::write_atomic(path, page.as_bytes()).map_err(|error| {
                CliError::Other(format!("{}: writing failed: {error}", files::shown(path)))
            })?;
            say(&format!("page: {}", files::shown(path)));
        }
        match self.format {
            Format::M3u => return self.write_playlists(&plan),
            format => {
                if format == Format::Csv {
                    print("path,tagged,genres,genre1,probability1,genre2,probability2,trouble\n")?;
                }
                for line in plan.lines().map_err(failed)? {
                    let (_, line) = line.map_err(failed)?;
                    print(&match format {
                        Format::Csv => csv(&line)?,
                        Format::Json => serde_json::to_string(&line).map_err(other)? + "\n",
                        _ => table(&line),
                    })?;
                }
            }
        }
        Ok(End::Success)
    }

    /// A playlist of every genre, of songs that the plan names it for. A line is a path as it is, so that one with a line
    /// break has none: escapes and addresses (`file:`) are read by some players alone, and shown as a broken entry by others.
    fn write_playlists(&self, plan: &Plan) -> Result<End, CliError> {
        let mut lists: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut end = End::Success;
        for line in plan.lines().map_err(failed)? {
            let (_, line) = line.map_err(failed)?;
            let path = plan.head.library.join(paths::path(&line.path));
            let path = path.as_os_str().as_encoded_bytes();
            if !line.genres.is_empty() && path.iter().any(|byte| b"\n\r".contains(byte)) {
                let shown = shown_text(&line.path);
                say(&format!(
                    "left out: {shown}: a playlist cannot hold a path with a line break; rename it"
                ));
                end = End::Incomplete;
                continue;
            }
            for genre in &line.genres {
                let list = lists.entry(genre.clone()).or_insert_with(|| b"#EXTM3U\n".to_vec());
                list.extend(path);
                list.push(b'\n');
            }
        }
        let at = |path: &std::path::Path, error| CliError::Other(format!("{}: {error}", files::shown(path)));
        if self.playlists.is_file() {
            let shown = files::shown(&self.playlists);
            return Err(CliError::Other(format!("{shown} is a file; name a folder with --playlists")));
        }
        std::fs::create_dir_all(&self.playlists).map_err(|error| at(&self.playlists, error))?;
        for (genre, list) in &lists {
            let path = self.playlists.join(genre.replace(['/', '\\', ':'], "-") + ".m3u8");
            files::write_atomic(&path, list).map_err(|error| at(&path, error))?;
            print(&format!("{}\n", files::shown(&path)))?;
        }
        Ok(end)
    }
}

/// What a line says in one of text.
fn table(line: &Line) -> String {
    let tagged = line.tagged();
    let has = if tagged.is_empty() { "no genre".to_owned() } else { tagged.join("; ") };
    let mut text = format!("{}: {}", shown_text(&line.path), shown_text(&has));
    let guesses: Vec<String> = line
        .probabilities
        .iter()
        .take(3)
        .map(|p| format!("{} {:.1} %", shown_text(&p.genre), 100.0 * p.probability))
        .collect();
    let (named, heard) = (line.genres.join("; "), guesses.join(", "));
    let _ = match line.standing(Mode::OnlyIfEmpty) {
        Standing::Troubled => {
            write!(text, "; cannot be labelled: {}", line.trouble.as_deref().unwrap_or_default())
        }
        Standing::Keeps if named.is_empty() => write!(text, "; keeps it; unsure ({heard})"),
        Standing::Keeps => write!(text, "; keeps it; with --replace -> {named} ({heard})"),
        Standing::Unsure => write!(text, "; unsure ({heard})"),
        Standing::Named => write!(text, " -> {named} ({heard})"),
    };
    text + "\n"
}

fn csv(line: &Line) -> Result<String, CliError> {
    let mut cells = vec![line.path.clone(), line.tagged().join("; "), line.genres.join("; ")];
    for rank in 0..2 {
        let guess = line.probabilities.get(rank);
        cells.push(guess.map(|guess| guess.genre.clone()).unwrap_or_default());
        cells.push(guess.map(|guess| format!("{:.4}", guess.probability)).unwrap_or_default());
    }
    cells.push(line.trouble.clone().unwrap_or_default());
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(&cells).map_err(other)?;
    String::from_utf8(csv.into_inner().map_err(other)?).map_err(other)
}
