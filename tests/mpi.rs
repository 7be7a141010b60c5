//! Processes that `mpirun` starts train the very network that one process trains in as many slices. These tests need an
//! Open MPI and the feature `mpi`: `cargo test --features mpi --test mpi`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use genre_recognizer::audio::write_wav;
use genre_recognizer::rng::Rng;
use tempfile::{TempDir, tempdir};

const RATE: u32 = 8_000;
/// Flags of a network that trains in no time.
const TINY: &str = "--device cpu --sample-rate 8000 --frame-seconds 0.25 --n-fft 128 --hop 64 --mels 16 --high 4000 \
                    --filters 4,8 --units 16 --batch 12 --validation 0.25 --dropout 0.2";
const FILES: [&str; 4] = ["config.toml", "history.csv", "best.safetensors", "checkpoint.safetensors"];

/// A folder with songs of three genres in `music`.
fn workplace() -> TempDir {
    let folder = tempdir().unwrap();
    for (genre, name) in ["clicks", "noise", "tone"].iter().enumerate() {
        let songs = folder.path().join("music").join(name);
        fs::create_dir_all(&songs).unwrap();
        for seed in 0..5 {
            let mut rng = Rng::new(seed).split(genre as u64);
            let (frequency, every) = (rng.range(200.0, 3_000.0), 300 + rng.below(500));
            let sample = |n: usize| match genre {
                0 => 0.9 * f32::from(u8::from(n.is_multiple_of(every))) + 0.01 * rng.normal(),
                1 => 0.2 * rng.normal(),
                _ => {
                    0.9 * (n as f32 * frequency / RATE as f32 * std::f32::consts::TAU).sin()
                        + 0.01 * rng.normal()
                }
            };
            let samples: Vec<f32> = (0..RATE as usize).map(sample).collect();
            write_wav(&songs.join(format!("song {seed}.wav")), RATE, &[&samples]).unwrap();
        }
    }
    folder
}

fn prepared(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).env("XDG_CACHE_HOME", folder.join(".cache")).env("HOME", folder);
    command
}

fn alone(folder: &Path, arguments: &str) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_genre-recognizer"));
    prepared(command, folder).args(arguments.split_whitespace()).output().unwrap()
}

/// `mpirun` with one process for each of these groups' counts, with these arguments.
fn mpirun(folder: &Path, groups: &[(usize, &str)]) -> Command {
    let mut command = prepared(Command::new("mpirun"), folder);
    command.args(["--oversubscribe", "--allow-run-as-root", "--bind-to", "none"]);
    // Each of several ranks takes one thread.
    command.args(["-x", "RAYON_NUM_THREADS=1"]);
    for (i, (count, arguments)) in groups.iter().enumerate() {
        if i > 0 {
            command.arg(":");
        }
        command.args(["-n", &count.to_string(), env!("CARGO_BIN_EXE_genre-recognizer")]);
        command.args(arguments.split_whitespace());
    }
    command
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{:?}\n{err}", output.status);
    assert!(!err.contains("panicked"), "{err}");
    err
}

#[track_caller]
fn same(folder: &Path, one: &str, other: &str) {
    for file in FILES {
        let [a, b] = [one, other].map(|run| fs::read(folder.join(run).join(file)).unwrap());
        assert!(a == b, "{file} of {one} and {other} differ");
    }
}

#[test]
fn ranks_train_what_one_process_trains_in_as_many_slices() {
    let place = workplace();
    let folder = place.path();
    for count in 1..=4 {
        let train = format!("train --dataset music --epochs 2 {TINY}");
        succeeds(&alone(folder, &format!("{train} --slices {count} --run one-{count}")));
        let ran = mpirun(folder, &[(count, &format!("{train} --run many-{count}"))]).output().unwrap();
        let said = succeeds(&ran);
        assert_eq!(said.matches("epoch   2/2").count(), 1, "one rank prints: {said}");
        same(folder, &format!("one-{count}"), &format!("many-{count}"));
        assert!(folder.join(format!("many-{count}/report.html")).exists());
    }
}

#[test]
fn ranks_measure_what_lies_between_them() {
    let folder = tempdir().unwrap();
    let output = mpirun(folder.path(), &[(2, "info --ranks 8 --rank-speed 500")]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    // The first alone prints.
    assert_eq!(printed.matches("measured between these 2 ranks").count(), 1, "{printed}");
    assert_eq!(printed.matches("8 ranks, 32 frames a step").count(), 1, "{printed}");
}

#[test]
fn a_song_that_is_damaged_is_skipped_by_all() {
    let place = workplace();
    let folder = place.path();
    fs::write(folder.join("music/tone/broken.mp3"), "this is not music\n".repeat(100)).unwrap();
    let train = format!("train --dataset music --epochs 1 {TINY}");
    succeeds(&alone(folder, &format!("{train} --slices 2 --run one")));
    let ran = mpirun(folder, &[(2, &format!("{train} --run many"))]).output().unwrap();
    let said = succeeds(&ran);
    assert_eq!(said.matches("broken.mp3").count(), 1, "{said}");
    same(folder, "one", "many");
}

#[test]
fn the_first_says_what_another_alone_would_have_said() {
    let place = workplace();
    // A file is no folder for decoded songs.
    fs::write(place.path().join("taken"), "").unwrap();
    let train = format!("train --dataset music --epochs 1 --run run {TINY} --cache");
    let (usual, taken) = (format!("{train} .cache"), format!("{train} taken"));
    let ran = mpirun(place.path(), &[(1, &usual), (2, &taken)]).output().unwrap();
    let said = succeeds(&ran);
    assert_eq!(said.matches("decoded songs cannot be kept").count(), 2, "{said}");
    for rank in [1, 2] {
        assert!(said.contains(&format!("rank {rank}: decoded songs cannot be kept")), "{said}");
    }
    // What all say is said once.
    assert_eq!(said.matches("training from nothing").count(), 1, "{said}");
}

#[test]
fn what_differs_between_ranks_is_found_before_the_first_step() {
    let place = workplace();
    let train = format!("train --dataset music --run run {TINY}");
    let (one, other) = (format!("{train} --epochs 2"), format!("{train} --epochs 3"));
    let ran = mpirun(place.path(), &[(1, &one), (1, &other)]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success(), "{said}");
    assert_eq!(said.matches("error: rank 1 has another configuration").count(), 1, "{said}");
    assert!(!place.path().join("run/checkpoint.safetensors").exists());
}

#[test]
fn more_ranks_than_slices_are_refused() {
    let place = workplace();
    for slices in [1, 2] {
        let train = format!("train --dataset music --epochs 2 --slices {slices} --run run {TINY}");
        let ran = mpirun(place.path(), &[(3, &train)]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!ran.status.success());
        let error = format!("error: --slices is {slices}, but every one of 3 ranks");
        assert_eq!(said.matches(&error).count(), 1, "{said}");
    }
}

/// Waits until a run has begun its steps.
fn begun(run: &Path, child: &mut Child) {
    let start = Instant::now();
    while !run.join("checkpoint.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        assert!(start.elapsed() < Duration::from_secs(120), "it does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(signal: &str, process: u32) {
    Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
}

/// The processes that `mpirun` has started, in the order of their numbers.
fn children(of: u32) -> Vec<u32> {
    let found = Command::new("ps").args(["-o", "pid=", "--ppid", &of.to_string()]).output().unwrap();
    let text = String::from_utf8(found.stdout).unwrap();
    let mut all: Vec<u32> = text.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    all.sort_unstable();
    all
}

/// Starts a run of three ranks, ends it by `end` some time after its first step, and finishes it: half of the time by one
/// process. It must end as if nobody had ended it. Whether any was still under way when it was to be ended.
fn broken_off(times: u64, seed: u64, end: impl Fn(&Child, &mut Rng)) -> usize {
    let place = workplace();
    let folder = place.path();
    let train = format!("train --dataset music --epochs 60 --slices 3 --checkpoint-minutes 0 {TINY}");
    succeeds(&alone(folder, &format!("{train} --run whole")));
    let (mut rng, mut broken) = (Rng::new(seed), 0);
    for i in 0..times {
        let run = format!("run-{i}");
        let mut command = mpirun(folder, &[(3, &format!("{train} --run {run}"))]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        begun(&folder.join(&run), &mut child);
        std::thread::sleep(Duration::from_millis(rng.below(400) as u64));
        end(&child, &mut rng);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        // What was asked to end when all was done has failed for mpirun, and has nothing left to do.
        if !output.status.success() && !folder.join(&run).join("metrics.json").exists() {
            broken += 1;
            let rest = format!("train --resume --run {run} --dataset music --device cpu");
            match i % 2 {
                0 => succeeds(&alone(folder, &rest)),
                _ => succeeds(&mpirun(folder, &[(2, &rest)]).output().unwrap()),
            };
        }
        same(folder, "whole", &run);
    }
    broken
}

#[test]
fn a_rank_that_is_killed_ends_the_job_which_goes_on_to_the_same_bytes() {
    let broken = broken_off(10, 1, |child, rng| {
        let ranks = children(child.id());
        if !ranks.is_empty() {
            kill("-KILL", ranks[rng.below(ranks.len())]);
        }
    });
    assert!(broken >= 3, "only {broken} of 10 were killed before their end");
}

#[test]
fn a_job_that_is_asked_to_end_saves_and_goes_on_to_the_same_bytes() {
    let broken = broken_off(3, 2, |child, _| kill("-TERM", child.id()));
    assert!(broken >= 1, "none of 3 was asked to end before its end");
}
