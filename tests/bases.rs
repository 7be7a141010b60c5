//! Networks that begin with another: the last layer is fitted to what the other hears, the rest is kept or tuned.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::model::{HEAD_BIAS, HEAD_WEIGHT, Model};
use genre_recognizer::train::{
    Base, Checkpoint, Ending, FoldEvent, Folds, FoldsSetup, RunConfig, TrainError, TrainingEvent,
    cross_validate,
};
use tempfile::{TempDir, tempdir};

use crate::training::{assert_same_files, library, run, setup, tiny, whole_run};

/// A trained network, and settings that begin with it.
fn base(folder: &Path) -> (PathBuf, RunConfig) {
    let (trained, outcome) = whole_run(&tiny());
    let path = folder.join("base.safetensors");
    fs::copy(outcome.best, &path).unwrap();
    drop(trained);
    let mut config = tiny();
    config.begin_with(&path).unwrap();
    (path, config)
}

fn frozen(folder: &Path) -> (PathBuf, RunConfig) {
    let (path, mut config) = base(folder);
    config.training.epochs = 0;
    (path, config)
}

fn is_head(name: &str) -> bool {
    [HEAD_WEIGHT, HEAD_BIAS].contains(&name)
}

#[test]
fn a_new_last_layer_is_all_that_is_trained() {
    let folder = tempdir().unwrap();
    let (path, config) = frozen(folder.path());
    let (first, outcome) = whole_run(&config);
    let metrics = outcome.metrics.unwrap();
    assert_eq!((metrics.epochs, metrics.best_epoch), (0, 0));
    assert!(metrics.validation.unwrap().song_accuracy > 0.9);
    let history = fs::read_to_string(first.path().join("history.csv")).unwrap();
    assert_eq!(history.lines().count(), 2, "{history}");
    let (base, model) = (Model::load(&path).unwrap(), Model::load(&outcome.best).unwrap());
    for (name, tensor) in &model.weights.0 {
        assert_eq!(is_head(name), base.weights.0[name] != *tensor, "{name}");
    }
    // Where it comes from, through generations.
    let ancestor = model.card.provenance.base.clone().unwrap();
    assert_eq!((ancestor.digest, ancestor.labels), (base.digest(), 3));
    assert_eq!(ancestor.provenance, base.card.provenance);
    let mut next = tiny();
    next.begin_with(&outcome.best).unwrap();
    next.training.epochs = 0;
    let (_second, outcome) = whole_run(&next);
    let second = Model::load(&outcome.best).unwrap();
    assert_eq!(second.card.provenance.base.unwrap().provenance.base.unwrap().digest, base.digest());
    // The same again.
    let (again, _) = whole_run(&config);
    assert_same_files(first.path(), again.path(), "a last layer fitted twice");
}

#[test]
fn what_was_heard_is_kept_and_damage_to_it_is_noticed() {
    let folder = tempdir().unwrap();
    let (_, config) = frozen(folder.path());
    let (plain, _) = whole_run(&config);
    let kept = folder.path().join("embeddings");
    let with_folder = || -> (TempDir, Vec<usize>) {
        let place = tempdir().unwrap();
        let mut training = setup(&config, place.path(), None);
        training.embeddings_folder = Some(kept.clone());
        let mut heard = Vec::new();
        let mut observe = |event: TrainingEvent<'_>| {
            if let TrainingEvent::Hearing { done, .. } = event {
                heard.push(done);
            }
        };
        training.run(&mut observe, &AtomicBool::new(false)).unwrap();
        (place, heard)
    };
    let (first, heard) = with_folder();
    assert_eq!(heard.first(), Some(&0));
    let (second, heard) = with_folder();
    assert_eq!(heard, [12]);
    assert_same_files(plain.path(), first.path(), "heard, and kept");
    assert_same_files(plain.path(), second.path(), "kept");
    let model = fs::read_dir(&kept).unwrap().next().unwrap().unwrap().path();
    let mut files: Vec<PathBuf> = fs::read_dir(model).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 12);
    let whole = fs::read(&files[0]).unwrap();
    for (i, damage) in [whole[..whole.len() - 1].to_vec(), Vec::new(), whole[..8].to_vec()].iter().enumerate()
    {
        fs::write(&files[i], damage).unwrap();
    }
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    fs::write(&files[3], flipped).unwrap();
    let (third, heard) = with_folder();
    assert_eq!(heard.first(), Some(&8));
    assert_same_files(plain.path(), third.path(), "kept, in part damaged");
}

#[test]
fn what_was_there_is_tuned_at_a_lower_rate() {
    let folder = tempdir().unwrap();
    let (path, mut config) = base(folder.path());
    let base = Model::load(&path).unwrap();
    let moved = |config: &RunConfig| -> f32 {
        let (place, _) = whole_run(config);
        let checkpoint = Checkpoint::load(&place.path().join("checkpoint.safetensors")).unwrap();
        let trained = &checkpoint.state.data[..checkpoint.state.shape[1]];
        let network = base.network().unwrap().inference(1).unwrap();
        let (before, _) = base.weights.scatter(&network.layout, &network.running).unwrap();
        let old = |name: &str| !is_head(name);
        let parameters = network.layout.parameters.iter().filter(|p| old(&p.name));
        parameters
            .flat_map(|p| p.offset..p.offset + p.shape.elements())
            .map(|i| (before[i] - trained[i]).abs())
            .fold(0.0, f32::max)
    };
    let rate = |config: &mut RunConfig, rate| config.base.as_mut().unwrap().rate = rate;
    rate(&mut config, 0.0);
    assert_eq!(moved(&config), 0.0);
    rate(&mut config, 0.01);
    let little = moved(&config);
    rate(&mut config, 1.0);
    let much = moved(&config);
    assert!(little > 0.0 && much > 20.0 * little, "{little} {much}");
}

#[test]
fn a_tuned_run_stops_and_goes_on_alike() {
    let folder = tempdir().unwrap();
    let (path, config) = base(folder.path());
    let (whole, outcome) = whole_run(&config);
    let history = fs::read_to_string(whole.path().join("history.csv")).unwrap();
    assert_eq!(history.lines().count(), 2 + config.training.epochs, "{history}");
    assert!(Model::load(&outcome.best).unwrap().card.provenance.base.is_some());
    for steps in [0, 1, 5] {
        let part = tempdir().unwrap();
        let outcome = run(setup(&config, part.path(), None), steps).unwrap();
        assert_eq!(outcome.ending, Ending::Stopped, "{steps}");
        let checkpoint = Checkpoint::load(&part.path().join("checkpoint.safetensors")).unwrap();
        assert_eq!(checkpoint.progress.step, steps as u64);
        run(setup(&config, part.path(), Some(checkpoint)), usize::MAX).unwrap();
        assert_same_files(whole.path(), part.path(), &format!("stopped after {steps} steps"));
    }
    // The weights are in the checkpoint, but the base is still what the run says it begins with.
    let part = tempdir().unwrap();
    run(setup(&config, part.path(), None), 1).unwrap();
    let checkpoint = Checkpoint::load(&part.path().join("checkpoint.safetensors")).unwrap();
    fs::remove_file(path).unwrap();
    assert!(matches!(
        run(setup(&config, part.path(), Some(checkpoint)), usize::MAX),
        Err(TrainError::OtherBase { .. })
    ));
}

#[test]
fn bases_that_do_not_fit_are_refused() {
    let folder = tempdir().unwrap();
    let (path, config) = base(folder.path());
    let refused = |config: &RunConfig| -> String {
        let place = tempdir().unwrap();
        run(setup(config, place.path(), None), 0).err().unwrap().to_string()
    };
    let mut other = config.clone();
    other.model.n_fft = 256;
    assert!(refused(&other).contains("n_fft was 128, now it is 256"), "{}", refused(&other));
    let mut other = config.clone();
    other.model.filters = vec![4, 9];
    assert!(refused(&other).contains("filters was"), "{}", refused(&other));
    // What a network may do otherwise than its base.
    let mut other = config.clone();
    (other.model.dropout, other.training.epochs) = (0.5, 0);
    let frames = |config: &RunConfig| whole_run(config).1.metrics.unwrap().validation.unwrap().frames;
    let usual = frames(&other);
    other.model.frame_step = Some(0.125);
    assert!(frames(&other) > 3 * usual / 2, "songs are heard as the network cuts them");
    (other.model.frame_seconds, other.model.frame_step) = (0.5, None);
    assert!(frames(&other) < usual);
    let mut other = config.clone();
    other.base.as_mut().unwrap().rate = 1.5;
    assert!(refused(&other).contains("base.rate is 1.5"), "{}", refused(&other));
    let mut other = config.clone();
    other.base = None;
    other.training.epochs = 0;
    assert!(refused(&other).contains("epochs is 0"), "{}", refused(&other));
    // Another model under the same name.
    let (_same, outcome) = whole_run(&tiny());
    fs::copy(outcome.best, &path).unwrap();
    let same = Base { model: path.clone(), digest: Model::load(&path).unwrap().digest(), rate: Base::RATE };
    assert_eq!(Some(same), config.base, "trained alike");
    let mut seed = tiny();
    seed.training.seed = 2;
    let (_place, outcome) = whole_run(&seed);
    fs::copy(outcome.best, &path).unwrap();
    assert!(refused(&config).contains("digest"), "{}", refused(&config));
}

#[test]
fn folds_hear_every_song_once() {
    let folder = tempdir().unwrap();
    let (_, config) = frozen(folder.path());
    let place = tempdir().unwrap();
    let folds = FoldsSetup {
        library: library(&config.model),
        config,
        folds: Folds::Dealt(2),
        seeds: vec![1, 2],
        device: Arc::new(Cpu),
        folder: place.path().join("folds"),
        claim: None,
        checkpoint_every: Duration::MAX,
        embeddings_folder: None,
    };
    let mut heard = Vec::new();
    let pooled = cross_validate(
        &folds,
        &mut |_, event| {
            if let FoldEvent::Training(TrainingEvent::Hearing { done, songs }) = event {
                heard.push((done, songs));
            }
        },
        &AtomicBool::new(false),
    );
    let pooled = pooled.unwrap().unwrap();
    assert_eq!(heard, [(0, 12), (12, 12)]);
    assert!(pooled.out_of_fold.song_accuracy > 0.75, "{}", pooled.out_of_fold.song_accuracy);
}
