//! A whole training step and whole inference of the default network. Elements are frames of one second.
//!
//! Decoding is not part of either; see `audio`. What a step is: [`common::workload::Figure`].

mod common;

use std::time::Duration;

use common::workload::{Figure, Workload};
use common::{Bench, Outcome, network};
use criterion::{SamplingMode, Throughput};

fn main() -> Outcome<()> {
    let mut criterion = common::criterion(Duration::from_secs(3));
    let kinds = [("train", Figure::Train), ("infer", Figure::Infer)];
    let network = network()?;
    for Bench { name, device, batches } in common::devices()? {
        for (&batch, (kind, figure)) in batches.iter().flat_map(|batch| kinds.map(|kind| (batch, kind))) {
            let mut group = criterion.benchmark_group(kind);
            group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(batch as u64));
            let mut workload: Option<Workload> = None;
            group.bench_function(format!("{name}_batch{batch}"), |bencher| {
                let fail = |error| -> ! { panic!("{kind} on {name}: {error}") };
                let load = || Workload::load(figure, device.as_ref(), &network, batch, false);
                let workload = workload.get_or_insert_with(|| load().unwrap_or_else(|e| fail(e)));
                bencher
                    .iter_custom(|runs| (0..runs).map(|_| workload.run().unwrap_or_else(|e| fail(e))).sum());
            });
        }
    }
    criterion.final_summary();
    Ok(())
}
