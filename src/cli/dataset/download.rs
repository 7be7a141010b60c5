use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::observer::Observer;
use crate::cli::{CliError, End, counted, print, say};
use crate::dataset::download::{
    Addresses, Limits, Outlook, Plan, Report, SOUNDCLOUD, Target, YtDlp, download, parse_manifest,
};
use crate::dataset::{GENRES, parse_genres};
use crate::files;

/// Downloads the top songs of each genre into the genres' folders, by the program yt-dlp.
///
/// You must have the right to every song that you download and to what you do with it; the songs' licences are listed
/// in attribution.csv. Songs are looked for in SoundCloud's charts, then by its search, or at the addresses of a table
/// of your own. What is there already is not fetched again: run it again to go on. Addresses can go stale; they are
/// data (dataset/soundcloud.toml), and --addresses names a corrected copy.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Download {
    /// Folder to download to; each genre gets a subfolder
    #[arg(long, value_name = "DIR", default_value = "dataset")]
    dataset: PathBuf,
    /// Genres, a name a line [default: the 30 of dataset/genres.txt]
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    genres: Option<PathBuf>,
    /// Only this genre; may be given several times
    #[arg(long, value_name = "NAME")]
    genre: Vec<String>,
    /// Songs for each genre [default: 50; with --manifest all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: Option<u16>,
    /// Only this source of the table of addresses, such as charts or search; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "manifest")]
    source: Vec<String>,
    /// Table of addresses in the place of the built-in one, which is dataset/soundcloud.toml
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    addresses: Option<PathBuf>,
    /// Songs from a table of your own: CSV with the columns genre and url
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Largest song, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 64.0, value_parser = positive)]
    max_size: f64,
    /// Longest song, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 15.0, value_parser = positive)]
    max_minutes: f64,
    /// Shortest song, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = not_negative)]
    min_seconds: f64,
    /// Wait between songs, and between the requests that one takes
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = not_negative)]
    pause: f64,
    /// Longest transfer of one song
    #[arg(long, value_name = "SECONDS", default_value_t = 600.0, value_parser = positive)]
    timeout: f64,
    /// Say what would be done, and contact nobody
    #[arg(long)]
    dry_run: bool,
    /// The program yt-dlp [default: the one on the path]
    #[arg(long, value_name = "FILE")]
    yt_dlp: Option<PathBuf>,
    /// How to print the summary
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer dataset download --dry-run
  genre-recognizer dataset download
  genre-recognizer dataset download --genre techno --genre trance --top 20 --source search
  genre-recognizer dataset download --manifest songs.csv --dataset ~/Music/genres

A manifest is a table such as
  genre,url
  rock,https://example.org/song.mp3
Other columns, such as title, artist or licence, are not read: attribution.csv says what the songs' sites say.

The summary counts songs: wanted = there before + new + failed + passed (another genre's, the same song twice, or removed
by you) + untried (after Ctrl-C). Where so many songs are wanted, and not all of a manifest, the next of the list take the
place of those that fail or are passed.

Exit codes: 0 everything wanted is there, or was passed over where all of a manifest is wanted; 1 an error, or songs are
missing; 2 a wrong command line; 130 stopped by Ctrl-C.";

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
}

/// A number above 0 that can be counted in milliseconds.
fn positive(text: &str) -> Result<f64, String> {
    not_negative(text)
        .and_then(|value| if value > 0.0 { Ok(value) } else { Err("must be above 0".to_owned()) })
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1e6).contains(&value) => Ok(value),
        Ok(_) => Err("must be from 0 to 1000000".to_owned()),
        Err(_) => Err("must be a number".to_owned()),
    }
}

impl Download {
    pub fn run(&self) -> Result<End, CliError> {
        let limits = self.limits();
        let plan = self.plan()?;
        if self.dry_run {
            return self.show(&plan);
        }
        let program = YtDlp::find(self.yt_dlp.as_deref())?;
        say(&format!("yt-dlp {}; you must have the right to the songs that you download", program.version()));
        let stop = Arc::new(AtomicBool::new(false));
        catch_interrupt(&stop)?;
        let mut observer = Observer::new(&plan);
        let report =
            download(&plan, &self.dataset, &program, &limits, &stop, &mut |event| observer.hear(&event));
        observer.end();
        let report = report?;
        self.summarise(&report)?;
        Ok(match (report.stopped, report.complete()) {
            (true, _) => End::Interrupted,
            (false, true) => End::Success,
            (false, false) => End::Incomplete,
        })
    }

    /// The limits; where no song could keep them, the process ends as at any wrong command line.
    fn limits(&self) -> Limits {
        let longest = 60.0 * self.max_minutes;
        if self.min_seconds > longest {
            let message = format!(
                "--min-seconds {} is longer than --max-minutes {} ({longest} s), so no song would do; lower the first or \
                 raise the second\n",
                self.min_seconds, self.max_minutes
            );
            clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, message).exit();
        }
        Limits {
            bytes: (self.max_size * 1e6) as u64,
            shortest: self.min_seconds,
            longest,
            pause: Duration::from_secs_f64(self.pause),
            timeout: Duration::from_secs_f64(self.timeout),
        }
    }

    fn plan(&self) -> Result<Plan, CliError> {
        let mut plan = match &self.manifest {
            Some(path) => {
                let mut targets = parse_manifest(&read(path)?, path)?;
                targets.iter_mut().for_each(|target| target.wanted = self.top.map(usize::from));
                Plan { targets }
            }
            None => {
                let genres = match &self.genres {
                    Some(path) => parse_genres(&text(path)?),
                    None => parse_genres(GENRES),
                };
                let addresses = match &self.addresses {
                    Some(path) => Addresses::parse(&text(path)?, path)?,
                    None => Addresses::parse(SOUNDCLOUD, Path::new("dataset/soundcloud.toml"))?,
                };
                if let Some(unknown) =
                    self.source.iter().find(|name| !addresses.names().contains(&name.as_str()))
                {
                    let names = addresses.names().join(", ");
                    return Err(CliError::Usage(format!("no source \"{unknown}\"; the sources are {names}")));
                }
                Plan::top(&genres, self.top.unwrap_or(50).into(), &addresses, &self.source)?
            }
        };
        if let Some(unknown) = self.genre.iter().find(|name| !plan.targets.iter().any(|t| t.genre == **name))
        {
            return Err(CliError::Usage(format!(
                "\"{unknown}\" is not among the genres; --dry-run lists them"
            )));
        }
        if !self.genre.is_empty() {
            plan.targets.retain(|target| self.genre.contains(&target.genre));
        }
        if plan.targets.is_empty() {
            return Err(CliError::Other("no genres; name one a line in the file of --genres".to_owned()));
        }
        Ok(plan)
    }

    /// Prints what would be done.
    fn show(&self, plan: &Plan) -> Result<End, CliError> {
        let outlooks = plan.outlook(&self.dataset)?;
        if matches!(self.format, Format::Json) {
            let genre = |(target, outlook): (&Target, Outlook)| {
                let addresses: Vec<_> = target.addresses.iter().map(|a| &a.text).collect();
                let Outlook { wanted, there, fetch, passed } = outlook;
                json!({
                    "genre": target.genre, "wanted": wanted, "there": there, "fetch": fetch, "passed": passed,
                    "addresses": addresses
                })
            };
            return print_json(&plan.targets.iter().zip(outlooks).map(genre).collect::<Vec<_>>());
        }
        let mut text = String::new();
        for (target, outlook) in plan.targets.iter().zip(outlooks) {
            let folder = self.dataset.join(&target.genre);
            let Outlook { wanted, there, fetch, passed } = outlook;
            text += &format!("{}: {wanted} wanted, {there} there, {fetch} to fetch", files::shown(&folder));
            if passed > 0 {
                text +=
                    &format!(", {passed} to pass over (removed, another genre's, or the same song twice)");
            }
            text.push('\n');
            for (i, address) in target.addresses.iter().enumerate() {
                text += &format!("  {}. {:<8} {}\n", i + 1, address.source, address.text);
            }
        }
        print(&text)?;
        say(match (&self.manifest, self.top) {
            (Some(_), None) => {
                "nothing was contacted; an address counts as one song, though it may prove to be a list"
            }
            _ => {
                "nothing was contacted; a genre's addresses are tried in this order until it has enough songs"
            }
        });
        Ok(End::Success)
    }

    fn summarise(&self, report: &Report) -> Result<(), CliError> {
        match self.format {
            Format::Json => {
                print_json(report)?;
            }
            Format::Table => print(&table(report))?,
        }
        report.notes.iter().for_each(|note| say(&format!("note: {note}")));
        let removed: usize = report.genres.iter().map(|genre| genre.removed).sum();
        if removed > 0 {
            say(&format!(
                "note: {} downloaded before and removed since, not fetched again; to fetch them, take their lines out of \
                 attribution.csv and .download-archive.txt in {}",
                counted(removed, "song"),
                files::shown(&self.dataset)
            ));
        }
        let elsewhere: usize = report.genres.iter().map(|genre| genre.elsewhere).sum();
        if elsewhere > 0 {
            say(&format!("note: {} passed over that another genre has", counted(elsewhere, "song")));
        }
        let twice: usize = report.genres.iter().map(|genre| genre.twice).sum();
        // Charts and searches overlap as a matter of course; the addresses of a manifest should not.
        if twice > 0 && self.manifest.is_some() {
            let songs = counted(twice, "song");
            say(&format!(
                "note: {songs} passed over that another address of the same genre gave: the same song twice"
            ));
        }
        if report.stopped {
            let untried: usize = report.genres.iter().map(|genre| genre.untried).sum();
            let songs = counted(untried, "song");
            say(&format!(
                "stopped; what was complete is there, {songs} not tried. Run the same command to go on"
            ));
        } else if !report.complete() {
            say("songs are missing; run the same command to try again");
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path)
        .map_err(|error| CliError::Other(format!("{}: cannot be read: {error}", files::shown(path))))
}

fn text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read(path)?)
        .map_err(|_| CliError::Other(format!("{}: not UTF-8 text; save it as UTF-8", files::shown(path))))
}

fn print_json(value: &impl serde::Serialize) -> Result<End, CliError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| CliError::Other(error.to_string()))?;
    print(&(json + "\n"))?;
    Ok(End::Success)
}

fn table(report: &Report) -> String {
    let width = report.genres.iter().map(|genre| genre.genre.chars().count()).max().unwrap_or(0).max(5);
    let row = |genre: &str, cells: [String; 6]| {
        let cells: String = cells.iter().map(|cell| format!("  {cell:>7}")).collect();
        format!("{genre:<width$}{cells}\n")
    };
    let names = ["wanted", "there", "new", "failed", "passed", "untried"];
    let mut text = row("genre", names.map(str::to_owned));
    let mut sums = [0; 6];
    for genre in &report.genres {
        let failed = genre.failures.len();
        let cells = [genre.wanted, genre.there, genre.new, failed, genre.passed(), genre.untried];
        sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
        text += &row(&genre.genre, cells.map(|n| n.to_string()));
    }
    text + &row("all", sums.map(|n| n.to_string()))
}

/// Sets `stop` at the first Ctrl-C; the second ends the process at once.
fn catch_interrupt(stop: &Arc<AtomicBool>) -> Result<(), CliError> {
    let stop = stop.clone();
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        say("\nstopping");
    })
    .map_err(|error| CliError::Other(format!("Ctrl-C cannot be caught: {error}")))
}
