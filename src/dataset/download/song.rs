//! Whether what arrived is a song that can be used.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::limits::Limits;
use super::name;
use crate::audio::{self, AudioSpec, Normalise};

/// The name, without extension, that yt-dlp gives a song in its scratch folder.
pub(super) const NAME: &str = "song";

/// The song in the scratch folder, and the extension that its bytes ask for.
///
/// # Errors
/// Why there is none that can be used. Everything is decoded: what broke off on the way does not enter, although the
/// program uses such songs as far as they go where there is no other copy.
pub(super) fn check(folder: &Path, limits: &Limits) -> Result<(PathBuf, &'static str), String> {
    let path = find(folder).ok_or("nothing arrived")?;
    let mut head = Vec::new();
    let file = File::open(&path).map_err(|error| format!("cannot be read: {error}"))?;
    let bytes = file.metadata().map_err(|error| format!("cannot be read: {error}"))?.len();
    if bytes > limits.bytes {
        return Err(format!("larger than {}", limits.size()));
    }
    file.take(16).read_to_end(&mut head).map_err(|error| format!("cannot be read: {error}"))?;
    // A low rate keeps memory small; every packet is decoded all the same.
    let spec = AudioSpec { sample_rate: 8_000, channels: 1, normalise: Normalise::None };
    let song = audio::load(&path, &spec, 0.0).map_err(|error| error.fault.to_string())?;
    let broken = |loss: &&audio::Loss| loss.cut || loss.declared.is_some();
    if let Some(loss) = song.recording().source.loss.as_ref().filter(broken) {
        return Err(format!("damaged: {loss}"));
    }
    if let Some(reason) = limits.refuse(song.seconds()) {
        return Err(reason);
    }
    let extension = name::extension(&head, &path).ok_or("audio without a known extension")?;
    Ok((path, extension))
}

/// The one file that is complete and nothing but a file.
fn find(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let whole = |name: &str| name.starts_with(NAME) && !name.ends_with(".part") && !name.ends_with(".ytdl");
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(whole))
}
