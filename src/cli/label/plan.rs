use std::path::PathBuf;

use clap::Args;

use super::flags::Flags;
use super::{PLAN, check_room, failed, make_room, stop_by_ctrl_c, summary};
use crate::cli::{CliError, End, print, quoted, say};
use crate::files;
use crate::label::{Head, Mode, Standings, Writer};

/// Hears every song of a library and writes down what its tags would get; no song is touched.
///
/// What was heard is remembered by content, so that a second run hears what is new. Ctrl-C or worse loses nothing: run it
/// again.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Plan {
    #[command(flatten)]
    flags: Flags,
    /// The plan
    #[arg(long, value_name = "FILE", default_value = "genres.plan")]
    out: PathBuf,
    /// Most genres a song
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = top)]
    top: u16,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer label plan ~/Music
  genre-recognizer label show genres.plan --page genres.html
  genre-recognizer label apply genres.plan
  genre-recognizer label plan ~/Music --top 2 --threshold 0.3 --out two.plan
  genre-recognizer label plan /srv/music --shard 3/8 --out part3.plan

A plan is JSON Lines: a line on the library, then a line a file, which may be edited. Songs of whose genre the model is
unsure get none.

Exit codes: 0 success; 1 an error, or files that cannot be heard or labelled; 2 a wrong command line; 130 stopped.";

fn top(text: &str) -> Result<u16, String> {
    let top = text.parse().ok().filter(|top| (1..=20).contains(top));
    top.ok_or_else(|| {
        "1 to 20 genres a song are possible; --threshold 1 gives hardly any song one".to_string()
    })
}

impl Plan {
    pub fn run(&self) -> Result<End, CliError> {
        // Before hours of hearing, not behind them.
        check_room(&self.out, PLAN, "--out")?;
        let stop = stop_by_ctrl_c("after this song")?;
        let heard = self.flags.hear(true, &stop)?;
        if !heard.whole {
            say("no plan was written; what was heard is remembered");
            return Ok(End::Interrupted);
        }
        let head = Head {
            plan: Head::VERSION,
            library: heard.songs.root.clone(),
            model: heard.model.clone(),
            genres: heard.genres.clone(),
            top: usize::from(self.top),
            threshold: heard.threshold,
            seconds: heard.seconds,
            shard: heard.shard,
        };
        let deciding = heard.deciding(usize::from(self.top));
        make_room(&self.out, PLAN, "--out")?;
        let mut writer = Writer::new(&self.out, &head).map_err(failed)?;
        let mut standings = Standings::default();
        for song in &heard.songs.found {
            let line = deciding.line(song, &heard.index, &heard.how);
            if let Some(trouble) = &line.trouble {
                say(&format!("cannot be labelled: {}: {trouble}", files::shown_text(&line.path)));
            }
            standings.count(line.standing(Mode::OnlyIfEmpty));
            writer.line(&line).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        let out = quoted(&self.out);
        let skipped = heard.songs.problems.len();
        print(&format!(
            "{}: {}\n\
             look through it: genre-recognizer label show {out}\n\
             write it: genre-recognizer label apply {out}\n",
            files::shown(&self.out),
            summary(&standings, skipped)
        ))?;
        Ok(if standings.troubled + skipped > 0 { End::Incomplete } else { End::Success })
    }
}
