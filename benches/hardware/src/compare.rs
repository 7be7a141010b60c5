//! Two outputs of `table --format json`, such as of two commits: what changed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::Outcome;
use crate::table::{Report, Row};

fn read(path: &Path) -> Outcome<Vec<Report>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Rows by family, program and kernel. Rows of one name are added up: their sum is what a run takes.
fn rows(reports: &[Report]) -> BTreeMap<(String, String), Vec<&Row>> {
    let mut found: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
    for row in reports.iter().flat_map(|report| &report.rows) {
        let program = format!(
            "{} {:?} {:?} {:?} {}",
            row.family.name(),
            row.case.net,
            row.case.task,
            row.case.precision,
            row.case.batch
        );
        found.entry((program, format!("{} `{}`", row.kernel, row.entry))).or_default().push(row);
    }
    found
}

/// A table of the kernels that differ, and every program's expected time.
pub fn compare(before: &Path, after: &Path) -> Outcome<String> {
    let (before, after) = (read(before)?, read(after)?);
    let (before, after) = (rows(&before), rows(&after));
    let mut keys: Vec<_> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let figure = |rows: Option<&Vec<&Row>>, of: fn(&Row) -> f64| {
        rows.map_or("–".into(), |rows| {
            format!("{:.4}", rows.iter().map(|row| of(row)).sum::<f64>())
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_string()
        })
    };
    let figures: [fn(&Row) -> f64; 7] = [
        |row| f64::from(row.vgprs),
        |row| f64::from(row.spilled + row.scratch),
        |row| f64::from(row.occupancy),
        |row| f64::from(row.instructions),
        |row| row.latency,
        |row| row.cycles,
        |row| row.ms * row.times as f64,
    ];
    let mut text = String::from(
        "| program | kernel | VGPRs | spilled, scratch | subgroups/SIMD | instructions | latency | cycles | ms |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut totals: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for key in keys {
        let sides = [before.get(key), after.get(key)];
        for (total, rows) in totals.entry(&key.0).or_default().iter_mut().zip(sides) {
            *total += rows.into_iter().flatten().map(|row| row.ms * row.times as f64).sum::<f64>();
        }
        let cells = figures.map(|of| sides.map(|rows| figure(rows, of)));
        if cells.iter().any(|[a, b]| a != b) {
            let cells = cells.map(|[a, b]| if a == b { a } else { format!("{a} → {b}") });
            let _ = writeln!(text, "| {} | {} | {} |", key.0, key.1, cells.join(" | "));
        }
    }
    let _ = writeln!(text, "\n| program | ms | |\n|---|---:|---:|");
    for (program, [a, b]) in totals {
        let _ = writeln!(text, "| {program} | {a:.3} → {b:.3} | {:+.1} % |", 100.0 * (b / a - 1.0));
    }
    Ok(text)
}
