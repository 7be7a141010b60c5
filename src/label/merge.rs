//! Plans of the parts of a library, joined.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::LabelError;
use super::plan::{Head, Plan, Writer};
use crate::files;

/// What joining did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Files in the joined plan.
    pub len: usize,
    /// Parts that no plan is of.
    pub missing: Vec<usize>,
    /// How many parts there are.
    pub of: usize,
}

/// Joins plans of all parts of a library into the file `out`, sorted. Where a part is missing, nothing is written.
///
/// # Errors
/// [`LabelError`] where a plan cannot be used, or they are not of one library, model and rule.
pub fn merge(plans: &[PathBuf], out: &Path) -> Result<Merged, LabelError> {
    let mut parts: BTreeMap<usize, Plan> = BTreeMap::new();
    let mut first: Option<(Head, PathBuf)> = None;
    for path in plans {
        let plan = Plan::open(path)?;
        let Some(shard) = plan.head.shard else {
            return Err(LabelError::Other(format!("{}: not a plan of a part (--shard)", files::shown(path))));
        };
        let whole = Head { shard: None, ..plan.head.clone() };
        match &first {
            None => first = Some((Head { shard: plan.head.shard, ..whole }, path.clone())),
            Some((head, other)) => {
                let same = Head { shard: None, ..head.clone() } == whole;
                if !same || head.shard.is_some_and(|first| first.of != shard.of) {
                    return Err(LabelError::Other(format!(
                        "{} and {} are not parts of one plan: library, model, rule or number of parts differ",
                        files::shown(other),
                        files::shown(path)
                    )));
                }
            }
        }
        if let Some(other) = parts.insert(shard.number, plan) {
            let (number, other) = (shard.number, files::shown(other.path()));
            return Err(LabelError::Other(format!(
                "{other} and {} are both part {number}",
                files::shown(path)
            )));
        }
    }
    let Some((head, _)) = first else { return Err(LabelError::Other("no plan to join".into())) };
    let of = head.shard.map_or(1, |shard| shard.of);
    let missing: Vec<usize> = (1..=of).filter(|number| !parts.contains_key(number)).collect();
    let len = parts.values().map(|plan| plan.len).sum();
    if !missing.is_empty() {
        return Ok(Merged { len, missing, of });
    }
    let mut lines = BTreeMap::new();
    for plan in parts.values() {
        for line in plan.lines()? {
            let (_, line) = line?;
            lines.insert(line.path.clone(), line);
        }
    }
    if lines.len() != len {
        return Err(LabelError::Other("a file is in two parts".to_owned()));
    }
    let mut writer = Writer::new(out, &Head { shard: None, ..head })?;
    for line in lines.values() {
        writer.line(line)?;
    }
    writer.finish()?;
    Ok(Merged { len, missing, of })
}
