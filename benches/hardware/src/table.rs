//! Rows, one for each distinct dispatch of a program, and the table for people.

use std::collections::HashMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::cards::{Bound, Family};
use crate::code::Code;
use crate::driver::{Compiled, Driver};
use crate::modules::{module, source, uses_matrices};
use crate::programs::{Case, Dispatch, Precision};
use crate::{Outcome, Trial};
use genre_recognizer::ops::kernel::Mixed;

/// A kernel on one family.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub family: Family,
    pub case: Case,
    /// Operation, inputs' shapes, settings.
    pub kernel: String,
    /// File in `shaders/` and entry point.
    pub entry: String,
    /// How often a run of the program does it.
    pub times: usize,
    pub workgroups: u32,
    /// Threads of a workgroup, and of a subgroup.
    pub threads: u32,
    pub subgroup: u32,
    /// Of the formula, and of all tensors that are bound, each counted once.
    pub flops: f64,
    pub bytes: f64,
    pub vgprs: u32,
    pub sgprs: u32,
    /// Vector and scalar registers that live in memory.
    pub spilled: u32,
    /// Bytes of memory that a subgroup needs besides.
    pub scratch: u32,
    /// Bytes of workgroup memory.
    pub lds: u32,
    /// Subgroups that a SIMD holds at once, as RADV counts them.
    pub occupancy: u32,
    pub instructions: u32,
    pub valu: usize,
    pub memory: usize,
    pub lds_instructions: usize,
    pub wmma: usize,
    /// Whether the module asks for matrix units.
    pub matrices: bool,
    /// The share of vector instructions that multiply and add; a subgroup's FLOPs; the cycles that its vector instructions
    /// take. All three with loops as long as the compiler's model has them.
    pub multiply_adds: f64,
    pub issue: f64,
    pub code_flops: f64,
    /// By the compiler's model: of one subgroup from start to end; for each 64 threads where a SIMD is full.
    pub latency: f64,
    pub cycles: f64,
    /// On the family's card.
    pub ms: f64,
    pub bound: Bound,
    /// Of the card's f32 rate, and of its bandwidth.
    pub of_peak: f64,
    pub of_bandwidth: f64,
}

/// Everything that one family has to say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub family: Family,
    /// The driver's name and version.
    pub driver: String,
    /// Rows and columns of the matrices that its matrix units multiply, where the driver offers any to mixed precision.
    pub matrix_units: Option<usize>,
    pub rows: Vec<Row>,
}

impl Row {
    fn new(
        family: Family,
        case: Case,
        dispatch: &Dispatch,
        threads: u32,
        memory: u32,
        compiled: &Compiled,
    ) -> Self {
        let code = Code::new(assembly(compiled), compiled.subgroup, family.issue());
        let count = |name: &str| compiled.statistic(name) as u32;
        let mut row = Self {
            family,
            case,
            kernel: dispatch.kernel.clone(),
            entry: format!("{}:{}", dispatch.launch.shader.name, dispatch.launch.entry),
            times: dispatch.times,
            workgroups: dispatch.launch.workgroups.iter().product(),
            threads,
            subgroup: compiled.subgroup,
            flops: dispatch.flops,
            bytes: dispatch.bytes,
            vgprs: count("VGPRs"),
            sgprs: count("SGPRs"),
            spilled: count("Spilled VGPRs") + count("Spilled SGPRs"),
            scratch: count("Scratch size"),
            lds: count("LDS size").max(memory),
            occupancy: count("Subgroups per SIMD"),
            instructions: count("Instructions"),
            valu: code.valu,
            memory: code.memory,
            lds_instructions: code.lds,
            wmma: code.wmma,
            matrices: uses_matrices(dispatch.launch.shader.source),
            multiply_adds: code.multiply_adds,
            issue: code.issue,
            code_flops: code.flops,
            latency: compiled.statistic("Latency"),
            cycles: compiled.statistic("Inverse Throughput"),
            ms: 0.0,
            bound: Bound::Memory,
            of_peak: 0.0,
            of_bandwidth: 0.0,
        };
        let card = family.card();
        (row.ms, row.bound) = card.expected(&row);
        row.of_peak = row.flops / (row.ms * card.peak * 1e9);
        row.of_bandwidth = row.bytes / (row.ms * card.bandwidth * 1e6);
        row
    }
}

fn assembly(compiled: &Compiled) -> &str {
    compiled.texts.iter().find(|(name, _)| name == "Assembly").map_or("", |(_, text)| text)
}

/// Compiles every distinct dispatch of the programs.
pub fn report(family: Family, cases: &[Case], trial: &Trial) -> Outcome<Report> {
    let driver = Driver::open()?.ok_or("the driver gives no device of this family")?;
    let mut rows = Vec::new();
    // Programs share kernels.
    let mut known: HashMap<String, (Compiled, u32, u32)> = HashMap::new();
    for &case in cases {
        let mixed = match case.precision {
            Precision::F32 => None,
            Precision::Mixed => Some(Mixed { cooperative: driver.cooperative }),
        };
        for dispatch in case.dispatches(mixed)? {
            let launch = &dispatch.launch;
            let key = format!("{} {} {:?}", launch.shader.name, launch.entry, launch.constants);
            if !known.contains_key(&key) {
                let source = source(launch, trial.shaders.as_deref())?;
                let module = module(launch, &source, driver.spir_v)?;
                let varying = uses_matrices(launch.shader.source);
                let what =
                    |error| format!("{}: `{}` on {}: {error}", dispatch.kernel, launch.entry, driver.name);
                let compiled = driver.compile(&module.spir_v, launch.entry, launch.bindings.len(), varying);
                let compiled = compiled.map_err(what)?;
                if trial.dump.as_ref().is_some_and(|entry| launch.entry == entry) {
                    let assembly = assembly(&compiled);
                    eprintln!("{}, {}, {:?}\n{assembly}", dispatch.kernel, launch.entry, compiled.statistics);
                }
                known.insert(key.clone(), (compiled, module.threads, module.memory));
            }
            let (compiled, threads, memory) = &known[&key];
            rows.push(Row::new(family, case, &dispatch, *threads, *memory, compiled));
        }
    }
    let matrix_units = driver.cooperative.map(|units| units.side);
    Ok(Report { family, driver: driver.version.clone(), matrix_units, rows })
}

const HEAD: &str = "| kernel | entry | times | VGPRs | spilled | scratch | LDS | subgroups/SIMD | VALU | memory | LDS ops \
                    | multiply-adds | latency | cycles | ms | bound | of peak |\n\
                    |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|";

/// Tables in Markdown, the costliest kernels first; of each program as many as `top`.
pub fn markdown(reports: &[Report], top: usize) -> String {
    let mut text = String::new();
    for Report { family, driver, rows, .. } in reports {
        let card = family.card();
        let mut cases: Vec<Case> = rows.iter().map(|row| row.case).collect();
        cases.dedup();
        for case in cases {
            let mut rows: Vec<&Row> = rows.iter().filter(|row| row.case == case).collect();
            let total: f64 = rows.iter().map(|row| row.ms * row.times as f64).sum();
            let launches: usize = rows.iter().map(|row| row.times).sum();
            rows.sort_by(|a, b| (b.ms * b.times as f64).total_cmp(&(a.ms * a.times as f64)));
            let Case { net, task, precision, batch } = case;
            // Writing to a String does not fail, here and below.
            let _ = writeln!(
                text,
                "\n### {}, {net:?} {task:?}, {precision:?}, {batch} frames ({driver})\n\n{}: {total:.3} ms in {launches} \
                 launches, {:.0} frames/s\n\n{HEAD}",
                family.name(),
                card.name,
                1e3 * batch as f64 / total
            );
            for row in rows.into_iter().take(top) {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} % | {:.0} | {:.0} | {:.4} | {} | {:.0} % |",
                    row.kernel,
                    row.entry,
                    row.times,
                    row.vgprs,
                    row.spilled,
                    row.scratch,
                    row.lds,
                    row.occupancy,
                    row.valu,
                    row.memory,
                    row.lds_instructions,
                    100.0 * row.multiply_adds,
                    row.latency,
                    row.cycles,
                    row.ms,
                    match row.bound {
                        Bound::Memory => "memory",
                        Bound::Issue => "issue",
                        Bound::Latency => "latency",
                    },
                    100.0 * row.of_peak,
                );
            }
        }
    }
    text
}
