//! Not a test: says at the end of `cargo test` what the programs before it skipped, and why. Its name is the last in the
//! alphabet, by which cargo orders programs of tests.

#[path = "common/skipped.rs"]
mod skipped;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

fn main() {
    // Whoever lists tests finds none here.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let record = skipped::record();
    let lines = fs::read_to_string(&record).unwrap_or_default();
    // A record that cannot be removed belongs to a process number that may return: it would be printed again, no more.
    let _ = fs::remove_file(&record);
    let mut tests: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (why, test) in lines.lines().filter_map(|line| line.rsplit_once('\t')) {
        tests.entry(why).or_default().insert(test);
    }
    if tests.is_empty() {
        println!("\nNothing was skipped.");
    }
    for (why, tests) in tests {
        let names: Vec<&str> = tests.into_iter().collect();
        println!("\nSKIPPED {why}\n    in {} tests: {}", names.len(), names.join(", "));
    }
    println!();
}
