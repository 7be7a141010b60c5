//! Networks trained and judged by folds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Evaluate, show};
use crate::cli::flags::{ValidationFlags, configure};
use crate::cli::progress::Progress;
use crate::cli::songs::{default_base, load, name, on_dataset, songs, unknown_artists};
use crate::cli::train::catch_interrupt;
use crate::cli::{CliError, End, Format, RUNS, counted, open_for, print, say};
use crate::dataset::{Cache, Library};
use crate::files;
use crate::train::{
    Claim, FoldEvent, Folds, FoldsSetup, Settings, Training, TrainingEvent, Which, cross_validate,
};

impl Evaluate {
    /// What the networks begin with where nobody said so: as in a training.
    fn default_base(&self, dataset: Option<&Path>) -> Option<PathBuf> {
        let open = self.base.is_open() && self.config.is_none() && !self.network.shape();
        open.then(|| default_base(dataset)).flatten()
    }

    pub(super) fn cross_validate(&self, folds: Folds) -> Result<End, CliError> {
        let dataset = self.labels.dataset(self.dataset.as_ref())?;
        let config = configure(
            self.config.as_ref(),
            (&self.base, self.default_base(dataset.as_deref()).as_deref()),
            &self.network,
            Some((&self.training, &ValidationFlags::default())),
        )?;
        let config = on_dataset(config, dataset.as_ref());
        let mut seeds = if self.seeds.is_empty() { vec![config.training.seed] } else { self.seeds.clone() };
        let mut seen = HashSet::new();
        seeds.retain(|&seed| seen.insert(seed));
        let device = open_for(&config.training, self.device)?;
        say(&format!("device: {}", device.describe()));
        let (data, demo) = songs(&config.dataset)?;
        // Before the songs are read, so that nobody waits for them in vain.
        let claim = self.run.as_deref().map(Claim::new).transpose()?;
        if claim.is_none() {
            Claim::possible(Path::new(RUNS))?;
        }
        let (stop, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        catch_interrupt(&stop, &begun, claim.as_ref())?;
        let cache = self.cache.open();
        let library = Arc::new(load(&data, &config, cache.as_ref())?);
        // Folds that are not possible are refused before there is a folder for them.
        let networks = seeds.len() * folds.splits(&library.dataset, config.training.seed)?.len();
        let settings = Settings::new(folds, &config, &library);
        let name = name(&library.dataset.root, demo);
        let (folder, goes_on) = match &self.run {
            Some(run) => (run.clone(), false),
            None => settings.folder(Path::new(RUNS), &format!("{name}-folds"))?,
        };
        say(&format!(
            "{}: {} of {} genres, {}, {}; runs in {}{}",
            files::shown(&library.dataset.root),
            counted(library.songs.len(), "song"),
            library.dataset.genres.len(),
            match folds {
                Folds::Dealt(count) => format!("{count} folds"),
                Folds::Given => "the folds of tracks.csv".to_string(),
            },
            counted(networks, "network"),
            files::shown(&folder),
            if goes_on { ", which was begun before" } else { "" },
        ));
        if matches!(folds, Folds::Dealt(_)) {
            unknown_artists(&library.dataset);
        }
        begun.store(true, Ordering::Relaxed);
        let mut observer = FoldsObserver::new(&library, config.training.epochs);
        let checkpoint_every = Training::CHECKPOINT_EVERY;
        let setup = FoldsSetup {
            config,
            folds,
            seeds,
            library: library.clone(),
            device,
            folder,
            claim,
            checkpoint_every,
            embeddings_folder: cache.as_ref().map(Cache::embeddings),
        };
        let pooled = cross_validate(&setup, &mut |which, event| observer.hear(which, event), &stop);
        observer.bar.finish();
        let Some(pooled) = pooled? else {
            say(&format!(
                "stopped; everything is saved in {}; the same command goes on from there",
                files::shown(&setup.folder)
            ));
            return Ok(End::Interrupted);
        };
        print(&match self.format {
            Format::Table => show::folds(&pooled, &name),
            Format::Json => show::json(&pooled)?,
            Format::Csv => show::songs(&pooled.out_of_fold, &library.dataset, |judged| {
                pooled.judged_in.get(judged).copied()
            })?,
        })?;
        Ok(End::Success)
    }
}

/// Draws the events of a cross-validation.
struct FoldsObserver<'a> {
    library: &'a Library,
    epochs: usize,
    per_epoch: usize,
    bar: Progress,
}

impl<'a> FoldsObserver<'a> {
    fn new(library: &'a Library, epochs: usize) -> Self {
        Self { library, epochs, per_epoch: 0, bar: Progress::new("training") }
    }

    fn hear(&mut self, which: Which, event: FoldEvent<'_>) {
        let Which { number, networks, seed, fold } = which;
        match event {
            FoldEvent::Training(TrainingEvent::Ready { steps_per_epoch, .. }) => {
                self.per_epoch = steps_per_epoch
            }
            FoldEvent::Training(TrainingEvent::Step {
                epoch,
                batch,
                so_far: Some((loss, accuracy)),
                frames_per_second,
                ..
            }) => {
                let each = self.epochs * self.per_epoch;
                let message = format!(
                    "seed {seed} fold {fold} epoch {}/{} loss {loss:.3} accuracy {:.1} % {frames_per_second:.0} frames/s",
                    epoch + 1,
                    self.epochs,
                    100.0 * accuracy
                );
                self.bar.at(number * each + epoch * self.per_epoch + batch, networks * each, &message);
            }
            FoldEvent::Training(TrainingEvent::Hearing { done, songs }) => {
                self.bar.at(done, songs, "hearing the songs with what was learnt before");
            }
            FoldEvent::Tested { tested, now } => {
                let figures = tested.evaluation(self.library);
                self.bar.line(&format!(
                    "network {}/{networks}: seed {seed}, fold {fold}: {:.1} % of {} and {:.1} % of {} right{}",
                    number + 1,
                    100.0 * figures.song_accuracy,
                    counted(figures.songs, "song"),
                    100.0 * figures.frame_accuracy,
                    counted(figures.frames, "frame"),
                    if now { "" } else { " (judged before)" },
                ));
            }
            FoldEvent::Testing { done, songs } => {
                let each = self.epochs * self.per_epoch;
                let message = format!("seed {seed} fold {fold}: judging song {done}/{songs}");
                self.bar.at((number + 1) * each, networks * each, &message);
            }
            FoldEvent::Began | FoldEvent::Training(_) => {}
        }
    }
}
