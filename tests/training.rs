//! The training loop on tiny networks: it learns, repeats itself to the byte, stops and goes on, and refuses what is
//! damaged or foreign.

use crate::common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use genre_recognizer::audio::Song;
use genre_recognizer::dataset::{Augmentation, Batch, BatchPlan, Batches, Dataset, Entry, Library, split};
use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::device::{Device, DeviceError, LoadOptions, Precision};
use genre_recognizer::model::{
    Architecture, Branch, Convolution, CrossValidation, Features, FileError, Labels, Model, ModelConfig,
    Musicnn, Network, OptimizerKind,
};
use genre_recognizer::ops::mel::MelScale;
use genre_recognizer::plan::plan;
use genre_recognizer::ranks::Ranks;
use genre_recognizer::recognize::argmax;
use genre_recognizer::rng::Rng;
use genre_recognizer::score::{Decision, Epoch};
use genre_recognizer::train::{
    Balance, Checkpoint, Diagnosis, Ending, History, Keep, LossScale, Plateau, RunConfig, RunFolder,
    ScheduleKind, TrainError, TrainOptions, Training, TrainingEvent, TrainingOutcome,
};
use tempfile::{TempDir, tempdir};

const RATE: u32 = 8_000;
const GENRES: [&str; 3] = ["clicks", "noise", "tone"];

pub fn tiny() -> RunConfig {
    RunConfig {
        model: ModelConfig {
            sample_rate: RATE,
            frame_seconds: 0.25,
            n_fft: 128,
            hop: 64,
            mels: 16,
            high: 4_000.0,
            filters: vec![4, 8],
            dense: vec![16],
            ..ModelConfig::default()
        },
        training: TrainOptions {
            epochs: 3,
            batch: 6,
            frames_per_song: 2,
            validation: 0.25,
            augmentation: Augmentation::NONE,
            ..TrainOptions::default()
        },
        ..RunConfig::default()
    }
}

/// Makes a network one of musicnn's architecture, with its features.
pub fn musicnn(model: &mut ModelConfig) {
    let branches = |lengths: &[usize]| lengths.iter().map(|&length| Branch { filters: 3, length }).collect();
    model.architecture = Architecture::Musicnn(Musicnn {
        timbral: branches(&[6, 11]),
        timbral_width: 7,
        temporal: branches(&[8, 5, 4]),
        middle: vec![4; 3],
        middle_width: 3,
    });
    (model.features, model.mel_scale, model.low) = (Features::CompressedMel, MelScale::Slaney, 0.0);
    (model.centred, model.epsilon, model.slope) = (false, 1e-3, 0.0);
    model.frame_step = Some(0.2);
}

/// Songs of each genre.
const SONGS: usize = 4;

/// [`SONGS`] songs of each genre, 1.0 to 1.4 s.
pub fn library(config: &ModelConfig) -> Arc<Library> {
    let mut songs = Vec::new();
    let mut entries = Vec::new();
    for (genre, name) in GENRES.iter().enumerate() {
        for i in 0..SONGS as u64 {
            let mut rng = Rng::new(7).split_str(name).split(i);
            let (frequency, every) = (rng.range(200.0, 3_000.0), 300 + rng.below(500));
            let channel = |rng: &mut Rng| -> Vec<f32> {
                let sample = |n: usize| match genre {
                    0 => f32::from(u8::from(n.is_multiple_of(every))) + 0.01 * rng.normal(),
                    1 => 0.2 * rng.normal(),
                    _ => {
                        (n as f32 * frequency / RATE as f32 * std::f32::consts::TAU).sin()
                            + 0.01 * rng.normal()
                    }
                };
                (0..8_000 + 1_000 * i as usize).map(sample).collect()
            };
            let channels: Vec<_> = (0..config.channels).map(|_| channel(&mut rng)).collect();
            songs.push(Song::from_samples(&channels, RATE));
            let name = format!("{name}/{i}.wav");
            entries.push(Entry {
                path: Path::new("made up").join(&name),
                name,
                genre,
                artists: Vec::new(),
                fold: None,
                content: None,
                tags: Vec::new(),
            });
        }
    }
    let dataset = Dataset {
        root: "made up".into(),
        genres: GENRES.map(String::from).to_vec(),
        songs: entries,
        ..Dataset::default()
    };
    Arc::new(Library { dataset, songs, spec: config.audio(), problems: Vec::new() })
}

pub fn setup(config: &RunConfig, run: &Path, resume: Option<Checkpoint>) -> Training {
    let library = library(&config.model);
    let split = split(&library.dataset, config.training.validation, config.training.seed).unwrap();
    let run = RunFolder(run.to_owned());
    Training {
        claim: None,
        config: config.clone(),
        library,
        split,
        device: Arc::new(Cpu),
        run,
        resume,
        profile: false,
        checkpoint_every: Duration::MAX,
        cited: None,
        embeddings: None,
        embeddings_folder: None,
        ranks: Ranks::alone(),
        cache: None,
    }
}

/// Trains until the end, or until so many steps were taken in this session.
pub fn run(setup: Training, steps: usize) -> Result<TrainingOutcome, TrainError> {
    let stop = AtomicBool::new(steps == 0);
    let mut taken = 0;
    let mut observe = |event: TrainingEvent<'_>| {
        taken += usize::from(matches!(event, TrainingEvent::Step { .. }));
        stop.store(taken >= steps, Ordering::Relaxed);
    };
    setup.run(&mut observe, &stop)
}

pub fn whole_run(config: &RunConfig) -> (TempDir, TrainingOutcome) {
    let folder = tempdir().unwrap();
    let outcome = run(setup(config, folder.path(), None), usize::MAX).unwrap();
    assert_eq!(outcome.ending, Ending::Finished);
    (folder, outcome)
}

const FILES: [&str; 4] = ["config.toml", "history.csv", "best.safetensors", "checkpoint.safetensors"];

pub fn assert_same_files(a: &Path, b: &Path, what: &str) {
    for file in FILES {
        let [a, b] = [a, b].map(|folder| fs::read(folder.join(file)).unwrap());
        assert!(a == b, "{file} differs: {what}");
    }
}

/// The losses of training on batches, and the accuracy in the last; the state at the end.
fn follow(
    device: &dyn Device,
    config: &RunConfig,
    batches: &[Batch],
    fuse: bool,
) -> (Vec<f32>, f64, Vec<f32>) {
    let network = Network::new(config.model.clone(), GENRES.len()).unwrap();
    let options = config.training.graph();
    let training = network.training(&options).unwrap();
    let program = plan(&training.graph, &training.request(fuse), device).unwrap();
    let mut loaded = device.load(Arc::new(program), LoadOptions::default()).unwrap();
    let weights = network.initialise(config.training.seed).unwrap();
    let (flat, running) = weights.scatter(&training.layout, &training.running).unwrap();
    let mut state = vec![0.0; options.optimizer.rows() * flat.len()];
    state[..flat.len()].copy_from_slice(&flat);
    loaded.write(training.state, &state).unwrap();
    for (r, data) in training.running.iter().zip(&running) {
        loaded.write(r.node, data).unwrap();
    }
    let scale = if device.precision() == Precision::Mixed { LossScale::FIRST } else { 1.0 };
    loaded.write(training.loss_gradient, &[scale]).unwrap();
    loaded.write(training.class_weights, &[1.0; GENRES.len()]).unwrap();
    let per_epoch = batch_plan(config).batches_per_epoch(SONGS * GENRES.len());
    let rates = config.training.rates((config.training.epochs * per_epoch) as u64);
    let mut losses = Vec::new();
    let mut accuracy = 0.0;
    for (step, batch) in batches.iter().enumerate() {
        loaded.write(training.audio, &batch.audio).unwrap();
        loaded.write(training.labels, &batch.labels).unwrap();
        let schedule =
            options.optimizer.schedule(rates.rate(step as u64, &History::default()), step as u64 + 1, scale);
        loaded.write(training.schedule, &schedule).unwrap();
        if let Some(counter) = training.counter {
            loaded.write(counter, &[config.training.seed as f32, step as f32]).unwrap();
        }
        loaded.run().unwrap();
        let outputs = loaded.outputs().unwrap();
        losses.push(outputs[0][0]);
        let rows = outputs[1].chunks_exact(GENRES.len()).zip(batch.labels.chunks_exact(GENRES.len()));
        let right = rows.filter(|(logits, label)| argmax(logits) == argmax(label)).count();
        accuracy = right as f64 / config.training.batch as f64;
    }
    (losses, accuracy, loaded.read(training.state).unwrap())
}

fn batch_plan(config: &RunConfig) -> BatchPlan {
    let TrainOptions { batch, frames_per_song, seed, .. } = config.training;
    BatchPlan::new(batch, config.model.framing(), frames_per_song, seed)
}

fn batches(config: &RunConfig, steps: usize) -> Vec<Batch> {
    let plan = batch_plan(config);
    let library = library(&config.model);
    let songs = (0..library.songs.len()).collect();
    Batches::start(library, songs, plan, 0, 0).unwrap().take(steps).map(Result::unwrap).collect()
}

#[test]
fn one_batch_is_overfitted() {
    let mut config = tiny();
    config.model.filters = vec![8, 16];
    config.model.dropout = 0.0;
    config.training = TrainOptions {
        batch: 12,
        learning_rate: 0.01,
        schedule: ScheduleKind::Constant,
        label_smoothing: 0.0,
        ..config.training
    };
    // Tones whose labels do not follow from their pitch, so that they have to be learnt by heart.
    let length = config.model.frame_length();
    let mut batch = Batch::default();
    for i in 0..config.training.batch {
        let radians = (150.0 + 300.0 * i as f32) / RATE as f32 * std::f32::consts::TAU;
        batch.audio.extend((0..length).map(|n| (radians * n as f32).sin()));
        let label = [0, 2, 1, 1, 0, 2, 2, 1, 0, 2, 0, 1][i];
        batch.labels.extend((0..GENRES.len()).map(|genre| f32::from(u8::from(genre == label))));
    }
    let (losses, accuracy, _) = follow(&Cpu, &config, &vec![batch; 120], true);
    assert!(accuracy >= 0.99, "accuracy {accuracy}, losses {losses:?}");
    assert!(losses[119] < 0.05, "losses {losses:?}");
}

#[test]
fn training_learns_and_repeats_itself() {
    let mut config = tiny();
    config.training.epochs = 12;
    let (a, outcome) = whole_run(&config);
    let (b, _) = whole_run(&config);
    assert_same_files(a.path(), b.path(), "same settings");
    let metrics = outcome.metrics.unwrap();
    let validation = metrics.validation.as_ref().unwrap();
    assert!(validation.song_accuracy >= 0.99, "{metrics:?}");
    assert_eq!((validation.songs, metrics.epochs), (3, 12));
    assert_eq!(validation.recognised.len(), 3);

    // The files say what the run was.
    let read = RunConfig::read(&a.path().join("config.toml")).unwrap();
    assert_eq!(read, config);
    let mut history = csv::Reader::from_path(a.path().join("history.csv")).unwrap();
    assert_eq!(history.headers().unwrap().iter().next(), Some("epoch"));
    assert_eq!(history.records().count(), 12);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(a.path().join("metrics.json")).unwrap()).unwrap();
    assert_eq!(json["validation"]["songs"], 3);
    assert_eq!(json["validation"]["song_accuracy"], validation.song_accuracy);
    assert_eq!(json["validation"]["per_genre"][2]["genre"], "tone");
    assert_eq!(json["validation"]["calibration"]["bins"].as_array().map(Vec::is_empty), Some(false));
    assert!(
        json["validation"].get("songs_judged").is_none() && json["validation"]["frame_confusion"].is_array()
    );
    let model = Model::load(&outcome.best).unwrap();
    assert_eq!(model.card.genres, GENRES);
    assert_eq!(model.card.provenance.epochs, metrics.best_epoch);
    // Three songs are too few to fit a temperature to.
    assert_eq!((model.card.decision, validation.decision), (Decision::default(), Decision::default()));

    config.training.seed = 2;
    let (c, _) = whole_run(&config);
    assert!(fs::read(a.path().join(FILES[2])).unwrap() != fs::read(c.path().join(FILES[2])).unwrap());
}

#[test]
fn stopping_and_going_on_changes_nothing() {
    let config = tiny();
    let (whole, _) = whole_run(&config);
    // Three steps an epoch: before the first, within an epoch, at its end, before the last step.
    for stop in [0, 1, 3, 5, 8] {
        let folder = tempdir().unwrap();
        let outcome = run(setup(&config, folder.path(), None), stop).unwrap();
        assert_eq!(outcome.ending, Ending::Stopped);
        assert!(outcome.metrics.is_none() && !folder.path().join("metrics.json").exists());
        let checkpoint = Checkpoint::load(&folder.path().join("checkpoint.safetensors")).unwrap();
        assert_eq!(checkpoint.progress.step, stop as u64);
        let outcome = run(setup(&config, folder.path(), Some(checkpoint)), usize::MAX).unwrap();
        assert_eq!(outcome.ending, Ending::Finished);
        assert_same_files(whole.path(), folder.path(), &format!("stopped at step {stop}"));
    }
    // A step at a time.
    let folder = tempdir().unwrap();
    let mut ending = run(setup(&config, folder.path(), None), 1).unwrap().ending;
    let mut sessions = 1;
    while ending == Ending::Stopped {
        let checkpoint = Checkpoint::load(&folder.path().join("checkpoint.safetensors")).unwrap();
        ending = run(setup(&config, folder.path(), Some(checkpoint)), 1).unwrap().ending;
        sessions += 1;
    }
    assert_eq!(sessions, 9);
    assert_same_files(whole.path(), folder.path(), "stopped at every step");
}

#[test]
fn a_run_is_not_overwritten() {
    let config = tiny();
    let (folder, _) = whole_run(&config);
    for file in FILES {
        let other = tempdir().unwrap();
        fs::copy(folder.path().join(file), other.path().join(file)).unwrap();
        let error = run(setup(&config, other.path(), None), usize::MAX).err();
        assert!(matches!(error, Some(TrainError::Occupied(_))), "{file}: {error:?}");
    }
    let runs = tempdir().unwrap();
    let names = [(); 3].map(|()| RunFolder::next(runs.path(), "music").unwrap().0);
    assert_eq!(names, ["music-1", "music-2", "music-3"].map(|name| runs.path().join(name)));
}

/// Every file that `bytes` cut off somewhere makes, and copies with one bit changed: all over the header, here and there in
/// the values.
fn damage(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let within = (0..header).step_by(header / 40).chain((header..bytes.len()).step_by(bytes.len() / 20));
    let cut =
        within.chain([1, 7, 8, 9, header - 1, header + 1, bytes.len() - 1]).map(|n| bytes[..n].to_vec());
    let values = (header..bytes.len()).step_by(bytes.len() / 100);
    let changed = (0..header).step_by(5).chain(values).flat_map(|i| {
        [0x01, 0x04, 0x80].map(|bit| {
            let mut bytes = bytes.to_vec();
            bytes[i] ^= bit;
            bytes
        })
    });
    (cut.collect(), changed.collect())
}

#[test]
fn damaged_models_are_refused() {
    let (folder, outcome) = whole_run(&tiny());
    let bytes = fs::read(&outcome.best).unwrap();
    let (cut, changed) = damage(&bytes);
    let path = folder.path().join("damaged.safetensors");
    for bytes in cut {
        fs::write(&path, &bytes).unwrap();
        let error = Model::load(&path).expect_err("a truncated model was read");
        assert!(matches!(error, FileError::Damaged { .. }), "cut at {}: {error}", bytes.len());
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let model = Model::load(&outcome.best).unwrap();
    let mut read = 0;
    for (i, bytes) in changed.into_iter().enumerate() {
        fs::write(&path, &bytes).unwrap();
        // Only where the digest's own name is damaged there is none to check; what is read then is what was written.
        match Model::load(&path) {
            Ok(found) => {
                assert!(found == model, "change {i} was read");
                read += 1;
            }
            Err(FileError::Damaged { .. } | FileError::Format { .. }) => {}
            Err(error) => panic!("change {i}: {error}"),
        }
    }
    assert!(read <= 6, "{read}");
    // Checkpoint and model are not taken for each other.
    let checkpoint = folder.path().join("checkpoint.safetensors");
    assert!(matches!(Model::load(&checkpoint), Err(FileError::Damaged { .. })));
    assert!(matches!(Checkpoint::load(&outcome.best), Err(TrainError::File(FileError::Damaged { .. }))));
    assert!(matches!(Model::load(folder.path()), Err(FileError::Damaged { .. })));
    assert!(matches!(Model::load(&folder.path().join("none")), Err(FileError::Io { .. })));
}

#[test]
fn a_model_file_cannot_ask_for_much_memory() {
    let (folder, outcome) = whole_run(&tiny());
    let mut model = Model::load(&outcome.best).unwrap();
    // 32 blocks of 16 convolutions 31×31 from 4096 to 4096 channels: 10¹³ weights.
    model.card.config =
        ModelConfig { filters: vec![4096; 32], convolutions: 16, kernel: 31, ..model.card.config };
    let path = folder.path().join("huge.safetensors");
    model.save(&path).unwrap();
    let error = Model::load(&path).unwrap_err();
    assert!(error.to_string().contains("do not fit the network"), "{error}");
}

#[test]
fn damaged_checkpoints_are_refused() {
    let config = tiny();
    let folder = tempdir().unwrap();
    run(setup(&config, folder.path(), None), 8).unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let bytes = fs::read(&path).unwrap();
    let (cut, changed) = damage(&bytes);
    for bytes in cut {
        fs::write(&path, &bytes).unwrap();
        let error = Checkpoint::load(&path).expect_err("a truncated checkpoint was read");
        assert!(
            matches!(error, TrainError::File(FileError::Damaged { .. })),
            "cut at {}: {error}",
            bytes.len()
        );
    }
    let whole = {
        fs::write(&path, &bytes).unwrap();
        Checkpoint::load(&path).unwrap()
    };
    let mut read = 0;
    for (i, bytes) in changed.into_iter().enumerate() {
        fs::write(&path, &bytes).unwrap();
        match Checkpoint::load(&path) {
            Ok(found) => {
                assert!(found == whole, "change {i} was read");
                read += 1;
            }
            Err(TrainError::File(FileError::Damaged { .. } | FileError::Format { .. })) => {}
            Err(error) => panic!("change {i}: {error}"),
        }
    }
    assert!(read <= 6, "{read}");
    // A position that no training has.
    fs::write(&path, &bytes).unwrap();
    let good = Checkpoint::load(&path).unwrap();
    for change in [(3, 2), (2, 3), (2, 1), (usize::MAX, 2), (2, usize::MAX)] {
        let mut checkpoint = good.clone();
        (checkpoint.progress.epoch, checkpoint.progress.batch) = change;
        let error = run(setup(&config, folder.path(), Some(checkpoint)), 2).err();
        assert!(matches!(error, Some(TrainError::File(FileError::Damaged { .. }))), "{change:?}: {error:?}");
    }
}

#[test]
fn foreign_checkpoints_are_refused() {
    let config = tiny();
    let folder = tempdir().unwrap();
    run(setup(&config, folder.path(), None), 4).unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let before = fs::read(&path).unwrap();
    let refused = |setup: Training, wanted: &str| match run(setup, usize::MAX) {
        Err(TrainError::OtherCheckpoint { what, .. }) => assert_eq!(what, wanted),
        other => panic!("{wanted}: {:?}", other.err()),
    };
    let resume = |config: &RunConfig| setup(config, folder.path(), Some(Checkpoint::load(&path).unwrap()));

    let mut other = resume(&config);
    let mut renamed = (*other.library).clone();
    renamed.dataset.songs[0].name = "clicks/another.wav".into();
    other.library = Arc::new(renamed);
    refused(other, "dataset");
    let mut other = resume(&config);
    std::mem::swap(&mut other.split.train[0], &mut other.split.validation[0]);
    refused(other, "dataset");

    for model in [
        ModelConfig { filters: vec![4, 9], ..config.model.clone() },
        ModelConfig { convolution: Convolution::Separable, ..config.model.clone() },
    ] {
        refused(resume(&RunConfig { model, ..config.clone() }), "network");
    }
    let training = TrainOptions { optimizer: OptimizerKind::Sgd, ..config.training.clone() };
    refused(resume(&RunConfig { training, ..config.clone() }), "network");
    assert!(fs::read(&path).unwrap() == before, "a refused checkpoint stays as it is");
}

#[test]
fn fused_and_unfused_training_are_the_same() {
    let config = tiny();
    let batches = batches(&config, 12);
    let (fused, _, _) = follow(&Cpu, &config, &batches, true);
    let (plain, _, _) = follow(&Cpu, &config, &batches, false);
    for (step, (a, b)) in fused.iter().zip(&plain).enumerate() {
        assert!((a - b).abs() <= 1e-4 * b.abs(), "step {step}: {a} fused, {b} not");
    }
    assert!(fused[11] < fused[0]);
}

/// The losses of twenty steps on a GPU are those on the CPU, and the same again.
fn gpu_follows_cpu(model: ModelConfig) {
    let Some(gpu) = common::gpu() else { return };
    let mut config = RunConfig { model, ..tiny() };
    config.training.epochs = 200;
    let batches = batches(&config, 20);
    let (cpu, _, _) = follow(&Cpu, &config, &batches, true);
    let (first, _, state) = follow(gpu.as_ref(), &config, &batches, true);
    for (step, (a, b)) in first.iter().zip(&cpu).enumerate() {
        assert!((a - b).abs() <= 1e-3 * b.abs(), "step {step}: {a} on the GPU, {b} on the CPU");
    }
    let (second, _, again) = follow(gpu.as_ref(), &config, &batches, true);
    assert!(first == second && state == again, "two GPU runs differ");
}

/// The default network's shape and schedule, with fewer and smaller layers.
#[test]
fn the_gpu_follows_the_cpu() {
    gpu_follows_cpu(ModelConfig {
        n_fft: 256,
        hop: 64,
        mels: 32,
        filters: vec![4, 8, 16, 32],
        dense: vec![64],
        ..tiny().model
    });
}

#[test]
fn the_gpu_follows_the_cpu_in_musicnns_architecture() {
    let mut model = tiny().model;
    musicnn(&mut model);
    gpu_follows_cpu(model);
}

#[test]
fn every_kind_of_network_trains() {
    let base = tiny();
    let model = |change: &dyn Fn(&mut ModelConfig)| {
        let mut model = base.model.clone();
        change(&mut model);
        model
    };
    let kinds = [
        ("power", model(&|m| m.features = Features::Power)),
        ("decibel", model(&|m| m.features = Features::Decibel)),
        ("mel-decibel", model(&|m| m.features = Features::MelDecibel)),
        ("stereo", model(&|m| m.channels = 2)),
        ("stereo power", model(&|m| (m.channels, m.features) = (2, Features::Power))),
        ("separable", model(&|m| m.convolution = Convolution::Separable)),
        ("no stem", model(&|m| m.stem = false)),
        ("no dense layer", model(&|m| m.dense.clear())),
        ("no dropout", model(&|m| m.dropout = 0.0)),
        ("three dense layers", model(&|m| m.dense = vec![16, 8, 4])),
        ("no pooling", model(&|m| m.pool = 1)),
        ("pooling beyond a side", model(&|m| (m.pool, m.filters) = (3, vec![4; 5]))),
        ("one convolution 5×5", model(&|m| (m.convolutions, m.kernel) = (1, 5))),
        ("one filter", model(&|m| m.filters = vec![1])),
        ("ReLU", model(&|m| m.slope = 0.0)),
        ("pooling without the rest", model(&|m| m.pool_rest = false)),
        ("musicnn", model(&musicnn)),
        ("tags", model(&|m| m.labels = Labels::Tags)),
    ];
    for (kind, model) in kinds {
        let config = RunConfig { model, ..base.clone() };
        let (losses, _, state) = follow(&Cpu, &config, &batches(&config, 2), true);
        assert!(losses.iter().all(|loss| loss.is_finite()), "{kind}: {losses:?}");
        assert!(state.iter().all(|value| value.is_finite()), "{kind}");
    }
    for optimizer in [OptimizerKind::Adam, OptimizerKind::Sgd] {
        for schedule in [ScheduleKind::Cosine, ScheduleKind::Constant] {
            let training = TrainOptions { optimizer, schedule, clip: 0.0, ..base.training.clone() };
            let config = RunConfig { training, ..base.clone() };
            let (losses, _, _) = follow(&Cpu, &config, &batches(&config, 2), true);
            assert!(losses.iter().all(|loss| loss.is_finite()), "{optimizer:?} {schedule:?}: {losses:?}");
        }
    }
}

#[test]
fn what_is_not_finite_is_never_saved() {
    let mut config = tiny();
    config.training.learning_rate = 1e30;
    config.training.clip = 0.0;
    let folder = tempdir().unwrap();
    let error = run(setup(&config, folder.path(), None), usize::MAX).err().unwrap();
    let message = error.to_string();
    let TrainError::NotFinite { step, songs, found, moved, .. } = error else {
        panic!("a learning rate of 1e30 went unnoticed: {message}");
    };
    assert!(step >= 1 && !songs.is_empty() && songs.iter().all(|song| song.ends_with(".wav")), "{songs:?}");
    // The weights are finite, what they are multiplied with is not; and no later step has changed them.
    let Diagnosis::Result { name, op, .. } = &found else { panic!("{message}") };
    assert!(!moved && message.contains(&format!("step {step}: ")), "{message}");
    assert!(message.contains(&format!("{name} ({op}), ")) && message.contains(&songs[0]), "{message}");
    let path = folder.path().join("checkpoint.safetensors");
    assert_eq!(Checkpoint::load(&path).unwrap().progress.step, 0);
    assert!(!folder.path().join("best.safetensors").exists());

    // Weights that overflow in the very step that ends an epoch: its loss was still finite.
    config.training = TrainOptions {
        optimizer: OptimizerKind::Sgd,
        schedule: ScheduleKind::Constant,
        learning_rate: 3e38,
        weight_decay: 1e30,
        frames_per_song: 1,
        batch: 9,
        ..tiny().training
    };
    let folder = tempdir().unwrap();
    let error = run(setup(&config, folder.path(), None), usize::MAX).err();
    let Some(TrainError::Spoiled { step: 1, songs, found: Diagnosis::Weights { .. } }) = &error else {
        panic!("{error:?}");
    };
    assert!(!songs.is_empty(), "{songs:?}");
    let path = folder.path().join("checkpoint.safetensors");
    assert_eq!(Checkpoint::load(&path).unwrap().progress.step, 0);
    assert!(!folder.path().join("best.safetensors").exists());
}

/// Weights that make the next step overflow: it says where, and every file of the run stays as it was.
#[test]
fn a_step_that_is_not_finite_leaves_the_files() {
    let config = tiny();
    let folder = tempdir().unwrap();
    run(setup(&config, folder.path(), None), 5).unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut checkpoint = Checkpoint::load(&path).unwrap();
    let network = Network::new(config.model.clone(), GENRES.len()).unwrap();
    let layout = network.training(&config.training.graph()).unwrap().layout;
    let weight = layout.parameters.iter().find(|p| p.name == "block1.conv1.conv.weight").unwrap();
    checkpoint.state.data[weight.offset..][..weight.shape.elements()].fill(3e38);
    checkpoint.save(&path).unwrap();

    let files = || -> Vec<_> {
        let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    let before = files();
    assert!(before.len() >= 4);
    let error = run(setup(&config, folder.path(), Some(checkpoint)), usize::MAX).err().unwrap();
    let message = error.to_string();
    let TrainError::NotFinite { step: 6, found, moved: false, .. } = error else { panic!("{message}") };
    let Diagnosis::Result { name, op: "conv2d", .. } = found else { panic!("{message}") };
    assert_eq!(name, "block1.conv1.conv");
    assert!(before == files(), "a file changed");
}

#[test]
fn a_split_without_validation_is_refused() {
    let folder = tempdir().unwrap();
    let mut setup = setup(&tiny(), folder.path(), None);
    setup.split.train.append(&mut setup.split.validation);
    let error = run(setup, usize::MAX).err();
    assert!(matches!(error, Some(TrainError::NoValidationSongs)), "{error:?}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was begun");
}

#[test]
fn all_songs_can_be_trained_on() {
    let mut config = tiny();
    config.training.validation = 0.0;
    let folder = tempdir().unwrap();
    let outcome = run(setup(&config, folder.path(), None), usize::MAX).unwrap();
    let metrics = outcome.metrics.unwrap();
    assert!(metrics.validation.is_none() && metrics.best_epoch == 3);
    let card = Model::load(&outcome.best).unwrap().card;
    assert_eq!((card.provenance.training_songs, card.provenance.epochs), (12, 3));
    assert_eq!(card.provenance.song_accuracy, None);

    // It can say how networks like it did, and decide as was best for them.
    let figures =
        CrossValidation { folds: 3, seeds: 2, songs: 12, song_accuracy: 0.75, ..Default::default() };
    let decision = Decision { temperature: 0.6, ..Decision::default() };
    let folder = tempdir().unwrap();
    let setup = Training { cited: Some((figures, decision)), ..setup(&config, folder.path(), None) };
    let card = Model::load(&run(setup, usize::MAX).unwrap().best).unwrap().card;
    assert_eq!((card.cross_validation, card.decision), (Some(figures), decision));
}

#[test]
fn the_kept_model_is_the_best_or_the_last() {
    let number = |outcome: TrainingOutcome| outcome.metrics.unwrap().best_epoch;
    let config = |seed, keep| {
        let mut config = tiny();
        // Too fast to come down steadily.
        let schedule = ScheduleKind::Constant;
        config.training =
            TrainOptions { epochs: 6, learning_rate: 0.03, schedule, seed, keep, ..config.training };
        config
    };
    let earlier = (1..=8).find_map(|seed| {
        let (folder, outcome) = whole_run(&config(seed, Keep::Best));
        (number(outcome) < 6).then_some((seed, folder))
    });
    let (seed, best) = earlier.expect("of eight seeds one whose best epoch is not its last");
    let (last, outcome) = whole_run(&config(seed, Keep::Last));
    assert_eq!(number(outcome), 6);
    let model = |folder: &TempDir| Model::load(&folder.path().join("best.safetensors")).unwrap();
    assert_eq!(model(&last).card.provenance.epochs, 6);
    assert!(model(&best).weights != model(&last).weights);
    let history = |folder: &TempDir| fs::read(folder.path().join("history.csv")).unwrap();
    assert_eq!(history(&best), history(&last), "they were trained alike");
}

#[test]
fn patience_ends_a_training_and_a_plateau_lowers_its_rate() {
    let mut config = tiny();
    config.training = TrainOptions {
        epochs: 200,
        learning_rate: 1e-3,
        schedule: ScheduleKind::Plateau,
        plateau: Plateau { patience: 2, min_delta: 0.1, ..Plateau::default() },
        patience: 6,
        ..config.training
    };
    let (folder, outcome) = whole_run(&config);
    let mut table = csv::Reader::from_path(folder.path().join("history.csv")).unwrap();
    let epochs: Vec<Epoch> = table.deserialize().map(Result::unwrap).collect();
    assert!(epochs.len() < 200 && outcome.metrics.unwrap().epochs == epochs.len());
    let loss = |epoch: &Epoch| epoch.validation_loss.unwrap();
    let lowest = epochs.iter().map(loss).fold(f64::INFINITY, f64::min);
    assert_eq!(loss(&epochs[epochs.len() - 7]), lowest, "it ended six epochs after the lowest loss");
    assert!(epochs.last().unwrap().learning_rate < 1e-3);
    assert!(epochs.windows(2).all(|pair| {
        let ratio = pair[1].learning_rate / pair[0].learning_rate;
        ratio == 1.0 || ratio == 0.5
    }));

    // Stopped and gone on with, the rates and the end are the same.
    let stopped = tempdir().unwrap();
    run(setup(&config, stopped.path(), None), 10).unwrap();
    let checkpoint = Checkpoint::load(&stopped.path().join("checkpoint.safetensors")).unwrap();
    run(setup(&config, stopped.path(), Some(checkpoint)), usize::MAX).unwrap();
    assert_same_files(folder.path(), stopped.path(), "patience and plateau");
}

#[test]
fn augmented_training_stops_and_goes_on_alike() {
    let mut config = tiny();
    config.training.balance = Balance::Sampling;
    config.training.augmentation = Augmentation {
        gain: 6.0,
        polarity: true,
        equaliser: 6.0,
        speed: 0.05,
        noise: 30.0,
        mixup: 0.3,
        frequency_masks: 2,
        time_masks: 2,
        mask_width: 0.2,
    };
    let (whole, _) = whole_run(&config);
    let (plain, _) = whole_run(&RunConfig {
        training: TrainOptions { augmentation: Augmentation::NONE, ..config.training.clone() },
        ..config.clone()
    });
    let history = |folder: &TempDir| fs::read(folder.path().join("history.csv")).unwrap();
    assert_ne!(history(&whole), history(&plain));
    let stopped = tempdir().unwrap();
    run(setup(&config, stopped.path(), None), 4).unwrap();
    let checkpoint = Checkpoint::load(&stopped.path().join("checkpoint.safetensors")).unwrap();
    run(setup(&config, stopped.path(), Some(checkpoint)), usize::MAX).unwrap();
    assert_same_files(whole.path(), stopped.path(), "augmentation");
}

#[test]
fn class_weights_make_up_for_the_number_of_songs() {
    let mut config = tiny();
    let library = library(&config.model);
    // Four, two and one song of the genres.
    let songs = [0, 1, 2, 3, 4, 5, 8];
    assert_eq!(config.training.class_weights(&library.dataset, &songs), [1.0; 3]);
    config.training.balance = Balance::Weights;
    let weights = config.training.class_weights(&library.dataset, &songs);
    assert_eq!(weights, [7.0 / 12.0, 7.0 / 6.0, 7.0 / 3.0]);
    // A genre without songs is not divided by; the mean over the songs is 1.
    assert_eq!(config.training.class_weights(&library.dataset, &songs[..6]), [0.75, 1.5, 1.0]);
}

fn mixed() -> RunConfig {
    let mut config = tiny();
    config.training.precision = Precision::Mixed;
    config
}

#[test]
fn mixed_precision_follows_f32() {
    let Some(gpu) = common::mixed_gpu() else { return };
    let mut config = mixed();
    config.training.epochs = 200;
    let batches = batches(&config, 12);
    let (plain, _, _) = follow(&Cpu, &config, &batches, true);
    let (first, _, state) = follow(gpu.as_ref(), &config, &batches, true);
    let mut furthest = 0f32;
    for (step, (a, b)) in first.iter().zip(&plain).enumerate() {
        furthest = furthest.max((a - b).abs() / b.abs());
        assert!((a - b).abs() <= 5e-3 * b.abs(), "step {step}: {a} in mixed precision, {b} in f32");
    }
    assert!(furthest > 1e-5, "nothing was rounded: {furthest:e}");
    let (second, _, again) = follow(gpu.as_ref(), &config, &batches, true);
    assert!(first == second && state == again, "two runs in mixed precision differ");
}

/// As a file has it; the next step's scale.
fn scaled(scale: f32) -> Option<LossScale> {
    let json = serde_json::json!({ "scale": scale, "good": 0, "skipped": 0, "recent": [] });
    Some(serde_json::from_value(json).unwrap())
}

/// Trains on; what became of it, and every skipped step with its scale.
fn run_on(setup: Training, steps: usize) -> (Result<TrainingOutcome, TrainError>, Vec<(u64, f32)>) {
    let stop = AtomicBool::new(steps == 0);
    let (mut taken, mut skipped) = (0, Vec::new());
    let mut observe = |event: TrainingEvent<'_>| {
        taken += usize::from(matches!(event, TrainingEvent::Step { .. }));
        if let TrainingEvent::Skipped { step, scale } = event {
            skipped.push((step, scale));
        }
        stop.store(taken >= steps, Ordering::Relaxed);
    };
    let outcome = setup.run(&mut observe, &stop);
    (outcome, skipped)
}

/// Copies of a run's folder that was begun and stopped before its first step, whose loss has another scale.
fn begun(config: &RunConfig, gpu: &Arc<dyn Device>, change: &dyn Fn(&mut Checkpoint)) -> TempDir {
    let folder = tempdir().unwrap();
    run(Training { device: gpu.clone(), ..setup(config, folder.path(), None) }, 0).unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut checkpoint = Checkpoint::load(&path).unwrap();
    change(&mut checkpoint);
    checkpoint.save(&path).unwrap();
    folder
}

#[test]
fn steps_that_overflow_are_skipped_and_a_stopped_run_goes_on_to_the_same_bytes() {
    let Some(gpu) = common::mixed_gpu() else { return };
    let mut config = mixed();
    config.training.epochs = 10;
    config.training.validate_every = 10;
    let resume = |folder: &Path, steps| {
        let checkpoint = Checkpoint::load(&folder.join("checkpoint.safetensors")).unwrap();
        run_on(Training { device: gpu.clone(), ..setup(&config, folder, Some(checkpoint)) }, steps)
    };
    // So large that the gradients of the logits, some 10^6, are beyond f16.
    let largest = |checkpoint: &mut Checkpoint| checkpoint.progress.loss_scale = scaled(LossScale::LARGEST);
    let whole = begun(&config, &gpu, &largest);
    let (outcome, skipped) = resume(whole.path(), usize::MAX);
    assert_eq!(outcome.unwrap().ending, Ending::Finished);
    let [(1, first), (2, second), (3, third), ..] = skipped[..] else { panic!("{skipped:?}") };
    // The second step began before the first's end was known.
    assert_eq!([first, second, third], [LossScale::LARGEST, LossScale::LARGEST, LossScale::LARGEST / 2.0]);
    assert!(
        skipped.windows(2).all(|pair| pair[1].1 == pair[0].1 || pair[1].1 == pair[0].1 / 2.0),
        "{skipped:?}"
    );
    let end = Checkpoint::load(&whole.path().join("checkpoint.safetensors")).unwrap();
    let steps = end.progress.step;
    assert!(skipped.len() < steps as usize - 2, "{} of {steps} steps were skipped", skipped.len());
    let scale = end.progress.loss_scale.unwrap();
    assert!(scale.scale() <= skipped.last().unwrap().1 / 2.0 && scale.skipped() >= skipped.len() as u64 - 1);

    // Stopped while outcomes are pending that do not count yet, and again later.
    let parts = begun(&config, &gpu, &largest);
    let before = Checkpoint::load(&parts.path().join("checkpoint.safetensors")).unwrap();
    let (outcome, mut again) = resume(parts.path(), 1);
    assert_eq!(outcome.unwrap().ending, Ending::Stopped);
    let after = Checkpoint::load(&parts.path().join("checkpoint.safetensors")).unwrap();
    assert!(after.progress.step == 1 && after.state == before.state, "a skipped step changed the state");
    assert!(after.running != before.running && after.progress.loss > 0.0);
    for steps in [1, 2, usize::MAX] {
        let (outcome, skipped) = resume(parts.path(), steps);
        assert_eq!(outcome.unwrap().ending == Ending::Finished, steps == usize::MAX);
        again.extend(skipped);
    }
    assert_eq!(again, skipped);
    assert_same_files(whole.path(), parts.path(), "a run in mixed precision that was stopped");
}

#[test]
fn what_a_smaller_scale_does_not_help_is_an_error() {
    let Some(gpu) = common::mixed_gpu() else { return };
    let config = mixed();
    let network = Network::new(config.model.clone(), GENRES.len()).unwrap();
    let layout = network.training(&config.training.graph()).unwrap().layout;
    // The weights of the first output.
    let fill = |checkpoint: &mut Checkpoint, name: &str, value: f32| {
        let weight = layout.parameters.iter().find(|p| p.name == name).unwrap();
        let inputs = weight.shape.elements() / weight.shape[0];
        checkpoint.state.data[weight.offset..][..inputs].fill(value);
    };
    let fails = |change: &dyn Fn(&mut Checkpoint)| {
        let folder = begun(&config, &gpu, change);
        let checkpoint = Checkpoint::load(&folder.path().join("checkpoint.safetensors")).unwrap();
        let (outcome, skipped) = run_on(
            Training { device: gpu.clone(), ..setup(&config, folder.path(), Some(checkpoint)) },
            usize::MAX,
        );
        (outcome.err().unwrap(), skipped)
    };
    // Gradients beyond f16, of a loss that is finite, because the head's product has few rows and is f32 forward: those of
    // the dense layers where their products are rounded, else those of the convolutions, which adapters with matrix units
    // round alone.
    let (error, skipped) = fails(&|checkpoint| {
        fill(checkpoint, "head.weight", 1e9);
        checkpoint.progress.loss_scale = scaled(2.0);
    });
    assert_eq!(skipped, [(1, 2.0), (2, 2.0)]);
    let message = error.to_string();
    assert!(message.contains("or in f32"), "{message}");
    let TrainError::NotFinite { step: 3, found, mixed: true, .. } = error else { panic!("{message}") };
    let Diagnosis::Result { op, .. } = found else { panic!("{message}") };
    let matrices = gpu.describe().contains("matrix units");
    assert!(if matrices { op.starts_with("conv2d_") } else { op == "matmul" }, "{message}");
    // Beyond f16 forward, in a convolution that all adapters round: the loss has no scale.
    let (error, skipped) = fails(&|checkpoint| fill(checkpoint, "block2.conv2.conv.weight", 1e5));
    let message = error.to_string();
    let TrainError::NotFinite { step: 1, found, mixed: true, .. } = error else { panic!("{message}") };
    let Diagnosis::Result { name, op: "conv2d", .. } = found else { panic!("{message}") };
    assert_eq!((name.as_str(), skipped.len()), ("block2.conv2.conv", 0));
    // A scale that no training has, and none.
    for scale in [scaled(3.0), scaled(1e30), None] {
        let (error, _) = fails(&|checkpoint| checkpoint.progress.loss_scale.clone_from(&scale));
        assert!(matches!(error, TrainError::File(FileError::Damaged { .. })), "{scale:?}: {error}");
    }
}

#[test]
fn mixed_precision_is_refused_where_it_is_not() {
    let folder = tempdir().unwrap();
    let error = run(setup(&mixed(), folder.path(), None), 1).err().unwrap();
    assert!(matches!(error, TrainError::Device(DeviceError::NoMixedPrecision { .. })), "{error}");
    let message = error.to_string();
    for part in ["CPU, ", "f16", "use an adapter that has it", "in f32"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
