//! Evenly spaced parts of a song, in the place of all of it, at a level of their own.
//!
//! Of MP3 the parts' frames are cut out of the file; of other formats the parts alone are decoded where
//! [`crate::audio::record_parts`] can. Else all is decoded, and the parts are taken from the samples.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::spool;
use super::tags::{self, Piece, Source};
use crate::audio::{self, AudioError, AudioSpec, Normalise, Song};

/// How long a part is, about, in seconds.
const PART: f64 = 10.0;
/// Parts begin at multiples of this, which is a whole number of samples at every usual rate.
const GRID: f64 = 0.04;

/// Where the parts of a song of `length` seconds begin and end; none where they would be most of the song.
pub fn spans(length: f64, seconds: f64) -> Option<Vec<(f64, f64)>> {
    if length < 1.25 * seconds {
        return None;
    }
    let count = (seconds / PART).round().max(1.0);
    let (part, step) = (seconds / count, length / count);
    let spans = (0..count as usize).map(|i| {
        let from = (((i as f64 + 0.5) * step - part / 2.0) / GRID).round() * GRID;
        (from, from + part)
    });
    Some(spans.collect())
}

/// As [`spool::load`], of so many seconds where these are given, and the song's whole length in seconds.
///
/// # Errors
/// [`AudioError`].
pub fn load(
    path: &Path,
    spec: &AudioSpec,
    min_seconds: f64,
    seconds: Option<f64>,
) -> Result<(Song, f64), AudioError> {
    let Some(seconds) = seconds else { return whole(path, spec, min_seconds) };
    // What cannot be heard in parts is heard whole; and if not, that says why.
    if let Ok(Some((part, length))) = cut(path, seconds) {
        if let Ok(song) = spool::load(&part.path, spec, min_seconds) {
            return Ok((song, length));
        }
        return whole(path, spec, min_seconds);
    }
    if let Ok(Some(heard)) = spool::load_parts(path, spec, min_seconds, |length| spans(length, seconds)) {
        return Ok(heard);
    }
    let (song, length) = whole(path, spec, min_seconds)?;
    Ok((parts(&song, spec, min_seconds, seconds)?.unwrap_or(song), length))
}

fn whole(path: &Path, spec: &AudioSpec, min_seconds: f64) -> Result<(Song, f64), AudioError> {
    let song = spool::load(path, spec, min_seconds)?;
    let length = song.seconds();
    Ok((song, length))
}

/// Parts of a decoded song, where they are not most of it and can be heard.
fn parts(song: &Song, spec: &AudioSpec, min_seconds: f64, seconds: f64) -> Result<Option<Song>, AudioError> {
    let Some(spans) = spans(song.seconds(), seconds) else { return Ok(None) };
    let song = song.at_level(Normalise::None);
    let (rate, channels) = (f64::from(song.sample_rate()), song.recording().channels);
    let mut planes = vec![Vec::new(); channels];
    for (from, to) in spans {
        let (start, length) = ((from * rate).round() as usize, ((to - from) * rate).round() as usize);
        let mut frame = vec![0.0; channels * length];
        song.write_frame(start, &mut frame)?;
        for (plane, part) in planes.iter_mut().zip(frame.chunks_exact(length.max(1))) {
            plane.extend_from_slice(part);
        }
    }
    Ok(audio::load_samples(&planes, song.sample_rate(), spec, min_seconds).ok())
}

/// A file that is removed when it is no longer needed.
struct Part {
    path: PathBuf,
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A file of parts of an MP3 file, and the song's length in seconds; none where it is no MP3, or too short.
fn cut(path: &Path, seconds: f64) -> io::Result<Option<(Part, f64)>> {
    let file = File::open(path)?;
    let Ok(Some(frames)) = tags::mpeg_frames(&file) else { return Ok(None) };
    let Some(spans) = spans(frames.seconds(), seconds) else { return Ok(None) };
    let pieces: Vec<Piece> = spans
        .into_iter()
        // A frame may begin in the bytes of those before it.
        .map(|(from, to)| frames.range((from - 0.1).max(0.0), to))
        .map(Piece::Old)
        .collect();
    let part = Part { path: spool::scratch("mp3") };
    let mut out = File::create_new(&part.path)?;
    match tags::write(&pieces, &Source::new(&file)?, &mut out) {
        Ok(()) => Ok(Some((part, frames.seconds()))),
        Err(tags::TagError::Io(error)) => Err(error),
        Err(tags::TagError::Refused(_)) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::write_wav;

    #[test]
    fn parts_are_evenly_spaced() {
        assert_eq!(spans(70.0, 60.0), None);
        assert_eq!(spans(100.0, 20.0), Some(vec![(20.0, 30.0), (70.0, 80.0)]));
        assert_eq!(spans(8.0, 4.0), Some(vec![(2.0, 6.0)]));
    }

    #[test]
    fn samples_of_the_parts_are_those_of_the_song() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("song.wav");
        let samples: Vec<f32> =
            (0..40_000).map(|i| (i / 1000) as f32 / 50.0 * if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        write_wav(&path, 1_000, &[&samples]).unwrap();
        let spec = AudioSpec { sample_rate: 1_000, normalise: Normalise::None, ..AudioSpec::default() };
        let (song, length) = load(&path, &spec, 1.0, Some(20.0)).unwrap();
        assert_eq!((song.seconds(), length), (20.0, 40.0));
        let (whole, _) = load(&path, &spec, 1.0, None).unwrap();
        let taken = parts(&whole, &spec, 1.0, 20.0).unwrap().unwrap();
        let [mut part, mut all, mut of_all] = [vec![0.0; 500], vec![0.0; 500], vec![0.0; 500]];
        for (from, to) in [(0, 5_000), (9_400, 14_400), (10_000, 25_000), (19_500, 34_500)] {
            song.write_frame(from, &mut part).unwrap();
            taken.write_frame(from, &mut of_all).unwrap();
            whole.write_frame(to, &mut all).unwrap();
            assert!(part.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-3), "{from}");
            assert!(part.iter().zip(&of_all).all(|(a, b)| (a - b).abs() < 1e-3), "{from}");
        }
        let (short, _) = load(&path, &spec, 1.0, Some(39.0)).unwrap();
        assert_eq!(short.seconds(), 40.0);
        // The level is that of the parts: the loudest of them is 14 s from the end.
        let peak = AudioSpec { normalise: Normalise::Peak, ..spec };
        let (loud, _) = load(&path, &peak, 1.0, Some(20.0)).unwrap();
        loud.write_frame(19_400, &mut part).unwrap();
        assert!((part[0].abs() - 1.0).abs() < 1e-3, "{}", part[0]);
    }
}
