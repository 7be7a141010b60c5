use std::path::PathBuf;

use clap::Args;

use super::{PLAN, failed, make_room};
use crate::cli::{CliError, End, counted, print, say};
use crate::files;
use crate::label;

/// Joins the plans of all parts of a library (`label plan --shard`).
#[derive(Args)]
pub struct Merge {
    /// A plan of each part
    #[arg(value_name = "PLAN", required = true)]
    plans: Vec<PathBuf>,
    /// The plan of the whole library
    #[arg(long, value_name = "FILE", default_value = "genres.plan")]
    out: PathBuf,
}

impl Merge {
    pub fn run(&self) -> Result<End, CliError> {
        if self.plans.contains(&self.out) {
            return Err(CliError::Usage(
                "--out is one of the plans that are joined; name another file".to_string(),
            ));
        }
        make_room(&self.out, PLAN, "--out")?;
        let merged = label::merge(&self.plans, &self.out).map_err(failed)?;
        if !merged.missing.is_empty() {
            let missing: Vec<String> =
                merged.missing.iter().map(|number| format!("{number}/{}", merged.of)).collect();
            say(&format!("missing: part {}; nothing was written", missing.join(", ")));
            return Ok(End::Incomplete);
        }
        print(&format!("{}: {}\n", files::shown(&self.out), counted(merged.len, "file")))?;
        Ok(End::Success)
    }
}
