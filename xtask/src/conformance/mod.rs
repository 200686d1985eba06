//! `cargo xtask conformance`: requirements, where they are implemented, which tests prove them.

mod citations;
mod html;
mod report;
mod results;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use crate::netns;
use crate::output::print;
use crate::shell::{Outcome, Show, cargo, root, run_and_keep};
use citations::Citations;
pub use report::Report;
pub use results::Results;
use tables::Tables;

/// Report which requirements of the RFCs are implemented, tested, passing.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print one JSON object on standard output: per RFC and level the counts `total`, `implemented`, `tested`, `passing`,
    /// `excused`.
    #[arg(long)]
    json: bool,
    /// Write a page with every row.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Take test results from these files instead of running the tests: the output of `cargo test`, or of `cargo xtask
    /// netns-test --json`. `cargo xtask test` leaves both in target/test-results.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    results: Vec<PathBuf>,
    /// Don't run the tests with real peers in network namespaces.
    #[arg(long, conflicts_with = "results")]
    quick: bool,
}

/// Runs the command. Standard output is for the report alone.
pub fn run(arguments: &Arguments) -> Outcome {
    let report = build(&results(arguments)?)?;
    if let Some(file) = &arguments.html {
        write_page(&report, file)?;
        eprintln!("conformance: {} has every row", file.display());
    }
    if arguments.json {
        print(serde_json::to_string_pretty(&report.counts())?)?;
    } else {
        print(format_args!("{}\n{}", report.table(), report.summary()))?;
    }
    Ok(())
}

fn results(arguments: &Arguments) -> Outcome<Results> {
    let mut results = Results::default();
    for file in &arguments.results {
        results.add(&fs::read_to_string(file).map_err(|error| format!("reading {}: {error}", file.display()))?);
    }
    if arguments.results.is_empty() {
        eprintln!("conformance: running the tests; --results takes those of an earlier run");
        results.add(&run_tests(Show::Nothing)?.0);
        if !arguments.quick {
            results.add(&serde_json::to_string(&netns::run_cases(None)?)?);
        }
    }
    if results.count_passed + results.count_failed == 0 {
        return Err("no test has run, so nothing is proved".into());
    }
    eprintln!("conformance: tests: {}", results.summary());
    Ok(results)
}

/// Joins tables, citations and results.
///
/// # Errors
/// When a citation names a row that doesn't exist, or a table is wrong.
pub fn build(results: &Results) -> Outcome<Report> {
    let root = root();
    Report::join(Tables::read(&root.join("requirements"))?, &Citations::read(&root)?, results)
}

/// Writes the page with every row.
pub fn write_page(report: &Report, file: &Path) -> Outcome {
    fs::write(file, html::page(report)).map_err(|error| format!("writing {}: {error}", file.display()).into())
}

/// Runs `cargo test` for the whole workspace; gives its output, and whether all passed.
pub fn run_tests(show: Show) -> Outcome<(String, bool)> {
    run_and_keep(cargo().args(["test", "--workspace", "--no-fail-fast"]), show)
}
