//! From a compressed file to normalised 44.1 kHz mono, against ffmpeg decoding and resampling the same file (and not
//! normalising it), both with one thread a file, in turns.
//!
//!     cargo bench --bench decode [-- FILE...]
//!
//! Without files, four minutes of synthesised music are encoded as MP3 at 44.1 kHz (nothing to resample) and 48 kHz.
//! Ratios are ffmpeg's time over ours: above 1 this project is faster. Each is the median of the rounds' ratios, with the
//! least and the greatest. Long files, because ffmpeg's time includes the start of a process.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use genre_recognizer::audio::{AudioSpec, load};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 7;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let test = arguments.iter().any(|a| a == "--test");
    if Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: decoding against ffmpeg (needs ffmpeg on PATH)");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let mut files: Vec<PathBuf> =
        arguments.iter().filter(|a| !a.starts_with('-')).map(PathBuf::from).collect();
    if files.is_empty() {
        let seconds = if test { 2 } else { 240 };
        files = vec![song(folder.path(), 44_100, seconds)?, song(folder.path(), 48_000, seconds)?];
    }
    println!("| file | files at once | ours, ms | ffmpeg, ms | ratio (least to greatest) |");
    println!("|---|---:|---:|---:|---:|");
    for file in &files {
        for at_once in [1, 2] {
            let rounds = if test { 1 } else { ROUNDS };
            let times = (0..rounds)
                .map(|_| Ok((timed(at_once, || ours(file))?, timed(at_once, || theirs(file))?)))
                .collect::<Outcome<Vec<_>>>()?;
            let (mine, other) = times.iter().copied().unzip();
            let ratios = sorted(times.iter().map(|(mine, other)| other / mine).collect());
            println!(
                "| {} | {at_once} | {:.0} | {:.0} | {:.2} ({:.2} to {:.2}) |",
                file.file_name().unwrap_or_default().to_string_lossy(),
                median(mine),
                median(other),
                ratios[ratios.len() / 2],
                ratios[0],
                ratios[ratios.len() - 1]
            );
        }
    }
    Ok(())
}

/// Stereo: chords that change twice a second over soft noise.
fn song(folder: &Path, rate: u32, seconds: u32) -> Outcome<PathBuf> {
    let file = folder.join(format!("song {rate} Hz.mp3"));
    let voice = |hertz: u32| {
        format!("0.3*sin(2*PI*t*{hertz}*pow(1.5,mod(floor(2*t),5)))*exp(-4*mod(t,0.5))+0.1*random({hertz})")
    };
    let source = format!("aevalsrc={}|{}:s={rate}:d={seconds}", voice(220), voice(331));
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-y", "-v", "error", "-f", "lavfi", "-i", &source, "-b:a", "192k"])
        .arg(&file)
        .status()?;
    if done.success() { Ok(file) } else { Err("ffmpeg cannot make the song".into()) }
}

/// Milliseconds that `at_once` runs of `work` take side by side.
fn timed(at_once: usize, work: impl Fn() -> Outcome<()> + Sync) -> Outcome<f64> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(&work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

fn ours(file: &Path) -> Outcome<()> {
    std::hint::black_box(load(file, &AudioSpec::default(), 0.0)?);
    Ok(())
}

fn theirs(file: &Path) -> Outcome<()> {
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-threads", "1", "-i"])
        .arg(file)
        .args(["-vn", "-ac", "1", "-ar", "44100", "-c:a", "pcm_f32le", "-threads", "1", "-f", "null", "-"])
        .status()?;
    if done.success() { Ok(()) } else { Err(format!("ffmpeg cannot decode {}", file.display()).into()) }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: Vec<f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}
