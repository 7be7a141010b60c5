//! Puts back what a journal says was there.

use std::sync::atomic::{AtomicBool, Ordering};

use super::LabelError;
use super::journal::{Entry, Journal};
use super::replace::{Folder, Keeping, Trouble, refuse};
use super::tags;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// It says again what it said before.
    Restored,
    /// It says that already, or was never written.
    Before,
    /// It stays as it is, for this reason.
    Refused(String),
}

/// Undoes what a journal says, the last first. A file that no longer holds what was written stays as it is. `told` is
/// called with each file; the result is whether it came to its end, which `stop` may prevent. Lines of the journal that are
/// damaged are passed over.
///
/// # Errors
/// [`LabelError`] where the library's folder cannot be used, or a disk is full.
pub fn undo(
    journal: &Journal,
    keeping: Keeping,
    stop: &AtomicBool,
    mut told: impl FnMut(&Entry, &Undone),
) -> Result<bool, LabelError> {
    let library = journal.library();
    let mut folder = Folder::new(library, keeping).map_err(LabelError::at(library))?;
    for entry in journal.entries().iter().rev() {
        if stop.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let undone = match file(&mut folder, entry) {
            Ok(undone) => undone,
            Err(Trouble::Refused(reason)) => Undone::Refused(reason),
            Err(Trouble::Full) => return Err(LabelError::Full(folder.root().join(&entry.path))),
        };
        told(entry, &undone);
    }
    Ok(true)
}

fn file(folder: &mut Folder, entry: &Entry) -> Result<Undone, Trouble> {
    let target = folder.open(&entry.path)?;
    let old = tags::inspect(&target.file)?;
    if !old.holds(&entry.after) {
        return match old.holds(&entry.before) {
            true => Ok(Undone::Before),
            false => refuse("its genre is no longer what was written"),
        };
    }
    if entry.before == entry.after {
        return Ok(Undone::Before);
    }
    folder.replace(&target, &old, &entry.before, || Ok::<_, Trouble>(()))?;
    Ok(Undone::Restored)
}
