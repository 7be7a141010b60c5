//! Songs are decoded once, and what comes from the cache is what comes from the file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use genre_recognizer::audio::{AudioFault, AudioSpec, Framing, Normalise, Song, load};
use genre_recognizer::dataset::{Batch, BatchPlan, Batches, Cache, Cleaned, Library, scan};
use proptest::prelude::*;

use super::common::*;

/// The files of a cache.
fn entries(cache: &Cache) -> Vec<PathBuf> {
    let Ok(folders) = fs::read_dir(cache.folder()) else { return Vec::new() };
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn samples(song: &Song) -> Vec<Vec<f32>> {
    song.samples().unwrap()
}

fn from_cache(cache: &Cache, path: &Path) -> Vec<Vec<f32>> {
    samples(&cache.load(path, &spec(), 0.1).unwrap())
}

#[test]
fn an_entry_is_made_once_and_holds_the_song() {
    let folder = Folder::new();
    folder.tone("a/1.wav", 440.0, 1.5);
    let path = folder.root().join("a/1.wav");
    let cache = Cache::new(folder.root().join("cache/songs"));
    let wanted = samples(&load(&path, &spec(), 0.1).unwrap());
    assert_eq!(from_cache(&cache, &path), wanted);
    let [entry] = &entries(&cache)[..] else { panic!("{:?}", entries(&cache)) };
    let written = fs::metadata(entry).unwrap().modified().unwrap();
    assert_eq!(from_cache(&cache, &path), wanted);
    assert_eq!(fs::metadata(entry).unwrap().modified().unwrap(), written);
    // The level is applied when samples are read: one entry serves all.
    let rms = AudioSpec { normalise: Normalise::Rms, ..spec() };
    assert_eq!(samples(&cache.load(&path, &rms, 0.1).unwrap()), samples(&load(&path, &rms, 0.1).unwrap()));
    assert_eq!(entries(&cache).len(), 1);
    // Rate and channels are the entry's own.
    let stereo = AudioSpec { channels: 2, sample_rate: 11_025, ..spec() };
    assert_eq!(
        samples(&cache.load(&path, &stereo, 0.1).unwrap()),
        samples(&load(&path, &stereo, 0.1).unwrap())
    );
    assert_eq!(entries(&cache).len(), 2);
    // What cannot be a song is refused the same, first and second time, and an unusable file leaves nothing.
    for _ in 0..2 {
        let error = cache.load(&path, &spec(), 2.0).unwrap_err();
        assert!(matches!(error.fault, AudioFault::TooShort { .. }), "{error}");
        let broken = folder.file("a/broken.mp3", b"no music");
        assert_eq!(
            cache.load(&broken, &spec(), 0.1).unwrap_err().to_string(),
            load(&broken, &spec(), 0.1).unwrap_err().to_string()
        );
        assert!(matches!(
            cache.load(Path::new("none.wav"), &spec(), 0.1).unwrap_err().fault,
            AudioFault::Io(_)
        ));
    }
    assert_eq!(entries(&cache).len(), 2);
}

#[test]
fn what_is_stale_cut_off_or_damaged_is_made_anew() {
    let folder = Folder::new();
    folder.tone("a/1.wav", 440.0, 1.0);
    let path = folder.root().join("a/1.wav");
    let cache = Cache::new(folder.root().join("cache"));
    let wanted = from_cache(&cache, &path);
    let entry = entries(&cache).remove(0);
    let good = fs::read(&entry).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..good.len())
        .step_by(good.len() / 23)
        .chain(good.len() - 40..good.len())
        .map(|cut| good[..cut].to_vec())
        .collect();
    // Bits of the magic and the footer flip; bytes are added.
    for at in (0..8).chain(good.len() - 400..good.len()) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        damaged.push(bytes);
    }
    damaged.push([&good[..], b"x"].concat());
    damaged.push([&good[..8], &good[..]].concat());
    for (i, bytes) in damaged.iter().enumerate() {
        fs::write(&entry, bytes).unwrap();
        assert_eq!(from_cache(&cache, &path), wanted, "damage {i}");
    }
    assert_eq!((entries(&cache), fs::read(&entry).unwrap()), (vec![entry.clone()], good.clone()));
    // Samples that are other than they were: found when they are read, or looked at.
    for (from, to, value) in
        [(8, 200, 0), (4_000, 9_000, 0xff), (good.len() - 3_000, good.len() - 2_900, 0x7f)]
    {
        let mut bytes = good.clone();
        bytes[from..to].fill(value);
        fs::write(&entry, &bytes).unwrap();
        assert_eq!(from_cache(&cache, &path), wanted);
        fs::write(&entry, &bytes).unwrap();
        cache.load(&path, &spec(), 0.1).unwrap().verify().unwrap();
        assert_eq!(fs::read(&entry).unwrap(), good);
    }
    // Something else in its place.
    #[cfg(unix)]
    {
        let song = cache.load(&path, &spec(), 0.1).unwrap();
        for make in ["mkfifo", "ln -s /dev/zero", "ln -s /no/such/file"] {
            fs::remove_file(&entry).unwrap();
            let mut words = make.split(' ');
            let made = std::process::Command::new(words.next().unwrap()).args(words).arg(&entry).status();
            assert!(made.unwrap().success());
            assert_eq!(
                (samples(&song), from_cache(&cache, &path)),
                (wanted.clone(), wanted.clone()),
                "{make}"
            );
        }
    }
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    assert_eq!(from_cache(&cache, &path), wanted);
    assert!(cache.trouble().is_some_and(|trouble| trouble.contains(&entry.display().to_string())));
    assert_eq!(cache.clean(None).unwrap().entries, 0);
    fs::remove_dir(&entry).unwrap();
    // The file changes: its old entry goes.
    folder.tone("a/1.wav", 550.0, 1.2);
    assert_eq!(from_cache(&cache, &path), samples(&load(&path, &spec(), 0.1).unwrap()));
    assert_ne!(from_cache(&cache, &path), wanted);
    assert_eq!(entries(&cache).len(), 1);
}

#[test]
fn an_entry_that_goes_while_it_is_read_is_made_anew() {
    let folder = Folder::new();
    folder.tone("a/1.wav", 440.0, 1.0);
    let path = folder.root().join("a/1.wav");
    let cache = Cache::new(folder.root().join("cache"));
    let song = cache.load(&path, &spec(), 0.1).unwrap();
    let wanted = samples(&song);
    assert_eq!(cache.clean(None).unwrap().entries, 1);
    assert_eq!(samples(&song), wanted);
    fs::write(&entries(&cache)[0], b"short").unwrap();
    assert_eq!(samples(&song), wanted);
    // Another song in its place is not passed off as the one that was read before.
    cache.clean(None).unwrap();
    folder.tone("a/1.wav", 550.0, 1.0);
    let error = song.samples().unwrap_err();
    assert!(matches!(error.fault, AudioFault::Changed), "{error}");
    assert!(error.to_string().contains("a/1.wav"));
    cache.clean(None).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(matches!(song.samples().unwrap_err().fault, AudioFault::Io(_)));
}

#[test]
fn where_nothing_can_be_written_songs_are_held_in_memory() {
    let folder = Folder::new();
    folder.tone("a/1.wav", 440.0, 1.0);
    let path = folder.root().join("a/1.wav");
    let cache = Cache::new(folder.file("a file", b"").join("cache"));
    assert_eq!(cache.trouble(), None);
    assert_eq!(from_cache(&cache, &path), samples(&load(&path, &spec(), 0.1).unwrap()));
    assert!(cache.trouble().is_some());
}

#[test]
fn cleaning_removes_a_datasets_songs_or_all() {
    let folder = Folder::new();
    for name in ["one/a/1.wav", "one/b/2.wav", "two/a/3.wav"] {
        folder.tone(name, 440.0, 0.5);
    }
    let cache = Cache::new(folder.root().join("cache"));
    assert_eq!(cache.clean(None).unwrap(), Cleaned::default());
    // What networks heard is of no folder.
    let heard = cache.embeddings().join("a model");
    fs::create_dir_all(&heard).unwrap();
    fs::write(heard.join("a song"), [0; 70]).unwrap();
    assert_eq!(cache.clean(Some(Path::new("music"))).unwrap(), Cleaned::default());
    assert!(heard.join("a song").exists());
    assert_eq!(cache.clean(None).unwrap(), Cleaned { entries: 0, bytes: 70 });
    assert!(!cache.embeddings().exists());
    for name in ["one/a/1.wav", "one/b/2.wav", "two/a/3.wav"] {
        from_cache(&cache, &folder.root().join(name));
    }
    let strange = folder.file("cache/aa/notes.txt", b"not ours");
    folder.file("cache/aa/half.1-1.tmp", b"left by a process that was killed");
    fs::remove_dir_all(folder.root().join("one/b")).unwrap();
    let cleaned = cache.clean(Some(&folder.root().join("one"))).unwrap();
    assert!(cleaned.entries == 2 && cleaned.bytes > 16_000, "{cleaned:?}");
    assert_eq!(cache.clean(None).unwrap().entries, 1);
    assert_eq!(entries(&cache), [strange]);
}

/// Both sides of a dataset: the songs' samples in memory, and in a cache.
fn both(folder: &Folder, cache: &Cache, spec: &AudioSpec) -> [Arc<Library>; 2] {
    let data = scan(folder.root()).unwrap();
    [None, Some(cache)].map(|cache| Arc::new(Library::load(&data, spec, 0.25, cache, |_, _, _| {}).unwrap()))
}

#[test]
fn cached_and_uncached_batches_are_equal_byte_for_byte() {
    let folder = Folder::new();
    for (i, name) in ["a/1.wav", "a/2.wav", "b/3.wav", "b/4.wav", "b/5.wav"].iter().enumerate() {
        folder.tone(name, 300.0 + 70.0 * i as f32, 0.5 + 0.21 * i as f32);
    }
    let outside = Folder::new();
    let cache = Cache::new(outside.root());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let strategy = (1usize..3, any::<u64>(), 1usize..12, 100usize..2_000, 0usize..3, prop::bool::ANY);
    runner
        .run(&strategy, |(channels, seed, batch_size, length, level, quiet)| {
            let normalise = [Normalise::Peak, Normalise::Rms, Normalise::None][level];
            let libraries = both(&folder, &cache, &AudioSpec { channels, normalise, ..spec() });
            let framing = Framing { quiet: if quiet { 0.05 } else { 0.0 }, ..Framing::consecutive(length) };
            let plan = BatchPlan { workers: 2, ..BatchPlan::new(batch_size, framing, 3, seed) };
            let [memory, cached] = libraries.map(|library| {
                let batches = Batches::start(library, vec![0, 1, 3, 4], plan.clone(), 0, 0).unwrap();
                batches.take(6).map(Result::unwrap).collect::<Vec<Batch>>()
            });
            prop_assert_eq!(memory, cached);
            Ok(())
        })
        .unwrap();
}

#[test]
fn many_at_once_do_no_harm() {
    let folder = Folder::new();
    for i in 0..6 {
        folder.tone(&format!("{}/{i}.wav", ["a", "b"][i % 2]), 300.0 + 50.0 * i as f32, 1.0);
    }
    let outside = Folder::new();
    let data = scan(folder.root()).unwrap();
    let wanted: Vec<_> = data.songs.iter().map(|s| samples(&load(&s.path, &spec(), 0.1).unwrap())).collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (data, wanted, folder) = (&data, &wanted, outside.root());
            scope.spawn(move || {
                for round in 0..40 {
                    // Caches of their own on one folder, as programs would have.
                    let cache = Cache::new(folder);
                    let library = Library::load(data, &spec(), 0.1, Some(&cache), |_, _, _| {}).unwrap();
                    if (worker + round) % 5 == 0 {
                        let _ = cache.clean(None);
                    }
                    for (song, wanted) in library.songs.iter().zip(wanted) {
                        assert_eq!(&samples(song), wanted);
                    }
                    if start.elapsed().as_secs() > 5 {
                        return;
                    }
                }
            });
        }
    });
}
