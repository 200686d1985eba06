//! Two thousand random scenarios, every invariant after every event; and those that once broke one.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use sockeye_lab::sim::Scenario;
use sockeye_lab::swarm::{self, Limits};

#[test]
fn two_thousand_scenarios_break_no_rule() {
    let first = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits { until: None, failures: 3, threads, shrinks: true };
    let outcome = swarm::run(first..first + 2_000, limits, &|_| ControlFlow::Continue(()));
    for failure in &outcome.failures {
        println!("seed {}: {}\n{}\n{}", failure.seed, failure.violation, failure.replay, failure.smallest);
    }
    assert_eq!((outcome.scenarios, outcome.failed), (2_000, 0), "seeds from {first} on");
}

/// What the swarm found, made smaller: a file each, which says what was wrong.
#[test]
fn scenarios_that_once_broke_a_rule_break_none() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    let mut files = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let scenario: Scenario = fs::read_to_string(&path).unwrap().parse().unwrap();
        assert_eq!(swarm::breaks(&scenario), None, "replay: sockeye sim {}", path.display());
        files += 1;
    }
    assert!(files > 0);
}
