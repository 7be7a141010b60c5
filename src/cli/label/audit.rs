use clap::Args;

use super::flags::Flags;
use super::stop_by_ctrl_c;
use crate::cli::{CliError, End, counted, print, say};
use crate::files::printable;
use crate::label::{Contradiction, Moment};

/// Names the songs whose sound contradicts the genre in their tags, the most confident first.
///
/// Only songs whose tags name a genre that the model knows (by the taxonomy) are judged. What is printed is where to
/// look, not who is right: the model is often wrong.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Audit {
    #[command(flatten)]
    flags: Flags,
    /// As JSON Lines
    #[arg(long)]
    json: bool,
    /// At most so many songs
    #[arg(long, value_name = "N", value_parser = most)]
    most: Option<usize>,
}

fn most(text: &str) -> Result<usize, String> {
    let most = text.parse().ok().filter(|&most| most > 0);
    most.ok_or_else(|| "a number of songs from 1 on is wanted; leave --most out to see all".to_string())
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer label audit ~/Music
  genre-recognizer label audit ~/Music --threshold 0.9 --most 20
  genre-recognizer label audit ~/Music --json | jq -r .path";

impl Audit {
    pub fn run(&self) -> Result<End, CliError> {
        let stop = stop_by_ctrl_c("after this song")?;
        let heard = self.flags.hear(false, &stop)?;
        if !heard.whole {
            return Ok(End::Interrupted);
        }
        // All genres: the tag's may be the least probable.
        let deciding = heard.deciding(usize::MAX);
        let mut found: Vec<Contradiction> = Vec::new();
        for song in &heard.songs.found {
            let mut line = deciding.line(song, &heard.index, &heard.how);
            let Some(sound) = heard.heard(song).filter(|sound| sound.trouble.is_none()) else { continue };
            line.probabilities = deciding.ranked(sound);
            found.extend(deciding.contradiction(&line, &sound.moments));
        }
        let confidence = |song: &Contradiction| song.probability - song.tagged_probability;
        found.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)).then_with(|| a.path.cmp(&b.path)));
        found.truncate(self.most.unwrap_or(usize::MAX));
        for song in &found {
            print(&match self.json {
                true => {
                    serde_json::to_string(song).map_err(|error| CliError::Other(error.to_string()))? + "\n"
                }
                false => told(song),
            })?;
        }
        if !self.json {
            let (count, songs) = (found.len(), counted(heard.songs.found.len(), "song"));
            say(&format!("{count} of {songs} sound like another genre than their tags name"));
        }
        Ok(End::Success)
    }
}

fn told(song: &Contradiction) -> String {
    let clock = |seconds: f64| format!("{}:{:02}", seconds as u64 / 60, seconds as u64 % 60);
    let spans: Vec<String> = song
        .moments
        .iter()
        .map(|Moment { from, to, .. }| format!("{}-{}", clock(*from), clock(*to)))
        .collect();
    format!(
        "{}: tagged {} ({:.1} %), sounds like {} ({:.1} %) at {}\n",
        printable(&song.path),
        printable(&song.tagged.join("; ")),
        100.0 * song.tagged_probability,
        song.heard,
        100.0 * song.probability,
        spans.join(", ")
    )
}
