//! One figure in a process of its own, as one line of JSON: what `compare` and `scaling` ask, so that the memory of the
//! process is that figure's alone. The peers (`peer.py`, `peer_keras.py`, `burn/`) take the same options.
//!
//! `cargo bench --bench measure -- --figure infer --batch 8 --device cpu --seconds 1`
//!
//! The line: `about`, the device in words; `ms`, the time of every run after those that warm up; `planned`, the bytes of
//! device memory that the program's plan asks for; `load_ms`, the time until the program was planned and loaded. A run is
//! what [`common::workload::Figure`] says. With `--profile`, `steps` as well: every step's operation, shapes, FLOPs, bytes
//! and milliseconds by the device's own clock.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use common::workload::{Figure, Workload};
use common::{GENRES, Outcome};
use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::device::gpu::Gpu;
use genre_recognizer::device::{Device, Precision};
use genre_recognizer::model::{Model, ModelConfig, Network};

/// Untimed runs: some drivers compile at the first.
const WARM_UP: usize = 2;
/// And for so long.
const WARM_UP_TIME: Duration = Duration::from_millis(500);
/// Timed runs at least.
const RUNS: usize = 3;

#[derive(Clone, Copy, ValueEnum)]
enum On {
    Cpu,
    /// The best adapter there is, be it a software one.
    Gpu,
}

#[derive(Parser)]
struct Options {
    #[arg(long, value_enum, default_value = "train")]
    figure: Figure,
    /// Frames a run, of one second or as long as the model's
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Output channels of the first block; every block has twice those of the one before
    #[arg(long, default_value_t = 16)]
    filters: usize,
    /// The network of a model file instead
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "cpu")]
    device: On,
    /// Round the operands of products to f16; only on a GPU, and only what trains
    #[arg(long)]
    mixed: bool,
    /// List every step of the program with its time
    #[arg(long)]
    profile: bool,
    /// Runs are timed for so long, and at least 3
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Say which adapter there is, and measure nothing
    #[arg(long)]
    adapter: bool,
    /// What cargo says to benches
    #[arg(long, hide = true)]
    bench: bool,
    /// One run, after one that warms up
    #[arg(long)]
    test: bool,
    /// Which benches are wanted, where all are run
    #[arg(hide = true)]
    wanted: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let wanted = options.wanted.iter().all(|wanted| "measure".contains(wanted.as_str()));
    match if wanted { measure(&options) } else { Ok(()) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("measure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Outcome<()> {
    if options.adapter {
        let gpu = Gpu::open()?;
        let hardware = gpu.adapter().hardware;
        println!("{}", serde_json::json!({ "about": gpu.describe(), "hardware": hardware }));
        return Ok(());
    }
    let precision = if options.mixed { Precision::Mixed } else { Precision::F32 };
    let device: Box<dyn Device> = match options.device {
        On::Cpu => Box::new(Cpu),
        On::Gpu => Box::new(Gpu::open_at(precision)?),
    };
    let filters =
        ModelConfig::default().filters.iter().enumerate().map(|(i, _)| options.filters << i).collect();
    let network = match &options.model {
        Some(file) => Model::load(file)?.network()?,
        None => Network::new(ModelConfig { filters, ..ModelConfig::default() }, GENRES)?,
    };
    let start = Instant::now();
    let mut workload =
        Workload::load(options.figure, device.as_ref(), &network, options.batch, options.profile)?;
    let load_ms = 1e3 * start.elapsed().as_secs_f64();
    let (warm_up, runs, seconds) = if options.test { (1, 1, 0.0) } else { (WARM_UP, RUNS, options.seconds) };
    // An idle adapter's clock rises within some tenths of a second.
    let (begin, mut warmed) = (Instant::now(), 0);
    while warmed < warm_up || (seconds > 0.0 && begin.elapsed() < WARM_UP_TIME) {
        workload.run()?;
        warmed += 1;
    }
    // What warms up does not count: at the first runs clocks are low.
    let before = if options.profile { workload.timings()? } else { vec![] };
    let mut times: Vec<Duration> = Vec::new();
    while times.len() < runs || times.iter().sum::<Duration>().as_secs_f64() < seconds {
        times.push(workload.run()?);
    }
    let ms: Vec<f64> = times.iter().map(|time| 1e3 * time.as_secs_f64()).collect();
    let about = device.describe();
    let mut line =
        serde_json::json!({ "about": about, "ms": ms, "planned": workload.planned, "load_ms": load_ms });
    if options.profile {
        line["steps"] = workload.steps(&before, ms.len())?.into();
    }
    println!("{line}");
    Ok(())
}
