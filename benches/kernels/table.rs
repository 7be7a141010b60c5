//! The table that ends the output.

use std::fmt;

use super::programs::Kernel;

struct Row {
    name: String,
    seconds: f64,
    operations: u64,
    bytes: u64,
}

/// Throughputs of all kernels measured.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a row with the median of `samples` (seconds a run); none where there are no samples.
    pub fn add(&mut self, device: &str, kernel: &Kernel, mut samples: Vec<f64>) {
        samples.sort_by(f64::total_cmp);
        if let Some(&seconds) = samples.get(samples.len() / 2) {
            let Kernel { name, operations, bytes, .. } = kernel;
            self.0.push(Row {
                name: format!("{device}/{name}"),
                seconds,
                operations: *operations,
                bytes: *bytes,
            });
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:>10} {:>9} {:>8}  kernel (median)", "ms", "GFLOP/s", "GB/s")?;
        for Row { name, seconds, operations, bytes } in &self.0 {
            let rate = |amount: &u64| *amount as f64 / seconds / 1e9;
            writeln!(f, "{:>10.3} {:>9.2} {:>8.2}  {name}", 1e3 * seconds, rate(operations), rate(bytes))?;
        }
        Ok(())
    }
}
