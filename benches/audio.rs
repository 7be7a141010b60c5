//! From files to features: decoding, resampling, loading a song as the program does, training batches, STFT and log-mel
//! spectrograms.
//!
//! The song is 20 s of synthesised stereo, written as WAV and FLAC to a temporary folder (its file stays in the
//! system's cache, so disks are not measured). Elements are samples: of one channel, 44 100 or 48 000 a second.
//! Features are computed from 32 one-second frames on the CPU device; their output stays on the device.

mod common;
mod audio {
    pub mod flac;
}

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::workload::{Figure, Workload};
use common::{Outcome, network, uniform};
use criterion::{Criterion, SamplingMode, Throughput};
use genre_recognizer::audio::{AudioSpec, decode, load, resample, write_wav};
use genre_recognizer::dataset::{Augmentation, BatchPlan, Batches, Library, scan};
use genre_recognizer::device::cpu::Cpu;

/// Samples a channel of the song: 215 blocks of FLAC, about 20 s.
const SAMPLES: usize = 215 * audio::flac::BLOCK;
const BATCH: usize = 32;

fn main() -> Outcome<()> {
    let mut criterion = common::criterion(Duration::from_millis(1500));
    let folder = tempfile::tempdir()?;
    files(&mut criterion, folder.path())?;
    batches(&mut criterion, folder.path())?;
    features(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Tones that come and go over a little noise.
fn song(rate: u32) -> Vec<Vec<f32>> {
    let tone = |i: usize, hertz: f32, beat: f32| {
        let t = i as f32 / rate as f32;
        (std::f32::consts::TAU * hertz * t).sin() * (std::f32::consts::TAU * beat * t).sin()
    };
    let channel = |seed: u64, hertz: f32| {
        let noise = uniform(seed, SAMPLES, -0.02, 0.02);
        let sample = |(i, noise)| 0.4 * tone(i, hertz, 0.9) + 0.3 * tone(i, 7.1 * hertz, 2.3) + noise;
        noise.into_iter().enumerate().map(sample).collect()
    };
    vec![channel(1, 220.0), channel(2, 277.2)]
}

fn files(criterion: &mut Criterion, folder: &Path) -> Outcome<()> {
    let write = |name: &str, rate: u32| -> Outcome<PathBuf> {
        let path = folder.join(name);
        let song = song(rate);
        let planes: Vec<&[f32]> = song.iter().map(Vec::as_slice).collect();
        match name.ends_with("flac") {
            true => std::fs::write(&path, audio::flac::encode(rate, &planes))?,
            false => write_wav(&path, rate, &planes)?,
        }
        Ok(path)
    };
    let wav = write("song.wav", 44_100)?;
    let flac = write("song.flac", 44_100)?;
    let wav_48k = write("song48.wav", 48_000)?;
    if decode(&wav)? != decode(&flac)? {
        return Err("the FLAC file does not hold the samples of the WAV file".into());
    }

    let mut group = criterion.benchmark_group("audio");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(SAMPLES as u64));
    for (name, path) in [("decode_wav_stereo", &wav), ("decode_flac_stereo", &flac)] {
        group.bench_function(name, |b| b.iter(|| decode(path).unwrap()));
    }
    let mono = song(48_000).swap_remove(0);
    group.bench_function("resample_48000_to_44100_mono", |b| {
        b.iter(|| resample(std::slice::from_ref(&mono), 48_000, 44_100).unwrap());
    });
    // Decode, mix to mono, resample, normalise.
    for (name, path) in [("load_flac_44100", &flac), ("load_wav_48000", &wav_48k)] {
        group.bench_function(name, |b| b.iter(|| load(path, &AudioSpec::default(), 1.0).unwrap()));
    }
    Ok(())
}

/// Batches as a training takes them, from one worker that prepares them from songs in memory. Elements are frames.
fn batches(criterion: &mut Criterion, folder: &Path) -> Outcome<()> {
    let network = network()?;
    let (spec, framing) = (network.config.audio(), network.config.framing());
    for genre in ["one", "other"] {
        std::fs::create_dir_all(folder.join("songs").join(genre))?;
        std::fs::copy(folder.join("song.wav"), folder.join("songs").join(genre).join("song.wav"))?;
    }
    let data = scan(&folder.join("songs"))?;
    let library = Arc::new(Library::load(&data, &spec, network.config.shortest_song(), None, |_, _, _| {})?);
    let mut group = criterion.benchmark_group("batches");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(BATCH as u64));
    for (name, augmentation) in [("plain", Augmentation::NONE), ("augmented", Augmentation::default())] {
        let feature_size = network.feature_size();
        let plan = BatchPlan { augmentation, feature_size, ..BatchPlan::new(BATCH, framing, 64, 1) };
        let mut batches = Batches::start(library.clone(), vec![0, 1], plan, 0, 0)?;
        group.bench_function(format!("{name}_batch{BATCH}"), |bencher| {
            bencher.iter(|| {
                let batch = batches.next().unwrap().unwrap();
                batches.recycle(batch);
            });
        });
    }
    Ok(())
}

fn features(criterion: &mut Criterion) -> Outcome<()> {
    let network = network()?;
    let mut group = criterion.benchmark_group("features");
    group
        .sampling_mode(SamplingMode::Flat)
        .throughput(Throughput::Elements((BATCH * network.config.frame_length()) as u64));
    for (name, figure) in [("stft", Figure::Stft), ("log_mel", Figure::LogMel)] {
        let mut workload = Workload::load(figure, &Cpu, &network, BATCH, false)?;
        group.bench_function(format!("{name}_cpu_batch{BATCH}"), |bencher| {
            bencher.iter_custom(|runs| (0..runs).map(|_| workload.run().unwrap()).sum());
        });
    }
    Ok(())
}
