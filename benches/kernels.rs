//! Every kernel of the default network's training step, fused and unfused, and of inference, at its own shapes; and
//! the kernels that other settings use, at shapes of the same size.
//!
//! The kernels are the steps of planned programs, so none can be forgotten. Each is cut out of its program with its
//! settings, shapes and in-place flag, and run alone on random numbers, over and over, so that caches are warm. Times
//! are those of the device's profile (on a GPU, timestamps), without transfers to and from the host.
//!
//! Names are `device/operation/inputs_settings`, so that `cargo bench --bench kernels -- cpu/conv2d` measures a part.
//! A table of throughputs ends the output. Elements are floating-point operations.

mod common;
mod kernels {
    pub mod alone;
    pub mod programs;
    pub mod table;
}

use std::time::Duration;

use common::{Bench, Outcome};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, SamplingMode, Throughput};
use genre_recognizer::device::Device;
use kernels::alone::Alone;
use kernels::programs::Kernel;
use kernels::table::Table;

fn main() -> Outcome<()> {
    let mut criterion = common::criterion(Duration::from_millis(300));
    let mut table = Table::default();
    for Bench { name, device, batches } in common::devices()? {
        let mut group = criterion.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat);
        for kernel in kernels::programs::kernels(device.as_ref(), batches[0])? {
            let samples = measure(&mut group, device.as_ref(), &kernel);
            table.add(name, &kernel, samples);
        }
    }
    criterion.final_summary();
    print!("{table}");
    Ok(())
}

/// Seconds a run of every sample, the warm-up's too; none where the kernel was filtered out.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, device: &dyn Device, kernel: &Kernel) -> Vec<f64> {
    group.throughput(match (kernel.operations, kernel.bytes) {
        (0, bytes) => Throughput::BytesDecimal(bytes),
        (elements, bytes) => Throughput::ElementsAndBytes { elements, bytes },
    });
    // Loaded at the first sample, so that a kernel that is filtered out costs nothing.
    let mut alone: Option<Alone> = None;
    let mut samples = Vec::new();
    group.bench_function(&kernel.name, |bencher| {
        let fail = |error| -> ! { panic!("{}: {error}", kernel.name) };
        let alone =
            alone.get_or_insert_with(|| Alone::load(device, &kernel.step).unwrap_or_else(|e| fail(e)));
        bencher.iter_custom(|runs| {
            let time = alone.run(runs).unwrap_or_else(|e| fail(e));
            samples.push(time.as_secs_f64() / runs as f64);
            time
        });
    });
    samples
}
