//! `cargo xtask conformance`: requirements, where they are implemented, which tests prove them.

mod citations;
mod html;
mod report;
pub mod results;
mod tables;

use std::fs;
use std::path::PathBuf;

use crate::shell::{Outcome, cargo, root, run_and_keep};
use citations::Citations;
pub use html::page;
use report::Report;
use results::Results;
use tables::Tables;

/// Report which requirements of the RFCs are implemented, tested, passing.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print one JSON object on standard output: per RFC and level the five counts.
    #[arg(long)]
    json: bool,
    /// Write a page with every row.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Take test results from these files instead of running the tests: the output of `cargo test`, or of `cargo xtask
    /// netns-test --json`.
    #[arg(long, value_name = "FILE")]
    results: Vec<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let mut results = Results::default();
    for file in &arguments.results {
        results.add(&fs::read_to_string(file).map_err(|error| format!("reading {}: {error}", file.display()))?);
    }
    if arguments.results.is_empty() {
        eprintln!("conformance: running the tests; --results FILE takes those of an earlier run");
        let output = cargo().args(["test", "--workspace", "--no-fail-fast"]).output()?;
        results.add(&String::from_utf8_lossy(&output.stdout));
    }
    let report = build(&results)?;
    if let Some(file) = &arguments.html {
        fs::write(file, page(&report)).map_err(|error| format!("writing {}: {error}", file.display()))?;
        eprintln!("conformance: {} has every row", file.display());
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report.counts())?);
    } else {
        println!("{}", report.table());
        println!("{}", report.summary());
    }
    Ok(())
}

/// Joins tables, citations and results.
///
/// # Errors
/// When a citation names a row that doesn't exist.
pub fn build(results: &Results) -> Outcome<Report> {
    let root = root();
    let tables = Tables::read(&root.join("requirements"))?;
    let citations = Citations::read(&root)?;
    Report::join(&tables, &citations, results)
}

/// The results in the output of `cargo test`, shown as they come.
pub fn run_tests() -> Outcome<(String, bool)> {
    run_and_keep(cargo().args(["test", "--workspace", "--no-fail-fast"]))
}
