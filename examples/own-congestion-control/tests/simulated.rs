//! The algorithm at work in the simulator, and how long it is.

use std::time::Duration;

use own_congestion_control::VEGAS;
use sockeye_device::impair::LinkConfig;
use sockeye_lab::sim::{self, Report, Scenario};

/// Half a minute over 20 Mbit/s and 40 ms, with a queue of 120 ms.
fn run(loss: &str) -> Report {
    let words = |text: &str| text.parse::<LinkConfig>().expect("netem's words");
    let forward = words(&format!("rate 20mbit delay 20ms limit 200 {loss}"));
    let report = sim::run(&Scenario::bulk(forward, words("delay 20ms"), &[VEGAS], Duration::from_secs(30)));
    report.expect("the scenario makes sense")
}

#[test]
fn it_fills_the_path_without_filling_the_queue_or_losing_anything() {
    let report = run("");
    assert_eq!(report.violation, None);
    assert_eq!(report.flows[0].congestion, "vegas");
    // 1448 of 1500 octets of a packet are text.
    assert!(report.link_share.is_some_and(|share| share > 0.95 * 1448.0 / 1500.0), "{:?}", report.link_share);
    assert!(report.queue_delay_ms.p50 < 5.0 && report.drops == 0, "{:?}", report.queue_delay_ms);
}

#[test]
fn it_lives_with_losses() {
    let report = run("loss 1%");
    assert_eq!(report.violation, None);
    assert!(report.drops > 0 && report.flows[0].goodput_bps > 1e6, "{:?}", report.flows[0].goodput_bps);
}

#[test]
fn it_takes_fewer_than_a_hundred_lines() {
    assert!(include_str!("../src/lib.rs").lines().count() < 100);
}
