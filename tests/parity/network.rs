//! The launches of the default network's training step: within the limits that every adapter has, and what is
//! to be expected of them on a card, as a table.

use std::collections::{BTreeMap, BTreeSet};

use genre_recognizer::graph::GraphOp;
use genre_recognizer::model::{ModelConfig, Network, OptimizerConfig, TrainingConfig};
use genre_recognizer::ops::kernel::{GpuKernel, Kernel};
use genre_recognizer::ops::prepared::PreparedOp;
use genre_recognizer::plan::{Step, Target, Work, plan};

use super::launches;

/// A GPU of which only the kernels are asked.
struct AnyGpu;

impl Target for AnyGpu {
    fn compile(&self, op: &PreparedOp, in_place: Option<usize>) -> Kernel {
        op.gpu(in_place, None).into()
    }

    fn alignment(&self) -> usize {
        64
    }
}

/// The steps of a training step that run a kernel.
fn steps(batch: usize) -> Vec<Step> {
    let network = Network::new(ModelConfig::default(), 30).unwrap();
    let optimizer = OptimizerConfig::default();
    let config = TrainingConfig { batch, smoothing: 0.05, masks: true, norms: true, optimizer };
    let training = network.training(&config).unwrap();
    let program = plan(&training.graph, &training.request(true), &AnyGpu).unwrap();
    program.steps.into_iter().filter(|step| matches!(step.work, Work::Run { .. })).collect()
}

/// A kernel's name, its launches, floating-point operations and bytes.
fn kernel(step: &Step) -> (String, &GpuKernel, f64, f64) {
    let Work::Run { op, kernel: Kernel::Gpu(kernel), .. } = &step.work else {
        unreachable!("only kernels of a GPU are asked for")
    };
    let sizes = |shape: &[usize]| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
    let inputs: Vec<String> = step.inputs.iter().take(2).map(|(shape, _)| sizes(shape)).collect();
    let name = format!("{} {} → {}", GraphOp::name(op), inputs.join(" "), sizes(&step.output.0));
    let elements: usize = step.inputs.iter().chain([&step.output]).map(|(_, place)| place.len).sum();
    (name, kernel, step.flops() as f64, 4.0 * elements as f64)
}

/// A software adapter's two frames, and what cards are measured with.
#[test]
fn launches_of_the_network_fit_every_adapter() {
    for batch in [2, 64, 256] {
        let mut seen = BTreeSet::new();
        for step in steps(batch) {
            let (name, kernel, ..) = kernel(&step);
            // The network's shapes repeat; every kernel is looked at once.
            if seen.insert(format!("{name} {kernel:?}")) {
                launches::check(&name, kernel);
                for launch in &kernel.launches {
                    let (threads, memory) = launches::size(launch);
                    let what = format!("`{}` for {name}: {threads} threads, {memory} bytes", launch.entry);
                    assert!(threads <= 256 && memory <= 16_384, "{what}");
                }
            }
        }
    }
}

/// The table of docs/performance.md, "On a hardware GPU": `EXPECTED_TABLE=64 cargo test
/// --test engine expected -- --nocapture`; `TFLOPS` and `GBS` are the card's rates.
#[test]
fn expected_times() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<f64>().ok());
    let Some(batch) = number("EXPECTED_TABLE") else { return };
    let rate = number("TFLOPS").unwrap_or(51.0) * 1e12;
    let bandwidth = number("GBS").unwrap_or(2000.0) * 1e9;
    // By name and description, since an operation's variants have one name: how often, and what one costs.
    let mut rows: BTreeMap<(String, String), (usize, f64)> = BTreeMap::new();
    for step in steps(batch as usize) {
        let (name, kernel, operations, bytes) = kernel(&step);
        let mut launched = Vec::new();
        // Of kernels without tiles nobody knows; memory bounds them.
        let mut issue = None;
        for launch in &kernel.launches {
            let (threads, memory) = launches::size(launch);
            let workgroups: u32 = launch.workgroups.iter().product();
            launched.push(format!("`{}` {workgroups}×{threads}, {memory} B", launch.entry));
            let constant = |name| launch.constants.iter().find(|c| c.0 == name).map(|c| c.1);
            let tile = constant("ROWS").zip(constant("COLUMNS"));
            if let Some((rows, columns)) = tile.filter(|_| launch.shader.name == "conv2d") {
                // Multiplications among: loads of 4 rows and of one column, three more for a column, two for
                // the loop.
                let products = rows * columns;
                let filled = f64::min(1.0, f64::from(workgroups * threads) / 16_384.0);
                issue = Some(filled * products / (products + rows / 4.0 + 4.0 * columns + 2.0));
            }
        }
        // Four fifths of the bandwidth, and 2 µs a launch.
        let seconds = f64::max(operations / (issue.unwrap_or(0.25) * rate), bytes / (0.8 * bandwidth));
        let microseconds = 1e6 * seconds + 2.0 * kernel.launches.len() as f64;
        let row = format!(
            "{:.0} | {:.1} | {:.1} | {} | {}",
            operations / 1e6,
            bytes / 1e6,
            operations / bytes,
            launched.join("; "),
            issue.map_or("–".into(), |issue| format!("{:.0} %", 100.0 * issue)),
        );
        rows.entry((name, row)).or_insert((0, microseconds)).0 += 1;
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|(_, a), (_, b)| (b.0 as f64 * b.1).total_cmp(&(a.0 as f64 * a.1)));
    println!(
        "| kernel | times | MFLOP | MB | FLOP/B | launches: workgroups×threads, memory | issue | expected, µs |"
    );
    println!("|---|---:|---:|---:|---:|---|---:|---:|");
    let mut total = 0.0;
    for ((name, row), (count, microseconds)) in rows {
        total += count as f64 * microseconds;
        println!("| {name} | {count} | {row} | {microseconds:.0} |");
    }
    println!("\nTogether {:.2} ms, {:.0} frames/s.", total / 1e3, batch / total * 1e6);
}
