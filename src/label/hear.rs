//! Hears what is not known yet: threads read and decode, and the device recognises what they bring.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::Xxh3Default;

use super::index::{FileFacts, Heard, Index, Moment, Stamp};
use super::library::Found;
use super::plan::Tagged;
use super::tags::{self, Source, TagError};
use super::{LabelError, excerpt, hex128, replace};
use crate::audio::{AudioError, Song};
use crate::recognize::{RecognizeError, Recognizer, Verdict};

/// Runs of seconds that are kept of a song.
const MOMENTS: usize = 5;

/// How songs are heard.
pub struct Hearing<'a> {
    pub recognizer: &'a mut Recognizer,
    /// What the results depend on: the model's digest, and how much of a song is heard.
    pub how: &'a str,
    /// Threads that decode.
    pub threads: usize,
    /// How many seconds of a song, in evenly spaced parts; none: all of it.
    pub seconds: Option<f64>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Songs that are known by now, and all.
    pub done: usize,
    pub total: usize,
    /// Of these, those that were known before.
    pub known: usize,
    /// Songs that were heard in this run, and their seconds.
    pub heard: usize,
    pub seconds: f64,
}

/// A file's size and time.
pub fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let about = fs::metadata(path)?;
    Ok(Stamp { size: about.len(), modified: replace::modified(&about) })
}

/// Reads a file's tags and the digest of its content.
///
/// # Errors
/// What the file system says.
pub fn facts(path: &Path) -> std::io::Result<FileFacts> {
    let stamp = stamp(path)?;
    let file = File::open(path)?;
    match tags::inspect(&file) {
        Ok(found) => Ok(FileFacts {
            stamp,
            content: hex128(found.audio),
            format: found.format.to_owned(),
            tags: found.tags.into_iter().map(|tag| Tagged { tag: tag.dialect, genres: tag.values }).collect(),
            trouble: None,
        }),
        Err(TagError::Io(error)) => Err(error),
        Err(TagError::Refused(reason)) => {
            let source = Source::new(&file)?;
            let mut digest = Xxh3Default::new();
            match source.digest(0..source.len, &mut digest) {
                Err(TagError::Io(error)) => return Err(error),
                Err(TagError::Refused(reason)) => return Err(std::io::Error::other(reason)),
                Ok(()) => {}
            }
            let content = format!("file {}", hex128(digest.digest128()));
            Ok(FileFacts { stamp, content, format: String::new(), tags: vec![], trouble: Some(reason) })
        }
    }
}

/// What a thread found of a song: its place among all, what is known of the file where that is new, and what it decoded
/// where that was not heard before.
struct Brought {
    facts: std::io::Result<FileFacts>,
    new: bool,
    song: Option<Result<(Song, f64), AudioError>>,
    at: usize,
}

/// Makes sure that the index knows every song: its file, and what is heard in it. What cannot be read is passed over.
/// `stop` ends it early, and all that was heard by then stays known.
///
/// # Errors
/// [`LabelError`] where the device or the index fails.
pub fn hear(
    songs: &[Found],
    hearing: &mut Hearing<'_>,
    index: &mut Index,
    stop: &AtomicBool,
    mut told: impl FnMut(Progress),
) -> Result<Progress, LabelError> {
    let known = |index: &Index, song: &Found| {
        let facts = stamp(&song.path).ok().and_then(|stamp| index.file(&song.path, stamp).cloned());
        facts.filter(|facts| index.heard(&facts.content, hearing.how).is_some()).is_some()
    };
    let todo: Vec<usize> = (0..songs.len()).filter(|&i| !known(index, &songs[i])).collect();
    let known = songs.len() - todo.len();
    let mut progress = Progress { done: known, total: songs.len(), known, heard: 0, seconds: 0.0 };
    told(progress);
    if todo.is_empty() {
        return Ok(progress);
    }
    let config = &hearing.recognizer.model().card.config;
    let (spec, shortest, frame) = (config.audio(), config.shortest_song(), config.frame_seconds);
    let (how, seconds) = (hearing.how, hearing.seconds);
    let shared = Mutex::new(index);
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel::<Brought>(1);
        for _ in 0..hearing.threads.max(1) {
            let (send, todo, shared, next, failed, spec) =
                (send.clone(), &todo, &shared, &next, &failed, &spec);
            scope.spawn(move || {
                while let Some(&at) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.load(Ordering::SeqCst) || failed.load(Ordering::SeqCst) {
                        return;
                    }
                    let path = &songs[at].path;
                    let there = stamp(path).ok().and_then(|stamp| locked(shared).file(path, stamp).cloned());
                    let new = there.is_none();
                    let facts = there.map_or_else(|| facts(path), Ok);
                    let unheard = |facts: &FileFacts| locked(shared).heard(&facts.content, how).is_none();
                    let song = match &facts {
                        Ok(facts) if unheard(facts) => Some(excerpt::load(path, spec, shortest, seconds)),
                        _ => None,
                    };
                    if send.send(Brought { facts, new, song, at }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let result = receive.iter().try_for_each(|brought| -> Result<(), LabelError> {
            progress.done += 1;
            if let Ok(facts) = brought.facts {
                let heard = brought
                    .song
                    .map(|song| recognised(hearing.recognizer, song, frame, seconds))
                    .transpose()?;
                let mut index = locked(&shared);
                if let Some(heard) = heard {
                    progress.heard += usize::from(heard.trouble.is_none());
                    progress.seconds += heard.seconds;
                    index.add_heard(&facts.content, how, heard)?;
                }
                if brought.new {
                    index.add_file(&songs[brought.at].path, facts)?;
                }
            }
            told(progress);
            Ok(())
        });
        failed.store(result.is_err(), Ordering::SeqCst);
        // So that threads that wait to send end.
        drop(receive);
        result
    })?;
    Ok(progress)
}

fn locked<'a, 'b>(index: &'a Mutex<&'b mut Index>) -> MutexGuard<'a, &'b mut Index> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recognised(
    recognizer: &mut Recognizer,
    song: Result<(Song, f64), AudioError>,
    frame: f64,
    seconds: Option<f64>,
) -> Result<Heard, LabelError> {
    let silent = |trouble: String| Heard {
        seconds: 0.0,
        probabilities: vec![],
        moments: vec![],
        trouble: Some(trouble),
    };
    let (song, length) = match song {
        Ok(song) => song,
        Err(error) => return Ok(silent(error.fault.to_string())),
    };
    let verdict = match recognizer.recognize_song(&song) {
        Ok(verdict) => verdict,
        Err(RecognizeError::Audio(error)) => return Ok(silent(error.fault.to_string())),
        Err(error) => return Err(LabelError::Recognize(error)),
    };
    // Where a moment of the parts is in the song.
    let spans = seconds.and_then(|seconds| excerpt::spans(length, seconds));
    let placed = |moment: Moment| {
        let Some(spans) = &spans else { return moment };
        let mut before = 0.0;
        for (from, to) in spans {
            if moment.from < before + (to - from) {
                let shift = from - before;
                return Moment {
                    from: moment.from + shift,
                    to: (moment.to + shift).min(to + frame),
                    ..moment
                };
            }
            before += to - from;
        }
        moment
    };
    let probability = |genre: &String| verdict.guesses.iter().find(|guess| guess.genre == *genre);
    let of = |genre| probability(genre).map_or(0.0, |guess| guess.probability);
    Ok(Heard {
        seconds: length,
        probabilities: recognizer.genres().iter().map(of).collect(),
        moments: moments(&verdict, frame).into_iter().map(placed).collect(),
        trouble: None,
    })
}

/// The longest runs of frames whose most probable genre is the song's.
fn moments(verdict: &Verdict, frame: f64) -> Vec<Moment> {
    let Some(best) = verdict.guesses.first() else { return Vec::new() };
    let mut runs: Vec<(f64, f64, f32, usize)> = Vec::new();
    for guess in verdict.timeline.iter().filter(|guess| guess.genre == best.genre) {
        match runs.last_mut() {
            Some((_, to, sum, count)) if guess.start <= *to + frame / 2.0 => {
                (*to, *sum, *count) = (guess.start + frame, *sum + guess.probability, *count + 1);
            }
            _ => runs.push((guess.start, guess.start + frame, guess.probability, 1)),
        }
    }
    let mut moments: Vec<Moment> = runs
        .into_iter()
        .map(|(from, to, sum, count)| Moment { from, to, probability: sum / count as f32 })
        .collect();
    moments.sort_by(|a, b| (b.to - b.from).total_cmp(&(a.to - a.from)).then(a.from.total_cmp(&b.from)));
    moments.truncate(MOMENTS);
    moments.sort_by(|a, b| a.from.total_cmp(&b.from));
    moments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognize::{Guess, TimedGuess};

    #[test]
    fn moments_are_the_longest_runs_of_the_best_genre() {
        let timeline: Vec<TimedGuess> = "rrprrrprpp"
            .chars()
            .enumerate()
            .map(|(i, c)| TimedGuess {
                start: i as f64,
                genre: c.to_string(),
                probability: 0.5 + i as f32 / 20.0,
            })
            .collect();
        let guesses = vec![Guess { genre: "r".into(), probability: 0.6 }];
        let found = moments(&Verdict { guesses, unsure: false, timeline }, 1.0);
        let spans: Vec<(f64, f64)> = found.iter().map(|moment| (moment.from, moment.to)).collect();
        assert_eq!(spans, [(0.0, 2.0), (3.0, 6.0), (7.0, 8.0)]);
        assert!((found[1].probability - 0.7).abs() < 1e-6);
    }
}
