//! Looks for scenarios that break a rule: among how many, from which seed on, and until how many are found, which are
//! made smaller if that is more than one. Exit code 3 if there is one.
//!
//! `cargo run --release -p sockeye-lab --example swarm -- 2000 0 1`
//!
//! Rules by name behind that are those to look for: what breaks others first is passed over. Exit code 4 if only others are
//! broken.

use std::ops::ControlFlow;
use std::process::ExitCode;

use sockeye_lab::swarm::{self, Limits, Outcome};

/// Scenarios that are run before one looks which rules they break.
const AT_ONCE: usize = 50;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| arguments.get(place).and_then(|argument| argument.parse::<u64>().ok());
    let (scenarios, first) = (number(0).unwrap_or(200), number(1).unwrap_or(0));
    let failures = number(2).and_then(|failures| usize::try_from(failures).ok()).unwrap_or(1);
    if let Some(rules) = arguments.get(3..).filter(|rules| !rules.is_empty()) {
        return look_for(rules, scenarios, first);
    }
    let outcome = run(first, scenarios, failures, failures > 1);
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

fn run(first: u64, scenarios: u64, failures: usize, shrinks: bool) -> Outcome {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    swarm::run(first..first + scenarios, Limits { until: None, failures, threads, shrinks }, &|_| {
        ControlFlow::Continue(())
    })
}

/// Looks for a scenario that breaks one of `rules` before any other.
fn look_for(rules: &[String], scenarios: u64, first: u64) -> ExitCode {
    let mut others = Vec::new();
    let end = first + scenarios;
    for first in (first..end).step_by(AT_ONCE) {
        let outcome = run(first, (end - first).min(AT_ONCE as u64), usize::MAX, false);
        for failure in outcome.failures {
            let rule = format!("{:?}", failure.violation.invariant);
            if rules.contains(&rule) {
                println!("{rule}, seed {}: {}", failure.seed, failure.violation);
                return ExitCode::from(3);
            }
            if !others.contains(&rule) {
                others.push(rule);
            }
        }
    }
    if others.is_empty() {
        println!("{scenarios} scenarios, and no rule is broken");
        return ExitCode::SUCCESS;
    }
    println!("only {}", others.join(", "));
    ExitCode::from(4)
}
