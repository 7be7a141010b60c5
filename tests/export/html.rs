//! `export --format html`: the page in a browser computes what the CPU device computes, and lives on whatever it is given.

use std::fs;
use std::path::{Path, PathBuf};

use genre_recognizer::audio::{load, write_wav};
use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::export::{self, Page};
use genre_recognizer::model::{FORMAT, ModelCard, Network, Provenance};
use genre_recognizer::recognize::{Classify, Explainer, FrameClassifier, Verdict};
use genre_recognizer::rng::Rng;
use genre_recognizer::{
    Aggregation, Architecture, AudioSpec, Branch, Convolution, Decision, Features, Labels, Model,
    ModelConfig, Musicnn, Normalise,
};
use serde::Deserialize;
use tempfile::{TempDir, tempdir};

use super::chromium::Chromium;
use crate::audio::ffmpeg;

const RATE: u32 = 8_000;
const GENRES: [&str; 4] = ["blues", "jazz \"cool\"", "</script>", "rock"];

/// A small network with random weights, which tells frames apart all the same.
fn model(config: ModelConfig, aggregation: Aggregation, seed: u64) -> Model {
    let mut weights = Network::new(config.clone(), GENRES.len()).unwrap().initialise(seed).unwrap();
    let mut rng = Rng::new(seed);
    // About what the features of music are: the first norm makes numbers of size 1 of them.
    let (mean, variance) = match config.features {
        Features::LogMel => (-4.0, 9.0),
        Features::CompressedMel => (1.5, 1.0),
        Features::MelDecibel | Features::Decibel => (-40.0, 300.0),
        Features::Power => (5.0, 400.0),
    };
    for (name, tensor) in &mut weights.0 {
        // [2, C]: means, then variances.
        let means = tensor.data.len() / 2;
        for (i, value) in tensor.data.iter_mut().enumerate() {
            match name.rsplit('.').next() {
                Some("running") if name.starts_with("features") => {
                    *value = if i < means { mean } else { variance }
                }
                Some("running") => *value = if i < means { 0.3 * rng.normal() } else { rng.range(0.5, 2.0) },
                Some("scale_shift") => *value += 0.2 * rng.normal(),
                Some("bias") => *value = 0.3 * rng.normal(),
                _ => {}
            }
        }
    }
    let card = ModelCard {
        format: FORMAT,
        genres: GENRES.map(String::from).to_vec(),
        config,
        provenance: Provenance::default(),
        decision: Decision { aggregation, temperature: 1.3, unsure_below: Some(0.4) },
        cross_validation: None,
    };
    Model { card, weights }
}

/// Both architectures, every kind of features, one and two channels, every level, rule and framing, every convolution, with
/// and without stem.
fn models() -> Vec<(&'static str, Model)> {
    let tiny = ModelConfig {
        sample_rate: RATE,
        frame_seconds: 0.25,
        n_fft: 128,
        hop: 64,
        mels: 16,
        high: 4_000.0,
        filters: vec![4, 8],
        dense: vec![16],
        ..ModelConfig::default()
    };
    let branch = |filters, length| Branch { filters, length };
    let musicnn = Architecture::Musicnn(Musicnn {
        timbral: vec![branch(6, 7), branch(4, 12)],
        timbral_width: 3,
        temporal: vec![branch(3, 16), branch(3, 9)],
        middle: vec![6, 6],
        middle_width: 3,
    });
    let log_mel = tiny.clone();
    let mel_decibel = ModelConfig {
        features: Features::MelDecibel,
        channels: 2,
        convolution: Convolution::Separable,
        normalise: Normalise::Rms,
        ..tiny.clone()
    };
    let power = ModelConfig {
        features: Features::Power,
        stem: false,
        normalise: Normalise::None,
        drop_below: Some(-50.0),
        centred: false,
        ..tiny.clone()
    };
    let decibel = ModelConfig {
        features: Features::Decibel,
        channels: 2,
        stem: false,
        frame_step: Some(0.1),
        addition_last: true,
        pool_rest: false,
        ..tiny.clone()
    };
    let tags = ModelConfig {
        features: Features::CompressedMel,
        architecture: musicnn.clone(),
        labels: Labels::Tags,
        ..tiny.clone()
    };
    // Songs shorter than its frames are repeated.
    let long = ModelConfig {
        architecture: musicnn,
        channels: 2,
        frame_seconds: 2.0,
        convolution: Convolution::Separable,
        ..tiny
    };
    vec![
        ("log-mel", model(log_mel, Aggregation::MeanLogProbability, 1)),
        ("mel-decibel, stereo, separable", model(mel_decibel, Aggregation::MeanProbability, 2)),
        ("power, no stem", model(power, Aggregation::MeanLogProbability, 3)),
        ("decibel, stereo, no stem", model(decibel, Aggregation::Vote, 4)),
        ("musicnn, compressed-mel, tags", model(tags, Aggregation::Independent, 5)),
        ("musicnn, log-mel, stereo", model(long, Aggregation::MeanLogProbability, 6)),
    ]
}

/// Songs at the networks' rate: one channel; two, of which one mirrors the other for a while, with a silence; one of a moment.
fn songs(folder: &Path) -> Vec<PathBuf> {
    let mut rng = Rng::new(9);
    let mut sound = |seconds: f32| -> Vec<f32> {
        let mut phase = 0.0f32;
        let count = (seconds * RATE as f32) as usize;
        (0..count)
            .map(|i| {
                // Every quarter second another tone, in more and less noise.
                let part = i / (RATE as usize / 4);
                phase += 0.05 + 0.11 * ((part * 7) % 11) as f32 / 11.0 * std::f32::consts::PI;
                0.3 * phase.sin() + 0.04 * (0.3 + (part % 5) as f32) * rng.normal().clamp(-2.0, 2.0)
            })
            .collect()
    };
    let (one, mut left, short) = (sound(4.3), sound(5.1), sound(1.21));
    left[16_000..20_000].fill(0.0);
    let right: Vec<f32> = left
        .iter()
        .zip(&one)
        .enumerate()
        .map(|(i, (l, r))| if i < 24_000 { -l } else { 0.5 * (l + r) })
        .collect();
    let put = |name: &str, channels: &[&[f32]]| {
        let path = folder.join(name);
        write_wav(&path, RATE, channels).unwrap();
        path
    };
    let both = [&left[..right.len()], &right[..]];
    vec![put("one.wav", &[&one]), put("two, \"mirrored\".wav", &both), put("short.wav", &[&short])]
}

/// A song as the page has it.
#[derive(Deserialize)]
struct Heard {
    path: String,
    state: String,
    error: Option<String>,
    /// Beginning and probabilities.
    frames: Option<Vec<(f64, Vec<f32>)>>,
    guesses: Option<Vec<(usize, f32)>>,
    unsure: Option<bool>,
    seconds: Option<f64>,
    took: Option<f64>,
}

const HEARD: &str = "songs.map(({ path, state, error, frames, verdict, seconds, took }) => ({ path, state, error, seconds, took, \
    frames: frames?.map(({ start, probabilities }) => [start, [...probabilities]]), \
    guesses: verdict?.guesses.map(({ genre, probability }) => [genre, probability]), unsure: verdict?.unsure }))";

/// Waits until the page has heard every song, and what it has then.
fn heard(browser: &mut Chromium) -> Vec<Heard> {
    browser.evaluate(
        "(async () => { while (working || songs.some(({ state }) => state === 'waiting')) \
         await new Promise((done) => setTimeout(done, 20)); })()",
    );
    serde_json::from_value(browser.evaluate(HEARD)).unwrap()
}

fn write_page(folder: &TempDir, model: &Model, page: Page) -> PathBuf {
    let path = folder.path().join("page.html");
    fs::write(&path, export::html(model, page).unwrap()).unwrap();
    path
}

/// The largest difference between the page's frames of a song and those of the CPU device.
fn compare(what: &str, model: &Model, path: &Path, heard: &Heard) -> f32 {
    let config = &model.card.config;
    let song = load(path, &config.audio(), config.shortest_song()).unwrap();
    let frames = FrameClassifier::of_model(model, &Cpu).unwrap().frames(&[&song]).unwrap().swap_remove(0);
    let what = format!("{what}: {}", heard.path);
    assert_eq!((heard.state.as_str(), &heard.error), ("done", &None), "{what}");
    let page = heard.frames.as_ref().unwrap();
    let rate = f64::from(config.sample_rate);
    let starts: Vec<f64> = frames.iter().map(|frame| frame.start as f64 / rate).collect();
    assert_eq!(page.iter().map(|(start, _)| *start).collect::<Vec<_>>(), starts, "{what}");
    let mut most = 0f32;
    for (frame, (_, row)) in frames.iter().zip(page) {
        assert_eq!(row.len(), frame.probabilities.len(), "{what}");
        for (a, b) in frame.probabilities.iter().zip(row) {
            most = most.max((a - b).abs());
        }
    }
    assert!(most <= 1e-4, "{what}: probabilities differ by {most:e}");
    let verdict = Verdict::new(&frames, &model.card.genres, &model.card.decision, config.sample_rate);
    let guesses = heard.guesses.as_ref().unwrap();
    for (guess, (genre, probability)) in verdict.guesses.iter().zip(guesses) {
        assert_eq!(guess.genre, model.card.genres[*genre], "{what}");
        assert!((guess.probability - probability).abs() <= 1e-4, "{what}: {} is {probability}", guess.genre);
    }
    assert_eq!(heard.unsure, Some(verdict.unsure), "{what}");
    most
}

/// By how much frames differ from each other, which must be more than what the comparison lets pass.
fn spread(heard: &[Heard]) -> f32 {
    let frames: Vec<&Vec<f32>> = heard.iter().flat_map(|h| h.frames.iter().flatten()).map(|f| &f.1).collect();
    let of = |g: usize| {
        let values = frames.iter().map(|row| row[g]);
        values.clone().fold(0.0, f32::max) - values.fold(1.0, f32::min)
    };
    (0..GENRES.len()).map(of).fold(0.0, f32::max)
}

#[test]
fn every_network_computes_in_a_browser_what_it_computes_here() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempdir().unwrap();
    let songs = songs(folder.path());
    let files: Vec<&Path> = songs.iter().map(PathBuf::as_path).collect();
    for (what, model) in models() {
        let page = write_page(&folder, &model, Page { explanation: true });
        browser.open(&page, "");
        browser.choose("#files", &files);
        let heard = heard(&mut browser);
        assert_eq!(heard.len(), songs.len(), "{what}");
        let most = heard
            .iter()
            .zip(&songs)
            .map(|(heard, path)| compare(what, &model, path, heard))
            .fold(0.0, f32::max);
        let spread = spread(&heard);
        assert!(spread > 0.01, "{what}: frames differ by {spread} only");
        explained(what, &mut browser, &model, &songs[0]);
        println!("{what}: probabilities within {most:e}, which range over {spread:.2}");
    }
}

/// The page's gradients of a song's genre are the CPU device's. (Of silence they would not be: all of it is alike, and which of
/// equals is a maximum, rounding decides.)
fn explained(what: &str, browser: &mut Chromium, model: &Model, path: &Path) {
    let config = &model.card.config;
    let song = load(path, &config.audio(), config.shortest_song()).unwrap();
    let network = model.network().unwrap();
    let genre = 2;
    let mut expected: Vec<Vec<f32>> = Vec::new();
    let mut explainer = Explainer::new(&network, &model.weights, &Cpu, 3).unwrap();
    explainer.explain(&song, genre, &mut |frame| expected.push(frame.gradient.to_vec())).unwrap();
    let gradients = browser.evaluate(&format!(
        "(async () => {{ const heard = await Song.from(await decode(songs[0].file, {RATE}), model); const all = []; \
         await recogniser.explain(heard, {genre}, (start, image) => image && all.push([...image])); return all; }})()",
    ));
    let gradients: Vec<Vec<f32>> = serde_json::from_value(gradients).unwrap();
    assert_eq!(gradients.len(), expected.len(), "{what}");
    let largest = expected.iter().flatten().fold(0f32, |most, value| most.max(value.abs()));
    let pairs = expected.iter().flatten().zip(gradients.iter().flatten());
    let differs = pairs.fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(largest > 0.0 && differs <= 2e-3 * largest, "{what}: gradients differ by {differs} of {largest}");
    // And its button draws them.
    let drawn = browser.evaluate(
        "(async () => { select(songs[0]); document.getElementById('explain').click(); \
         while (!songs[0].gradient) await new Promise((done) => setTimeout(done, 20)); \
         return [document.querySelectorAll('#strip canvas').length, document.getElementById('explain').hidden]; })()",
    );
    assert_eq!(drawn, serde_json::json!([2, true]), "{what}");
}

/// Songs of the demo set by the model that comes with the program: WAV at its rate and at another, MP3 and Ogg.
#[test]
fn the_included_model_recognises_songs_in_a_browser() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempdir().unwrap();
    let set = genre_recognizer::demo::Spec { songs_per_genre: 1, seconds: (3.0, 3.2), seed: 1 };
    genre_recognizer::demo::render_with(&set, &folder.path().join("music"), |_, _| {}).unwrap();
    let model = Model::load(Path::new(Model::INCLUDED)).unwrap();
    let spec = AudioSpec { normalise: Normalise::None, ..model.card.config.audio() };
    let rendered =
        ["techno", "house"].map(|genre| folder.path().join(format!("music/{genre}/{genre}-00.wav")));
    let samples = load(&rendered[0], &spec, 0.0).unwrap().samples().unwrap();
    let at_rate = folder.path().join("at-rate.wav");
    write_wav(&at_rate, spec.sample_rate, &samples.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    // The other one at its own rate.
    let wavs = [at_rate, rendered[1].clone()];
    let mut files = wavs.to_vec();
    if ffmpeg::is_here("songs in a browser as MP3 and Ogg") {
        for (wav, kind) in rendered.iter().zip(["mp3", "ogg"]) {
            let song = wav.with_extension(kind);
            ffmpeg::run("", wav, "-b:a 192k", &song).unwrap();
            files.push(song);
        }
    }
    let page = write_page(&folder, &model, Page::default());
    assert!(fs::metadata(&page).unwrap().len() < 3_000_000);
    browser.open(&page, "");
    browser.choose("#files", &files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let heard = heard(&mut browser);
    for (wav, heard) in wavs.iter().zip(&heard) {
        let most = compare("included", &model, wav, heard);
        let (seconds, took) = (heard.seconds.unwrap(), heard.took.unwrap());
        println!("{}: within {most:e}, {:.2} s per second", heard.path, took / seconds);
    }
    let best = |heard: &Heard| heard.guesses.as_ref().map(|guesses| guesses[0].0);
    for (wav, other) in heard.iter().zip(&heard[2..]) {
        assert_eq!(best(other), best(wav), "{}: {:?}", other.path, other.error);
    }
}

#[test]
fn the_page_tells_what_is_wrong_and_goes_on() {
    let Some(mut browser) = Chromium::start() else { return };
    let folder = tempdir().unwrap();
    let good = songs(folder.path());
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let wav = fs::read(&good[0]).unwrap();
    let silence = folder.path().join("silence.wav");
    write_wav(&silence, RATE, &[&vec![0.0; 16_000]]).unwrap();
    let moment = folder.path().join("moment.wav");
    write_wav(&moment, RATE, &[&vec![0.5; 100]]).unwrap();
    let mut broken = wav.clone();
    broken[..40].fill(0x5A);
    let bad = [
        (put("empty.mp3", b""), "it is empty"),
        (put("text.mp3", b"this is no song"), "cannot decode it"),
        (put("broken.wav", &broken), "cannot decode it"),
        (silence, "it is silent"),
        (moment, "it is too short: 0.01 s, and at least 0.25 s"),
    ];
    let (_, model) = models().swap_remove(0);
    let page = write_page(&folder, &model, Page::default());
    browser.open(&page, "");
    // Twenty songs, good ones between bad ones.
    let mut files: Vec<&Path> = Vec::new();
    for i in 0..4 {
        files.extend(bad.iter().map(|(path, _)| path.as_path()).skip(i).take(2));
        files.extend(good.iter().map(PathBuf::as_path));
    }
    assert_eq!(files.len(), 20);
    browser.choose("#files", &files);
    let all = heard(&mut browser);
    assert_eq!(all.len(), 20);
    for (song, path) in all.iter().zip(&files) {
        match bad.iter().find(|(bad, _)| bad == path) {
            Some((_, words)) => {
                let error = song.error.as_deref().unwrap_or_default();
                assert!(song.state == "failed" && error.contains(words), "{}: {error}", song.path);
            }
            None => drop(compare("beside bad ones", &model, path, song)),
        }
    }
    let told = browser.evaluate(
        "[document.getElementById('status').textContent, document.querySelectorAll('.failed').length]",
    );
    assert_eq!(told, serde_json::json!(["12 songs recognised, 8 could not be", 8]));
    // What is saved has a row a song, and names that need quotes have them.
    let saved = browser.evaluate("songsCsv()");
    let mut csv = csv::Reader::from_reader(saved.as_str().unwrap().as_bytes());
    assert_eq!(csv.headers().unwrap().iter().next_back(), Some("unsure"));
    let names: Vec<String> = csv.records().map(|row| row.unwrap()[0].to_string()).collect();
    assert_eq!(names[..2], ["one.wav", "two, \"mirrored\".wav"]);
    assert_eq!(names.len(), 12);

    // The GPU goes away in the middle of a song, which is heard again.
    browser.evaluate("clear()");
    browser.evaluate(
        "{ const run = Program.prototype.run; let runs = 0; Program.prototype.run = function () { \
         if (++runs === 2) this.device.destroy(); return run.call(this); }; }",
    );
    browser.choose("#files", &[&good[0], &good[1]]);
    let all = heard(&mut browser);
    for (song, path) in all.iter().zip(&good) {
        compare("after the GPU was lost", &model, path, song);
    }
    let notice = browser.evaluate("document.getElementById('notice').textContent");
    assert!(notice.as_str().unwrap().contains("The GPU was lost"), "{notice}");

    // Without WebGPU, without an adapter, and on a page that came over http.
    for (before, words) in [
        ("delete Navigator.prototype.gpu", "This browser has no WebGPU"),
        ("navigator.gpu.requestAdapter = async () => null", "offers no GPU to it"),
        (
            "delete Navigator.prototype.gpu; Object.defineProperty(window, 'isSecureContext', { value: false })",
            "only to pages that were opened from a file or come over https",
        ),
    ] {
        browser.open(&page, before);
        browser.choose("#files", &[&good[0]]);
        let song = heard(&mut browser).swap_remove(0);
        assert_eq!(song.state, "failed", "{before}");
        let notice = browser.evaluate(
            "[document.getElementById('notice').hidden, document.getElementById('notice').textContent]",
        );
        assert_eq!(notice[0], false, "{before}");
        assert!(notice[1].as_str().unwrap().contains(words), "{before}: {notice}");
    }
}

#[test]
fn pages_need_nothing_else_and_shaders_nothing_that_webgpu_lacks() {
    for (what, model) in models() {
        let page = export::html(&model, Page { explanation: true }).unwrap();
        let page = page.replace("http://www.w3.org/2000/svg", "");
        // One document: no address, and names that look like markup stay text.
        for foreign in ["http://", "https://", "src=", "import(", "fetch("] {
            assert!(!page.contains(foreign), "{what}: {foreign}");
        }
        let json = page.split("<script id=\"model\" type=\"application/json\">").nth(1).unwrap();
        let json: serde_json::Value = serde_json::from_str(json.split("</script>").next().unwrap()).unwrap();
        assert_eq!(json["genres"], serde_json::json!(GENRES), "{what}");
        for (name, source) in json["modules"].as_object().unwrap() {
            let source = source.as_str().unwrap();
            assert!(!source.contains("enable ") && !source.contains("subgroup"), "{what}: {name}");
        }
        for program in ["recognise", "explain"] {
            let code = &json[program];
            assert!(code["batch"].as_u64().unwrap() > 0, "{what}");
            for pipeline in code["pipelines"].as_array().unwrap() {
                assert!(pipeline["access"].as_str().unwrap().len() <= 8, "{what}: {pipeline}");
                assert!(
                    pipeline["constants"].as_object().unwrap().values().all(serde_json::Value::is_number)
                );
            }
            for step in code["steps"].as_array().unwrap() {
                for range in step["bindings"].as_array().into_iter().flatten() {
                    assert!(range[1].as_u64().unwrap() % 64 == 0, "{what}: {step}");
                    assert!(range[2].as_u64().unwrap() <= 32 << 20, "{what}: {step}");
                }
                let groups = step["workgroups"].as_array().into_iter().flatten();
                assert!(groups.map(|count| count.as_u64().unwrap()).all(|count| count <= 65_535), "{what}");
            }
        }
    }
}

#[test]
fn a_frame_that_is_too_large_is_refused() {
    let with = |filters| {
        let config = ModelConfig {
            filters: vec![filters],
            stem: false,
            kernel: 1,
            convolutions: 1,
            dense: vec![],
            ..ModelConfig::default()
        };
        model(config, Aggregation::Vote, 1)
    };
    // 2048 planes of 128 × 87 numbers take 91 MB, twice as many more than the 128 MiB that may be bound.
    assert!(export::html(&with(2048), Page::default()).is_ok());
    let error = export::html(&with(4096), Page::default()).unwrap_err().to_string();
    assert!(error.contains("every browser's WebGPU promises"), "{error}");
}
