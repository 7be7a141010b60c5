//! A decoded song of any length in little memory: what is too long for it goes to a file that has no name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::audio::{self, AudioError, AudioFault, AudioSpec, RecordError, Recording, Samples, Song};

/// Bytes that are held in memory: six minutes of 44.1 kHz mono.
const HELD: usize = 32 << 20;

#[derive(Debug, Default)]
struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
}

/// The path of a file that nobody has.
pub(super) fn scratch(extension: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(format!("genre-recognizer-{process}-{number}.{extension}"))
}

/// A file that is gone when it is closed.
fn nameless() -> io::Result<File> {
    let path = scratch("pcm");
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_none() && self.memory.len() + bytes.len() <= HELD {
            self.memory.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let mut file = nameless()?;
                file.write_all(&self.memory)?;
                self.memory = Vec::new();
                empty.insert(file)
            }
        };
        file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Spooled {
    file: Mutex<File>,
    path: PathBuf,
}

impl Samples for Spooled {
    fn bytes<'a>(&'a self, range: Range<u64>, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], AudioError> {
        scratch.resize((range.end - range.start) as usize, 0);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(range.start)).and_then(|_| file.read_exact(scratch));
        read.map_err(|error| AudioError::new(&self.path, error.into()))?;
        Ok(scratch)
    }
}

impl Spool {
    fn song(
        self,
        path: &Path,
        recording: Recording,
        spec: &AudioSpec,
        min_seconds: f64,
    ) -> Result<Song, AudioError> {
        recording.check(min_seconds).map_err(|fault| AudioError::new(path, fault))?;
        let samples: Arc<dyn Samples> = match self.file {
            Some(file) => Arc::new(Spooled { file: Mutex::new(file), path: path.to_owned() }),
            None => Arc::new(self.memory),
        };
        Ok(Song::new(recording, samples, spec.normalise))
    }
}

fn failed(path: &Path, error: RecordError) -> AudioError {
    match error {
        RecordError::Audio(error) => error,
        RecordError::Write(error) => AudioError::new(path, AudioFault::Io(error)),
    }
}

/// As [`audio::load`], in memory that does not grow with the song's length.
///
/// # Errors
/// [`AudioError`].
pub fn load(path: &Path, spec: &AudioSpec, min_seconds: f64) -> Result<Song, AudioError> {
    let mut spool = Spool::default();
    let recording = audio::record(path, spec, &mut spool).map_err(|error| failed(path, error))?;
    spool.song(path, recording, spec, min_seconds)
}

/// Parts of a song, and the length of all of it in seconds; none where [`audio::record_parts`] gives none.
///
/// # Errors
/// [`AudioError`].
pub fn load_parts(
    path: &Path,
    spec: &AudioSpec,
    min_seconds: f64,
    spans: impl Fn(f64) -> Option<Vec<(f64, f64)>>,
) -> Result<Option<(Song, f64)>, AudioError> {
    let mut spool = Spool::default();
    let recorded = audio::record_parts(path, spec, spans, &mut spool).map_err(|error| failed(path, error))?;
    let song = |(recording, length)| Ok((spool.song(path, recording, spec, min_seconds)?, length));
    recorded.map(song).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_songs_go_to_a_file_and_sound_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.wav");
        let samples: Vec<f32> = (0..17_000_000u32).map(|i| (i % 1000) as f32 / 2000.0 - 0.2).collect();
        audio::write_wav(&path, 44_100, &[&samples]).unwrap();
        let spec = AudioSpec::default();
        let (spooled, held) = (load(&path, &spec, 1.0).unwrap(), audio::load(&path, &spec, 1.0).unwrap());
        assert!(spooled.recording().size() > HELD as u64 && spooled == held);
        for start in [0, 5_000_000, 16_999_000] {
            let [mut a, mut b] = [vec![0.0; 2_000], vec![0.0; 2_000]];
            spooled.write_frame(start, &mut a).unwrap();
            held.write_frame(start, &mut b).unwrap();
            assert_eq!(a, b);
        }
    }
}
