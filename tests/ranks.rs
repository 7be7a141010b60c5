//! Ranks train the very network that one process trains in as many slices: to the byte, whoever computes which slice, and
//! whoever goes on with it. Here ranks are threads; `tests/mpi` starts processes.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use genre_recognizer::dataset::Augmentation;
use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::device::traffic;
use genre_recognizer::model::Network;
use genre_recognizer::plan::{Split, plan_split};
use genre_recognizer::ranks::{Ranks, RanksError, Traffic};
use genre_recognizer::train::{
    Checkpoint, Ending, RunConfig, RunFolder, ScheduleKind, TrainError, Training, TrainingEvent,
    TrainingOutcome,
};
use tempfile::tempdir;

use crate::common::gpu;
use crate::training::{assert_same_files, musicnn, run, setup, tiny, whole_run};

/// A tiny training in so many slices, with all that depends on a frame's place in its batch: masks, mixed frames, dropout.
fn sliced(slices: usize) -> RunConfig {
    let mut config = tiny();
    config.training.batch = 9;
    config.training.slices = slices;
    config.training.augmentation =
        Augmentation { mixup: 0.3, frequency_masks: 1, time_masks: 1, ..Augmentation::default() };
    config.model.dropout = 0.2;
    config
}

/// What comes of a training by `count` ranks, each of which `alter` has changed.
fn together(
    config: &RunConfig,
    count: usize,
    folder: &Path,
    resume: Option<&Checkpoint>,
    steps: usize,
    alter: impl Fn(&mut Training) + Sync,
) -> Vec<Result<TrainingOutcome, TrainError>> {
    thread::scope(|scope| {
        let alter = &alter;
        let threads: Vec<_> = Ranks::threads(count)
            .into_iter()
            .map(|ranks| {
                scope.spawn(move || {
                    let first = ranks.is_first();
                    // Only the first needs the run's folder.
                    let run_folder = if first { folder.to_owned() } else { "/nowhere/to/be/found".into() };
                    let mut training = setup(config, &run_folder, resume.filter(|_| first).cloned());
                    training.ranks = ranks;
                    alter(&mut training);
                    run(training, steps)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn assert_ended(outcomes: &[Result<TrainingOutcome, TrainError>], ending: Ending) {
    for (rank, outcome) in outcomes.iter().enumerate() {
        let outcome = outcome.as_ref().unwrap_or_else(|error| panic!("rank {rank}: {error}"));
        assert_eq!(outcome.ending, ending);
        assert_eq!(outcome.metrics.is_some(), rank == 0 && ending == Ending::Finished);
    }
}

#[test]
fn ranks_train_what_one_process_trains_in_as_many_slices() {
    let mut others = sliced(2);
    musicnn(&mut others.model);
    let mut plateau = sliced(3);
    plateau.training.schedule = ScheduleKind::Plateau;
    let cases = [
        (sliced(1), vec![1]),
        (sliced(2), vec![1, 2]),
        (sliced(3), vec![2, 3]),
        (sliced(4), vec![2, 3, 4]),
        (others, vec![2]),
        (plateau, vec![3]),
    ];
    for (config, counts) in cases {
        let (one, _) = whole_run(&config);
        for count in counts {
            let folder = tempdir().unwrap();
            let outcomes = together(&config, count, folder.path(), None, usize::MAX, |_| {});
            assert_ended(&outcomes, Ending::Finished);
            let what = format!("{count} ranks, {} slices", config.training.slices);
            assert_same_files(one.path(), folder.path(), &what);
        }
    }
}

#[test]
fn slices_are_another_order_of_sums_and_no_other_training() {
    let (one, a) = whole_run(&sliced(1));
    let (three, b) = whole_run(&sliced(3));
    let file = |folder: &Path| fs::read(folder.join("checkpoint.safetensors")).unwrap();
    assert!(file(one.path()) != file(three.path()), "nothing was sliced");
    let config = fs::read_to_string(three.path().join("config.toml")).unwrap();
    assert!(config.contains("slices = 3"), "{config}");
    let losses = |outcome: TrainingOutcome| outcome.metrics.unwrap().validation.unwrap().loss;
    let (a, b) = (losses(a), losses(b));
    assert!((a - b).abs() < 1e-2 * a, "{a} and {b}");
}

#[test]
fn what_some_began_others_finish() {
    let config = sliced(3);
    let (whole, _) = whole_run(&config);
    for (begin, end) in [(1, 3), (3, 1), (2, 3)] {
        let folder = tempdir().unwrap();
        assert_ended(&together(&config, begin, folder.path(), None, 4, |_| {}), Ending::Stopped);
        let checkpoint = Checkpoint::of_run(&RunFolder(folder.path().to_owned())).unwrap();
        assert_eq!(checkpoint.progress.step, 4);
        let outcomes = together(&config, end, folder.path(), Some(&checkpoint), usize::MAX, |_| {});
        assert_ended(&outcomes, Ending::Finished);
        assert_same_files(whole.path(), folder.path(), &format!("begun by {begin}, ended by {end}"));
    }
    let folder = tempdir().unwrap();
    for outcome in together(&config, 4, folder.path(), None, 1, |_| {}) {
        let error = outcome.err().unwrap();
        assert!(matches!(error, TrainError::Setting { setting: "slices", .. }), "{error}");
        assert!(error.to_string().contains("at most as many ranks as there are slices"), "{error}");
    }
}

#[test]
fn one_that_is_asked_to_stop_stops_all() {
    let (config, folder) = (sliced(2), tempdir().unwrap());
    let train = |ranks: Ranks| {
        let last = ranks.rank() == 1;
        let mut training = setup(&config, folder.path(), None);
        training.ranks = ranks;
        let stop = AtomicBool::new(false);
        let mut taken = 0;
        let mut observe = |event: TrainingEvent<'_>| {
            taken += usize::from(matches!(event, TrainingEvent::Step { .. }));
            stop.store(last && taken == 3, Ordering::Relaxed);
        };
        training.run(&mut observe, &stop)
    };
    let train = &train;
    let outcomes: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            Ranks::threads(2).into_iter().map(|ranks| scope.spawn(move || train(ranks))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_ended(&outcomes, Ending::Stopped);
    assert_eq!(Checkpoint::of_run(&RunFolder(folder.path().to_owned())).unwrap().progress.step, 3);
}

#[test]
fn ranks_on_a_gpu_train_what_one_trains_in_as_many_slices() {
    let Some(gpu) = gpu() else { return };
    let mut config = sliced(3);
    config.training.epochs = 1;
    let one = tempdir().unwrap();
    let training = Training { device: gpu.clone(), ..setup(&config, one.path(), None) };
    run(training, usize::MAX).unwrap();
    for count in [2, 3] {
        let folder = tempdir().unwrap();
        let outcomes = together(&config, count, folder.path(), None, usize::MAX, |training| {
            training.device = gpu.clone();
        });
        assert_ended(&outcomes, Ending::Finished);
        assert_same_files(one.path(), folder.path(), &format!("{count} ranks on a GPU"));
    }
}

#[test]
fn what_differs_is_found_before_the_first_step() {
    let wanted: [(&str, fn(&mut Training)); 2] = [
        ("configuration", |training| training.config.training.learning_rate *= 2.0),
        ("dataset", |training| training.split.train.truncate(3)),
    ];
    for (wanted, alter) in wanted {
        let folder = tempdir().unwrap();
        let outcomes = together(&sliced(3), 3, folder.path(), None, usize::MAX, |training| {
            if training.ranks.rank() == 1 {
                alter(training);
            }
        });
        for outcome in outcomes {
            match outcome.err().unwrap() {
                TrainError::Ranks(RanksError::Differs { rank: 1, what, .. }) => assert_eq!(what, wanted),
                error => panic!("{error}"),
            }
        }
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "something was written");
    }
}

#[test]
fn what_a_step_exchanges_is_what_was_predicted() {
    for count in [2, 3] {
        let config = sliced(3);
        let network = Network::new(config.model.clone(), 3).unwrap();
        let training = network.training(&config.graph()).unwrap();
        let folder = tempdir().unwrap();
        // Of the same training, of 1 step and of 4.
        let counted: Vec<Vec<Traffic>> = [1, 4]
            .into_iter()
            .map(|steps| {
                let traffic = Mutex::new(vec![Ranks::alone(); count]);
                let run = folder.path().join(steps.to_string());
                let outcomes = together(&config, count, &run, None, steps, |training| {
                    traffic.lock().unwrap()[training.ranks.rank()] = training.ranks.clone();
                });
                assert_ended(&outcomes, Ending::Stopped);
                traffic.into_inner().unwrap().iter().map(Ranks::traffic).collect()
            })
            .collect();
        for rank in 0..count {
            let split = Split::even(training.batched(), config.training.batch, 3, (rank, count));
            let program = plan_split(&training.graph, &training.request(true), Some(&split), &Cpu).unwrap();
            let step = traffic(&program).and(Traffic::of_agreement(count));
            let three = step.and(step).and(step);
            let (one, four) = (counted[0][rank], counted[1][rank]);
            assert_eq!(four.exchanges - one.exchanges, three.exchanges);
            assert_eq!(four.bytes - one.bytes, three.bytes, "rank {rank} of {count}");
        }
    }
}
