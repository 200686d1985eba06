//! Two thousand random scenarios, every invariant after every event.

use sockeye_lab::swarm::{self, Limits};

#[test]
fn two_thousand_scenarios_break_no_rule() {
    let first = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits { until: None, failures: 3, threads, shrinks: true };
    let outcome = swarm::run(first..first + 2_000, limits, &|_| {});
    for failure in &outcome.failures {
        println!("seed {}: {}\n{}\n{}", failure.seed, failure.violation, failure.replay, failure.smallest);
    }
    assert_eq!((outcome.scenarios, outcome.failed), (2_000, 0), "seeds from {first} on");
}
