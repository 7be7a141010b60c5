//! Every kernel of the default network's training step, fused and unfused, and of inference, at its own shapes; and
//! the kernels that other settings use, at shapes of the same size.
//!
//! The kernels are the steps of planned programs, so none can be forgotten. Each is cut out of its program with its
//! settings, shapes and in-place flag, and run alone on random numbers: over and over, so that caches are warm, and on
//! the CPU device a few times more with cold caches, as a kernel finds them whose inputs were computed long before. Times
//! are those of the device's profile (on a GPU, timestamps), without transfers to and from the host.
//!
//! Names are `device/operation/inputs_settings`, so that `cargo bench --bench kernels -- cpu/conv2d` measures a part.
//! A table of throughputs ends the output. Elements are floating-point operations.

mod common;
mod kernels {
    pub mod alone;
    pub mod flush;
    pub mod programs;
    pub mod table;
}

use std::time::Duration;

use common::{Bench, Outcome};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, SamplingMode, Throughput};
use genre_recognizer::device::Device;
use kernels::alone::Alone;
use kernels::flush::Flush;
use kernels::programs::Kernel;
use kernels::table::Table;

/// Runs of a kernel with cold caches.
const COLD_RUNS: usize = 9;

fn main() -> Outcome<()> {
    let mut criterion = common::criterion(Duration::from_millis(300));
    let mut table = Table::default();
    let flush = Flush::new();
    for Bench { name, device, batches } in common::devices()? {
        let mut group = criterion.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat);
        for kernel in kernels::programs::kernels(device.as_ref(), batches[0])? {
            // A GPU's caches are small beside its kernels' inputs, and not the host's to empty.
            let flush = (name == "cpu").then_some(&flush);
            let (warm, cold) = measure(&mut group, device.as_ref(), &kernel, flush);
            table.add(name, &kernel, warm, cold);
        }
    }
    criterion.final_summary();
    print!("{table}");
    Ok(())
}

/// Seconds a run of every sample, the warm-up's too, with warm caches and with cold ones; none where the kernel was
/// filtered out, and no cold ones without something that empties caches.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    device: &dyn Device,
    kernel: &Kernel,
    flush: Option<&Flush>,
) -> (Vec<f64>, Vec<f64>) {
    group.throughput(match (kernel.operations, kernel.bytes) {
        (0, bytes) => Throughput::BytesDecimal(bytes),
        (elements, bytes) => Throughput::ElementsAndBytes { elements, bytes },
    });
    // Loaded at the first sample, so that a kernel that is filtered out costs nothing.
    let mut alone: Option<Alone> = None;
    let mut samples = Vec::new();
    let fail = |error| -> ! { panic!("{}: {error}", kernel.name) };
    group.bench_function(&kernel.name, |bencher| {
        let alone =
            alone.get_or_insert_with(|| Alone::load(device, &kernel.step).unwrap_or_else(|e| fail(e)));
        bencher.iter_custom(|runs| {
            let time = alone.run(runs).unwrap_or_else(|e| fail(e));
            samples.push(time.as_secs_f64() / runs as f64);
            time
        });
    });
    let (Some(alone), Some(flush)) = (&mut alone, flush) else { return (samples, vec![]) };
    let runs = if std::env::args().any(|argument| argument == "--test") { 1 } else { COLD_RUNS };
    let cold = (0..runs).map(|_| alone.run_cold(flush).unwrap_or_else(|e| fail(e)).as_secs_f64()).collect();
    (samples, cold)
}
