//! The demo set: what no statistic may tell, what the files hold, what happens to a set that is there already.

use genre_recognizer::audio::decode;
use genre_recognizer::dataset::demo::{self, DemoError, GENRES, MANIFEST, Outcome, RATE, Spec};
use genre_recognizer::dataset::scan;
use rayon::prelude::*;
use realfft::RealFftPlanner;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What a recogniser that does not listen could know of a song.
struct Global {
    genre: usize,
    /// Mean power in each of 32 bands, evenly spaced in log frequency, in dB.
    mean_spectrum: Vec<f32>,
    /// Mean over time of the power in dB in the same bands.
    mean_log_spectrum: Vec<f32>,
    /// RMS in dB, and the highest magnitude.
    loudness: f32,
    peak: f32,
    /// Centre of the power spectrum's octaves, in octaves.
    brightness: f32,
    tempo: f32,
    seconds: f32,
}

/// The bands' number and range in Hz. With this FFT even the lowest one holds a bin.
const BANDS: usize = 32;
const LOW: f32 = 65.0;
const HIGH: f32 = 16_000.0;
const FFT: usize = 4_096;

fn band_of(bin: usize) -> Option<usize> {
    let hz = bin as f32 * RATE as f32 / FFT as f32;
    let position = (hz / LOW).ln() / (HIGH / LOW).ln();
    (0.0..1.0).contains(&position).then_some((position * BANDS as f32) as usize)
}

fn listen(genre: usize, index: usize) -> Global {
    let song = Spec::default().song(&GENRES[genre], index);
    let x = &song.samples;
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(FFT);
    let (mut frame, mut bins) = (fft.make_input_vec(), fft.make_output_vec());
    let (mut mean, mut mean_log) = (vec![0.0f32; BANDS], vec![0.0f32; BANDS]);
    let chunks = x.chunks_exact(FFT);
    let frames = chunks.len() as f32;
    for chunk in chunks {
        for (i, (f, v)) in frame.iter_mut().zip(chunk).enumerate() {
            *f = v * (0.5 - 0.5 * (std::f32::consts::TAU * i as f32 / FFT as f32).cos());
        }
        fft.process(&mut frame, &mut bins).unwrap();
        let mut power = [0.0f32; BANDS];
        for (bin, value) in bins.iter().enumerate() {
            if let Some(band) = band_of(bin) {
                power[band] += value.norm_sqr();
            }
        }
        for band in 0..BANDS {
            mean[band] += power[band] / frames;
            mean_log[band] += 10.0 * (power[band] + 1e-6).log10() / frames;
        }
    }
    let total: f32 = mean.iter().sum();
    let octaves = (HIGH / LOW).log2() / BANDS as f32;
    Global {
        genre,
        brightness: mean.iter().enumerate().map(|(b, p)| b as f32 * octaves * p / total).sum(),
        mean_spectrum: mean.iter().map(|p| 10.0 * (p + 1e-9).log10()).collect(),
        mean_log_spectrum: mean_log,
        loudness: 10.0 * (x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32).log10(),
        peak: x.iter().fold(0.0, |a, v| a.max(v.abs())),
        tempo: song.tempo,
        seconds: x.len() as f32 / RATE as f32,
    }
}

/// The whole default set, rendered once for all tests.
fn all() -> &'static [Global] {
    static SET: OnceLock<Vec<Global>> = OnceLock::new();
    SET.get_or_init(|| {
        let songs = Spec::default().songs_per_genre;
        (0..GENRES.len() * songs).into_par_iter().map(|i| listen(i / songs, i % songs)).collect()
    })
}

/// Song accuracy of a nearest-centroid classifier on standardised features, each song left out of the centroids that
/// it is compared with.
fn nearest_centroid(features: impl Fn(&Global) -> Vec<f32>) -> f32 {
    let songs = all();
    let mut rows: Vec<Vec<f32>> = songs.iter().map(features).collect();
    for column in 0..rows[0].len() {
        let n = rows.len() as f32;
        let mean = rows.iter().map(|r| r[column]).sum::<f32>() / n;
        let deviation = (rows.iter().map(|r| (r[column] - mean).powi(2)).sum::<f32>() / n).sqrt().max(1e-6);
        rows.iter_mut().for_each(|r| r[column] = (r[column] - mean) / deviation);
    }
    let right = (0..rows.len()).filter(|&left_out| {
        let distance = |genre: usize| -> f32 {
            let of_genre = || (0..rows.len()).filter(move |&i| i != left_out && songs[i].genre == genre);
            let n = of_genre().count() as f32;
            let centroid = |c: usize| of_genre().map(|i| rows[i][c]).sum::<f32>() / n;
            rows[left_out].iter().enumerate().map(|(c, v)| (v - centroid(c)).powi(2)).sum()
        };
        let nearest = (0..GENRES.len()).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        nearest == Some(songs[left_out].genre)
    });
    right.count() as f32 / rows.len() as f32
}

#[test]
fn no_global_statistic_separates_the_genres() {
    let with_loudness = |spectrum: &[f32], song: &Global| {
        let mut features = spectrum.to_vec();
        features.extend([song.loudness, song.peak]);
        features
    };
    let spectrum = nearest_centroid(|s| with_loudness(&s.mean_spectrum, s));
    let log_spectrum = nearest_centroid(|s| with_loudness(&s.mean_log_spectrum, s));
    let loudness = nearest_centroid(|s| vec![s.loudness, s.peak]);
    let brightness = nearest_centroid(|s| vec![s.brightness]);
    let tempo = nearest_centroid(|s| vec![s.tempo]);
    println!(
        "nearest centroid, {} genres, song accuracy: mean spectrum and loudness {:.1} %, mean log spectrum and \
         loudness {:.1} %, loudness {:.1} %, brightness {:.1} %, tempo {:.1} %",
        GENRES.len(),
        100.0 * spectrum,
        100.0 * log_spectrum,
        100.0 * loudness,
        100.0 * brightness,
        100.0 * tempo
    );
    // well above chance (10 %): the classifier does classify
    assert!(spectrum > 0.2 && log_spectrum > 0.2, "{spectrum} {log_spectrum}");
    assert!(spectrum < 0.7 && log_spectrum < 0.7, "{spectrum} {log_spectrum}");
    assert!(loudness < 0.4 && brightness < 0.4 && tempo < 0.4, "{loudness} {brightness} {tempo}");
}

#[test]
fn songs_are_heard_and_never_clip() {
    let (low, high) = Spec::default().seconds;
    for song in all() {
        let name = GENRES[song.genre].name;
        assert!(song.peak > 0.1 && song.peak < 0.99, "{name}: peak {}", song.peak);
        assert!(song.loudness > -30.0, "{name}: RMS {} dB", song.loudness);
        assert!(song.seconds >= low - 0.01 && song.seconds <= high, "{name}: {} s", song.seconds);
    }
}

#[test]
fn every_two_genres_overlap_in_tempo_loudness_peak_and_brightness() {
    type Statistic = (&'static str, fn(&Global) -> f32);
    let statistics: [Statistic; 4] = [
        ("tempo", |s| s.tempo),
        ("loudness", |s| s.loudness),
        ("peak", |s| s.peak),
        ("brightness", |s| s.brightness),
    ];
    for (what, of) in statistics {
        let mut ranges = [(f32::MAX, f32::MIN); GENRES.len()];
        for song in all() {
            let (low, high) = &mut ranges[song.genre];
            (*low, *high) = (low.min(of(song)), high.max(of(song)));
        }
        for (a, a_range) in GENRES.iter().zip(ranges) {
            for (b, b_range) in GENRES.iter().zip(ranges) {
                let overlap = a_range.0 < b_range.1 && b_range.0 < a_range.1;
                assert!(overlap, "{what}: {} {a_range:?}, {} {b_range:?}", a.name, b.name);
            }
        }
    }
}

fn tiny() -> Spec {
    Spec { seed: 5, songs_per_genre: 2, seconds: (1.0, 1.4) }
}

fn render(spec: &Spec, dir: &Path) -> Result<Outcome, DemoError> {
    demo::render_with(spec, dir, |_, _| {})
}

/// Every file under `dir`, by its path there.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn bytes_depend_on_the_seed_and_not_on_the_threads() {
    let parent = tempfile::tempdir().unwrap();
    let rendered = |name: &str, spec: Spec, threads: usize| {
        let dir = parent.path().join(name);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let songs = GENRES.len() * spec.songs_per_genre;
        assert_eq!(pool.install(|| render(&spec, &dir)).unwrap(), Outcome::Rendered(songs));
        contents(&dir)
    };
    let one = rendered("one", tiny(), 1);
    assert_eq!(one.len(), 2 * GENRES.len() + 1);
    assert!(one == rendered("three", tiny(), 3), "bytes differ between 1 and 3 threads");
    let other = rendered("other", Spec { seed: 6, ..tiny() }, 2);
    let song = Path::new("house").join("house-01.wav");
    assert!(one[&song] != other[&song], "another seed gave the same song");
    assert!(one[&song] != one[&Path::new("house").join("house-00.wav")], "two songs are the same");
}

#[test]
fn a_set_is_a_dataset_of_ordinary_files() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("demo");
    let heard = std::sync::Mutex::new(Vec::new());
    demo::render_with(&tiny(), &dir, |done, all| heard.lock().unwrap().push((done, all))).unwrap();
    let mut heard = heard.into_inner().unwrap();
    heard.sort_unstable();
    let total = 2 * GENRES.len();
    assert_eq!(heard, (0..=total).map(|done| (done, total)).collect::<Vec<_>>());
    let names: Vec<_> = fs::read_dir(parent.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["demo"], "something was left beside the set");

    let data = scan(&dir).unwrap();
    let mut genres: Vec<_> = GENRES.iter().map(|g| g.name).collect();
    genres.sort_unstable();
    assert_eq!(data.genres, genres);
    assert_eq!(data.songs.len(), total);
    let decoded = decode(&dir.join("reggae").join("reggae-01.wav")).unwrap();
    assert_eq!(decoded.rate, RATE);
    assert_eq!(decoded.channels.len(), 1);
    let reggae = GENRES.iter().find(|g| g.name == "reggae").unwrap();
    let song = tiny().song(reggae, 1);
    assert_eq!(decoded.channels[0].len(), song.samples.len());
    let worst = decoded.channels[0].iter().zip(&song.samples).fold(0.0f32, |w, (a, b)| w.max((a - b).abs()));
    // rounding loses half a step; written in steps of 1/32767 and read in steps of 1/32768, a full sample loses one
    assert!(worst <= 1.5 / 32_767.0, "16 bits lose {worst}");
}

#[test]
fn a_complete_set_is_found_and_a_damaged_one_rendered_again() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("demo");
    assert!(!demo::is_demo(&dir) && !demo::is_complete(&tiny(), &dir));
    assert_eq!(render(&tiny(), &dir).unwrap(), Outcome::Rendered(2 * GENRES.len()));
    assert!(demo::is_demo(&dir) && demo::is_complete(&tiny(), &dir));
    assert_eq!(render(&tiny(), &dir).unwrap(), Outcome::Found);

    let smaller = Spec { songs_per_genre: 1, ..tiny() };
    let again = Outcome::Rendered(GENRES.len());
    assert_eq!(render(&smaller, &dir).unwrap(), again);
    let first = contents(&dir);
    assert_eq!(first.len(), GENRES.len() + 1, "songs of the larger set are left");

    let song = dir.join("techno").join("techno-00.wav");
    let manifest = dir.join(MANIFEST);
    type Damage<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let damages: [Damage; 5] = [
        ("a song is gone", Box::new(|| fs::remove_file(&song).unwrap())),
        ("a song is cut", Box::new(|| fs::write(&song, b"RIFF").unwrap())),
        ("the manifest is gone", Box::new(|| fs::remove_file(&manifest).unwrap())),
        ("the manifest is cut", Box::new(|| fs::write(&manifest, "version = 1\nse").unwrap())),
        (
            "another version made it",
            Box::new(|| {
                let text = fs::read_to_string(&manifest).unwrap();
                let older: Vec<_> = text.lines().filter(|l| !l.starts_with("version")).collect();
                fs::write(&manifest, format!("version = 0\n{}", older.join("\n"))).unwrap();
            }),
        ),
    ];
    for (what, damage) in damages {
        damage();
        assert!(!demo::is_complete(&smaller, &dir), "{what}: taken for complete");
        assert_eq!(render(&smaller, &dir).unwrap(), again, "{what}");
        assert!(contents(&dir) == first, "{what}: not repaired");
    }
}

#[test]
fn what_an_interruption_leaves_is_cleared_away() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("demo");
    let left = parent.path().join(".demo-partial-1");
    fs::create_dir_all(left.join("house")).unwrap();
    fs::write(left.join("house").join("house-00.wav"), b"RIFF").unwrap();
    assert_eq!(render(&tiny(), &dir).unwrap(), Outcome::Rendered(2 * GENRES.len()));
    assert!(!left.exists());
}

#[test]
fn a_folder_with_anything_else_in_it_is_not_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("demo");
    fs::create_dir_all(dir.join("house")).unwrap();
    for mine in ["house/my-song.wav", "house/house-01.mp3", "notes.txt"] {
        let mine = dir.join(mine);
        fs::write(&mine, b"mine").unwrap();
        let error = render(&tiny(), &dir).unwrap_err();
        assert!(matches!(&error, DemoError::Foreign { file, .. } if *file == mine), "{error}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(fs::read(&mine).unwrap(), b"mine");
        fs::remove_file(&mine).unwrap();
    }
    assert_eq!(render(&tiny(), &dir).unwrap(), Outcome::Rendered(2 * GENRES.len()));
}
