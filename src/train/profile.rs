use std::collections::BTreeMap;
use std::fmt;

use crate::graph::GraphOp;
use crate::plan::{Program, Work};

/// What one kind of operation cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileRow {
    pub op: String,
    pub calls: u64,
    pub seconds: f64,
    /// Floating-point operations.
    pub operations: f64,
    /// Bytes of inputs and outputs.
    pub bytes: f64,
}

/// Where the time of a program's runs went, the costliest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile(pub Vec<ProfileRow>);

impl Profile {
    /// Sums the steps' times of `runs` runs by operation.
    pub fn new(program: &Program, seconds: &[f64], runs: u64) -> Self {
        let mut rows: BTreeMap<String, ProfileRow> = BTreeMap::new();
        for (step, &seconds) in program.steps.iter().zip(seconds) {
            let op = match &step.work {
                Work::Run { op, .. } => op.name(),
                Work::Copy => "copy",
            };
            let elements: usize = step.inputs.iter().chain([&step.output]).map(|(_, place)| place.len).sum();
            let row = rows.entry(op.to_string()).or_default();
            row.op = op.to_string();
            row.calls += runs;
            row.seconds += seconds;
            row.operations += step.flops() as f64 * runs as f64;
            row.bytes += 4.0 * elements as f64 * runs as f64;
        }
        let mut rows: Vec<ProfileRow> = rows.into_values().collect();
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        Self(rows)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: f64 = self.0.iter().map(|row| row.seconds).sum();
        let header = ["op", "calls", "ms", "share", "GFLOP/s", "GB/s"];
        let [op, calls, ms, share, flops, bytes] = header;
        writeln!(f, "{op:<24}{calls:>8}{ms:>12}{share:>9}{flops:>10}{bytes:>9}")?;
        for row in &self.0 {
            let seconds = row.seconds.max(1e-12);
            writeln!(
                f,
                "{:<24}{:>8}{:>12.2}{:>8.1}%{:>10.2}{:>9.2}",
                row.op,
                row.calls,
                1e3 * row.seconds,
                100.0 * row.seconds / total.max(1e-12),
                row.operations / seconds / 1e9,
                row.bytes / seconds / 1e9,
            )?;
        }
        write!(f, "{:<24}{:>8}{:>12.2}", "total", "", 1e3 * total)
    }
}
