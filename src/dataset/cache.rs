//! Decoded songs on disk, so that each is decoded once.
//!
//! An entry is one file: [`MAGIC`], the encoded samples, a JSON footer with the entry's [`Key`] and the [`Recording`], the
//! footer's length (u64, little endian), and [`MAGIC`] again. It is written under a scratch name and renamed, so that two
//! programs at once find it whole or not at all. Its name is a digest of the song's path and the format wanted, then
//! one of the file's size and time, in one of 256 folders: what it was made from decides whether it is still true. An
//! entry that is stale, cut off or damaged is made anew, whether that is found when it is opened or when samples are read.
//! Level and frames are no part of it: they are applied when samples are read.
//!
//! Samples are read with ordinary reads, not through a memory map: the system's cache serves both, a map would need
//! `unsafe`, and a file that another program truncates would end this one by a signal.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::audio::{self, AudioError, AudioFault, AudioSpec, RecordError, Recording, Samples, Song};
use crate::{files, paths};

/// Begins and ends an entry. Its last byte counts up when entries of an older program would be wrong.
const MAGIC: &[u8; 8] = b"GRsong\0\x04";
/// The longest footer that is read.
const LONGEST_FOOTER: u64 = 1 << 20;
const EXTENSION: &str = "song";
/// The extension of entries that are being written, and how old one is that nobody writes to any more.
const SCRATCH: &str = "tmp";
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// A folder of decoded songs. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Arc<Folder>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Why an entry could not be written, the first time.
    trouble: OnceLock<String>,
}

/// What an entry was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Key {
    /// As [`paths::text`] gives it.
    path: String,
    size: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    sample_rate: u32,
    channels: usize,
}

#[derive(Serialize, Deserialize)]
struct Footer {
    key: Key,
    recording: Recording,
}

/// What [`Cache::clean`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Songs.
    pub entries: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Cache {
    /// The cache in `folder`, which is made when it is needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Arc::new(Folder { path: folder.into(), trouble: OnceLock::new() }) }
    }

    /// The user's own folder for such files, where the system has one.
    pub fn user_folder() -> Option<PathBuf> {
        Some(dirs::cache_dir()?.join("genre-recognizer").join("songs"))
    }

    /// Where entries are.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// The folder in it for what trained networks hear in songs.
    pub fn embeddings(&self) -> PathBuf {
        self.folder.path.join("embeddings")
    }

    /// Why entries could not be written, if any could not; such songs are held in memory.
    pub fn trouble(&self) -> Option<&str> {
        self.folder.trouble.get().map(String::as_str)
    }

    /// The song in `path`, as [`audio::load`] gives it: from its entry, which is made where there is none that is true.
    ///
    /// # Errors
    /// As [`audio::load`].
    pub fn load(&self, path: &Path, spec: &AudioSpec, min_seconds: f64) -> Result<Song, AudioError> {
        let fail = |fault: AudioFault| AudioError { path: path.to_owned(), fault };
        let (key, real) = Key::of(path, spec).map_err(|error| fail(error.into()))?;
        let entry = Entry { file: self.folder.path.join(key.name(&real)), key };
        let recording = match entry.recording() {
            Some(recording) => recording,
            // Once more where the cache was being emptied meanwhile.
            None => match entry.make(path, spec).or_else(|error| match error {
                RecordError::Write(error) if error.kind() == io::ErrorKind::NotFound => {
                    entry.make(path, spec)
                }
                error => Err(error),
            }) {
                Ok(recording) => recording,
                Err(RecordError::Audio(error)) => return Err(error),
                Err(RecordError::Write(error)) => {
                    let _ = self.folder.trouble.set(format!("{}: {error}", files::shown(&entry.file)));
                    return audio::load(path, spec, min_seconds);
                }
            },
        };
        recording.check(min_seconds).map_err(fail)?;
        let samples = Cached {
            entry,
            path: path.to_owned(),
            spec: spec.clone(),
            recording: recording.clone(),
            repair: Mutex::new(()),
        };
        Ok(Song::new(recording, Arc::new(samples), spec.normalise))
    }

    /// Removes the entries of the songs under `folder` (which need not be there any more), or all, with what networks heard
    /// in songs and what was left of writing any. What is gone before it can be removed, and what is no entry, is passed over.
    ///
    /// # Errors
    /// What the file system says, with the path.
    pub fn clean(&self, folder: Option<&Path>) -> Result<Cleaned, (PathBuf, io::Error)> {
        let at = |path: &Path, error: io::Error| (path.to_owned(), error);
        let real = |folder: &Path| {
            let real = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder));
            real.map_err(|error| at(folder, error))
        };
        let under = folder.map(real).transpose()?;
        let mut cleaned = Cleaned::default();
        for shard in listed(&self.folder.path).map_err(|error| at(&self.folder.path, error))? {
            if !shard.is_dir() {
                continue;
            }
            for file in listed(&shard).map_err(|error| at(&shard, error))? {
                let extension = file.extension().unwrap_or_default();
                let belongs = || {
                    under.as_ref().is_none_or(|under| {
                        read_footer(&file)
                            .is_ok_and(|(_, footer)| paths::path(&footer.key.path).starts_with(under))
                    })
                };
                let entry = extension == EXTENSION && belongs();
                let left = extension == SCRATCH && under.is_none();
                if !(entry || left) || file.is_dir() {
                    continue;
                }
                let bytes = fs::symlink_metadata(&file).map_or(0, |about| about.len());
                match fs::remove_file(&file) {
                    Ok(()) if entry => {
                        cleaned.bytes += bytes;
                        cleaned.entries += 1;
                    }
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&file, error)),
                    _ => {}
                }
            }
        }
        // What networks heard is of no folder: it is known by its contents.
        if under.is_none() {
            let embeddings = self.embeddings();
            for model in listed(&embeddings).map_err(|error| at(&embeddings, error))? {
                let files = if model.is_dir() { listed(&model) } else { Ok(Vec::new()) };
                for file in files.map_err(|error| at(&model, error))? {
                    cleaned.bytes += fs::symlink_metadata(&file).map_or(0, |about| about.len());
                }
            }
            match fs::remove_dir_all(&embeddings) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&embeddings, error)),
                _ => {}
            }
        }
        Ok(cleaned)
    }
}

/// What is in a folder; nothing where there is none.
fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

impl Key {
    /// The key of the song in `path`, and the file's real path.
    fn of(path: &Path, spec: &AudioSpec) -> io::Result<(Self, PathBuf)> {
        let real = fs::canonicalize(path)?;
        let about = fs::metadata(&real)?;
        let modified = about.modified()?.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos() as u64);
        let key = Self {
            path: paths::text(&real),
            size: about.len(),
            modified,
            sample_rate: spec.sample_rate,
            channels: spec.channels,
        };
        Ok((key, real))
    }

    /// The name of its entry: a part for the song and the format, and one for the state of its file.
    fn name(&self, real: &Path) -> String {
        let mut song = real.as_os_str().as_encoded_bytes().to_vec();
        song.extend(self.sample_rate.to_le_bytes());
        song.extend((self.channels as u64).to_le_bytes());
        let state: Vec<u8> = [self.size, self.modified].iter().flat_map(|n| n.to_le_bytes()).collect();
        let song = format!("{:016x}", xxh3_64(&song));
        format!("{}/{}-{:016x}.{EXTENSION}", &song[..2], &song[2..], xxh3_64(&state))
    }
}

/// The file of a song that is, or is to be, in the cache.
#[derive(Debug)]
struct Entry {
    file: PathBuf,
    key: Key,
}

impl Entry {
    /// What the entry says, where it is there, whole and of this key.
    fn recording(&self) -> Option<Recording> {
        let (length, footer) = read_footer(&self.file).ok()?;
        let Footer { key, recording } = footer;
        let fits = key == self.key
            && [recording.sample_rate as usize, recording.channels]
                == [key.sample_rate as usize, key.channels]
            && recording.size() == length;
        fits.then_some(recording)
    }

    /// Decodes the song in `path` into the entry, in place of older ones of the song.
    fn make(&self, path: &Path, spec: &AudioSpec) -> Result<Recording, RecordError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let scratch = self.file.with_extension(format!("{}-{unique}.{SCRATCH}", std::process::id()));
        let made = fs::create_dir_all(folder).map_err(RecordError::Write);
        let made = made.and_then(|()| self.write(path, spec, &scratch));
        if made.is_err() {
            let _ = fs::remove_file(&scratch);
            return made;
        }
        self.remove_older(folder);
        made
    }

    fn write(&self, path: &Path, spec: &AudioSpec, scratch: &Path) -> Result<Recording, RecordError> {
        let io = RecordError::Write;
        let mut out = BufWriter::new(File::create(scratch).map_err(io)?);
        out.write_all(MAGIC).map_err(io)?;
        let recording = audio::record(path, spec, &mut out)?;
        let footer = Footer { key: self.key.clone(), recording };
        let text = serde_json::to_vec(&footer).map_err(|error| io(error.into()))?;
        out.write_all(&text).map_err(io)?;
        out.write_all(&(text.len() as u64).to_le_bytes()).map_err(io)?;
        out.write_all(MAGIC).map_err(io)?;
        // Not synced: what a power cut leaves of it is made anew.
        out.into_inner().map_err(|error| io(error.into_error()))?;
        fs::rename(scratch, &self.file).map_err(io)?;
        Ok(footer.recording)
    }

    /// Removes the entries of earlier states of the song's file, and what programs that were killed left unfinished.
    fn remove_older(&self, folder: &Path) {
        let name =
            |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let own = name(&self.file);
        let Some((song, _)) = own.split_once('-') else { return };
        for file in listed(folder).unwrap_or_default() {
            let other = name(&file);
            let older = other != own && other.starts_with(song) && other.ends_with(EXTENSION);
            let age = || fs::metadata(&file).ok()?.modified().ok()?.elapsed().ok();
            if older || other.ends_with(SCRATCH) && age().is_some_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(file);
            }
        }
    }
}

/// Opens a file, but nothing that would be waited for, such as a pipe.
fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// The number of bytes of samples, and the footer, of an entry that is whole.
fn read_footer(file: &Path) -> io::Result<(u64, Footer)> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut file = open(file)?;
    let length = file.metadata()?.len();
    let mut begin = [0; 8];
    file.read_exact(&mut begin)?;
    let mut end = [0; 16];
    file.seek(SeekFrom::End(-16))?;
    file.read_exact(&mut end)?;
    let (size, magic) = end.split_at(8);
    let size = u64::from_le_bytes(size.try_into().map_err(|_| damaged())?);
    if begin != *MAGIC || magic != MAGIC || size > LONGEST_FOOTER {
        return Err(damaged());
    }
    let samples = length.checked_sub(size + 24).ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(8 + samples))?;
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text)?;
    Ok((samples, serde_json::from_slice(&text)?))
}

/// Samples that are read from an entry when they are asked for.
#[derive(Debug)]
struct Cached {
    entry: Entry,
    /// The song's file.
    path: PathBuf,
    spec: AudioSpec,
    recording: Recording,
    /// Held by the one that makes a lost entry anew.
    repair: Mutex<()>,
}

impl Cached {
    fn read(&self, range: &Range<u64>, scratch: &mut Vec<u8>) -> io::Result<()> {
        // Opened each time: a dataset has more songs than a process may have files.
        let mut file = open(&self.entry.file)?;
        file.seek(SeekFrom::Start(MAGIC.len() as u64 + range.start))?;
        scratch.resize((range.end - range.start) as usize, 0);
        file.read_exact(scratch)?;
        if self.recording.intact(scratch) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Makes the entry anew after something has removed or damaged it, unless somebody else just did.
    fn repair(&self, range: &Range<u64>, scratch: &mut Vec<u8>) -> Result<(), RecordError> {
        let _held = self.repair.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.read(range, scratch).is_ok() {
            return Ok(());
        }
        self.same(&self.entry.make(&self.path, &self.spec)?)
    }

    /// The samples, decoded anew into memory.
    fn decode(&self) -> Result<Vec<u8>, RecordError> {
        let mut bytes = Vec::new();
        let recording = audio::record(&self.path, &self.spec, &mut bytes)?;
        self.same(&recording).map(|()| bytes)
    }

    fn same(&self, recording: &Recording) -> Result<(), RecordError> {
        if recording.digest == self.recording.digest {
            return Ok(());
        }
        Err(AudioError { path: self.path.clone(), fault: AudioFault::Changed }.into())
    }
}

impl Samples for Cached {
    fn bytes<'a>(&'a self, range: Range<u64>, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], AudioError> {
        if self.read(&range, scratch).is_ok() {
            return Ok(scratch);
        }
        // Where the cache is being emptied at this moment, or can no longer be written, the song's file is left.
        let again = match self.repair(&range, scratch) {
            Ok(()) if self.read(&range, scratch).is_ok() => return Ok(scratch),
            Ok(()) | Err(RecordError::Write(_)) => self.decode(),
            Err(error) => Err(error),
        };
        let samples = again.map_err(|error| match error {
            RecordError::Audio(error) => error,
            RecordError::Write(error) => AudioError { path: self.path.clone(), fault: error.into() },
        })?;
        scratch.clear();
        scratch.extend_from_slice(samples.get(range.start as usize..range.end as usize).unwrap_or_default());
        Ok(scratch)
    }
}
