//! Two congestion controls share a bottleneck, for a minute that takes a fraction of a second.
//!
//! `cargo run --release -p sockeye-lab --example simulate`

use sockeye_lab::sim::{self, Scenario};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scenario: Scenario = r#"
        duration = "60s"
        forward = "rate 10mbit delay 25ms limit 60"
        back = "rate 10mbit delay 25ms"

        [[flow]]
        application = { kind = "bulk" }
        congestion = "cubic"

        [[flow]]
        application = { kind = "bulk" }
        congestion = "newreno"
    "#
    .parse()?;
    let report = sim::run(&scenario)?;
    for flow in &report.flows {
        println!("{:8} {:5.2} Mbit/s, {} resent", flow.congestion, flow.goodput_bps / 1e6, flow.retransmits);
    }
    println!("{:.0} s of virtual time took {:.3} s", report.virtual_s, report.wall_s);
    match report.violation {
        None => Ok(()),
        Some(violation) => Err(violation.to_string().into()),
    }
}
