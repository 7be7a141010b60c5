//! Networks that learn what others hear.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::model::{FORMAT, Labels, Model, ModelCard, ModelConfig, Network, Provenance, Source};
use genre_recognizer::recognize::Embedder;
use genre_recognizer::score::{Aggregation, Decision};
use genre_recognizer::train::{
    Balance, Base, Checkpoint, Ending, Folds, FoldsSetup, RunConfig, TrainError, Training, TrainingEvent,
    TrainingOutcome, cross_validate,
};
use tempfile::{TempDir, tempdir};

use crate::training::{assert_same_files, library, run, setup, tiny, whole_run};

/// The file of a network that nobody trained: what it hears is as hard to learn as anything else.
fn teacher(folder: &Path, seed: u64, tags: &[&str]) -> PathBuf {
    let config = ModelConfig {
        frame_seconds: 0.5,
        labels: Labels::Tags,
        filters: vec![3, 5],
        dense: vec![7],
        ..tiny().model
    };
    let weights = Network::new(config.clone(), tags.len()).unwrap().initialise(seed).unwrap();
    let source = Source { name: "nobody".into(), licence: "CC0".into(), notice: String::new() };
    let card = ModelCard {
        format: FORMAT,
        genres: tags.iter().map(|&tag| tag.into()).collect(),
        config,
        provenance: Provenance { source: Some(source), ..Provenance::default() },
        decision: Decision { aggregation: Aggregation::Independent, ..Decision::default() },
        cross_validation: None,
    };
    let path = folder.join(format!("teacher-{seed}.safetensors"));
    Model { card, weights }.save(&path).unwrap();
    path
}

const TAGS: [&str; 3] = ["loud", "high", "odd"];

fn taught(teachers: &[&Path]) -> RunConfig {
    let mut config = tiny();
    config.learn_from(teachers).unwrap();
    config.training.frames_per_song = 6;
    config
}

/// Without genres, as their folders are not looked at.
fn lesson(config: &RunConfig, run: &Path, from: Option<Checkpoint>) -> Training {
    let mut training = setup(config, run, from);
    let library = Arc::make_mut(&mut training.library);
    library.dataset.genres = vec!["made up".into()];
    library.dataset.songs.iter_mut().for_each(|song| song.genre = 0);
    training
}

fn whole_lesson(config: &RunConfig) -> (TempDir, TrainingOutcome) {
    let folder = tempdir().unwrap();
    let outcome = run(lesson(config, folder.path(), None), usize::MAX).unwrap();
    assert_eq!(outcome.ending, Ending::Finished);
    (folder, outcome)
}

#[test]
fn a_student_learns_what_its_teacher_hears() {
    let folder = tempdir().unwrap();
    let path = teacher(folder.path(), 1, &TAGS);
    let mut config = taught(&[&path]);
    (config.training.epochs, config.training.frames_per_song) = (12, 24);
    let (place, outcome) = whole_lesson(&config);
    let metrics = outcome.metrics.unwrap();
    let agreement = metrics.agreement.unwrap();
    assert!(metrics.validation.is_none() && outcome.validation.is_none());
    assert!(agreement.explained > 0.3 && agreement.correlation > 0.6, "{agreement:?}");
    assert!(agreement.tags < 0.7 && agreement.frames > agreement.songs, "{agreement:?}");
    let checkpoint = Checkpoint::load(&place.path().join("checkpoint.safetensors")).unwrap();
    let history = &checkpoint.progress.history.0;
    let [first, last] = [&history[0], &history[11]];
    assert!(last.train_loss < 0.7 * first.train_loss && last.train_accuracy > 0.5, "{first:?} {last:?}");
    assert!(last.validation_loss < first.validation_loss && last.validation_song_accuracy.is_none());
    let best = history.iter().filter_map(|epoch| epoch.validation_loss).fold(f64::INFINITY, f64::min);
    assert_eq!(agreement.loss, best, "the best epoch is kept");
    // A model of tags like any other, which says whom it learnt from.
    let (model, teacher) = (Model::load(&outcome.best).unwrap(), Model::load(&path).unwrap());
    assert_eq!(
        (model.card.genres.clone(), model.card.config.labels),
        (teacher.card.genres.clone(), Labels::Tags)
    );
    assert_eq!(model.card.decision.aggregation, Aggregation::Independent);
    let provenance = &model.card.provenance;
    let said = provenance.taught.as_ref().unwrap();
    assert_eq!(
        (said.teachers[0].digest.clone(), said.explained),
        (teacher.digest(), Some(agreement.explained))
    );
    assert_eq!(said.teachers[0].provenance.source.as_ref().unwrap().licence, "CC0");
    assert_eq!((provenance.song_accuracy, provenance.frame_accuracy), (None, None));
    let heard: Vec<_> = said.heard.iter().map(|heard| (heard.folder.as_str(), heard.songs)).collect();
    assert_eq!(heard, [("clicks", 3), ("noise", 3), ("tone", 3)]);
    // What it heard of songs is standardised: about the mean and variance of the lessons.
    let songs = library(&config.model);
    let mut embedder = Embedder::of_model(&model, &Cpu).unwrap();
    let all: Vec<_> = songs.songs.iter().collect();
    let values: Vec<f32> = embedder.embed(&all).unwrap().into_iter().flat_map(|song| song.values).collect();
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let square = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
    assert!(mean.abs() < 0.3 && (0.3..2.0).contains(&square), "{mean} {square}");

    // Genres: its last layer alone, and all of it.
    let mut genres = tiny();
    genres.begin_with(&outcome.best).unwrap();
    assert_eq!((genres.model.labels, genres.model.embedding), (Labels::Genres, Some(7)));
    for epochs in [0, 1] {
        genres.training.epochs = epochs;
        let (_run, outcome) = whole_run(&genres);
        let tuned = Model::load(&outcome.best).unwrap();
        assert!(tuned.card.provenance.base.unwrap().provenance.taught.is_some());
        assert!(outcome.metrics.unwrap().validation.unwrap().song_accuracy > 0.6);
    }
}

#[test]
fn lessons_repeat_themselves_and_go_on_where_they_stopped() {
    let folder = tempdir().unwrap();
    let config = taught(&[&teacher(folder.path(), 1, &TAGS)]);
    let (whole, _) = whole_lesson(&config);
    let (again, _) = whole_lesson(&config);
    assert_same_files(whole.path(), again.path(), "taught twice");
    for steps in [0, 1, 13] {
        let part = tempdir().unwrap();
        let outcome = run(lesson(&config, part.path(), None), steps).unwrap();
        assert_eq!(outcome.ending, Ending::Stopped, "{steps}");
        let checkpoint = Checkpoint::of_run(&setup(&config, part.path(), None).run).unwrap();
        assert_eq!(checkpoint.progress.step, steps as u64);
        run(lesson(&config, part.path(), Some(checkpoint)), usize::MAX).unwrap();
        assert_same_files(whole.path(), part.path(), &format!("stopped after {steps} steps"));
    }
}

#[test]
fn what_teachers_hear_is_kept() {
    let folder = tempdir().unwrap();
    let config = taught(&[&teacher(folder.path(), 1, &TAGS)]);
    let kept = folder.path().join("embeddings");
    let with_folder = |config: &RunConfig| {
        let place = tempdir().unwrap();
        let mut training = lesson(config, place.path(), None);
        training.embeddings_folder = Some(kept.clone());
        let mut heard = Vec::new();
        let mut observe = |event: TrainingEvent<'_>| {
            if let TrainingEvent::Hearing { done, songs } = event {
                heard.push((done, songs));
            }
        };
        training.run(&mut observe, &AtomicBool::new(false)).unwrap();
        (place, heard)
    };
    let (first, heard) = with_folder(&config);
    assert_eq!(heard, [(12, 12)]);
    assert_eq!(
        fs::read_dir(fs::read_dir(&kept).unwrap().next().unwrap().unwrap().path()).unwrap().count(),
        12
    );
    let (second, _) = with_folder(&config);
    assert_same_files(first.path(), second.path(), "heard, and kept");
    // Asked to stop before the songs were heard, it can go on.
    let place = tempdir().unwrap();
    let outcome = run(lesson(&config, place.path(), None), 0).unwrap();
    assert_eq!(outcome.ending, Ending::Stopped);
    assert!(outcome.metrics.is_none() && !outcome.best.exists());
}

#[test]
fn two_teachers_are_heard_side_by_side() {
    let folder = tempdir().unwrap();
    let [one, other] =
        [teacher(folder.path(), 1, &TAGS), teacher(folder.path(), 2, &["odd", "low", "soft", "loud"])];
    let mut config = taught(&[&one, &other]);
    assert_eq!(config.model.embedding, Some(14));
    (config.training.epochs, config.training.frames_per_song) = (12, 24);
    let (_place, outcome) = whole_lesson(&config);
    let model = Model::load(&outcome.best).unwrap();
    // A tag that both have is the first one's.
    assert_eq!(model.card.genres, ["loud", "high", "odd", "low", "soft"]);
    assert_eq!(model.card.provenance.taught.unwrap().teachers.len(), 2);
    let agreement = outcome.metrics.unwrap().agreement.unwrap();
    assert!(agreement.explained > 0.2 && agreement.correlation > 0.5, "{agreement:?}");
}

#[test]
fn what_cannot_be_taught_is_refused() {
    let folder = tempdir().unwrap();
    let path = teacher(folder.path(), 1, &TAGS);
    let config = taught(&[&path]);
    let refused = |config: &RunConfig| {
        let place = tempdir().unwrap();
        run(lesson(config, place.path(), None), 0).err().unwrap().to_string()
    };
    let twice = config.clone().learn_from(&[&path, &path]).unwrap_err();
    assert!(
        matches!(twice, TrainError::Teacher { .. }) && twice.to_string().contains("named twice"),
        "{twice}"
    );
    let (_run, genres) = whole_run(&tiny());
    let error = config.clone().learn_from(&[&genres.best]).unwrap_err().to_string();
    assert!(error.contains("cannot teach") && error.contains("its labels are genres"), "{error}");
    let folds = FoldsSetup {
        library: library(&config.model),
        config: config.clone(),
        folds: Folds::Dealt(2),
        seeds: vec![1],
        device: Arc::new(Cpu),
        folder: folder.path().join("folds"),
        claim: None,
        checkpoint_every: Duration::MAX,
        embeddings_folder: None,
    };
    let error = cross_validate(&folds, &mut |_, _| {}, &AtomicBool::new(false)).err().unwrap();
    assert!(error.to_string().contains("teach one, and begin with it"), "{error}");
    let changed = |change: &dyn Fn(&mut RunConfig)| {
        let mut config = config.clone();
        change(&mut config);
        refused(&config)
    };
    let base = Base { model: path.clone(), digest: String::new(), rate: 1.0 };
    for (change, words) in [
        (
            &(|c: &mut RunConfig| c.training.augmentation.mixup = 0.3) as &dyn Fn(&mut RunConfig),
            "mixup is 0.3",
        ),
        (&|c| c.training.balance = Balance::Weights, "balance is weights"),
        (&|c| c.training.fold = Some(1), "fold is 1"),
        (&|c| c.model.labels = Labels::Genres, "labels is genres"),
        (&|c| c.model.embedding = Some(6), "those of the teachers have 7 numbers"),
        (&|c| c.model.embedding = Some(0), "embedding is 0"),
        (&|c| c.training.epochs = 0, "epochs is 0"),
        (&|c| c.base = Some(base.clone()), "begins with nothing"),
        (&|c| c.teachers[0].digest = "other".into(), "its digest was other"),
        (&|c| c.teachers[0].model = "nowhere".into(), "cannot be read"),
    ] {
        let error = changed(change);
        assert!(error.contains(words), "`{words}` is not in: {error}");
    }
}
