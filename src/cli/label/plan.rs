use std::path::PathBuf;

use clap::Args;

use super::flags::Flags;
use super::{PLAN, failed, make_room, stop_by_ctrl_c};
use crate::cli::{CliError, End, counted, print, quoted, say};
use crate::files;
use crate::label::{Head, Writer};

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
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=20))]
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

impl Plan {
    pub fn run(&self) -> Result<End, CliError> {
        let stop = stop_by_ctrl_c("after this song")?;
        let heard = self.flags.hear(&stop)?;
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
        let (mut named, mut unsure, mut troubled) = (0, 0, heard.songs.problems.len());
        for song in &heard.songs.found {
            let line = deciding.line(song, &heard.index, &heard.how);
            match &line.trouble {
                Some(trouble) => {
                    say(&format!("cannot be labelled: {}: {trouble}", files::shown(song.path.as_path())));
                    troubled += 1;
                }
                None if line.genres.is_empty() => unsure += 1,
                None => named += 1,
            }
            writer.line(&line).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        let out = quoted(&self.out);
        print(&format!(
            "{}: {} get a genre, {unsure} unsure, {troubled} cannot be labelled\n\
             look through it: genre-recognizer label show {out}\n\
             write it: genre-recognizer label apply {out}\n",
            files::shown(&self.out),
            counted(named, "song")
        ))?;
        Ok(if troubled > 0 { End::Incomplete } else { End::Success })
    }
}
