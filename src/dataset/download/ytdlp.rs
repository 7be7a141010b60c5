//! The program yt-dlp.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::answer::{Answer, FIELDS, answers, disk_is_full, reason};
use super::child::{Ending, Watch, run};
use super::error::DownloadError;
use super::limits::Limits;
use super::song::NAME;

/// What is taken of the formats that a song comes in. Formats that this program decodes, so that nothing need be
/// converted; the last are tried in the hope that they are. Previews of half a minute are never taken.
const FORMATS: &str = "(ba[ext=mp3]/ba[ext=m4a]/ba[ext=aac]/ba[ext=ogg][acodec!=opus]/ba[ext=flac]/ba[ext=wav]/\
                       ba[ext!=opus][ext!=webm][acodec!=opus]/ba/b)[format_id!*=preview]";

/// yt-dlp, where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YtDlp {
    program: PathBuf,
    version: String,
}

/// Why yt-dlp gave nothing.
pub(super) enum Trouble {
    /// It concerns this address only.
    Failed(String),
    /// It concerns the whole download.
    Halt(Halt),
}

/// Why a download ends early.
pub(super) enum Halt {
    /// Ctrl-C.
    Stopped,
    /// Nothing else would work either.
    Fatal(DownloadError),
}

impl From<Halt> for Trouble {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl From<DownloadError> for Halt {
    fn from(error: DownloadError) -> Self {
        Self::Fatal(error)
    }
}

/// What an address turned out to be.
pub(super) enum Fetched {
    /// A song, which lies in the folder.
    Song(Box<Answer>),
    /// A list of songs; nothing of it was fetched.
    List,
}

/// What every call needs.
pub(super) struct Calls<'a> {
    pub program: &'a YtDlp,
    pub limits: &'a Limits,
    pub cache: PathBuf,
    pub stop: &'a AtomicBool,
}

impl YtDlp {
    /// Finds yt-dlp at `named`, or else on the path, and asks for its version.
    ///
    /// # Errors
    /// [`DownloadError::NoYtDlp`], [`DownloadError::BadYtDlp`].
    pub fn find(named: Option<&Path>) -> Result<Self, DownloadError> {
        let program = named.unwrap_or(Path::new("yt-dlp"));
        // It runs in another folder; only a bare name is looked up on the path.
        let program = match program.components().count() {
            1 if named.is_none() || !program.exists() => program.to_owned(),
            _ => std::path::absolute(program).unwrap_or_else(|_| program.to_owned()),
        };
        let bad = |reason: String| DownloadError::BadYtDlp { program: program.clone(), reason };
        let watch = Watch { stop: &AtomicBool::new(false), timeout: Duration::from_secs(60), room: None };
        let mut command = Command::new(&program);
        command.args(["--ignore-config", "--version"]);
        match run(&mut command, &watch) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(DownloadError::NoYtDlp(program))
            }
            Err(error) => Err(bad(error.to_string())),
            Ok(Ending::Done(status, out, _)) => {
                let version = String::from_utf8_lossy(&out).trim().to_owned();
                let dated = version.starts_with(|c: char| c.is_ascii_digit()) && version.len() < 100;
                if status.success() && dated && !version.contains('\n') {
                    Ok(Self { program, version })
                } else {
                    Err(bad(format!("its --version ends with {status} and no version")))
                }
            }
            Ok(_) => Err(bad("its --version does not end".to_owned())),
        }
    }

    /// Its version, which is a date.
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl Calls<'_> {
    /// The first `count` entries of the list at `address`, in its order; a song is a list of one.
    pub fn list(&self, address: &str, count: usize) -> Result<Vec<Answer>, Trouble> {
        let mut command = self.command(&self.cache);
        command.args([
            "--no-progress",
            "--flat-playlist",
            "--simulate",
            "--no-playlist",
            "--playlist-items",
            &format!("1:{count}"),
        ]);
        command.args(["--ignore-no-formats-error", "--print", FIELDS, "--", address]);
        let (entries, messages) = self.ask(&mut command, None)?;
        match reason(&messages) {
            // Lists come in pages: what came before an error counts.
            Some(reason) if entries.is_empty() => Err(Trouble::Failed(reason)),
            _ => Ok(entries),
        }
    }

    /// Fetches the song at `address` into `folder`, as a file called [`NAME`]. Of a list nothing is fetched.
    pub fn fetch(&self, address: &str, folder: &Path) -> Result<Fetched, Trouble> {
        let Limits { bytes, shortest, longest, .. } = *self.limits;
        let mut command = self.command(folder);
        command.args([
            "--playlist-items",
            "0",
            "--no-playlist",
            "--format",
            FORMATS,
            "--fixup",
            "never",
            "--no-mtime",
        ]);
        // A line at each step, so that a yt-dlp whose parent was killed finds its output closed and ends.
        command.args(["--progress", "--newline", "--progress-template", "download:."]);
        command.args(["--max-filesize", &bytes.to_string(), "--abort-on-unavailable-fragments"]);
        command
            .args(["--match-filters", &format!("!is_live & duration>=?{shortest} & duration<=?{longest}")]);
        command.args(["--output", &format!("{NAME}.%(ext)s"), "--print", &format!("after_move:{FIELDS}")]);
        command.args(["--print", &format!("playlist:{FIELDS}"), "--", address]);
        let (mut said, messages) = self.ask(&mut command, Some((folder, bytes + bytes / 8)))?;
        if let Some(song) = said.pop() {
            return Ok(if song.is_list() { Fetched::List } else { Fetched::Song(Box::new(song)) });
        }
        Err(Trouble::Failed(self.refusal(&messages)))
    }

    /// What every command has: no configuration, no program started from it, no questions, limits on waiting.
    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program.program);
        command.env("YTDLP_NO_PLUGINS", "1").env("PYTHONUTF8", "1").env("PYTHONIOENCODING", "utf-8:replace");
        command.current_dir(folder);
        command.args(["--ignore-config", "--no-exec", "--no-warnings", "--no-quiet", "--cache-dir"]);
        command.arg(&self.cache);
        command.args([
            "--socket-timeout",
            "20",
            "--retries",
            "3",
            "--fragment-retries",
            "3",
            "--extractor-retries",
            "2",
        ]);
        command.args(["--sleep-requests", &self.limits.pause.as_secs_f64().to_string()]);
        command
    }

    fn ask(
        &self,
        command: &mut Command,
        room: Option<(&Path, u64)>,
    ) -> Result<(Vec<Answer>, Vec<u8>), Trouble> {
        let watch = Watch { stop: self.stop, timeout: self.limits.timeout, room };
        match run(command, &watch) {
            Ok(Ending::Done(_, _, messages)) if disk_is_full(&messages) => {
                let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
                Err(Halt::Fatal(DownloadError::Io { path: self.cache.clone(), source }).into())
            }
            Ok(Ending::Done(status, out, mut messages)) => {
                let said: Vec<_> = answers(&out).collect();
                // Errors are on stderr; why something was left out stands between the answers.
                messages.extend(out);
                if said.is_empty() && reason(&messages).is_none() && !status.success() {
                    return Err(Trouble::Failed(format!("yt-dlp ended with {status} and no message")));
                }
                Ok((said, messages))
            }
            Ok(Ending::Stopped) => Err(Halt::Stopped.into()),
            Ok(Ending::TimedOut) => {
                Err(Trouble::Failed(format!("not complete after {} s", self.limits.timeout.as_secs_f64())))
            }
            Ok(Ending::TooLarge) => Err(Trouble::Failed(format!("larger than {}", self.limits.size()))),
            Err(error) => {
                let program = self.program.program.clone();
                Err(Halt::Fatal(DownloadError::BadYtDlp { program, reason: error.to_string() }).into())
            }
        }
    }

    /// Why nothing was fetched, where yt-dlp calls it no error.
    fn refusal(&self, messages: &[u8]) -> String {
        let text = String::from_utf8_lossy(messages);
        let Limits { shortest, longest, .. } = self.limits;
        if let Some(reason) = reason(messages) {
            if reason.contains("Requested format is not available") {
                return "nothing but a preview, or no audio at all".to_owned();
            }
            reason
        } else if text.contains("larger than max-filesize") {
            format!("larger than {}", self.limits.size())
        } else if text.contains("does not pass filter") {
            let longest = longest / 60.0;
            format!(
                "a live stream, shorter than {shortest:.0} s or longer than {longest:.1} min, by what its site says"
            )
        } else {
            "nothing to fetch there".to_owned()
        }
    }
}
