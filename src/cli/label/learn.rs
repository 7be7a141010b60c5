use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failed;
use crate::cli::{CliError, End, counted, print, quoted, say};
use crate::files::{self, printable, shown_text};
use crate::label::{self, Learnt, Taxonomy};

/// Makes a dataset of a library by the genres in its own tags, in any folder layout.
///
/// The dataset is a folder of links, a subfolder a genre, which train, evaluate and dataset check read. Songs that name
/// several genres, or none that says anything, are left out; it says what it took each spelling for.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Learn {
    /// Folder of songs, in any layout
    #[arg(value_name = "LIBRARY")]
    library: PathBuf,
    /// Folder for the links; without it, only say what is there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How genres are spelt, and which belong together [default: that of dataset/taxonomy.toml]
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
    /// Genres of fewer songs go to the genre that they belong to, or are left out
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    least: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer label learn ~/Music
  genre-recognizer label learn ~/Music --out my-genres --least 30
  genre-recognizer train --dataset my-genres";

impl Learn {
    pub fn run(&self) -> Result<End, CliError> {
        let taxonomy = Taxonomy::open(self.taxonomy.as_deref()).map_err(failed)?;
        // Before a whole library is read, not behind that.
        self.out.as_deref().map_or(Ok(()), label::vacant).map_err(failed)?;
        let songs = label::find(&self.library, None).map_err(failed)?;
        for (path, reason) in &songs.problems {
            say(&format!("skipped: {}: {reason}", files::shown(path)));
        }
        let songs = songs.some().map_err(failed)?;
        let (learnt, found) = label::learn(&songs, &taxonomy, self.least as usize);
        print(&match self.json {
            true => serde_json::to_string_pretty(&learnt).map_err(|e| CliError::Other(e.to_string()))? + "\n",
            false => told(&learnt),
        })?;
        if let Some(out) = &self.out {
            if learnt.genres.is_empty() {
                return Err(too_few(&learnt, &self.library, ("--least", self.least)));
            }
            label::link(&found, out).map_err(failed)?;
            say(&match learnt.genres.len() {
                1 => "training needs a second genre".to_owned(),
                _ => format!("train on it: genre-recognizer train --dataset {}", quoted(out)),
            });
        }
        Ok(End::Success)
    }
}

/// Genres of too few songs that an error names: the largest.
const NAMED: usize = 3;

/// That a library's tags have too few genres to learn from, why, and the cure. `least`: how many songs a genre must have,
/// and the flag that says so.
pub fn too_few(learnt: &Learnt, library: &Path, least: (&str, u32)) -> CliError {
    let (flag, least) = least;
    let songs = counted(least as usize, "song");
    let mut parts = vec![match learnt.genres.keys().next() {
        None => format!("no genre has {songs}"),
        Some(genre) => format!("only \"{genre}\" has {songs}, and two genres are needed"),
    }];
    let mut few: Vec<(&String, &usize)> = learnt.few.iter().collect();
    few.sort_by_key(|(_, songs)| std::cmp::Reverse(*songs));
    parts.extend(few.iter().take(NAMED).map(|(genre, songs)| format!("\"{genre}\" has {songs}")));
    for (count, what) in [
        (learnt.silent, "without a genre that says anything"),
        (learnt.several, "of several genres"),
        (learnt.unread.len(), "whose tags cannot be read"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", counted(count, "song")));
        }
    }
    let cure = match (learnt.few.is_empty(), learnt.unknown.is_empty()) {
        (false, _) => format!("give a smaller {flag}, or tag more songs"),
        (_, false) => {
            "tag more songs, or name their spellings in a taxonomy (--taxonomy; label learn lists them)"
                .to_owned()
        }
        _ => "give songs a genre in their tags first".to_owned(),
    };
    CliError::Other(format!("{}: by the songs' tags, {}; {cure}", files::shown(library), parts.join(", ")))
}

fn told(learnt: &Learnt) -> String {
    let mut text = format!("{}:\n", counted(learnt.genres.len(), "genre"));
    for (genre, songs) in &learnt.genres {
        let _ = writeln!(text, "  {genre}: {}", counted(*songs, "song"));
    }
    text += "taken as:\n";
    for (spelling, (meaning, songs)) in &learnt.spellings {
        let meaning = meaning.as_deref().unwrap_or("nothing");
        let _ = writeln!(text, "  \"{}\" as {meaning}: {songs}", shown_text(spelling));
    }
    if !learnt.unknown.is_empty() {
        text += "not in the taxonomy (add them with --taxonomy):\n";
    }
    for (spelling, songs) in &learnt.unknown {
        let _ = writeln!(text, "  \"{}\": {songs}", shown_text(spelling));
    }
    text += "left out:\n";
    let _ = writeln!(text, "  without a genre that says anything: {}", learnt.silent);
    let _ = writeln!(text, "  of several genres: {}", learnt.several);
    for (genre, songs) in &learnt.few {
        let _ = writeln!(text, "  {genre}, too few songs: {songs}");
    }
    for (song, reason) in &learnt.unread {
        let _ = writeln!(text, "  {}: {}", shown_text(song), printable(reason));
    }
    text
}
