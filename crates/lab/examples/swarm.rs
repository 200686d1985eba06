//! Looks for scenarios that break a rule: among how many, from which seed on, and until how many are found, which are
//! made smaller if that is more than one. Exit code 3 if there is one.
//!
//! `cargo run --release -p sockeye-lab --example swarm -- 2000 0 1`

use std::process::ExitCode;

use sockeye_lab::swarm::{self, Limits};

fn main() -> ExitCode {
    let number = |place| std::env::args().nth(place).and_then(|argument| argument.parse::<u64>().ok());
    let (scenarios, first) = (number(1).unwrap_or(200), number(2).unwrap_or(0));
    let failures = number(3).and_then(|failures| usize::try_from(failures).ok()).unwrap_or(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits { until: None, failures, threads, shrinks: failures > 1 };
    let outcome = swarm::run(first..first + scenarios, limits, &|_| {});
    for failure in &outcome.failures {
        println!("{:?}, seed {}: {}", failure.violation.invariant, failure.seed, failure.violation);
        if failures > 1 {
            println!("{}", failure.smallest);
        }
    }
    if outcome.failures.is_empty() {
        println!("{scenarios} scenarios, and no rule is broken");
        return ExitCode::SUCCESS;
    }
    ExitCode::from(3)
}
