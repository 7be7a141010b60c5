//! What the default network's kernels may use: no spilled register, no scratch memory, at least so many subgroups on a SIMD,
//! at most so many cycles. `allowed.csv` has the last two, and why; it changes by `gate --write REASON` alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use crate::Outcome;
use crate::cards::{Family, USUAL};
use crate::programs::{Case, Net, Precision, Task};
use crate::table::Report;

/// How much a driver of another version than the table's may differ.
const OTHER_DRIVER: f64 = 1.2;

/// A family's figures of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    occupancy: u32,
    cycles: f64,
}

type Key = (String, String);

/// The committed table.
#[derive(Debug, Default, PartialEq)]
struct Allowed {
    driver: String,
    /// By kernel and entry point: the reason, and the figures of each family.
    rows: BTreeMap<Key, (String, BTreeMap<&'static str, Figures>)>,
}

/// The programs that the gate compiles: a batch of the training's own size, and one that fills a card.
pub fn cases() -> Vec<Case> {
    let case = |task, precision, batch| Case { net: Net::Default, task, precision, batch };
    vec![
        case(Task::Train, Precision::F32, 32),
        case(Task::Train, Precision::F32, 256),
        case(Task::Train, Precision::Mixed, 256),
        case(Task::Infer, Precision::F32, 32),
        case(Task::Explain, Precision::F32, 32),
    ]
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("allowed.csv")
}

/// The worst of all rows of a name.
fn figures(report: &Report) -> BTreeMap<Key, Figures> {
    let mut found: BTreeMap<Key, Figures> = BTreeMap::new();
    for row in &report.rows {
        let own = Figures { occupancy: row.occupancy, cycles: row.cycles };
        let worst = found.entry((row.kernel.clone(), row.entry.clone())).or_insert(own);
        *worst =
            Figures { occupancy: worst.occupancy.min(own.occupancy), cycles: worst.cycles.max(own.cycles) };
    }
    found
}

impl Allowed {
    fn read(text: &str) -> Outcome<Self> {
        let driver =
            text.lines().find_map(|line| line.strip_prefix("# driver: ")).unwrap_or_default().to_string();
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let mut rows = BTreeMap::new();
        for record in reader.records() {
            let record = record?;
            let bad = || format!("{}: {record:?} is no row of the table", path().display());
            let field = |i: usize| record.get(i).ok_or_else(bad);
            let mut of = BTreeMap::new();
            for (i, family) in USUAL.into_iter().enumerate() {
                let (occupancy, cycles) = (field(2 + 2 * i)?, field(3 + 2 * i)?);
                if !cycles.is_empty() {
                    let figures = Figures {
                        occupancy: occupancy.parse().map_err(|_| bad())?,
                        cycles: cycles.parse().map_err(|_| bad())?,
                    };
                    of.insert(family.name(), figures);
                }
            }
            rows.insert((field(0)?.into(), field(1)?.into()), (field(2 + 2 * USUAL.len())?.into(), of));
        }
        Ok(Self { driver, rows })
    }

    fn write(&self) -> Outcome<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let heads = USUAL
            .map(Family::name)
            .map(|name| [format!("{name} subgroups"), format!("{name} cycles")])
            .concat();
        let ends = |first: [&str; 2], middle: Vec<String>, last: &str| {
            first.map(String::from).into_iter().chain(middle).chain([last.to_string()]).collect::<Vec<_>>()
        };
        writer.write_record(ends(["kernel", "entry"], heads, "reason"))?;
        for ((kernel, entry), (reason, of)) in &self.rows {
            let cells = USUAL.map(|family| match of.get(family.name()) {
                Some(Figures { occupancy, cycles }) => [occupancy.to_string(), cycles.to_string()],
                None => [String::new(), String::new()],
            });
            writer.write_record(ends([kernel, entry], cells.concat(), reason))?;
        }
        let rows = String::from_utf8(writer.into_inner().map_err(|error| error.to_string())?)?;
        Ok(format!(
            "# What the default network's kernels may use on each family: at least so many subgroups on a SIMD, at most so many\n\
             # cycles for 64 threads by RADV's own model. None may spill or use scratch memory. Changed by `gate --write REASON`.\n\
             # driver: {}\n{rows}",
            self.driver
        ))
    }

    /// This table with the reports' figures; rows that change get the reason.
    fn updated(&self, reports: &[Report], reason: &str) -> Self {
        let mut rows: BTreeMap<Key, (String, BTreeMap<&'static str, Figures>)> = BTreeMap::new();
        for report in reports {
            for (key, figures) in figures(report) {
                let row = rows.entry(key).or_insert_with(|| (reason.to_string(), BTreeMap::new()));
                row.1.insert(report.family.name(), figures);
            }
        }
        for (key, row) in &mut rows {
            if let Some((reason, _)) = self.rows.get(key).filter(|old| old.1 == row.1) {
                row.0 = reason.clone();
            }
        }
        let driver = reports.first().map(|report| report.driver.clone()).unwrap_or_default();
        Self { driver, rows }
    }

    /// Everything that is not allowed, in words.
    fn faults(&self, reports: &[Report]) -> Vec<String> {
        let mut faults = Vec::new();
        for report in reports {
            let family = report.family.name();
            let slack = if report.driver == self.driver { 1.0 } else { OTHER_DRIVER };
            for row in &report.rows {
                if row.spilled > 0 || row.scratch > 0 {
                    faults.push(format!(
                        "{family}: {} `{}` spills {} registers and uses {} bytes of scratch memory; none may",
                        row.kernel, row.entry, row.spilled, row.scratch
                    ));
                }
                if row.matrices && row.wmma == 0 {
                    faults
                        .push(format!("{family}: {} `{}` has no v_wmma in its code", row.kernel, row.entry));
                }
            }
            // RADV of Mesa 25.0 offers matrix units on RDNA 3 and not on RDNA 4.
            let wanted = report.family == Family::Navi31 || report.matrix_units.is_some();
            if wanted && !report.rows.iter().any(|row| row.wmma > 0) {
                faults.push(format!("{family}: no kernel of mixed precision runs on matrix units"));
            }
            let found = figures(report);
            for ((kernel, entry), own) in &found {
                let allowed =
                    self.rows.get(&(kernel.clone(), entry.clone())).and_then(|row| row.1.get(family));
                let Some(allowed) = allowed else {
                    faults.push(format!("{family}: {kernel} `{entry}` is not in the table"));
                    continue;
                };
                if f64::from(own.occupancy) * slack < f64::from(allowed.occupancy) {
                    faults.push(format!(
                        "{family}: {kernel} `{entry}` leaves room for {} subgroups on a SIMD; {} were",
                        own.occupancy, allowed.occupancy
                    ));
                }
                if own.cycles > allowed.cycles * slack {
                    faults.push(format!(
                        "{family}: {kernel} `{entry}` takes {} cycles; at most {} may be",
                        own.cycles, allowed.cycles
                    ));
                }
            }
            let gone = self.rows.iter().filter(|((kernel, entry), row)| {
                row.1.contains_key(family) && !found.contains_key(&(kernel.clone(), entry.clone()))
            });
            faults.extend(gone.map(|((kernel, entry), _)| {
                format!("{family}: {kernel} `{entry}` is gone, but in the table")
            }));
        }
        // Programs share kernels.
        let mut seen = BTreeSet::new();
        faults.retain(|fault| seen.insert(fault.clone()));
        faults
    }
}

/// Judges the reports by the committed table, or writes it anew for a reason.
pub fn gate(reports: &[Report], reason: Option<&str>) -> Outcome<String> {
    let read = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Allowed::read(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Allowed::default()),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    };
    let mut allowed = read(path())?;
    if let Some(reason) = reason {
        if reason.trim().is_empty() {
            return Err("a new table wants a reason".into());
        }
        if USUAL.iter().any(|family| !reports.iter().any(|report| report.family == *family)) {
            return Err("a new table wants all families, and this driver does not know all of them".into());
        }
        allowed = allowed.updated(reports, reason);
        std::fs::write(path(), allowed.write()?)?;
    }
    let faults = allowed.faults(reports);
    if !faults.is_empty() {
        let mut text = format!("{} faults:\n", faults.len());
        faults.iter().for_each(|fault| {
            let _ = writeln!(text, "  {fault}");
        });
        text += "Make the kernels better, or allow it and say why: benches/hardware/run gate --write REASON";
        return Err(text.into());
    }
    let matrices: usize = reports.iter().flat_map(|report| &report.rows).filter(|row| row.wmma > 0).count();
    let others = reports.iter().any(|report| report.driver != allowed.driver);
    let note = if others {
        format!(" (the table is of {}: a fifth more cycles are let pass)", allowed.driver)
    } else {
        String::new()
    };
    Ok(format!(
        "{} kernels on {}: no spills, no scratch memory, no fewer subgroups, no more cycles{note}; v_wmma in {matrices}",
        allowed.rows.len(),
        reports.iter().map(|report| report.family.name()).collect::<Vec<_>>().join(", "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cards::Bound;
    use crate::table::Row;

    fn row(kernel: &str, occupancy: u32, cycles: f64) -> Row {
        Row {
            family: Family::Navi21,
            case: cases()[0],
            kernel: kernel.into(),
            entry: "pool:max_pool".into(),
            times: 1,
            workgroups: 1,
            threads: 64,
            subgroup: 64,
            flops: 0.0,
            bytes: 0.0,
            vgprs: 8,
            sgprs: 8,
            spilled: 0,
            scratch: 0,
            lds: 0,
            occupancy,
            instructions: 1,
            valu: 1,
            memory: 0,
            lds_instructions: 0,
            wmma: 0,
            matrices: false,
            multiply_adds: 0.0,
            issue: 1.0,
            code_flops: 0.0,
            latency: 1.0,
            cycles,
            ms: 0.0,
            bound: Bound::Memory,
            of_peak: 0.0,
            of_bandwidth: 0.0,
        }
    }

    fn report(rows: Vec<Row>, driver: &str) -> Report {
        Report { family: Family::Navi21, driver: driver.into(), matrix_units: None, rows }
    }

    #[test]
    fn what_is_worse_is_named() {
        let allowed = Allowed::default().updated(&[report(vec![row("pool", 10, 100.0)], "one")], "why");
        let faults = |rows, driver| allowed.faults(&[report(rows, driver)]).join("\n");
        assert_eq!(faults(vec![row("pool", 10, 100.0)], "one"), "");
        assert_eq!(faults(vec![row("pool", 12, 90.0)], "one"), "");
        assert!(
            faults(vec![row("pool", 9, 100.0)], "one").contains("pool `pool:max_pool` leaves room for 9")
        );
        assert!(
            faults(vec![row("pool", 10, 101.0)], "one").contains("pool `pool:max_pool` takes 101 cycles")
        );
        assert_eq!(faults(vec![row("pool", 9, 119.0)], "another"), "");
        assert!(faults(vec![row("pool", 8, 121.0)], "another").contains("takes 121"));
        let spilled = Row { spilled: 1, ..row("pool", 10, 100.0) };
        assert!(faults(vec![spilled], "another").contains("spills 1 registers"));
        let scratch = Row { scratch: 64, ..row("pool", 10, 100.0) };
        assert!(faults(vec![scratch], "one").contains("64 bytes of scratch"));
        let missed = Row { matrices: true, ..row("pool", 10, 100.0) };
        assert!(faults(vec![missed], "one").contains("no v_wmma"));
        assert!(
            faults(vec![row("pool", 10, 100.0), row("new", 1, 1.0)], "one")
                .contains("new `pool:max_pool` is not in")
        );
        assert!(faults(vec![], "one").contains("is gone"));
    }

    #[test]
    fn a_reason_stays_with_what_it_explains() {
        let rows = || vec![row("a", 10, 100.0), row("b", 10, 100.0)];
        let first = Allowed::default().updated(&[report(rows(), "one")], "first");
        let mut changed = rows();
        changed[1].cycles = 110.0;
        let second = first.updated(&[report(changed, "one")], "second");
        let reasons: Vec<&str> = second.rows.values().map(|row| row.0.as_str()).collect();
        assert_eq!(reasons, ["first", "second"]);
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let figures = Figures { occupancy: 12, cycles: 345.0 };
        let of = USUAL.map(|family| (family.name(), figures)).into_iter().collect();
        let rows = BTreeMap::from([(
            ("conv2d 1x2, \"3\"".into(), "conv2d:forward".into()),
            ("why, then".into(), of),
        )]);
        let table = Allowed { driver: "radv Mesa 25".into(), rows };
        assert_eq!(Allowed::read(&table.write().unwrap()).unwrap(), table);
    }
}
