//! From a folder of songs to batches: scanning, splitting, loading, drawing.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use genre_recognizer::audio::{AudioSpec, Song, write_wav};
use genre_recognizer::dataset::{
    Batch, BatchPlan, Batches, Dataset, DatasetError, Entry, Library, Problem, Split, scan, split,
};
use genre_recognizer::rng::Rng;
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

const RATE: u32 = 8_000;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A file that is found by its name; its bytes are not looked at.
    fn song(&self, name: &str) {
        self.file(name, b"x");
    }

    fn tone(&self, name: &str, frequency: f32, seconds: f32) {
        let path = self.file(name, b"");
        let n = (seconds * RATE as f32) as usize;
        let wave: Vec<f32> = (0..n)
            .map(|i| 0.5 * (i as f32 * frequency / RATE as f32 * std::f32::consts::TAU).sin())
            .collect();
        write_wav(&path, RATE, &[&wave]).unwrap();
    }

    fn error(&self) -> String {
        let message = scan(self.root()).unwrap_err().to_string();
        assert!(message.contains(&self.root().display().to_string()) && !message.contains('\n'), "{message}");
        message
    }
}

fn names(data: &Dataset) -> Vec<&str> {
    data.songs.iter().map(|s| s.name.as_str()).collect()
}

#[test]
fn folders_are_genres() {
    let folder = Folder::new();
    for name in [
        "rock/b.MP3",
        "rock/a.wav",
        "rock/an album/disc 1.mp3/01.flac",
        "pop/x.ogg",
        "ärger/ü.m4a",
        "demo/not a genre/y.wav",
        ".hidden/z.mp3",
        "pop/.partial.mp3",
        "pop/deeper/demo/w.opus",
    ] {
        folder.song(name);
    }
    folder.song("rock/cover.jpg");
    folder.song("README.md");
    folder.song("notes/only text.txt");
    folder.song("loose.mp3");
    let data = scan(folder.root()).unwrap();
    assert_eq!(data.genres, ["pop", "rock", "ärger"]);
    assert_eq!(
        names(&data),
        [
            "pop/deeper/demo/w.opus",
            "pop/x.ogg",
            "rock/a.wav",
            "rock/an album/disc 1.mp3/01.flac",
            "rock/b.MP3",
            "ärger/ü.m4a"
        ]
    );
    assert_eq!(data.counts(), [2, 3, 1]);
    assert_eq!(data.other_files, 3);
    let loose = Problem { path: folder.root().join("loose.mp3"), reason: "not in a genre folder".to_owned() };
    assert_eq!(data.problems, [loose]);
    assert!(data.songs.iter().all(|s| s.path.is_file() && s.artist.is_none() && s.fold.is_none()));
}

#[test]
fn unusable_datasets_name_the_cure() {
    let folder = Folder::new();
    let missing = scan(&folder.root().join("missing")).unwrap_err();
    assert!(matches!(missing, DatasetError::NoSuchFolder(_)) && missing.to_string().contains("--dataset"));
    assert!(folder.error().contains("one subfolder for each genre"));
    folder.song("loose.mp3");
    assert!(folder.error().contains("1 of them"));
    folder.song("rock/a.mp3");
    let message = folder.error();
    assert!(
        message.contains("only \"rock\" has any") && message.contains("add a second folder"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed_without_end() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    folder.song("rock/a.mp3");
    folder.song("pop/b.mp3");
    symlink(folder.root().join("rock"), folder.root().join("rock/again")).unwrap();
    symlink(folder.root(), folder.root().join("pop/everything")).unwrap();
    symlink(folder.root().join("nowhere"), folder.root().join("pop/broken.mp3")).unwrap();
    let data = scan(folder.root()).unwrap();
    let rock: Vec<_> = names(&data).into_iter().filter(|n| n.starts_with("rock/")).collect();
    assert_eq!(rock, ["rock/a.mp3"]);
    // A broken link is a song that cannot be read, and is named when it is loaded.
    assert!(names(&data).contains(&"pop/broken.mp3"));
}

#[test]
fn tracks_csv_gives_artists_and_folds() {
    let folder = Folder::new();
    for name in ["rock/a.mp3", "rock/album/b.mp3", "pop/c.mp3", "pop/d.mp3"] {
        folder.song(name);
    }
    let csv = "\u{feff}Path,genre,title,source,fold\r\n\
               rock/a.mp3,rock,\"One, two\",Anna,2\r\n\
               rock\\album\\b.mp3,rock,,\"Bob \"\"B\"\" C\",\r\n\
               ./pop/c.mp3,,,,0\r\n\
               pop/gone.mp3,pop,,X,1\r\n";
    folder.file("tracks.csv", csv.as_bytes());
    let data = scan(folder.root()).unwrap();
    let found: HashMap<_, _> =
        data.songs.iter().map(|s| (s.name.as_str(), (s.artist.as_deref(), s.fold))).collect();
    assert_eq!(found["rock/a.mp3"], (Some("Anna"), Some(2)));
    assert_eq!(found["rock/album/b.mp3"], (Some("Bob \"B\" C"), None));
    assert_eq!(found["pop/c.mp3"], (None, Some(0)));
    assert_eq!(found["pop/d.mp3"], (None, None));
    assert_eq!(data.problems.len(), 1);
    assert!(data.problems[0].to_string().contains("listed in tracks.csv, line 5"), "{}", data.problems[0]);
    assert_eq!(data.other_files, 0);

    // The column "artist" comes before "source".
    folder.file("tracks.csv", b"source,artist,path\nS,A,rock/a.mp3\n");
    assert_eq!(scan(folder.root()).unwrap().songs[2].artist.as_deref(), Some("A"));
}

#[test]
fn a_malformed_csv_names_line_and_cure() {
    let folder = Folder::new();
    folder.song("rock/a.mp3");
    folder.song("pop/b.mp3");
    for (csv, line, says) in [
        (&b"genre,artist\nrock,A\n"[..], 1, "no column \"path\""),
        (b"", 1, "no column \"path\""),
        (b"path,genre\nrock/a.mp3,rock\npop/b.mp3,pop,extra\n", 3, "quotes"),
        (b"path,fold\nrock/a.mp3,first\n", 2, "not a whole number"),
        (b"path,fold\r\n\r\n\r\nrock/a.mp3,first\r\n", 4, "not a whole number"),
        (b"path,fold\nrock/a.mp3,-1\n", 2, "not a whole number"),
        (b"path,artist\n,A\n", 2, "no path"),
        (b"path,artist\nrock/a.mp3,A\nrock/a.mp3,B\n", 3, "before, in line 2"),
        (b"path\n../a.mp3\n", 2, "leaves the dataset folder"),
        (b"path\n/etc/passwd\n", 2, "leaves the dataset folder"),
        (b"path,genre\nrock/a.mp3,pop\n", 2, "move the file or mend the line"),
        (b"path,artist\nrock/a.mp3,\xff\xfe\n", 2, "UTF-8"),
    ] {
        folder.file("tracks.csv", csv);
        let message = folder.error();
        let place = format!("tracks.csv, line {line}: ");
        assert!(
            message.contains(&place) && message.contains(says),
            "{:?}: {message}",
            String::from_utf8_lossy(csv)
        );
    }
}

/// A dataset without files: (genre, artist) of each song.
fn made_up(songs: &[(usize, Option<usize>)]) -> Dataset {
    let genres = songs.iter().map(|s| s.0 + 1).max().unwrap_or(0);
    Dataset {
        root: PathBuf::from("made up"),
        genres: (0..genres).map(|g| format!("genre {g}")).collect(),
        songs: songs
            .iter()
            .enumerate()
            .map(|(i, &(genre, artist))| Entry {
                path: PathBuf::from(format!("{genre}/{i}.wav")),
                name: format!("{genre}/{i}.wav"),
                genre,
                artist: artist.map(|a| format!("artist {a}")),
                fold: None,
            })
            .collect(),
        other_files: 0,
        problems: Vec::new(),
    }
}

fn side_counts(data: &Dataset, side: &[usize]) -> Vec<usize> {
    let mut counts = vec![0; data.genres.len()];
    for &song in side {
        counts[data.songs[song].genre] += 1;
    }
    counts
}

fn chosen_names(data: &Dataset, side: &[usize]) -> HashSet<String> {
    side.iter().map(|&i| data.songs[i].name.clone()).collect()
}

#[test]
fn a_split_without_artists_is_exactly_stratified() {
    let songs: Vec<_> = (0..150).map(|i| (i % 3, None)).chain((0..5).map(|_| (3, None))).collect();
    let data = made_up(&songs);
    let first = split(&data, 0.2, 1).unwrap();
    assert_eq!(side_counts(&data, &first.validation), [10, 10, 10, 1]);
    assert_eq!(split(&data, 0.2, 1).unwrap(), first);
    assert_ne!(split(&data, 0.2, 2).unwrap(), first);
    assert_eq!(split(&data, 0.0, 1).unwrap(), Split { train: (0..155).collect(), validation: vec![] });
    for fraction in [-0.1, 1.0, f64::NAN] {
        assert!(split(&data, fraction, 1).unwrap_err().to_string().contains("0.2"));
    }
}

#[test]
fn an_artist_is_one_however_it_is_written() {
    let mut data = made_up(&[(0, Some(1)), (0, Some(1)), (0, Some(2)), (1, None), (1, None)]);
    data.songs[1].artist = Some(" ARTIST 1 ".to_owned());
    for seed in 0..20 {
        let split = split(&data, 0.4, seed).unwrap();
        assert_eq!(split.train.contains(&0), split.train.contains(&1));
        assert_eq!(side_counts(&data, &split.validation)[1], 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn splits_keep_artists_together_and_genres_on_both_sides(
        songs in prop::collection::vec((0usize..4, prop::option::of(0usize..12)), 2..80),
        fraction in 0.05f64..0.6,
        seed in any::<u64>(),
    ) {
        // An artist has one genre here: then both sides can always have a song of each genre.
        let songs: Vec<_> = songs.into_iter().map(|(g, a)| (g, a.map(|a| a + 100 * g))).collect();
        let data = made_up(&songs);
        let split = split(&data, fraction, seed).unwrap();

        let mut all: Vec<usize> = split.train.iter().chain(&split.validation).copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..songs.len()).collect::<Vec<_>>());

        let artists = |side: &[usize]| side.iter().filter_map(|&i| songs[i].1).collect::<HashSet<_>>();
        prop_assert!(artists(&split.train).is_disjoint(&artists(&split.validation)));

        let (train, validation) = (side_counts(&data, &split.train), side_counts(&data, &split.validation));
        for genre in 0..data.genres.len() {
            let of_genre: Vec<_> = songs.iter().enumerate().filter(|(_, s)| s.0 == genre).collect();
            let groups: HashSet<_> = of_genre.iter().map(|(i, s)| s.1.map_or((true, *i), |a| (false, a))).collect();
            let largest = groups
                .iter()
                .map(|group| of_genre.iter().filter(|(i, s)| s.1.map_or((true, *i), |a| (false, a)) == *group).count())
                .max()
                .unwrap_or(0);
            if groups.len() >= 2 {
                prop_assert!(train[genre] > 0 && validation[genre] > 0);
                let target = of_genre.len() as f64 * fraction;
                let off = (validation[genre] as f64 - target).abs();
                prop_assert!(off <= largest as f64, "genre {}: {} of {}, target {}", genre, validation[genre], of_genre.len(), target);
            } else {
                prop_assert_eq!(validation[genre], 0);
            }
        }
    }

    #[test]
    fn splits_keep_artists_of_many_genres_together_in_any_order(
        songs in prop::collection::vec((0usize..5, prop::option::of(0usize..9)), 2..60),
        seed in any::<u64>(),
    ) {
        let data = made_up(&songs);
        let split_one = split(&data, 0.25, seed).unwrap();
        let artists = |side: &[usize]| side.iter().filter_map(|&i| songs[i].1).collect::<HashSet<_>>();
        prop_assert!(artists(&split_one.train).is_disjoint(&artists(&split_one.validation)));
        // The order of the songs does not matter: their names do.
        let mut shuffled = data.clone();
        Rng::new(seed).shuffle(&mut shuffled.songs);
        let split_two = split(&shuffled, 0.25, seed).unwrap();
        prop_assert_eq!(chosen_names(&data, &split_one.validation), chosen_names(&shuffled, &split_two.validation));
    }
}

fn spec() -> AudioSpec {
    AudioSpec { sample_rate: RATE, ..AudioSpec::default() }
}

#[test]
fn loading_passes_over_what_cannot_be_used() {
    let folder = Folder::new();
    folder.tone("a/1.wav", 440.0, 1.0);
    folder.tone("a/2.wav", 550.0, 2.0);
    folder.tone("a/short.wav", 660.0, 0.5);
    folder.file("b/broken.mp3", b"no music at all");
    folder.file("c/empty.ogg", b"");
    folder.tone("c/3.wav", 770.0, 1.5);
    let data = scan(folder.root()).unwrap();
    let (calls, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let library = Library::load(&data, &spec(), 1.0, |done, total, path| {
        assert!(path.is_file() && total == 6);
        calls.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(done, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!((calls.into_inner(), most.into_inner()), (6, 6));
    // The genre without a usable song is gone, and the labels follow.
    assert_eq!(library.dataset.genres, ["a", "c"]);
    assert_eq!(names(&library.dataset), ["a/1.wav", "a/2.wav", "c/3.wav"]);
    assert_eq!(library.dataset.songs.iter().map(|s| s.genre).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(library.songs.iter().map(|s| s.len()).collect::<Vec<_>>(), [8_000, 16_000, 12_000]);
    let problems: Vec<String> = library.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    for (problem, (name, says)) in problems.iter().zip([
        ("a/short.wav", "too short"),
        ("b/broken.mp3", "not an audio file"),
        ("c/empty.ogg", "empty"),
        ("b", "genre left out"),
    ]) {
        let start = format!("{}: ", folder.root().join(name).display());
        assert!(problem.starts_with(&start) && problem.contains(says), "{problem}");
    }

    fs::remove_file(folder.root().join("c/3.wav")).unwrap();
    let data = scan(folder.root()).unwrap();
    let error = Library::load(&data, &spec(), 1.0, |_, _, _| {}).unwrap_err().to_string();
    assert!(error.contains("only \"a\" has any") && error.contains("mend or convert"), "{error}");
}

/// Songs whose samples tell which song and position they are: sample i of song s is s + i / 2¹⁶.
fn counted_library(lengths: &[usize], channels: usize) -> Arc<Library> {
    let dataset = made_up(&lengths.iter().enumerate().map(|(i, _)| (i % 3, None)).collect::<Vec<_>>());
    let song = |(s, &n): (usize, &usize)| {
        let channel = |c: usize| (0..n).map(|i| s as f32 + i as f32 / 65536.0 + 100.0 * c as f32).collect();
        Arc::new(Song { channels: (0..channels).map(channel).collect(), sample_rate: RATE })
    };
    Arc::new(Library {
        dataset,
        songs: lengths.iter().enumerate().map(song).collect(),
        spec: AudioSpec { channels, ..spec() },
        problems: Vec::new(),
    })
}

fn take(
    library: &Arc<Library>,
    songs: &[usize],
    plan: &BatchPlan,
    from: (usize, usize),
    count: usize,
) -> Vec<Batch> {
    Batches::start(library.clone(), songs.to_vec(), plan.clone(), from.0, from.1)
        .unwrap()
        .take(count)
        .collect()
}

#[test]
fn batches_hold_random_crops_of_the_songs_asked_for() {
    let lengths = [100, 150, 40, 300, 41, 90, 60];
    let library = counted_library(&lengths, 2);
    let plan = BatchPlan { batch_size: 4, frame_length: 40, frames_per_song: 3, seed: 7 };
    let songs = [0, 1, 2, 4, 6];
    assert_eq!(plan.batches_per_epoch(songs.len()), 4);
    let batches = take(&library, &songs, &plan, (0, 0), 8);
    let mut starts = HashSet::new();
    for (k, batch) in batches.iter().enumerate() {
        assert_eq!((batch.epoch, batch.index), (k / 4, k % 4));
        assert_eq!((batch.audio.len(), batch.labels.len(), batch.songs.len()), (4 * 2 * 40, 4 * 3, 4));
        for n in 0..4 {
            let song = batch.songs[n];
            assert!(songs.contains(&song));
            let mut label = [0.0; 3];
            label[song % 3] = 1.0;
            assert_eq!(batch.labels[n * 3..n * 3 + 3], label);
            let frame = &batch.audio[n * 80..n * 80 + 80];
            let start = ((frame[0] - song as f32) * 65536.0) as usize;
            starts.insert((song, start));
            assert!(start + 40 <= lengths[song]);
            for i in 0..40 {
                assert_eq!(frame[i], library.songs[song].channels[0][start + i]);
                assert_eq!(frame[40 + i], library.songs[song].channels[1][start + i]);
            }
        }
    }
    assert!(starts.len() > 12, "crops are random: {starts:?}");
    for epoch in batches.chunks(4) {
        let mut drawn = [0; 7];
        epoch.iter().flat_map(|b| &b.songs).for_each(|&s| drawn[s] += 1);
        // 15 frames in 4 batches of 4: each song 3 times, and one of them once more to fill the last batch.
        assert!(songs.iter().all(|&s| drawn[s] == 3 || drawn[s] == 4), "{drawn:?}");
        assert_eq!(drawn.iter().sum::<usize>(), 16);
    }
    let order = |batches: &[Batch]| batches.iter().flat_map(|b| b.songs.clone()).collect::<Vec<_>>();
    assert_ne!(order(&batches[..4]), order(&batches[4..]), "epochs are shuffled anew");
}

#[test]
fn batches_depend_on_the_seed_and_position_alone() {
    let library = counted_library(&[100, 150, 80, 300, 60], 1);
    let plan = BatchPlan { batch_size: 3, frame_length: 50, frames_per_song: 2, seed: 3 };
    let songs = [0, 1, 2, 3, 4];
    let all = take(&library, &songs, &plan, (0, 0), 12);
    assert_eq!(take(&library, &songs, &plan, (0, 0), 12), all);
    // From anywhere: 4 batches an epoch.
    for k in 0..12 {
        assert_eq!(take(&library, &songs, &plan, (k / 4, k % 4), 12 - k), all[k..]);
    }
    assert_ne!(take(&library, &songs, &BatchPlan { seed: 4, ..plan.clone() }, (0, 0), 12), all);
    // Memory that comes back is used again, and leaves no trace.
    let mut batches = Batches::start(library.clone(), songs.to_vec(), plan.clone(), 0, 0).unwrap();
    for wanted in &all {
        let batch = batches.next().unwrap();
        assert_eq!(&batch, wanted);
        batches.recycle(batch);
    }
    // Nothing to draw from: an end, not a wait.
    assert!(take(&library, &[], &plan, (0, 0), 1).is_empty());
    assert!(take(&library, &songs, &BatchPlan { batch_size: 0, ..plan }, (0, 0), 1).is_empty());
}

#[test]
fn a_few_songs_fill_a_large_batch() {
    let library = counted_library(&[100, 100, 100], 1);
    let plan = BatchPlan { batch_size: 32, frame_length: 10, frames_per_song: 1, seed: 1 };
    let batches = take(&library, &[0, 2], &plan, (0, 0), 2);
    for batch in batches {
        assert_eq!(batch.songs.iter().filter(|&&s| s == 0).count(), 16);
        assert_eq!(batch.songs.len(), 32);
    }
}
