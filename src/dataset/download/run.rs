//! Plan to songs.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};
use std::path::Path;
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
        let (genre, stopped) = work.genre(target)?;
        (work.observer)(Event::Genre(&genre));
        report.genres.push(genre);
        if stopped {
            report.stopped = true;
            break;
        }
    }
    report.notes.extend(work.records.tracks);
    Ok(report)
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
        let mut report = GenreReport { genre: target.genre.clone(), ..GenreReport::default() };
        if target.wanted.is_some() {
            report.there = self.records.there(&target.genre);
        }
        let stopped = match self.fill(target, &mut report) {
            Ok(()) => false,
            Err(Halt::Stopped) => true,
            Err(Halt::Fatal(error)) => return Err(error),
        };
        let have = report.there + report.new;
        report.wanted = target.wanted.unwrap_or(have + report.failures.len());
        report.complete = !stopped
            && match target.wanted {
                Some(wanted) => have >= wanted,
                None => report.failures.is_empty() && report.lists.is_empty(),
            };
        Ok((report, stopped))
    }

    /// Tries the songs of a target's addresses in turn until it has enough.
    fn fill(&mut self, target: &Target, report: &mut GenreReport) -> Result<(), Halt> {
        let missing = target.wanted.map(|wanted| wanted.saturating_sub(report.there));
        let tries = missing.map_or(usize::MAX, |missing| 2 * missing + 10);
        let mut seen = HashSet::new();
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
                    continue;
                }
                match self.records.knows(candidate.key.as_deref(), &candidate.address) {
                    Known::New => {}
                    Known::There(genre) if genre == target.genre => {
                        report.there += usize::from(target.wanted.is_none());
                        continue;
                    }
                    Known::There(_) => {
                        report.elsewhere += 1;
                        continue;
                    }
                    Known::Removed => {
                        report.removed += 1;
                        continue;
                    }
                }
                match self.song(&candidate, target) {
                    Ok(Some(true)) => report.new += 1,
                    Ok(Some(false)) => report.elsewhere += 1,
                    Ok(None) if !candidate.listed => self.expand(address, target, report, &mut queue)?,
                    Ok(None) => {
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
        (self.observer)(Event::Asking { genre: &target.genre, what: &address.text });
        self.pause()?;
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
        report.lists.push(failure);
        Ok(())
    }

    /// Fetches a song to its place: `Some(true)`; `Some(false)` where it turned out to be there already; `None` where
    /// it is a list.
    fn song(&mut self, candidate: &Candidate, target: &Target) -> Result<Option<bool>, Trouble> {
        if let Some(reason) = candidate.seconds.and_then(|seconds| self.calls.limits.refuse(seconds)) {
            return Err(Trouble::Failed(reason));
        }
        let what = candidate.title.as_deref().unwrap_or(&candidate.address);
        (self.observer)(Event::Asking { genre: &target.genre, what });
        self.pause()?;
        let folder = self.scratch.song().map_err(Halt::Fatal)?;
        let placed = match self.calls.fetch(&candidate.address, &folder) {
            Ok(Fetched::Song(answer)) => self.take(candidate, &answer, target, &folder).map(Some),
            Ok(Fetched::List) => Ok(None),
            Err(trouble) => Err(trouble),
        };
        self.last = Some(Instant::now());
        let _ = std::fs::remove_dir_all(&folder);
        placed
    }

    /// Checks what arrived and puts it to its place; whether it was new.
    fn take(
        &mut self,
        candidate: &Candidate,
        answer: &Answer,
        target: &Target,
        folder: &Path,
    ) -> Result<bool, Trouble> {
        let site = answer.key();
        // Another address may have led to the same song.
        if self.records.knows(site.as_deref(), &candidate.address) != Known::New {
            return Ok(false);
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
        Ok(true)
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
