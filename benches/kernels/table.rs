//! The table that ends the output.

use std::fmt;

use super::programs::Kernel;

struct Row {
    name: String,
    /// Seconds a run, with warm caches.
    warm: f64,
    /// Seconds a run, with cold caches.
    cold: Option<f64>,
    operations: u64,
    bytes: u64,
}

/// Throughputs of all kernels measured.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a row with the medians of `warm` and `cold` (seconds a run); none where there are no samples.
    pub fn add(&mut self, device: &str, kernel: &Kernel, warm: Vec<f64>, cold: Vec<f64>) {
        if let Some(warm) = median(warm) {
            let Kernel { name, operations, bytes, .. } = kernel;
            self.0.push(Row {
                name: format!("{device}/{name}"),
                warm,
                cold: median(cold),
                operations: *operations,
                bytes: *bytes,
            });
        }
    }
}

fn median(mut samples: Vec<f64>) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:-^29}  {:-^29}", " warm caches ", " cold caches ")?;
        let head = format!("{:>10} {:>9} {:>8}", "ms", "GFLOP/s", "GB/s");
        writeln!(f, "{head}  {head}  kernel (median)")?;
        for Row { name, warm, cold, operations, bytes } in &self.0 {
            let rates = |seconds: f64| {
                let rate = |amount: u64| amount as f64 / seconds / 1e9;
                format!("{:>10.3} {:>9.2} {:>8.2}", 1e3 * seconds, rate(*operations), rate(*bytes))
            };
            writeln!(f, "{}  {:>29}  {name}", rates(*warm), cold.map_or("-".into(), rates))?;
        }
        Ok(())
    }
}
