//! The swarm: random scenarios by the thousand, each checked by every invariant of the simulator.
//!
//! A seed stands for a scenario ([`scenario`]) and repeats it. One that breaks a rule is made smaller ([`shrink`]) as long as
//! it breaks the same rule, so that what is left is what matters.

mod generate;
mod shrink;

use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use serde::Serialize;

use crate::sim::{self, Invariant, Scenario, ScenarioError, Violation};
pub use generate::scenario;
pub use shrink::shrink;

/// A scenario that broke a rule.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// What it is drawn from.
    pub seed: u64,
    /// The command that runs it again.
    pub replay: String,
    /// The rule, and when and where it was broken.
    pub violation: Violation,
    /// The smallest scenario found that breaks the same rule, as TOML; `sockeye sim --judge` runs it.
    pub smallest: String,
}

/// What came of a swarm.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Scenarios that were run.
    pub scenarios: u64,
    /// How many of them broke a rule.
    pub failed: usize,
    /// Those that did.
    pub failures: Vec<Failure>,
}

/// How far a swarm goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// No scenario is begun after this.
    pub until: Option<Instant>,
    /// Failures after which it stops.
    pub failures: usize,
    /// Threads.
    pub threads: usize,
    /// Make failing scenarios smaller.
    pub shrinks: bool,
}

/// What breaks in `scenario`, if anything does; a panic is broken too, and so is a scenario that makes no sense: none is drawn.
pub fn breaks(scenario: &Scenario) -> Option<Violation> {
    attempt(scenario).unwrap_or_else(|error| Some(panicked(format!("the scenario makes no sense: {error}"))))
}

/// What breaks in `scenario`, a panic included.
///
/// # Errors
/// If it makes no sense.
fn attempt(scenario: &Scenario) -> Result<Option<Violation>, ScenarioError> {
    match catch_unwind(AssertUnwindSafe(|| sim::run(scenario))) {
        Ok(report) => Ok(report?.violation),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Ok(Some(panicked(text.unwrap_or_default())))
        }
    }
}

const fn panicked(detail: String) -> Violation {
    Violation { invariant: Invariant::NoPanic, at_ns: 0, host: String::new(), flow: None, detail }
}

/// Runs the scenarios of `seeds`, several at a time. `progress` is told how many have been run, and says whether to go on.
pub fn run(seeds: Range<u64>, limits: Limits, progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync)) -> Outcome {
    let stopped = AtomicBool::new(false);
    let next = AtomicU64::new(seeds.start);
    let done = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    let found = || failures.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        let in_time = || limits.until.is_none_or(|until| Instant::now() < until);
        while in_time() && !stopped.load(Ordering::Relaxed) && found().len() < limits.failures {
            let due = |seed: u64| (seed < seeds.end).then(|| seed + 1);
            let Ok(seed) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due) else {
                break;
            };
            let failure = try_seed(seed, limits.shrinks);
            found().extend(failure);
            if progress(done.fetch_add(1, Ordering::Relaxed) + 1).is_break() {
                stopped.store(true, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..limits.threads.max(1) {
            scope.spawn(worker);
        }
    });
    let mut failures: Vec<Failure> = std::mem::take(&mut *found());
    failures.sort_by_key(|failure| failure.seed);
    Outcome { scenarios: done.into_inner(), failed: failures.len(), failures }
}

fn try_seed(seed: u64, shrinks: bool) -> Option<Failure> {
    let scenario = scenario(seed);
    let violation = breaks(&scenario)?;
    let smallest = if shrinks { shrink(&scenario, violation.invariant) } else { scenario };
    Some(Failure {
        seed,
        replay: format!("cargo xtask swarm --scenarios 1 --seed {seed}"),
        violation,
        smallest: smallest.to_toml().unwrap_or_default(),
    })
}
