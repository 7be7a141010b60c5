//! Trains a network on a folder of songs and recognises one of them:
//! `cargo run --release --example train -- [FOLDER RUN [EPOCHS]]`
//!
//! The folder has a subfolder of songs for each genre; results go to the folder RUN. Without arguments a small set of
//! synthesised music is rendered, and a small network trained on it, in a folder of temporary files. Enter stops the
//! training after the step under way, and saves it.

use std::io::stdin;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use genre_recognizer::{Ending, Error, Recognizer, RunConfig, Training, TrainingEvent, demo};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args_os().skip(1);
    let (config, run) = match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(folder), Some(run), epochs) => {
            let mut config = RunConfig::for_dataset(folder);
            if let Some(epochs) = epochs.and_then(|text| text.to_str()?.parse().ok()) {
                config.training.epochs = epochs;
            }
            (config, PathBuf::from(run))
        }
        _ => synthesised()?,
    };
    let epochs = config.training.epochs;

    let stop = Arc::new(AtomicBool::new(false));
    let enter = stop.clone();
    thread::spawn(move || {
        // No characters are the end of a file or pipe, not Enter.
        if stdin().read_line(&mut String::new()).is_ok_and(|characters| characters > 0) {
            enter.store(true, Ordering::Relaxed);
        }
    });

    let training = Training::open(config, run)?;
    println!("{} songs on {}", training.library.songs.len(), training.device.describe());
    let mut observe = |event: TrainingEvent<'_>| {
        if let TrainingEvent::Epoch { epoch, kept } = event {
            println!(
                "epoch {}/{epochs}: loss {:.3}, accuracy {:.1} %{}",
                epoch.epoch,
                epoch.train_loss,
                100.0 * epoch.train_accuracy,
                if kept { ", kept" } else { "" }
            );
        }
    };
    let library = training.library.clone();
    let outcome = training.run(&mut observe, &stop)?;
    if outcome.ending == Ending::Stopped {
        println!("stopped");
        return Ok(());
    }

    let song = &library.dataset.songs[0];
    let verdict = Recognizer::open(&outcome.best)?.recognize(&song.path)?;
    println!("{} is {}", song.name, verdict.genre().unwrap_or("something that the model is unsure of"));
    println!("the model is {}", outcome.best.display());
    Ok(())
}

/// A small set of synthesised music, and the settings of a small network for it.
fn synthesised() -> Result<(RunConfig, PathBuf), Error> {
    let folder = std::env::temp_dir().join(format!("genre-recognizer-{}", std::process::id()));
    let music = folder.join("music");
    let set = demo::Spec { songs_per_genre: 4, seconds: (3.5, 4.5), seed: 1 };
    demo::render_with(&set, &music, |_, _| {})?;
    let mut config = RunConfig::for_dataset(music);
    config.training.epochs = 2;
    config.model.sample_rate = 16_000;
    config.model.n_fft = 512;
    config.model.high = 8_000.0;
    config.model.mels = 40;
    config.model.filters = vec![8, 16];
    Ok((config, folder.join("run")))
}
