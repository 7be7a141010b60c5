//! Writes the genres of a plan.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::LabelError;
use super::journal::{Entry, Journal};
use super::plan::{Line, Plan, Standing};
use super::replace::{Folder, Keeping, Trouble, refuse};
use super::tags;

/// What becomes of genres that a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Files that have any stay as they are.
    #[default]
    OnlyIfEmpty,
    /// The plan's take their place.
    Replace,
    /// The plan's come behind them.
    Add,
}

/// How a plan is applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apply {
    pub mode: Mode,
    pub keeping: Keeping,
    /// Say what would be done, and write nothing.
    pub pretend: bool,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its genres were written: these.
    Written(Vec<String>),
    /// The plan names no genre for it.
    Unsure,
    /// It has genres, and keeps them.
    Has,
    /// It said so before.
    Same,
    /// It cannot be labelled, as the plan says, for this reason.
    Troubled(String),
    /// It was written before, as the journal says.
    Done,
    /// It stays as it is, for this reason.
    Refused(String),
}

/// How many files each outcome had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub written: usize,
    pub unsure: usize,
    pub has: usize,
    pub same: usize,
    pub troubled: usize,
    pub done: usize,
    pub refused: usize,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Written(_) => &mut self.written,
            Outcome::Unsure => &mut self.unsure,
            Outcome::Has => &mut self.has,
            Outcome::Same => &mut self.same,
            Outcome::Troubled(_) => &mut self.troubled,
            Outcome::Done => &mut self.done,
            Outcome::Refused(_) => &mut self.refused,
        } += 1;
    }
}

/// Why a file is not written, or nothing more is.
enum Failure {
    File(Trouble),
    Run(LabelError),
}

impl<T: Into<Trouble>> From<T> for Failure {
    fn from(trouble: T) -> Self {
        Self::File(trouble.into())
    }
}

/// Applies a plan. Every file is old or new at every moment, and the journal, which is begun where there is none, says
/// which were about to be written. Running it again goes on. `stop` ends it behind the file that is being written;
/// `told` is called with each file.
///
/// # Errors
/// [`LabelError`] where the plan, the journal or the library's folder cannot be used, or a disk is full.
pub fn apply(
    plan: &Plan,
    journal: &Path,
    options: &Apply,
    stop: &AtomicBool,
    mut told: impl FnMut(&Line, &Outcome),
) -> Result<Tally, LabelError> {
    let library = &plan.head.library;
    let mut folder = Folder::new(library, options.keeping).map_err(LabelError::at(library))?;
    let mut journal = match options.pretend {
        true => Journal::peek(journal, folder.root())?,
        false => Some(Journal::append(journal, folder.root())?),
    };
    let mut tally = Tally::default();
    for line in plan.lines()? {
        if stop.load(Ordering::SeqCst) {
            tally.stopped = true;
            break;
        }
        let (_, line) = line?;
        let outcome = match file(&mut folder, journal.as_mut(), options, &line) {
            Ok(outcome) => outcome,
            Err(Failure::File(Trouble::Refused(reason))) => Outcome::Refused(reason),
            Err(Failure::File(Trouble::Full)) => {
                return Err(LabelError::Full(folder.root().join(&line.path)));
            }
            Err(Failure::Run(error)) => return Err(error),
        };
        tally.count(&outcome);
        told(&line, &outcome);
    }
    Ok(tally)
}

fn file(
    folder: &mut Folder,
    journal: Option<&mut Journal>,
    options: &Apply,
    line: &Line,
) -> Result<Outcome, Failure> {
    let standing = line.standing(options.mode);
    match standing {
        Standing::Troubled => return Ok(Outcome::Troubled(line.trouble.clone().unwrap_or_default())),
        Standing::Unsure => return Ok(Outcome::Unsure),
        Standing::Keeps if line.genres.is_empty() => return Ok(Outcome::Has),
        // Whether it still has one is seen below.
        Standing::Keeps | Standing::Named => {}
    }
    let target = folder.open(&line.path)?;
    let old = tags::inspect(&target.file)?;
    let same_audio = super::hex128(old.audio) == line.audio;
    let written = journal.as_ref().and_then(|journal| journal.last(&target.name));
    let as_planned = (target.size(), target.modified()) == (line.size, line.modified);
    // A plan that was made since knows the genre that was written as one that the file has.
    let known = as_planned && standing == Standing::Keeps;
    if !known && written.is_some_and(|entry| same_audio && old.holds(&entry.after)) {
        return Ok(Outcome::Done);
    }
    // What was written and undone since has another time, and padding.
    let undone = written.is_some_and(|entry| same_audio && old.holds(&entry.before));
    if !as_planned && !undone {
        return Ok(refuse("it was changed since the plan was made; plan again")?);
    }
    if !same_audio {
        return Ok(refuse("its audio is not that of the plan; plan again")?);
    }
    let mut values = old.genres();
    match options.mode {
        Mode::OnlyIfEmpty if !values.is_empty() => return Ok(Outcome::Has),
        Mode::OnlyIfEmpty | Mode::Replace => values = line.genres.clone(),
        Mode::Add => tags::unite(&mut values, line.genres.iter().cloned()),
    }
    let (before, after) = tags::encode(&target.file, &values)?;
    if before == after {
        return Ok(Outcome::Same);
    }
    if options.pretend {
        // It may be refused.
        folder.may_write(&target)?;
        tags::rewrite(&target.file, &after)?;
    } else if let Some(journal) = journal {
        let entry = Entry { path: target.name.clone(), audio: line.audio.clone(), before, after };
        folder.replace(&target, &old, &entry.after, || journal.add(&entry).map_err(Failure::Run))?;
    }
    Ok(Outcome::Written(values))
}
