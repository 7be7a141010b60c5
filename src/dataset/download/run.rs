//! Plan to songs.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::address::Address;
use super::answer::Answer;
use super::candidate::Candidate;
use super::error::DownloadError;
use super::limits::Limits;
use super::name;
use super::plan::{Plan, Target};
use super::records::{Known, Records, Row, key_of, today};
use super::report::{Failure, GenreReport, Report};
use super::scratch::Scratch;
use super::song;
use super::sources::LIST;
use super::ytdlp::{Calls, Fetched, Halt, Trouble, YtDlp};

/// What happens during a download.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A list or song is being asked for.
    Asking {
        /// The genre it is for.
        genre: &'a str,
        /// Its title or address.
        what: &'a str,
    },
    /// A song is there.
    Song {
        /// Its path in the dataset.
        path: &'a str,
    },
    /// A song or list could not be had.
    Failed {
        /// The genre it is for.
        genre: &'a str,
        /// What and why.
        failure: &'a Failure,
    },
    /// A genre is done with.
    Genre(&'a GenreReport),
}

/// Downloads what `plan` wants into the dataset at `root`, which is made where there is none.
///
/// Songs that cannot be had are passed over and reported; where a number of songs is wanted, the next of the list take
/// their place, up to twice as many tries as songs. `stop` ends the work in order: the song under way is thrown away.
///
/// # Errors
/// [`DownloadError`]: the dataset cannot be written or is being downloaded to, its records are malformed, or yt-dlp does
/// not run. Songs that were there by then stay and are recorded.
pub fn download(
    plan: &Plan,
    root: &Path,
    program: &YtDlp,
    limits: &Limits,
    stop: &AtomicBool,
    observer: &mut dyn FnMut(Event),
) -> Result<Report, DownloadError> {
    let scratch = Scratch::open(root)?;
    let cache = scratch.cache();
    std::fs::create_dir_all(&cache).map_err(DownloadError::io(&cache))?;
    let mut records = Records::open(root)?;
    scratch.recover(root, &mut records)?;
    let calls = Calls { program, limits, cache, stop };
    let mut work = Work { root, scratch, records, calls, observer, last: None };
    let mut report = Report::default();
    for target in &plan.targets {
        // After a stop too: what was not tried is in the report.
        let (genre, stopped) = work.genre(target)?;
        if !stopped {
            (work.observer)(Event::Genre(&genre));
        }
        report.genres.push(genre);
        report.stopped |= stopped;
    }
    report.notes.extend(work.records.tracks);
    Ok(report)
}

/// What came of a candidate.
enum Outcome {
    /// A new song, which lies here.
    New(PathBuf),
    /// A song that had been downloaded before.
    Known(Known),
    /// It is a list.
    List,
}

struct Work<'a, 'b> {
    root: &'a Path,
    scratch: Scratch,
    records: Records,
    calls: Calls<'a>,
    observer: &'b mut dyn FnMut(Event),
    /// When yt-dlp last ended.
    last: Option<Instant>,
}

impl Work<'_, '_> {
    /// Works on one genre; whether it was stopped.
    fn genre(&mut self, target: &Target) -> Result<(GenreReport, bool), DownloadError> {
        let wanted = target.wanted.unwrap_or(target.addresses.len());
        let mut report = GenreReport { genre: target.genre.clone(), wanted, ..GenreReport::default() };
        if target.wanted.is_some() {
            report.there = self.records.there(&target.genre);
        }
        let stopped = match self.fill(target, &mut report) {
            Ok(()) => false,
            Err(Halt::Stopped) => true,
            Err(Halt::Fatal(error)) => return Err(error),
        };
        let have = report.there + report.new;
        let done = match target.wanted {
            Some(_) => have,
            None => have + report.failures.len() + report.passed(),
        };
        let undone = report.wanted.saturating_sub(done);
        report.untried = if stopped { undone } else { 0 };
        report.complete = undone == 0 && (target.wanted.is_some() || report.failures.is_empty());
        Ok((report, stopped))
    }

    /// Tries the songs of a target's addresses in turn until it has enough.
    fn fill(&mut self, target: &Target, report: &mut GenreReport) -> Result<(), Halt> {
        let missing = target.wanted.map(|wanted| wanted.saturating_sub(report.there));
        let tries = missing.map_or(usize::MAX, |missing| 2 * missing + 10);
        let mut seen = HashSet::new();
        // Where the songs lie that addresses have led to.
        let mut met = HashSet::new();
        for address in &target.addresses {
            let mut queue = VecDeque::new();
            if missing.is_some_and(|missing| report.new >= missing) {
                break;
            }
            if address.list {
                self.expand(address, target, report, &mut queue)?;
            } else {
                queue.push_back(Candidate::of(&address.text));
            }
            while let Some(candidate) = queue.pop_front() {
                let enough = missing.is_some_and(|missing| report.new >= missing);
                if enough || report.new + report.failures.len() >= tries {
                    return Ok(());
                }
                if !seen.insert(key_of(candidate.key.clone(), &candidate.address)) {
                    report.twice += 1;
                    continue;
                }
                let outcome = match self.records.knows(candidate.key.as_deref(), &candidate.address) {
                    Known::New => self.song(&candidate, target),
                    known => Ok(Outcome::Known(known)),
                };
                match outcome {
                    Ok(Outcome::New(path)) => {
                        met.insert(path);
                        report.new += 1;
                    }
                    Ok(Outcome::Known(Known::There(genre, path))) if genre == target.genre => {
                        match (met.insert(path), target.wanted) {
                            (true, None) => report.there += 1,
                            // Counted before anything was tried.
                            (true, Some(_)) => {}
                            (false, _) => report.twice += 1,
                        }
                    }
                    Ok(Outcome::Known(Known::There(..))) => report.elsewhere += 1,
                    Ok(Outcome::Known(_)) => report.removed += 1,
                    Ok(Outcome::List) if !candidate.listed => {
                        self.expand(address, target, report, &mut queue)?
                    }
                    Ok(Outcome::List) => {
                        let reason = "a list inside a list: not followed".to_owned();
                        self.failed(&candidate, reason, target, &mut report.failures);
                    }
                    Err(Trouble::Failed(reason)) => {
                        self.failed(&candidate, reason, target, &mut report.failures)
                    }
                    Err(Trouble::Halt(halt)) => return Err(halt),
                }
            }
        }
        Ok(())
    }

    fn failed(
        &mut self,
        candidate: &Candidate,
        reason: String,
        target: &Target,
        failures: &mut Vec<Failure>,
    ) {
        let failure = Failure { url: candidate.address.clone(), title: candidate.title.clone(), reason };
        (self.observer)(Event::Failed { genre: &target.genre, failure: &failure });
        failures.push(failure);
    }

    /// Adds the songs of the list at `address` to the queue.
    fn expand(
        &mut self,
        address: &Address,
        target: &Target,
        report: &mut GenreReport,
        queue: &mut VecDeque<Candidate>,
    ) -> Result<(), Halt> {
        self.pause()?;
        (self.observer)(Event::Asking { genre: &target.genre, what: &address.text });
        let listed =
            self.calls.list(&address.text, target.wanted.map_or(LIST, |wanted| LIST.max(2 * wanted)));
        self.last = Some(Instant::now());
        let failure = match listed {
            Ok(entries) => {
                let mut songs: Vec<_> =
                    entries.iter().filter_map(|e| Candidate::entry(e, &address.text)).collect();
                if address.by_plays {
                    songs.sort_by_key(|song| Reverse(song.plays));
                }
                if !songs.is_empty() {
                    if target.wanted.is_none() {
                        report.wanted += songs.len() - 1;
                    }
                    queue.extend(songs);
                    return Ok(());
                }
                "no songs there".to_owned()
            }
            Err(Trouble::Failed(reason)) => reason,
            Err(Trouble::Halt(halt)) => return Err(halt),
        };
        let failure = Failure { url: address.text.clone(), title: None, reason: failure };
        (self.observer)(Event::Failed { genre: &target.genre, failure: &failure });
        match target.wanted {
            Some(_) => report.lists.push(failure),
            None => report.failures.push(failure),
        }
        Ok(())
    }

    /// Fetches a song to its place.
    fn song(&mut self, candidate: &Candidate, target: &Target) -> Result<Outcome, Trouble> {
        if let Some(reason) = candidate.seconds.and_then(|seconds| self.calls.limits.refuse(seconds)) {
            return Err(Trouble::Failed(reason));
        }
        let what = candidate.title.as_deref().unwrap_or(&candidate.address);
        self.pause()?;
        (self.observer)(Event::Asking { genre: &target.genre, what });
        let folder = self.scratch.song().map_err(Halt::Fatal)?;
        let placed = match self.calls.fetch(&candidate.address, &folder) {
            Ok(Fetched::Song(answer)) => self.take(candidate, &answer, target, &folder),
            Ok(Fetched::List) => Ok(Outcome::List),
            Err(trouble) => Err(trouble),
        };
        self.last = Some(Instant::now());
        let _ = std::fs::remove_dir_all(&folder);
        placed
    }

    /// Checks what arrived and puts it to its place, unless it is known.
    fn take(
        &mut self,
        candidate: &Candidate,
        answer: &Answer,
        target: &Target,
        folder: &Path,
    ) -> Result<Outcome, Trouble> {
        let site = answer.key();
        // Another address may have led to the same song.
        match self.records.knows(site.as_deref(), &candidate.address) {
            Known::New => {}
            known => return Ok(Outcome::Known(known)),
        }
        let (file, extension) = song::check(folder, self.calls.limits).map_err(Trouble::Failed)?;
        let id = key_of(site, &candidate.address);
        // What a list says of its songs is more than a bare file's address does.
        let title = candidate.title.clone().or_else(|| answer.title()).unwrap_or_default();
        let genre = &target.genre;
        let row = Row {
            path: format!("{genre}/{}.{extension}", name::stem(&title, &id)),
            genre: genre.clone(),
            title,
            artist: candidate.artist.clone().or_else(|| answer.artist()).unwrap_or_default(),
            licence: candidate.licence.clone().or_else(|| answer.licence()).unwrap_or_default(),
            url: answer.page().unwrap_or_else(|| candidate.address.clone()),
            id,
            source: candidate.address.clone(),
            downloaded: today(),
        };
        self.scratch.place(&file, self.root, &row, &mut self.records).map_err(Halt::Fatal)?;
        (self.observer)(Event::Song { path: &row.path });
        Ok(Outcome::New(self.root.join(&row.path)))
    }

    /// Waits until the pause since the last request is over.
    fn pause(&self) -> Result<(), Halt> {
        loop {
            if self.calls.stop.load(Ordering::Relaxed) {
                return Err(Halt::Stopped);
            }
            let over = self.last.is_none_or(|last| last.elapsed() >= self.calls.limits.pause);
            if over {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
