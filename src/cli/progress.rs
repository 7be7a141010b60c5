//! Progress on stderr: bars in a terminal, now and then a plain line elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::say;
use super::silence::is_silent;

/// A plain line is written at most so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of one long piece of work.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: String,
    last: Mutex<Instant>,
}

impl Progress {
    pub fn new(what: &str) -> Self {
        let bar = (std::io::stderr().is_terminal() && !is_silent()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            let template = "{prefix:>12} [{bar:30}] {pos}/{len} {msg} ({eta} left)";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(what.to_string());
            bar
        });
        Self { bar, what: what.to_string(), last: Mutex::new(Instant::now()) }
    }

    /// `done` of `total` are done.
    pub fn at(&self, done: usize, total: usize, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total as u64);
            bar.set_message(message.to_string());
            bar.set_position(done as u64);
            return;
        }
        let Ok(mut last) = self.last.lock() else { return };
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            // How far another process is, nobody need be told.
            if is_silent() {
                return;
            }
            say(&format!("{} {done}/{total} {message}", self.what));
        }
    }

    /// A line above the bar.
    pub fn line(&self, text: &str) {
        self.suspend(|| say(text));
    }

    /// Runs `write`, which writes to the terminal, without the bar in between.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
