//! A run's folder belongs to one training at a time, and is asked for before songs are read.

use std::process::Child;

use super::*;

/// A process that does not outlive the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, arguments: &str) -> Running {
    Running(program(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Waits until a training has written the first of each of its files.
fn until_it_trains(Running(child): &mut Running, run: &Path) {
    while !run.join("split.csv").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it trained");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_folder_takes_one_training_and_a_killed_one_frees_it() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    songs(&root.join("music"));
    let train = format!("train --dataset music --run run --checkpoint-minutes 0 {TINY} --epochs");
    let mut child = start(root, &format!("{train} 100000"));
    until_it_trains(&mut child, &root.join("run"));
    let number = format!("(process {})", child.0.id());
    let before = fs::read(root.join("run/config.toml"));
    for other in [format!("{train} 5"), "train --resume --run run --device cpu".to_owned()] {
        run(root, &other).refused(&["run: a training is under way here", &number, "--run"]);
    }
    run(
        root,
        &format!("evaluate --folds 2 --run run --dataset music {}", TINY.replace("--validation 0.25", "")),
    )
    .refused(&["run: a training is under way here"]);
    assert_eq!(fs::read(root.join("run/config.toml")).unwrap(), before.unwrap());
    assert!(child.0.try_wait().unwrap().is_none());
    drop(child);

    // The lock is gone with its process, though not the file.
    assert!(root.join("run/.lock").exists());
    run(root, &format!("{train} 5")).refused(&["already here", "--resume"]);
    let mut child = start(root, "train --resume --run run --device cpu --checkpoint-minutes 0");
    let number = child.0.id().to_string();
    while !fs::read_to_string(root.join("run/.lock")).is_ok_and(|sign| sign.starts_with(&number)) {
        assert!(child.0.try_wait().unwrap().is_none(), "it was refused");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Whoever is first trains; nobody writes into another's files.
#[test]
fn of_trainings_that_begin_together_one_goes_on() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    songs(&root.join("music"));
    let seeds = [1, 2, 3];
    let mut children: Vec<Running> = seeds
        .iter()
        .map(|seed| start(root, &format!("train --dataset music --run run {TINY} --epochs 30 --seed {seed}")))
        .collect();
    let codes: Vec<_> = children.iter_mut().map(|child| child.0.wait().unwrap().code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    let won = seeds[codes.iter().position(|code| *code == Some(0)).unwrap()];
    let config = fs::read_to_string(root.join("run/config.toml")).unwrap();
    assert!(config.contains(&format!("\nseed = {won}\n")), "{config}");
    assert!(!root.join("run/.lock").exists());
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_made_is_noticed_before_songs_are_read() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    songs(&root.join("music"));
    // A song that is complained of where songs are read.
    fs::write(root.join("music/tone/broken.mp3"), "no song").unwrap();
    fs::write(root.join("file"), "").unwrap();
    for arguments in [
        format!("train --dataset music --run file/run {TINY}"),
        format!(
            "evaluate --folds 2 --dataset music --run file/run {}",
            TINY.replace("--validation 0.25", "")
        ),
    ] {
        let ran = run(root, &arguments);
        assert!(!ran.err.contains("broken.mp3"), "{}", ran.err);
        ran.refused(&["file/run: making the run's folder failed"]);
    }
    // So is the folder of all runs.
    fs::write(root.join("runs"), "").unwrap();
    for arguments in [
        format!("train --dataset music {TINY}"),
        format!("evaluate --folds 2 --dataset music {}", TINY.replace("--validation 0.25", "")),
    ] {
        let ran = run(root, &arguments);
        assert!(!ran.err.contains("broken.mp3"), "{}", ran.err);
        ran.refused(&["runs", "making the run's folder failed"]);
    }
    // Where a training does not begin, nothing is left of its folder.
    fs::remove_file(root.join("runs")).unwrap();
    fs::create_dir(root.join("bad")).unwrap();
    wav(&root.join("bad/a/a.wav"), &sound(0, 0, 1.0));
    fs::create_dir_all(root.join("bad/b")).unwrap();
    fs::write(root.join("bad/b/b.mp3"), "no song").unwrap();
    run(root, &format!("train --dataset bad --run new/deep/run {TINY}")).refused(&["at least two genres"]);
    assert!(!root.join("new").exists());
    run(root, &format!("train --dataset bad {TINY}")).refused(&["at least two genres"]);
    assert!(!root.join("runs").exists());
}
