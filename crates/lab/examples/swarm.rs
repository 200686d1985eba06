//! Looks for a scenario that breaks a rule, among as many as its argument says: exit code 3 if there is one.
//!
//! `cargo run --release -p sockeye-lab --example swarm -- 2000`

use std::process::ExitCode;

use sockeye_lab::swarm::{self, Limits};

fn main() -> ExitCode {
    let scenarios = std::env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(200);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits { until: None, failures: 1, threads, shrinks: false };
    let outcome = swarm::run(0..scenarios, limits, &|_| {});
    for failure in &outcome.failures {
        println!("{:?}, seed {}: {}", failure.violation.invariant, failure.seed, failure.violation);
    }
    if outcome.failures.is_empty() {
        println!("{scenarios} scenarios, and no rule is broken");
        return ExitCode::SUCCESS;
    }
    ExitCode::from(3)
}
