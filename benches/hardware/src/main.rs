//! The GPU kernels judged by the compiler of real cards, without a card. Mesa's RADV compiles for any family of AMD's GPUs
//! (`RADV_FORCE_FAMILY`); nothing runs. docs/performance.md, "By the compiler of AMD's cards", says how figures are to be read.
//!
//! `benches/hardware/run table --task train --batch 256` prints a table for each family, `--format json` all figures.
//! `benches/hardware/run compare A.json B.json` says what changed between two of these.
//! `benches/hardware/run gate` fails where a kernel of the default network is worse than `allowed.csv` lets it be.
//! With `--shaders FOLDER` each of them tries a changed copy of `shaders/`, which takes seconds.

mod cards;
mod code;
mod compare;
mod driver;
mod gate;
mod modules;
mod programs;
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};

use cards::{Family, USUAL};
use clap::{Args, Parser, Subcommand, ValueEnum};
use programs::{Case, Net, Precision, Task};
use table::Report;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Ask,
    #[command(flatten)]
    trial: Trial,
}

/// What helps to make a kernel better.
#[derive(Args)]
struct Trial {
    /// Take the shaders from this folder: a changed copy of shaders/, tried without building the program
    #[arg(long, global = true, value_name = "FOLDER")]
    shaders: Option<PathBuf>,
    /// Print statistics and machine code of this entry point's kernels, too
    #[arg(long, global = true, value_name = "ENTRY")]
    dump: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Markdown,
    Json,
}

#[derive(Subcommand)]
enum Ask {
    /// Every kernel of planned programs on every family
    Table {
        #[arg(long, value_enum, num_args = 1.., default_values = ["navi21", "navi31", "gfx1201"])]
        family: Vec<Family>,
        #[arg(long, value_enum, num_args = 1.., default_values = ["default"])]
        net: Vec<Net>,
        #[arg(long, value_enum, num_args = 1.., default_values = ["train", "infer", "explain"])]
        task: Vec<Task>,
        #[arg(long, value_enum, num_args = 1.., default_values = ["f32"])]
        precision: Vec<Precision>,
        /// Frames of a program
        #[arg(long, num_args = 1.., default_values = ["256"])]
        batch: Vec<usize>,
        #[arg(long, value_enum, default_value = "markdown")]
        format: Format,
        /// So many kernels of each program at the most
        #[arg(long, default_value_t = usize::MAX)]
        top: usize,
    },
    /// What differs between two outputs of `table --format json`
    Compare { before: PathBuf, after: PathBuf },
    /// Fail where a kernel of the default network is worse than allowed.csv lets it be
    Gate {
        /// Take today's figures as what is allowed, for this reason
        #[arg(long, value_name = "REASON")]
        write: Option<String>,
    },
    /// One family, in a process with the driver's environment
    #[command(hide = true)]
    Worker {
        family: Family,
        /// Programs as JSON
        cases: String,
    },
}

/// Where the loader looks for drivers.
const DRIVERS: [&str; 4] = [
    "/usr/share/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
    "/usr/local/etc/vulkan/icd.d",
];

/// RADV's description.
fn driver() -> Option<PathBuf> {
    let files = DRIVERS.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let is_radv =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("radeon_icd"));
    files.map(|file| file.path()).find(|path| is_radv(path))
}

/// What a family says, from a process of its own; None where the driver does not know the family.
fn ask(family: Family, driver: &Path, cases: &[Case], trial: &Trial) -> Result<Option<Report>, String> {
    let name = family.name();
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let cases = serde_json::to_string(cases).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["worker", name, &cases]);
    command.args(trial.dump.iter().flat_map(|entry| ["--dump", entry]));
    if let Some(folder) = &trial.shaders {
        command.arg("--shaders").arg(folder);
    }
    let environment = [("RADV_FORCE_FAMILY", name), ("MESA_SHADER_CACHE_DISABLE", "true")];
    command.envs(environment).env("VK_DRIVER_FILES", driver).env("VK_ICD_FILENAMES", driver);
    let said = command.output().map_err(|error| error.to_string())?;
    let messages = String::from_utf8_lossy(&said.stderr);
    if trial.dump.is_some() {
        eprintln!("{messages}");
    }
    if messages.contains("Unknown family") {
        return Ok(None);
    }
    if !said.status.success() {
        return Err(format!("{name}: {messages}"));
    }
    serde_json::from_slice(&said.stdout).map(Some).map_err(|error| format!("{name}: {error}"))
}

/// Asks all families, as many at once as there are processors. Families that the driver does not know are left out, and said.
fn all(families: &[Family], cases: &[Case], trial: &Trial) -> Outcome<Option<Vec<Report>>> {
    let Some(driver) = driver() else {
        eprintln!("skipped: Mesa's RADV is not installed (apt install mesa-vulkan-drivers)");
        return Ok(None);
    };
    let next = AtomicUsize::new(0);
    let take = || {
        let mut said = Vec::new();
        while let Some(&family) = families.get(next.fetch_add(1, Ordering::Relaxed)) {
            said.push((family, ask(family, &driver, cases, trial)));
        }
        said
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(families.len());
    let mut said = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect::<Vec<_>>()
    });
    said.sort_by_key(|(family, _)| *family);
    let mut reports = Vec::new();
    for (family, report) in said {
        match report? {
            Some(report) => reports.push(report),
            None => eprintln!("skipped: this driver does not know {}", family.name()),
        }
    }
    Ok(Some(reports))
}

fn run(ask: Ask, trial: &Trial) -> Outcome<()> {
    match ask {
        Ask::Table { family, net, task, precision, batch, format, top } => {
            let mut cases = Vec::new();
            for &net in &net {
                for &task in &task {
                    // Only training rounds.
                    let precisions =
                        precision.iter().filter(|&&own| own == Precision::F32 || task == Task::Train);
                    for &precision in precisions {
                        cases.extend(batch.iter().map(|&batch| Case { net, task, precision, batch }));
                    }
                }
            }
            let Some(reports) = all(&family, &cases, trial)? else { return Ok(()) };
            match format {
                Format::Markdown => println!("{}", table::markdown(&reports, top)),
                Format::Json => println!("{}", serde_json::to_string_pretty(&reports)?),
            }
        }
        Ask::Compare { before, after } => println!("{}", compare::compare(&before, &after)?),
        Ask::Gate { write } => {
            let Some(reports) = all(&USUAL, &gate::cases(), trial)? else { return Ok(()) };
            println!("{}", gate::gate(&reports, write.as_deref())?);
        }
        Ask::Worker { family, cases } => {
            let cases: Vec<Case> = serde_json::from_str(&cases)?;
            println!("{}", serde_json::to_string(&table::report(family, &cases, trial)?)?);
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let Options { command, trial } = Options::parse();
    match run(command, &trial) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hardware: {error}");
            ExitCode::FAILURE
        }
    }
}
