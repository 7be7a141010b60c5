//! A file gives its place to a verified copy that has other tags; at no moment is there anything but the one or the other.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes, Metadata, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::xxh3_64;

use super::tags::{self, Inspection, Source, State, TagError};
use crate::{files, paths};

/// Scratch files' names begin so.
const SCRATCH: &str = ".genre-recognizer-";

/// What is kept of a file, or not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keeping {
    /// Keep the time of the last change.
    pub time: bool,
    /// Write files that have several names, too: this name then leads to a file of its own.
    pub part_hard_links: bool,
}

/// Why a file stays as it is.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The reason, for people.
    Refused(String),
    /// The disk is full.
    Full,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl From<TagError> for Trouble {
    fn from(error: TagError) -> Self {
        match error {
            TagError::Io(error) => error.into(),
            TagError::Refused(reason) => Self::Refused(reason),
        }
    }
}

pub(super) fn refuse<T>(reason: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Refused(reason.into()))
}

/// A library whose files may be written.
pub(super) struct Folder {
    /// Without links.
    root: PathBuf,
    keeping: Keeping,
    /// Folders that were cleared of scratch files.
    swept: HashSet<PathBuf>,
}

/// A file of a library that is open for reading.
#[derive(Debug)]
pub(super) struct Target {
    pub file: File,
    /// Without links.
    path: PathBuf,
    /// In the library, as text.
    pub name: String,
    about: Metadata,
}

/// Nanoseconds since 1970.
pub fn modified(about: &Metadata) -> u64 {
    let time = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    time.map_or(0, |time| time.as_nanos() as u64)
}

impl Folder {
    /// The folder `root`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn new(root: &Path, keeping: Keeping) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        if !root.is_dir() {
            return Err(io::Error::other("not a folder"));
        }
        Ok(Self { root, keeping, swept: HashSet::new() })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a file by its path in the library; of a link its target, which must lie in the library too.
    ///
    /// # Errors
    /// [`Trouble::Refused`] where it is not a regular file in the library.
    pub fn open(&mut self, name: &str) -> Result<Target, Trouble> {
        let relative = paths::path(name);
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return refuse("not a path inside the library");
        }
        let path = fs::canonicalize(self.root.join(relative))?;
        let Ok(relative) = path.strip_prefix(&self.root) else {
            return refuse(format!("a link out of the library, to {}", files::shown(&path)));
        };
        let name = paths::text(relative);
        let about = fs::symlink_metadata(&path)?;
        // Before it is opened: opening a pipe would wait.
        if !about.is_file() {
            return refuse("not a regular file");
        }
        let file = File::open(&path)?;
        if identity(&file.metadata()?) != identity(&about) {
            return refuse("it was replaced while it was opened");
        }
        if let Some(folder) = path.parent()
            && self.swept.insert(folder.to_owned())
        {
            sweep(folder);
        }
        Ok(Target { file, path, name, about })
    }

    /// Whether a file may be written, which is asked of none that stays as it is.
    ///
    /// # Errors
    /// [`Trouble::Refused`] where it is read-only, or has several names.
    pub fn may_write(&self, target: &Target) -> Result<(), Trouble> {
        if target.about.permissions().readonly() {
            return refuse("it is read-only");
        }
        let names = links(&target.about);
        if names > 1 && !self.keeping.part_hard_links {
            return refuse(format!("it has {names} names (hard links), which would no longer be one file"));
        }
        Ok(())
    }

    /// Puts a copy into the place of a file whose tags are in the states `after`, verified against `old`, which is what
    /// was read of the file. `ready` is called when all is done but the exchange itself.
    ///
    /// # Errors
    /// [`Trouble`]; the file is then as it was.
    pub fn replace<E: From<Trouble>>(
        &self,
        target: &Target,
        old: &Inspection,
        after: &[State],
        ready: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.may_write(target)?;
        let scratch = Scratch::new(&target.path).map_err(Trouble::from)?;
        self.copy(target, old, after, &scratch)?;
        ready()?;
        scratch.rename(&target.path).map_err(Trouble::from)?;
        files::sync_folder(&target.path).map_err(Trouble::from)?;
        Ok(())
    }

    fn copy(
        &self,
        target: &Target,
        old: &Inspection,
        after: &[State],
        scratch: &Scratch,
    ) -> Result<(), Trouble> {
        let pieces = tags::rewrite(&target.file, after)?;
        let mut out = BufWriter::with_capacity(1 << 18, &scratch.file);
        tags::write(&pieces, &Source::new(&target.file)?, &mut out)?;
        drop(out);
        tags::verify(old, &tags::inspect(&scratch.file)?, after)?;
        dress(&scratch.file, target)?;
        if self.keeping.time {
            let times = FileTimes::new().set_modified(target.about.modified()?);
            scratch.file.set_times(times)?;
        }
        scratch.file.sync_all()?;
        let now = fs::symlink_metadata(&target.path)?;
        let what = |about: &Metadata| (identity(about), about.len(), modified(about));
        if what(&now) != what(&target.about) {
            return refuse("it was changed while it was copied");
        }
        Ok(())
    }
}

impl Target {
    pub fn size(&self) -> u64 {
        self.about.len()
    }

    pub fn modified(&self) -> u64 {
        modified(&self.about)
    }
}

/// A copy that is being made, beside the file; removed unless it takes the file's place.
struct Scratch {
    file: File,
    path: PathBuf,
    placed: std::cell::Cell<bool>,
}

impl Scratch {
    fn new(target: &Path) -> io::Result<Self> {
        let key = xxh3_64(target.as_os_str().as_encoded_bytes());
        let path = target.with_file_name(format!("{SCRATCH}{key:016x}.tmp"));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::Error::other("another program is writing it"),
            io::ErrorKind::PermissionDenied => {
                io::Error::other(format!("no copy can be made beside it: {error}"))
            }
            _ => error,
        })?;
        // So that nobody sweeps it away.
        let _ = file.try_lock();
        Ok(Self { file, path, placed: std::cell::Cell::new(false) })
    }

    fn rename(&self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.placed.set(true);
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.placed.get() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the scratch files in a folder that killed programs left.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.starts_with(SCRATCH) && name.ends_with(".tmp");
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(unix)]
fn identity(about: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (about.dev(), about.ino())
}

#[cfg(not(unix))]
fn identity(about: &Metadata) -> (u64, u64) {
    (0, about.len())
}

#[cfg(unix)]
fn links(about: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(about)
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}

/// Gives a copy the owner, the extended attributes and the mode of its original.
#[cfg(unix)]
fn dress(copy: &File, target: &Target) -> Result<(), Trouble> {
    use std::os::unix::fs::{MetadataExt, fchown};
    use xattr::FileExt;
    let (now, wanted) = (copy.metadata()?, &target.about);
    if (now.uid(), now.gid()) != (wanted.uid(), wanted.gid()) {
        let kept = fchown(copy, Some(wanted.uid()), Some(wanted.gid()));
        kept.map_err(|error| Trouble::Refused(format!("a copy cannot keep its owner and group: {error}")))?;
    }
    copy.set_permissions(wanted.permissions())?;
    let names = match target.file.list_xattr() {
        Ok(names) => names.collect(),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    for name in names {
        let Some(value) = target.file.get_xattr(&name)? else { continue };
        if copy.get_xattr(&name).ok().flatten().as_ref() == Some(&value) {
            continue;
        }
        copy.set_xattr(&name, &value).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Trouble::Full,
            _ => Trouble::Refused(format!(
                "a copy cannot keep its attribute {}: {error}",
                name.to_string_lossy()
            )),
        })?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn dress(copy: &File, target: &Target) -> Result<(), Trouble> {
    Ok(copy.set_permissions(target.about.permissions())?)
}
