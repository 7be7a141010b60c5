//! The library as its users meet it, through nothing but its public interface: from a folder of songs to a model to a verdict,
//! and a graph of one's own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use genre_recognizer::engine::ops::{Form, Matmul};
use genre_recognizer::engine::{DeviceChoice, DeviceError, EngineError, Graph, Request, compile, open};
use genre_recognizer::{
    AudioSpec, Checkpoint, Ending, Error, Library, Model, RecognizeError, Recognizer, RunConfig, RunFolder,
    Song, TrainError, Training, TrainingEvent, demo, load_song, scan,
};
use tempfile::tempdir;

/// Settings of a tiny network for a small set of synthesised music, which is rendered.
fn tiny(folder: &Path) -> RunConfig {
    let set = demo::Spec { songs_per_genre: 2, seconds: (2.0, 2.5), seed: 3 };
    let music = folder.join("music");
    demo::render_with(&set, &music, |_, _| {}).unwrap();
    let mut config = RunConfig::for_dataset(music);
    (config.training.epochs, config.training.batch, config.training.frames_per_song) = (2, 8, 2);
    (config.model.sample_rate, config.model.n_fft, config.model.hop) = (8_000, 128, 64);
    (config.model.mels, config.model.high) = (16, 4_000.0);
    (config.model.filters, config.model.dense) = (vec![4], vec![8]);
    config
}

/// Without the user's folder for caches.
fn training(config: &RunConfig, run: &Path) -> Training {
    let data = scan(&config.dataset).unwrap();
    let (spec, shortest) = (config.model.audio(), config.model.shortest_song());
    let library = Arc::new(Library::load(&data, &spec, shortest, None, |_, _, _| {}).unwrap());
    let device = open(DeviceChoice::Cpu).unwrap();
    Training::new(config.clone(), library, device, RunFolder(run.to_owned())).unwrap()
}

#[test]
fn from_a_folder_to_a_verdict() {
    let folder = tempdir().unwrap();
    let config = tiny(folder.path());
    let run = folder.path().join("run");
    let mut epochs = Vec::new();
    let mut observe = |event: TrainingEvent<'_>| {
        if let TrainingEvent::Epoch { epoch, .. } = event {
            epochs.push(epoch.epoch);
        }
    };
    let outcome = training(&config, &run).run(&mut observe, &AtomicBool::new(false)).unwrap();
    assert_eq!((outcome.ending, epochs), (Ending::Finished, vec![1, 2]));

    let device = open(DeviceChoice::Cpu).unwrap();
    let mut recognizer = Recognizer::open_on(&outcome.best, device.clone()).unwrap();
    assert_eq!(recognizer.genres().len(), 10);
    let file = config.dataset.join("house/house-01.wav");
    let verdict = recognizer.recognize(&file).unwrap();
    let sum: f32 = verdict.guesses.iter().map(|guess| guess.probability).sum();
    assert!(verdict.guesses.len() == 10 && (sum - 1.0).abs() < 1e-5);
    assert_eq!(verdict.genre().is_none(), verdict.unsure);
    let starts: Vec<f64> = verdict.timeline.iter().map(|moment| moment.start).collect();
    assert_eq!(starts, [0.0, 1.0]);

    // The same song from memory; and one that the network does not listen to.
    let spec = config.model.audio();
    let song = load_song(&file, &spec, 1.0).unwrap();
    assert_eq!(recognizer.recognize_song(&song).unwrap(), verdict);
    for other in [Song::from_samples(&[vec![0.1; 8_000]], 16_000), {
        let channel = vec![0.1; 8_000];
        Song::from_samples(&[channel.clone(), channel], 8_000)
    }] {
        let error = recognizer.recognize_song(&other).unwrap_err();
        assert!(matches!(error, RecognizeError::OtherAudio { .. }), "{error}");
        assert!(error.to_string().ends_with("load songs with the model's AudioSpec"), "{error}");
        let error = recognizer.explainer().unwrap().explain(&other, 0, &mut |_| {}).unwrap_err();
        assert!(matches!(error, RecognizeError::OtherAudio { .. }), "{error}");
    }

    // Whatever the rate and number of channels in memory, what is heard is the same, but for the resampling.
    let channel = song.samples().unwrap().swap_remove(0);
    let again = recognizer.recognize_samples(std::slice::from_ref(&channel), 8_000).unwrap();
    for (a, b) in again.timeline.iter().zip(&verdict.timeline) {
        assert!(a.start == b.start && (a.probability - b.probability).abs() < 0.01, "{a:?} {b:?}");
    }
    let twice: Vec<f32> = channel.iter().flat_map(|&sample| [0.5 * sample; 2]).collect();
    let again = recognizer.recognize_samples(&[twice.clone(), twice], 16_000).unwrap();
    for (a, b) in again.timeline.iter().zip(&verdict.timeline) {
        assert!(a.start == b.start && (a.probability - b.probability).abs() < 0.2, "{a:?} {b:?}");
    }
    for (samples, rate, why) in [
        (vec![], 8_000, "no channel"),
        (vec![vec![0.0; 16_000]], 8_000, "silent"),
        (vec![vec![0.1, -0.1]], 8_000, "too short"),
        (vec![vec![f32::NAN; 16_000]], 8_000, "finite"),
        (vec![vec![0.1; 16_000], vec![0.1; 15_999]], 8_000, "differ in length"),
        (vec![vec![0.1; 16_000]], 0, "sample rate 0 Hz"),
    ] {
        let error = recognizer.recognize_samples(&samples, rate).unwrap_err();
        assert!(matches!(error, RecognizeError::Samples(_)) && error.to_string().contains(why), "{error}");
    }

    // How it decides is the model's, and may be changed.
    let mut model = Model::load(&outcome.best).unwrap();
    model.card.decision.unsure_below = Some(1.0);
    let verdict = Recognizer::new(model, device).unwrap().recognize(&file).unwrap();
    assert!(verdict.unsure && verdict.genre().is_none());

    // What is finished is not resumed.
    let error = Checkpoint::of_run(&RunFolder(run)).unwrap_err();
    assert!(matches!(error, TrainError::Complete { .. }), "{error}");
}

#[test]
fn a_stopped_training_goes_on() {
    let folder = tempdir().unwrap();
    let config = tiny(folder.path());
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    training(&config, &whole).run(&mut |_| {}, &AtomicBool::new(false)).unwrap();

    let error = Checkpoint::of_run(&RunFolder(parts.clone())).unwrap_err();
    assert!(matches!(error, TrainError::NothingToResume(_)), "{error}");
    let stop = AtomicBool::new(false);
    let mut first_step = |event: TrainingEvent<'_>| {
        stop.fetch_or(matches!(event, TrainingEvent::Step { .. }), Ordering::Relaxed);
    };
    let outcome = training(&config, &parts).run(&mut first_step, &stop).unwrap();
    assert_eq!(outcome.ending, Ending::Stopped);
    let mut rest = training(&config, &parts);
    rest.resume = Some(Checkpoint::of_run(&RunFolder(parts.clone())).unwrap());
    let outcome = rest.run(&mut |_| {}, &AtomicBool::new(false)).unwrap();
    assert_eq!(outcome.ending, Ending::Finished);
    let bytes = |run: &Path| std::fs::read(run.join("best.safetensors")).unwrap();
    assert!(bytes(&whole) == bytes(&parts));
}

#[test]
fn settings_that_came_too_late_are_refused() {
    let folder = tempdir().unwrap();
    let mut training = training(&tiny(folder.path()), &folder.path().join("run"));
    training.config.model.sample_rate = 16_000;
    let error = training.run(&mut |_| {}, &AtomicBool::new(false)).err().unwrap();
    assert!(matches!(error, TrainError::OtherAudio { .. }), "{error}");
    assert!(!folder.path().join("run").exists());

    let mut config = RunConfig::for_dataset("music");
    config.training.epochs = 0;
    let error = Training::open(config, "run").err().unwrap().to_string();
    assert_eq!(error, "epochs is 0, but 1 to 1000000 are possible (0 where the network begins with another)");
}

#[test]
fn errors_are_unwrapped_into_one() {
    let device = |error: Error| matches!(error, Error::Device(DeviceError::NoAdapter));
    assert!(device(RecognizeError::from(DeviceError::NoAdapter).into()));
    assert!(device(TrainError::from(DeviceError::NoAdapter).into()));
    assert!(device(TrainError::from(RecognizeError::from(DeviceError::NoAdapter)).into()));
    assert!(device(EngineError::from(DeviceError::NoAdapter).into()));
    let missing = Recognizer::open("no such file").err().unwrap();
    assert!(matches!(Error::from(missing), Error::File(_)));
    let missing = load_song(Path::new("no such file"), &AudioSpec::default(), 1.0).unwrap_err();
    assert!(matches!(Error::from(RecognizeError::from(missing)), Error::Audio(_)));
}

#[test]
fn graphs_say_what_does_not_fit() {
    let mut graph = Graph::new();
    let x = graph.input("x", [3, 2]).unwrap();
    let w = graph.variable("w", [1, 3]).unwrap();
    let error = graph.apply(Matmul { form: Form::TransposeB }, &[x, w]).unwrap_err();
    assert!(error.to_string().contains("x [3, 2]"), "{error}");
    assert!(graph.input("nothing", [0, 2]).is_err());

    // A variable keeps what is written to it, and takes its update.
    let mut request = Request::outputs(&[w]);
    let next = graph.input("next", [1, 3]).unwrap();
    request.updates.push((w, next));
    let device = open(DeviceChoice::Cpu).unwrap();
    let mut program = compile(&graph, &request, device.as_ref()).unwrap();
    program.write(next, &[1.0, 2.0, 3.0]).unwrap();
    for expected in [[0.0; 3], [1.0, 2.0, 3.0]] {
        program.run().unwrap();
        assert_eq!(program.outputs().unwrap(), [expected]);
    }
    request.updates.push((x, next));
    assert!(matches!(compile(&graph, &request, device.as_ref()), Err(EngineError::Graph(_))));
}
