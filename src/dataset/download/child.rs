//! Running another program so that it ends: by itself, at a time limit, at Ctrl-C, or when it writes too much.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How often the program is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How often the size of what it has written is.
const MEASURE: Duration = Duration::from_millis(250);
/// How long it may take to end when it is asked to, and its outputs to close after it.
const GRACE: Duration = Duration::from_secs(2);
/// How much of each of its outputs is kept; the rest is read and forgotten.
const OUTPUT: usize = 16 << 20;

/// What ends a program early.
pub(super) struct Watch<'a> {
    /// Ctrl-C.
    pub stop: &'a AtomicBool,
    /// The longest that it may take.
    pub timeout: Duration,
    /// A folder, and how many bytes the files in it may come to.
    pub room: Option<(&'a Path, u64)>,
}

/// How a program ended.
pub(super) enum Ending {
    /// By itself: exit status, stdout, stderr.
    Done(ExitStatus, Vec<u8>, Vec<u8>),
    /// It was ended because of [`Watch::stop`].
    Stopped,
    /// It was ended because of [`Watch::timeout`].
    TimedOut,
    /// It was ended because of [`Watch::room`].
    TooLarge,
}

/// Runs `command` without input to its end. On return neither it nor, on Unix and Windows, a program that it started
/// is running.
///
/// # Errors
/// It could not be started or waited for.
pub(super) fn run(command: &mut Command, watch: &Watch) -> io::Result<Ending> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: Ctrl-C reaches this program alone, which then ends the whole group in order.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.spawn()?;
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let started = Instant::now();
    let mut measured = started;
    let early = loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let text = |output: Receiver<Vec<u8>>| output.recv_timeout(GRACE).unwrap_or_default();
                return Ok(Ending::Done(status, text(out), text(err)));
            }
            Ok(None) => {}
            Err(error) => {
                end(&mut child);
                return Err(error);
            }
        }
        if watch.stop.load(Ordering::Relaxed) {
            break Ending::Stopped;
        }
        if started.elapsed() > watch.timeout {
            break Ending::TimedOut;
        }
        if let Some((folder, bytes)) = watch.room.filter(|_| measured.elapsed() > MEASURE) {
            measured = Instant::now();
            if size(folder) > bytes {
                break Ending::TooLarge;
            }
        }
        std::thread::sleep(POLL);
    };
    end(&mut child);
    Ok(early)
}

/// Reads an output to its end on a thread of its own, so that a full pipe stops nobody.
fn drain(output: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut output) = output {
            let _ = output.by_ref().take(OUTPUT as u64).read_to_end(&mut kept);
            let _ = io::copy(&mut output, &mut io::sink());
        }
        let _ = sender.send(kept);
    });
    receiver
}

/// Ends a program and those that it started: first asked, then made to.
fn end(child: &mut Child) {
    signal(child.id(), "TERM");
    let asked = Instant::now();
    while asked.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(POLL);
    }
    signal(child.id(), "KILL");
    let _ = child.kill();
    let _ = child.wait();
}

/// Sends a signal to the group that `id` leads. The standard library reaches single processes only, and yt-dlp also
/// comes as a program that runs another.
fn signal(id: u32, name: &str) {
    let mut command = if cfg!(windows) {
        let mut command = Command::new("taskkill");
        command.args(["/F", "/T", "/PID", &id.to_string()]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", "kill -s \"$1\" -- \"-$2\"", "sh", name, &id.to_string()]);
        command
    };
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// The bytes in a folder's files.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(|data| data.is_file())
        .map(|data| data.len())
        .sum()
}
