//! `cargo xtask swarm`: random scenarios by the thousand, and bugs planted to prove that they would be found.

pub mod planted;

use std::fs;
use std::io::IsTerminal;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{process, thread};

use sockeye_lab::swarm::{self, Limits, Outcome as Swarm};

use crate::interrupt::{INTERRUPTED, stop_on_interrupt};
use crate::output::print;
use crate::shell::{Outcome, root};

/// Run random scenarios, each checked by every invariant.
#[derive(clap::Args)]
pub struct Arguments {
    /// Scenarios to run.
    #[arg(long, conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..))]
    scenarios: Option<u64>,
    /// Minutes to run for.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: Option<u32>,
    /// The seed of the first scenario; the next has the next.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Plant the bugs of tests/planted, one after the other, and see that each is found.
    #[arg(long, conflicts_with_all = ["minutes", "seed"])]
    planted: bool,
    /// Of those bugs only the ones whose names contain this.
    #[arg(long, value_name = "NAME", requires = "planted", default_value = "")]
    only: String,
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Scenarios to run unless told otherwise.
const SCENARIOS: u64 = 2_000;

/// Failures after which looking for more is a waste.
const ENOUGH: usize = 10;

pub fn run(arguments: &Arguments) -> Outcome {
    if arguments.planted {
        return planted::run(arguments.scenarios.unwrap_or(planted::SCENARIOS), &arguments.only, arguments.json);
    }
    let until = arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(u64::from(minutes) * 60));
    let seeds = seeds(arguments)?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits { until, failures: ENOUGH, threads, shrinks: true };
    let shows = std::io::stderr().is_terminal();
    let stopped = stop_on_interrupt("swarm: ends with the scenarios that run; Ctrl-C again ends at once")?;
    let outcome = swarm::run(seeds, limits, &|done| {
        if shows && done.is_multiple_of(100) {
            eprint!("\r{done} scenarios");
        }
        if stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if shows {
        eprintln!();
    }
    keep_smallest(&outcome)?;
    if arguments.json {
        print(serde_json::to_string_pretty(&outcome)?)?;
    } else {
        show(&outcome, arguments.seed)?;
    }
    if stopped.load(Ordering::Relaxed) {
        process::exit(INTERRUPTED);
    }
    if outcome.failed == 0 { Ok(()) } else { Err(format!("{} scenarios broke a rule", outcome.failed).into()) }
}

/// The seeds to run: of so many minutes all that there are.
fn seeds(arguments: &Arguments) -> Outcome<Range<u64>> {
    let first = arguments.seed;
    if arguments.minutes.is_some() {
        return Ok(first..u64::MAX);
    }
    let count = arguments.scenarios.unwrap_or(SCENARIOS);
    let too_far =
        || format!("{count} scenarios from seed {first} on: the last seed is {}, take a smaller one", u64::MAX - 1);
    Ok(first..first.checked_add(count).ok_or_else(too_far)?)
}

/// Leaves the smallest scenarios that fail in target/swarm, for `sockeye sim --judge`.
fn keep_smallest(outcome: &Swarm) -> Outcome {
    let directory = root().join("target/swarm");
    for failure in &outcome.failures {
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(format!("{}.toml", failure.seed)), &failure.smallest)?;
    }
    Ok(())
}

fn show(outcome: &Swarm, seed: u64) -> Outcome {
    for failure in &outcome.failures {
        print(format_args!("seed {}: {}", failure.seed, failure.violation))?;
        print(format_args!("  again:    {}", failure.replay))?;
        print(format_args!("  smallest: sockeye sim --judge target/swarm/{}.toml\n", failure.seed))?;
    }
    print(format_args!("{} scenarios from seed {seed} on, {} failed", outcome.scenarios, outcome.failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_that_there_are_not_are_refused() {
        let seeds = |scenarios, minutes, seed| {
            let arguments = Arguments { scenarios, minutes, seed, planted: false, only: String::new(), json: false };
            seeds(&arguments).map_err(|why| why.to_string())
        };
        assert_eq!(seeds(Some(5), None, 7), Ok(7..12));
        assert_eq!(seeds(None, None, 7), Ok(7..2_007));
        assert_eq!(seeds(None, Some(1), 7), Ok(7..u64::MAX));
        let why = seeds(Some(5), None, u64::MAX - 1).unwrap_err();
        assert!(why.starts_with("5 scenarios from seed 18446744073709551614 on: the last seed is"), "{why}");
    }
}
