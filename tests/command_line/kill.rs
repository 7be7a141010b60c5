//! Training that is killed at random moments, again and again, comes to the same bytes as training that is left alone.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use genre_recognizer::rng::Rng;
use genre_recognizer::train::Checkpoint;

use super::*;

const KILLS: usize = 10;
const FILES: [&str; 4] = ["config.toml", "history.csv", "best.safetensors", "checkpoint.safetensors"];

fn start(folder: &Path, arguments: &str) -> Child {
    program(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn step(run: &Path) -> u64 {
    let path = run.join("checkpoint.safetensors");
    // Whatever moment the process was killed at, the checkpoint is whole.
    if path.exists() { Checkpoint::load(&path).unwrap().progress.step } else { 0 }
}

/// Waits until the run has written so many further checkpoints, and then for a `share` of the time that the last took; false
/// where the run ended before. Checkpoints that come faster than they are looked for count once.
fn wait(child: &mut Child, run: &Path, checkpoints: usize, share: f64) -> bool {
    let written = || fs::metadata(run.join("checkpoint.safetensors")).and_then(|file| file.modified()).ok();
    let deadline = Instant::now() + Duration::from_secs(240);
    let (mut last, mut took) = (written(), Duration::ZERO);
    for _ in 0..checkpoints {
        let start = Instant::now();
        while written() == last {
            assert!(Instant::now() < deadline, "no checkpoint in four minutes");
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        (last, took) = (written(), start.elapsed());
    }
    if checkpoints > 1 {
        std::thread::sleep(took.mul_f64(share));
    }
    child.try_wait().unwrap().is_none()
}

/// A training on `device` with `flags` that is long enough to be killed ten times. A checkpoint is written after every step.
fn killed_and_left_alone(device: &str, flags: &str) {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    let common = format!("--checkpoint-minutes 0 --dataset music {flags}");
    run(folder.path(), &format!("train --run whole {common}")).ends(0);
    // Few enough that ten times as many do not come to the end.
    let most = step(&folder.path().join("whole")) as usize / 20;
    let killed = folder.path().join("killed");
    let mut rng = Rng::new(11);
    let mut steps = Vec::new();
    while steps.len() < KILLS {
        // Killed before its first checkpoint, there is no run yet.
        let arguments = match step(&killed) {
            0 => {
                let _ = fs::remove_dir_all(&killed);
                format!("train --run killed {common}")
            }
            _ => format!("train --resume --run killed --checkpoint-minutes 0 --device {device}"),
        };
        let mut child = start(folder.path(), &arguments);
        let running = wait(&mut child, &killed, 1 + rng.below(most), rng.uniform_f64());
        assert!(running, "the training ended after {} kills: make it longer", steps.len());
        child.kill().unwrap();
        child.wait().unwrap();
        steps.push(step(&killed));
    }
    assert!(steps.is_sorted() && steps[0] < steps[KILLS - 1], "{steps:?}");
    run(folder.path(), &format!("train --resume --run killed --device {device}")).ends(0);
    for file in FILES {
        let [a, b] = ["whole", "killed"].map(|run| fs::read(folder.path().join(run).join(file)).unwrap());
        assert!(a == b, "{file} differs after kills at steps {steps:?}");
    }
}

#[test]
fn sigkill_changes_nothing_on_the_cpu() {
    let flags = format!("{TINY} --epochs 60 --frames-per-song 2 --mixup 0.3 --time-masks 1");
    killed_and_left_alone("cpu", &flags);
}

#[test]
fn sigkill_changes_nothing_on_a_gpu() {
    if crate::common::gpu().is_none() {
        return;
    }
    // The smallest network, because every process makes its kernels anew.
    let network =
        TINY.replace("--device cpu", "--device gpu").replace("--filters 4,8 --units 16", "--filters 4");
    let flags =
        format!("{network} --convolutions 1 --dense-layers 0 --no-stem --epochs 30 --frames-per-song 2");
    killed_and_left_alone("gpu", &flags);
}
