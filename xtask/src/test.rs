//! `cargo xtask test`: everything, stage by stage.

use std::fs;
use std::time::Instant;

use crate::conformance::{self, Results};
use crate::output::print;
use crate::shell::{Outcome, Show, cargo, root, run};
use crate::{bench, gallery, netns, setup, swarm};

/// Run all tests.
#[derive(clap::Args)]
pub struct Arguments {
    /// Leave out the tests with real peers in network namespaces.
    #[arg(long)]
    quick: bool,
}

/// What has been done, and how long it took.
#[derive(Default)]
struct Stages {
    failed: Vec<&'static str>,
}

impl Stages {
    /// Runs a stage; a failure is noted, and the next stage runs all the same.
    ///
    /// # Errors
    /// When it can't be said what came of it.
    fn run<T>(&mut self, name: &'static str, stage: impl FnOnce() -> Outcome<T>) -> Outcome {
        print(format_args!("\n== {name}"))?;
        let start = Instant::now();
        let outcome = stage();
        let seconds = start.elapsed().as_secs_f32();
        match outcome {
            Ok(_) => print(format_args!("== {name}: ok, {seconds:.1} s")),
            Err(error) => {
                self.failed.push(name);
                print(format_args!("== {name}: FAILED, {seconds:.1} s: {error}"))
            }
        }
    }
}

pub fn run_stages(arguments: &Arguments) -> Outcome {
    let mut stages = Stages::default();
    let mut results = Results::default();
    stages.run("setup", setup::run_quietly)?;
    stages.run("format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    stages.run("lints", || {
        run(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    })?;
    stages.run("planted bugs still apply", swarm::planted::check)?;
    stages.run("the gallery is what the code draws", gallery::check)?;
    stages.run("documentation", || {
        run(cargo().args(["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    stages.run("unit, property and simulated tests", || {
        if let Ok(seed) = std::env::var("PROPTEST_RNG_SEED") {
            print(format_args!("property tests draw from seed {seed}; PROPTEST_RNG_SEED={seed} draws the same again"))?;
        }
        let (output, succeeded) = conformance::run_tests(Show::All)?;
        results.add(&output);
        keep("cargo-test.txt", &output)?;
        if succeeded { Ok(()) } else { Err("see above".into()) }
    })?;
    if !arguments.quick {
        stages.run("real peers in network namespaces", || {
            let summary = netns::run_cases(None)?;
            let output = serde_json::to_string(&summary)?;
            results.add(&output);
            keep("netns-test.json", &output)?;
            if summary.failed == 0 { Ok(()) } else { Err(format!("{} cases failed", summary.failed).into()) }
        })?;
    }
    stages.run("instructions", || bench::instructions::run(&bench::instructions::Arguments::default()))?;
    stages.run("conformance", || {
        let report = conformance::build(&results)?;
        let page = root().join("target/conformance.html");
        conformance::write_page(&report, &page)?;
        print(format_args!("{}\n{}\ntarget/conformance.html has every row", report.table(), report.summary()))
    })?;
    print(format_args!("\n{} passed, {} failed", results.count_passed, results.count_failed))?;
    if stages.failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", stages.failed.join(", ")).into()) }
}

/// Leaves the output of tests in target/test-results, for `cargo xtask conformance --results`.
fn keep(name: &str, output: &str) -> Outcome {
    let directory = root().join("target/test-results");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(name), output).map_err(Into::into)
}
