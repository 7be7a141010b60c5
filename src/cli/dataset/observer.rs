use crate::cli::progress::Progress;
use crate::dataset::download::{Event, Plan};

/// Draws a download.
pub struct Observer {
    bar: Progress,
    done: usize,
    total: usize,
    wanted: Vec<usize>,
}

impl Observer {
    pub fn new(plan: &Plan) -> Self {
        let wanted: Vec<_> = plan.targets.iter().map(|t| t.wanted.unwrap_or(t.addresses.len())).collect();
        Self { bar: Progress::new("downloading"), done: 0, total: wanted.iter().sum(), wanted }
    }

    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Asking { genre, what } => self.at(&format!("{genre}: {what}")),
            Event::Song { path } => {
                self.done += 1;
                self.at(path);
            }
            Event::Failed { genre, failure } => {
                let title = failure.title.as_ref().map(|title| format!("\"{title}\", ")).unwrap_or_default();
                self.bar.line(&format!("failed: {genre}: {title}{}: {}", failure.url, failure.reason));
            }
            // What was there already, or could not be had, is behind the bar too.
            Event::Genre(genre) => {
                let before = self.total - self.wanted.iter().sum::<usize>();
                if !self.wanted.is_empty() {
                    self.done = before + self.wanted.remove(0);
                }
                self.at(&genre.genre);
            }
        }
    }

    pub fn end(&self) {
        self.bar.finish();
    }

    fn at(&self, message: &str) {
        self.bar.at(self.done, self.total, message);
    }
}
