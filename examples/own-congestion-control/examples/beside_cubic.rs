//! Vegas and CUBIC, each alone on the same path in the simulator: the same goodput, and another queue.
//!
//! `cargo run --package own-congestion-control --example beside_cubic`

use std::error::Error;
use std::time::Duration;

use own_congestion_control::VEGAS;
use sockeye::Algorithm;
use sockeye_lab::sim::{self, Scenario};

fn main() -> Result<(), Box<dyn Error>> {
    for algorithm in [VEGAS, Algorithm::CUBIC] {
        let (forward, back) = ("rate 20mbit delay 20ms limit 200".parse()?, "delay 20ms".parse()?);
        let report = sim::run(&Scenario::bulk(forward, back, &[algorithm], Duration::from_secs(30)))?;
        println!(
            "{:5} {:.1} % of the link, a queue of {:.1} ms in the median",
            algorithm.name(),
            report.link_share.unwrap_or_default() * 100.0,
            report.queue_delay_ms.p50
        );
    }
    Ok(())
}
