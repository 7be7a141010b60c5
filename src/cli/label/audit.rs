use clap::Args;

use super::flags::Flags;
use super::stop_by_ctrl_c;
use crate::cli::{CliError, End, counted, print, say};
use crate::files::shown_text;
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
        let mut judged = Judged::default();
        for song in &heard.songs.found {
            let mut line = deciding.line(song, &heard.index, &heard.how);
            let sound = heard.heard(song).filter(|sound| sound.trouble.is_none());
            *match sound {
                None => &mut judged.unheard,
                Some(_) if line.tagged().is_empty() => &mut judged.untagged,
                Some(_) if deciding.known(&line).is_empty() => &mut judged.unknown,
                Some(_) => &mut judged.songs,
            } += 1;
            let Some(sound) = sound else { continue };
            line.probabilities = deciding.ranked(sound);
            found.extend(deciding.contradiction(&line, &sound.moments));
        }
        let confidence = |song: &Contradiction| song.probability - song.tagged_probability;
        found.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)).then_with(|| a.path.cmp(&b.path)));
        let count = found.len();
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
            let most = match found.len() {
                shown if shown < count => format!("; named: the first {shown}"),
                _ => String::new(),
            };
            say(&(judged.told(count) + &most));
        }
        Ok(End::Success)
    }
}

/// How many songs could be judged, and how many not.
#[derive(Default)]
struct Judged {
    songs: usize,
    /// Without a genre in their tags.
    untagged: usize,
    /// Whose tags name no genre that the model knows.
    unknown: usize,
    unheard: usize,
}

impl Judged {
    fn told(&self, contradicted: usize) -> String {
        let songs = counted(self.songs, "song");
        let mut text = match (self.songs, contradicted) {
            (0, _) => "no song can be judged".to_owned(),
            (1, count) => {
                format!("{count} of {songs} whose tags name a genre that the model knows sounds like another")
            }
            (_, count) => {
                format!("{count} of {songs} whose tags name a genre that the model knows sound like another")
            }
        };
        let mut before = "; not judged: ";
        for (count, what) in [
            (self.untagged, "without a genre"),
            (self.unknown, "of genres that the model does not know"),
            (self.unheard, "cannot be heard"),
        ] {
            if count > 0 {
                text += &format!("{before}{count} {what}");
                before = ", ";
            }
        }
        text
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
        shown_text(&song.path),
        shown_text(&song.tagged.join("; ")),
        100.0 * song.tagged_probability,
        shown_text(&song.heard),
        100.0 * song.probability,
        spans.join(", ")
    )
}
