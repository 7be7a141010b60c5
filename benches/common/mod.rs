//! What the benches share: the default network, devices with the batch that each is given, and data.
#![allow(dead_code)] // every bench uses its own part

pub mod workload;

use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::device::gpu::Gpu;
use genre_recognizer::device::{Device, DeviceError};
use genre_recognizer::model::{ModelConfig, Network};
use genre_recognizer::rng::Rng;

/// As many as in `dataset/genres.txt`.
pub const GENRES: usize = 30;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The network that `train` builds by default.
pub fn network() -> Outcome<Network> {
    Ok(Network::new(ModelConfig::default(), GENRES)?)
}

/// A device under test.
pub struct Bench {
    /// Its part of a benchmark's name.
    pub name: &'static str,
    pub device: Arc<dyn Device>,
    /// Batches of whole steps; single kernels get the first.
    pub batches: &'static [usize],
}

/// The CPU device and the best GPU adapter, where there is one. A software adapter is far slower than the CPU
/// device, so it is given 2 frames, and its name says so.
pub fn devices() -> Outcome<Vec<Bench>> {
    let mut devices = vec![Bench { name: "cpu", device: Arc::new(Cpu), batches: &[32, 64] }];
    match Gpu::open() {
        Ok(gpu) if gpu.adapter().hardware => {
            devices.push(Bench { name: "gpu", device: Arc::new(gpu), batches: &[32, 64] });
        }
        Ok(gpu) => devices.push(Bench { name: "software_gpu", device: Arc::new(gpu), batches: &[2] }),
        Err(DeviceError::NoAdapter) => println!("No GPU adapter was found: only the CPU device is measured."),
        Err(error) => return Err(error.into()),
    }
    for Bench { name, device, .. } in &devices {
        println!("{name}: {}", device.describe());
    }
    Ok(devices)
}

/// Few and short samples: there are many benchmarks, and what they measure takes long against the clock's step.
pub fn criterion(measurement: Duration) -> Criterion {
    Criterion::default()
        .sample_size(10)
        .nresamples(2_000)
        .warm_up_time(measurement / 5)
        .measurement_time(measurement)
        .configure_from_args()
}

/// Uniform random numbers in [low, high).
pub fn uniform(seed: u64, len: usize, low: f32, high: f32) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| rng.range(low, high)).collect()
}
